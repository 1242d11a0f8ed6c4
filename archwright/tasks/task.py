"""The task: data split into parts, what counts as good, and how raw data becomes a batch."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from archwright.errors import DataError, unknown_name, whole_number
from archwright.tasks.augment import Augmentation
from archwright.tasks.losses import LOSSES, weighted_mean
from archwright.tasks.metrics import METRICS, Metric, confidence_interval, resolve_metric
from archwright.tasks.preprocessing import Preprocessing
from archwright.tasks.splits import Split, split_indices

if TYPE_CHECKING:
    import pandas as pd

SPLITS = ("train", "validation", "test", "train+validation")
"""What `Task.split` answers to."""


@dataclass(frozen=True, eq=False, repr=False)
class Task:
    """Data and the question asked of it. Made by the `from_...` constructors and `load`.

    Attributes:
        name: for reports.
        train: rows to learn from.
        validation: rows to choose by.
        test: rows to report on, read once at the end; or None.
        preprocessing: raw data to inputs, outputs to predictions; fitted on train only.
        metric: the main metric.
        loss_name: key of `archwright.tasks.LOSSES`.
        augment: random changes of training images, or None.
        notes: sentences on what was inferred, left out or missing.

    >>> task = Task.load("digits")
    >>> task.kind, task.modality, task.input_shape, task.n_outputs
    ('classification', 'image', (1, 8, 8), 10)
    >>> len(task.train), len(task.validation), len(task.test)
    (1079, 359, 359)
    """

    name: str
    train: Split
    validation: Split
    test: Split | None
    preprocessing: Preprocessing
    metric: Metric
    loss_name: str
    augment: Augmentation | None = None
    notes: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """`"classification"`, `"multilabel"` or `"regression"`."""
        return self.preprocessing.target.kind

    @property
    def modality(self) -> str:
        """`"image"`, `"tabular"` or `"other"`."""
        return self.preprocessing.modality

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch."""
        return tuple(self.train.x.shape[1:])

    @property
    def n_outputs(self) -> int:
        """How many outputs a network needs."""
        return self.preprocessing.target.n_outputs

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes or labels; None for regression."""
        return self.preprocessing.target.classes

    def prepare(self, x: Tensor) -> Tensor:
        """A batch as the network takes it: float32, images normalised, on the batch's device.

        Args:
            x: rows of a split's `x`.
        """
        if self.modality != "image":
            return x
        mean, std = self._normalisation(x.device)
        return (x.float() - mean) / std

    def _normalisation(self, device: torch.device) -> tuple[Tensor, Tensor]:
        known = self.__dict__.setdefault("_on_device", {})
        if device not in known:
            images: Any = self.preprocessing.inputs
            known[device] = tuple(
                torch.tensor(values, dtype=torch.float32, device=device).reshape(1, -1, 1, 1)
                for values in (images.mean, images.std)
            )
        mean, std = known[device]
        return mean, std

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "_on_device"}

    def loss(
        self,
        outputs: Tensor,
        targets: Tensor,
        *,
        label_smoothing: float = 0.0,
        weight: Tensor | None = None,
    ) -> Tensor:
        """The training loss of a batch, a scalar.

        Args:
            outputs: what the network returned, `n x n_outputs`.
            targets: rows of a split's `y`; classification also takes probabilities
                `n x classes`, for mixed images.
            label_smoothing: ignored by regression.
            weight: weight of each row, `n`.
        """
        return weighted_mean(LOSSES[self.loss_name](outputs, targets, label_smoothing), weight)

    def metrics(self, outputs: Tensor, targets: Tensor) -> dict[str, float]:
        """All metrics of the kind of task, the main one first, in the target's own unit.

        Args:
            outputs: what the network returned, `n x n_outputs`, on any device.
            targets: rows of a split's `y`.

        Returns:
            Name to value; all NaN when an output is not finite.
        """
        scores, truth = self._judged(outputs, targets)
        others = [one for one in METRICS.values() if self.kind in one.kinds]
        chosen = {self.metric.name: self.metric} | {one.name: one for one in others}
        chosen[self.metric.name] = self.metric
        if not np.isfinite(scores).all():
            return dict.fromkeys(chosen, math.nan)
        return {name: one(scores, truth) for name, one in chosen.items()}

    def confidence_interval(
        self,
        outputs: Tensor,
        targets: Tensor,
        *,
        metric: str | Metric | None = None,
        level: float = 0.95,
        seed: int = 0,
    ) -> tuple[float, float]:
        """An interval around a metric on these rows: see `confidence_interval`."""
        chosen = self.metric if metric is None else resolve_metric(metric, self.kind)
        scores, truth = self._judged(outputs, targets)
        return confidence_interval(chosen, scores, truth, level=level, seed=seed)

    def _judged(self, outputs: Tensor, targets: Tensor) -> tuple[Any, Any]:
        target = self.preprocessing.target
        scores = target.scores(outputs.detach().float().cpu().numpy())
        truth = targets.detach().cpu().numpy()
        if self.kind == "regression":
            return scores, target.unscale(truth)
        return scores, truth

    def split(self, name: str) -> Split:
        """One part of the data: `"train"`, `"validation"`, `"test"` or `"train+validation"`."""
        if name == "train+validation":
            return Split(
                torch.cat([self.train.x, self.validation.x]),
                torch.cat([self.train.y, self.validation.y]),
            )
        if name not in SPLITS:
            raise unknown_name("split", name, SPLITS)
        part: Split | None = getattr(self, name)
        if part is None:
            raise DataError(
                "this task has no test rows: give test=0.2 (a fraction) or the data itself"
            )
        return part

    def with_metric(self, metric: str | Metric) -> Task:
        """The same task judged by another main metric.

        >>> Task.load("iris").with_metric("macro_f1").metric.name
        'macro_f1'
        """
        return replace(self, metric=resolve_metric(metric, self.kind))

    def subset(self, size: float | int, *, seed: int = 0) -> Task:
        """The same task with fewer training rows, dealt as the splits are (stratified, seeded).

        Args:
            size: a fraction of the training rows (a float up to 1) or their number (an int).
            seed: of the deal.

        >>> len(Task.load("digits").subset(0.25).train), len(Task.load("digits").subset(200).train)
        (270, 200)
        """
        n = len(self.train)
        whole_number("seed", seed, least=0)
        fraction = math.nan
        if isinstance(size, int | np.integer) and not isinstance(size, bool):
            fraction = int(size) / n
        elif isinstance(size, float | np.floating):
            fraction = float(size)
        if not 0.0 < fraction <= 1.0:
            raise DataError(
                f"a subset is a fraction in (0, 1] (a float) or from 1 to {n} rows (an int); "
                f"got {size!r}"
            )
        if fraction == 1.0:
            return self
        labels = self.train.y.numpy() if self.kind == "classification" else None
        _, rows, _ = split_indices(n, validation=fraction, test=0, seed=seed, labels=labels)
        return replace(self, train=self.train.take(rows))

    @cached_property
    def fingerprint(self) -> str:
        """Hash of the data and its preparation (hex): equal for equal tasks, in every process."""
        digest = hashlib.blake2b(digest_size=16)
        for name in ("train", "validation", "test"):
            part: Split | None = getattr(self, name)
            if part is None:
                digest.update(b"none")
                continue
            for tensor in (part.x, part.y):
                digest.update(f"{tensor.dtype}{tuple(tensor.shape)}".encode())
                digest.update(tensor.contiguous().numpy().tobytes())
        digest.update(json.dumps(self.preprocessing.to_dict(), sort_keys=True).encode())
        return digest.hexdigest()

    def __repr__(self) -> str:
        sizes = [f"{len(self.train)} train", f"{len(self.validation)} validation"]
        if self.test is not None:
            sizes.append(f"{len(self.test)} test")
        return f"<Task {self.name}: {self.kind}, {self.modality}, {', '.join(sizes)} rows>"

    def summary(self) -> dict[str, Any]:
        """What a report says of the data, as plain JSON values."""
        made: dict[str, Any] = {
            "name": self.name,
            "kind": self.kind,
            "modality": self.modality,
            "n_train": len(self.train),
            "n_validation": len(self.validation),
            "n_test": 0 if self.test is None else len(self.test),
            "input_shape": list(self.input_shape),
            "n_outputs": self.n_outputs,
            "target": list(self.preprocessing.target.names),
            "classes": None if self.classes is None else list(self.classes),
            "metric": self.metric.name,
            "loss": self.loss_name,
            "inputs": self.preprocessing.inputs.summary(),
            "augment": None if self.augment is None else self.augment.to_dict(),
            "fingerprint": self.fingerprint,
            "notes": list(self.notes),
        }
        if self.kind == "classification":
            counts = np.bincount(self.train.y.numpy(), minlength=self.n_outputs)
            made["class_counts"] = counts.tolist()
            made["majority"] = float(counts.max() / counts.sum())
        return made

    @classmethod
    def from_arrays(cls, x: Any, y: Any, **options: Any) -> Task:
        """A task from arrays or tensors; see `archwright.tasks.from_arrays` for the options."""
        from archwright.tasks.sources import from_arrays

        return from_arrays(x, y, **options)

    @classmethod
    def from_frame(
        cls, frame: pd.DataFrame, target: str | int | Sequence[str] | None = None, **options: Any
    ) -> Task:
        """A task from a pandas frame; see `archwright.tasks.from_frame` for the options."""
        from archwright.tasks.sources import from_frame

        return from_frame(frame, target, **options)

    @classmethod
    def from_dataset(cls, dataset: Any, **options: Any) -> Task:
        """A task from torch Datasets; see `archwright.tasks.from_dataset` for the options."""
        from archwright.tasks.sources import from_dataset

        return from_dataset(dataset, **options)

    @classmethod
    def from_file(
        cls, path: str | Path, target: str | int | Sequence[str] | None = None, **options: Any
    ) -> Task:
        """A task from a CSV, TSV or Parquet file; see `archwright.tasks.from_file`."""
        from archwright.tasks.sources import from_file

        return from_file(path, target, **options)

    @classmethod
    def from_folder(cls, path: str | Path, **options: Any) -> Task:
        """A task from a folder of images; see `archwright.tasks.from_folder`."""
        from archwright.tasks.sources import from_folder

        return from_folder(path, **options)

    @classmethod
    def load(
        cls, source: str | Path, target: str | int | Sequence[str] | None = None, **options: Any
    ) -> Task:
        """A task from a file, a folder of images, or the name of a scikit-learn data set.

        See `archwright.tasks.load` for what is read and the options.
        """
        from archwright.tasks.sources import load

        return load(source, target, **options)
