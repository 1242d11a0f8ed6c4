"""What a network answers: outputs in batches, and a task's metrics of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from archwright import errors
from archwright.nn.contexts import evaluating
from archwright.training.runtime import resolve_device

if TYPE_CHECKING:
    from archwright.tasks import Split, Task

BATCH_BYTES = 1 << 20
"""Inputs that one batch of inference holds: larger ones leave the caches and gain nothing."""


def predict(
    model: nn.Module,
    task: Task,
    x: Tensor,
    *,
    device: str | torch.device | None = None,
    batch_size: int | None = None,
) -> Tensor:
    """A network's raw outputs for inputs as a `Split` holds them.

    Args:
        model: takes prepared batches; moved to `device`.
        task: prepares the inputs.
        x: rows x *input shape, as in `task.train.x`.
        device: where to compute; None stays where the model is.
        batch_size: rows at once; None chooses by the size of a row.

    Returns:
        rows x outputs (logits, or standardised predictions), float32 on the CPU.

    Raises:
        InputError: the model does not return rows x outputs.

    >>> from archwright.tasks import Task
    >>> task = Task.from_arrays(torch.randn(40, 3).numpy(), [0, 1] * 20)
    >>> predict(nn.Linear(3, 2), task, task.train.x).shape[1]
    2
    """
    where = _home(model) if device is None else resolve_device(device)
    model = model.to(where)
    size = batch_size or inference_batch(x)
    with evaluating(model):
        parts = [
            check_outputs(model(task.prepare(part.to(where))), len(part), task).float().cpu()
            for part in x.split(size)
        ]
    return torch.cat(parts) if parts else torch.empty(0, task.n_outputs)


def evaluate(
    model: nn.Module,
    task: Task,
    split: str | Split = "validation",
    *,
    device: str | torch.device | None = None,
    batch_size: int | None = None,
) -> dict[str, float]:
    """All of the task's metrics of a network on one split, and its loss.

    Args:
        model: takes prepared batches.
        task: prepares the inputs and knows the metrics.
        split: "train", "validation", "test", or a `Split`.
        device: where to compute; None stays where the model is.
        batch_size: rows at once; None chooses by the size of a row.

    Returns:
        The metrics by name, the task's main one first, then "loss".

    Raises:
        NotFinite: the network's outputs are NaN or infinite.

    >>> from archwright.tasks import Task
    >>> task = Task.from_arrays(torch.randn(40, 3).numpy(), [0, 1] * 20)
    >>> list(evaluate(nn.Linear(3, 2), task))[0]
    'accuracy'
    """
    rows = task.split(split) if isinstance(split, str) else split
    outputs = predict(model, task, rows.x, device=device, batch_size=batch_size)
    return score(task, outputs, rows.y.cpu())


def score(task: Task, outputs: Tensor, targets: Tensor) -> dict[str, float]:
    """Metrics and loss of outputs that are already there; see `evaluate`."""
    if not bool(outputs.isfinite().all()):
        row = int((~outputs.isfinite()).any(dim=1).nonzero()[0])
        raise errors.NotFinite(
            f"the network's outputs must be finite, got {outputs[row].tolist()} for row {row}: "
            "train with a smaller learning rate or with gradient clipping"
        )
    loss = float(task.loss(outputs, targets))
    return {**task.metrics(outputs, targets), "loss": loss}


def inference_batch(x: Tensor) -> int:
    """Rows of one inference batch for such inputs.

    >>> inference_batch(torch.zeros(5000, 1, 28, 28, dtype=torch.uint8))
    256
    """
    floats = 4 * max(1, x[:1].numel())
    return max(16, min(2048, 1 << (max(1, BATCH_BYTES // floats).bit_length() - 1)))


def check_outputs(outputs: Any, n_rows: int, task: Task) -> Tensor:
    """The outputs, if they are a tensor of rows x outputs.

    Raises:
        InputError: naming what was expected and what came.
    """
    expected = (n_rows, task.n_outputs)
    if isinstance(outputs, Tensor) and outputs.shape == expected:
        return outputs
    came = (
        f"a tensor of {' x '.join(map(str, outputs.shape)) or 'no dimension'}"
        if isinstance(outputs, Tensor)
        else type(outputs).__name__
    )
    raise errors.InputError(
        f"the model must return a tensor of {n_rows} x {task.n_outputs} (batch x outputs) for "
        f"task {task.name!r}, got {came}: end it with a layer of {task.n_outputs} outputs"
    )


def _home(model: nn.Module) -> torch.device:
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")
