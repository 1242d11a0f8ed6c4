"""Learning from a teacher's outputs beside the labels."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.weak import WeakTensorKeyDictionary

from archwright.errors import InputError
from archwright.nn.contexts import evaluating
from archwright.training.inference import check_outputs, inference_batch

if TYPE_CHECKING:
    from archwright.tasks import Task

PROGRAM = "model.pt2"
"""What an exported folder calls its `torch.export` program."""


class Teacher:
    """A trained network whose outputs others learn from.

    It is run in eval mode, without gradients, on prepared inputs (what the student gets). Its
    outputs for rows as they are, without augmentation, are computed once and kept as long as the
    rows are.

    Args:
        source: a network; a function from a prepared batch to a tensor of batch x outputs; the path
            of a `torch.export` program (`.pt2`) or of a folder that holds one as `model.pt2`, such
            as a run's folder or `result.export(folder)`. A path is read in each process, at its
            first use.

    Raises:
        InputError: it is none of these, or there is no such file.

    >>> teacher = Teacher(nn.Linear(3, 2))
    >>> teacher(torch.zeros(4, 3)).requires_grad
    False
    """

    def __init__(self, source: nn.Module | Callable[[Tensor], Any] | str | Path) -> None:
        self.path: Path | None = None
        self._run: Callable[[Tensor], Any] | None = None
        if isinstance(source, str | Path):
            self.path = _program(Path(source)).resolve()
        elif callable(source):
            self._run = source
        else:
            raise InputError(
                "teacher must be a network, a function of a batch, or the path of an exported "
                f"folder or .pt2 file, got {type(source).__name__}"
            )
        self._kept = WeakTensorKeyDictionary()

    @classmethod
    def of(cls, source: Any) -> Teacher:
        """The teacher itself, or one made of what `Teacher` takes."""
        return source if isinstance(source, Teacher) else cls(source)

    def __str__(self) -> str:
        if self.path is not None:
            return str(self.path)
        return getattr(self._run, "__qualname__", None) or type(self._run).__name__

    def __getstate__(self) -> dict[str, Any]:
        run = self._run if self.path is None else None
        return {"path": self.path, "_run": run}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._kept = WeakTensorKeyDictionary()

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs for a prepared batch, as it comes from the network, without gradient."""
        run = self._loaded()
        if isinstance(run, nn.Module):
            with evaluating(run):
                outputs = run(x)
        else:
            with torch.no_grad():
                outputs = run(x)
        return outputs.detach() if isinstance(outputs, Tensor) else outputs

    def to(self, device: torch.device) -> Teacher:
        """Move the network; a function is given batches on that device."""
        run = self._loaded()
        if isinstance(run, nn.Module):
            self._run = run.to(device)
        return self

    def outputs(self, x: Tensor, rows: Tensor, prepare: Callable[[Tensor], Tensor]) -> Tensor:
        """Outputs for some of the rows of `x` as they are; computed for all at the first call.

        Args:
            x: rows x *shape, raw; what is kept is kept while this tensor lives.
            rows: which of them.
            prepare: raw rows to a batch on the device.
        """
        if x not in self._kept:
            parts = [self(prepare(part)).float() for part in x.split(inference_batch(x))]
            self._kept[x] = torch.cat(parts)
        kept: Tensor = self._kept[x]
        return kept.index_select(0, rows.to(kept.device))

    def check(self, task: Task, device: torch.device | None = None) -> None:
        """Refuse a teacher that does not answer finite numbers of the task's shape.

        Raises:
            InputError: saying what came instead.
        """
        x = task.prepare(task.train.x[:2])
        try:
            outputs = self(x if device is None else x.to(device))
        except Exception as error:
            text = str(error).splitlines()[0] if str(error) else ""
            raise InputError(
                f"the teacher cannot be run on the task's prepared rows ({tuple(x.shape[1:])} "
                f"each): {type(error).__name__}: {text}"
            ) from error
        try:
            outputs = check_outputs(outputs, len(x), task)
        except InputError as error:
            raise InputError(f"the teacher: {error}") from None
        if not bool(outputs.isfinite().all()):
            raise InputError(f"the teacher answers numbers that are not finite: {outputs.tolist()}")

    def _loaded(self) -> Callable[[Tensor], Any]:
        if self._run is None:
            assert self.path is not None
            try:
                self._run = torch.export.load(self.path).module()
            except Exception as error:
                raise InputError(f"{self.path} is no torch.export program: {error}") from error
        return self._run


def _program(path: Path) -> Path:
    # A run's own folder keeps its winner in export/.
    places = [path, path / PROGRAM, path / "export" / PROGRAM]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise InputError(
            f"no teacher in {path}: give a .pt2 file, or a folder that holds {PROGRAM} "
            "(result.export(folder) and archwright export write one)"
        )
    return found


def distillation_loss(
    outputs: Tensor, teacher_outputs: Tensor, *, kind: str, temperature: float = 2.0
) -> Tensor:
    """How far a student's outputs are from its teacher's.

    For classification the Kullback-Leibler divergence of the softened probabilities, multiplied by
    the square of the temperature so that its gradients stay comparable with the labels'; for
    several labels the binary cross-entropy against the teacher's softened probabilities, likewise
    multiplied; for regression the mean squared difference.

    Args:
        outputs: the student's, batch x outputs.
        teacher_outputs: the teacher's, batch x outputs, without gradient.
        kind: "classification", "multilabel" or "regression".
        temperature: divides the logits; higher values show more of the teacher's doubts.

    Returns:
        A scalar.

    Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015,
    arXiv:1503.02531.

    >>> import torch
    >>> logits = torch.tensor([[2.0, -1.0, 0.5]])
    >>> round(distillation_loss(logits, logits, kind="classification").item(), 6)
    0.0
    """
    if kind == "regression":
        return F.mse_loss(outputs, teacher_outputs)
    if kind == "multilabel":
        soft = (teacher_outputs / temperature).sigmoid()
        return F.binary_cross_entropy_with_logits(outputs / temperature, soft) * temperature**2
    return (
        F.kl_div(
            F.log_softmax(outputs / temperature, dim=1),
            F.log_softmax(teacher_outputs / temperature, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        * temperature**2
    )
