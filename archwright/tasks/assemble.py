"""From labelled rows to a `Task`: check labels, deal the rows, fit on train, code the targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from archwright.errors import DataError, unknown_name, whole_number
from archwright.tasks.augment import Augmentation
from archwright.tasks.losses import DEFAULT_LOSSES, LOSSES
from archwright.tasks.metrics import Metric, resolve_metric
from archwright.tasks.preprocessing import Preprocessing
from archwright.tasks.splits import Split, check_fraction, split_indices
from archwright.tasks.targets import (
    as_plain_labels,
    check_labels,
    fit_target,
    infer_kind,
    label_order,
    missing_rows,
    name_classes,
)
from archwright.tasks.task import Task

Array = npt.NDArray[Any]
Part = tuple[Any, Any]

FEWEST_ROWS = 20
"""Fewer rows than this cannot be split into parts that say anything."""


@dataclass(frozen=True)
class Options:
    """What all ways into a `Task` have in common; see `from_arrays`."""

    kind: str | None = None
    seed: int = 0
    name: str = "data"
    classes: Sequence[Any] | None = None
    metric: str | Metric | None = None
    loss: str | None = None
    augment: Augmentation | str | None = "auto"
    drop_missing_labels: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "seed", whole_number("seed", self.seed, least=0))
        if self.kind is not None and self.kind not in DEFAULT_LOSSES:
            raise unknown_name("kind of task", self.kind, DEFAULT_LOSSES)
        if self.loss is not None and self.loss not in LOSSES:
            raise unknown_name("loss", self.loss, LOSSES)
        if isinstance(self.augment, str) and self.augment != "auto":
            raise DataError(
                f"augment must be 'auto', an Augmentation or None; got {self.augment!r}"
            )


@dataclass(frozen=True)
class Prepared:
    """What one kind of input learnt from the training rows.

    Attributes:
        inputs: `Columns`, `Images` or `Arrays`.
        tensor: raw rows to the tensor that a split keeps.
        notes: what was left out or changed.
        augment: random changes that suit the inputs.
    """

    inputs: Any
    tensor: Callable[[Any], Tensor]
    notes: tuple[str, ...] = ()
    augment: Augmentation | None = None


Fit = Callable[[Any, Array, str], Prepared]
"""`fit(training inputs, coded training targets, kind of task)`."""


def assemble(
    train: Part,
    *,
    validation: Part | float | None,
    test: Part | float | None,
    fit: Fit,
    take: Callable[[Any, Array], Any],
    names: Sequence[str],
    options: Options,
    notes: Sequence[str] = (),
) -> Task:
    """Put a task together.

    Args:
        train: inputs and labels to learn from, or to deal from.
        validation: a fraction of `train`'s rows, or inputs and labels.
        test: likewise; None or 0 for none.
        fit: learns the preparation of inputs from the training rows.
        take: `take(inputs, rows)`.
        names: of the target's columns.
        options: see `Options`.
        notes: remarks so far.
    """
    remarks = list(notes)
    fractions = {
        "validation": 0.0 if _given(validation) else check_fraction("validation", validation),
        "test": 0.0 if _given(test) else check_fraction("test", test or 0.0, zero=True),
    }
    given: dict[str, Part] = {"train": train}
    if isinstance(validation, tuple):
        given["validation"] = validation
    if isinstance(test, tuple):
        given["test"] = test
    data = {
        part: _checked(part, pair, take, names, options, remarks) for part, pair in given.items()
    }
    data, kind, target_names = _typed(data, names, options, remarks)
    order = None
    if kind == "classification":
        order = label_order(data["train"][1], target_names)
        if options.classes is not None:
            data, order = name_classes(data, options.classes)
    data = _dealt(data, fractions, kind, take, options.seed, target_names, remarks)
    train_x, train_y = data["train"]
    target = fit_target(train_y, kind=kind, names=target_names, order=order)
    coded = {}
    for part, (_, y) in data.items():
        try:
            coded[part] = target.encode(y)
        except DataError as error:
            raise DataError(f"in the {part} rows: {error}") from None
    if kind == "classification":
        remarks += _remarks_on_classes(coded["train"], target.classes or ())
    prepared = fit(train_x, coded["train"], kind)
    splits = {
        part: Split(prepared.tensor(x), torch.from_numpy(coded[part]))
        for part, (x, _) in data.items()
    }
    augment = prepared.augment if isinstance(options.augment, str) else options.augment
    return Task(
        name=options.name,
        train=splits["train"],
        validation=splits["validation"],
        test=splits.get("test"),
        preprocessing=Preprocessing(prepared.inputs, target),
        metric=resolve_metric(options.metric, kind),
        loss_name=options.loss or DEFAULT_LOSSES[kind],
        augment=augment,
        notes=(*remarks, *prepared.notes),
    )


def _given(part: Any) -> bool:
    return isinstance(part, tuple)


def _checked(
    part: str,
    pair: Part,
    take: Callable[[Any, Array], Any],
    names: Sequence[str],
    options: Options,
    remarks: list[str],
) -> tuple[Any, Array]:
    """Inputs and typed labels of one given part, after the checks that need no kind."""
    if len(pair) != 2:
        raise DataError(f"{part} must be a pair (inputs, targets); got {len(pair)} values")
    x, y = pair
    label = ", ".join(names)
    n_x, n_y = len(x), len(y)
    if n_x == 0 or n_y == 0:
        raise DataError(
            f"the {part} data has no rows: a network needs at least {FEWEST_ROWS} to learn from "
            "and some to be judged by"
        )
    if n_x != n_y:
        raise DataError(
            f"inputs and targets must have as many rows: the {part} data has {n_x} inputs and "
            f"{n_y} targets. Check how they were cut"
        )
    if options.drop_missing_labels:
        lost = missing_rows(y)
        if len(lost):
            keep = np.setdiff1d(np.arange(n_y), lost)
            if len(keep) == 0:
                raise DataError(f"no row of the {part} data has a label in {label!r}")
            x, y = take(x, keep), y.iloc[keep] if hasattr(y, "iloc") else np.asarray(y)[keep]
            remarks.append(f"{len(lost)} of {n_y} {part} rows have no label and were left out")
    check_labels(y, label)
    if part == "train" and len(y) < FEWEST_ROWS:
        raise DataError(
            f"at least {FEWEST_ROWS} rows are needed to train and judge a network; got {len(y)}. "
            "Give more rows"
        )
    try:
        return x, as_plain_labels(y, label)
    except DataError as error:
        raise DataError(str(error) if part == "train" else f"in the {part} data: {error}") from None


def _typed(
    data: Mapping[str, tuple[Any, Array]],
    names: Sequence[str],
    options: Options,
    remarks: list[str],
) -> tuple[dict[str, tuple[Any, Array]], str, list[str]]:
    """The kind of task, labels in its shape, and a name for each target."""
    y = data["train"][1]
    label = ", ".join(names)
    for part, (_, other) in data.items():
        if other.shape[1:] != y.shape[1:]:
            raise DataError(
                f"targets must have one shape: {part} has {other.shape[1:]} a row, train "
                f"{y.shape[1:]}"
            )
        if other.ndim > 2:
            raise DataError(
                f"targets are one a row, or rows x targets; got shape {other.shape}. For images "
                "or sequences as targets, search with a training function of your own"
            )
    kind = options.kind
    if kind is None:
        kind, why = infer_kind(y, label)
        remarks.append(why)
    resolve_metric(options.metric, kind)
    target_names = list(names)
    if kind == "classification":
        several = y.ndim == 2 and y.shape[1] > 1
        if several and len(target_names) == y.shape[1] and options.classes is None:
            columns = np.array(target_names, object)
            typed = {part: (x, columns[v.argmax(1)]) for part, (x, v) in data.items()}
            return typed, kind, ["class"]
        return (
            {part: (x, v.argmax(1) if several else v.ravel()) for part, (x, v) in data.items()},
            kind,
            target_names[:1],
        )
    if y.ndim == 2 and len(target_names) != y.shape[1]:
        if options.classes is not None and len(options.classes) == y.shape[1]:
            target_names = [str(one) for one in options.classes]
        else:
            target_names = [f"{target_names[0]}{k}" for k in range(y.shape[1])]
    return dict(data), kind, target_names


def _dealt(
    data: dict[str, tuple[Any, Array]],
    fractions: Mapping[str, float],
    kind: str,
    take: Callable[[Any, Array], Any],
    seed: int,
    names: Sequence[str],
    remarks: list[str],
) -> dict[str, tuple[Any, Array]]:
    """Deal the rows of train to the parts that are asked for as fractions."""
    x, y = data["train"]
    if not any(fractions.values()):
        return data
    if kind == "classification":
        _, counts = np.unique(y.astype(str), return_counts=True)
        if len(counts) > 2 and len(counts) > 0.5 * len(y):
            raise DataError(
                f"{names[0]!r} has {len(counts)} classes in {len(y)} rows: too few rows a class to "
                "learn from. Check the target column; kind='regression' if it is a quantity"
            )
    rows = split_indices(
        len(y),
        validation=fractions["validation"],
        test=fractions["test"],
        seed=seed,
        labels=y if kind == "classification" else None,
    )
    made = dict(data)
    for part, chosen in zip(("train", "validation", "test"), rows, strict=True):
        if part != "train" and not fractions[part]:
            continue
        if len(chosen) == 0:
            raise DataError(
                f"{part}={fractions[part]:g} of {len(y)} rows leaves no {part} row: give a larger "
                "fraction, or more rows"
            )
        made[part] = (take(x, chosen), y[chosen])
    return made


def _remarks_on_classes(codes: Array, classes: Sequence[str]) -> list[str]:
    counts = np.bincount(codes, minlength=len(classes))
    remarks = []
    rare = [name for name, count in zip(classes, counts, strict=True) if count < 3]
    if rare:
        what = "class has" if len(rare) == 1 else "classes have"
        remarks.append(
            f"{len(rare)} {what} one or two training rows only ({', '.join(rare[:5])}"
            f"{', ...' if len(rare) > 5 else ''}): hardly to be learnt or judged"
        )
    most = counts.max() / counts.sum()
    if most > 0.8:
        remarks.append(
            f"{most:.0%} of the training rows are {classes[int(counts.argmax())]!r}: accuracy says "
            "little here; metric='balanced_accuracy' or 'auc' says more"
        )
    return remarks
