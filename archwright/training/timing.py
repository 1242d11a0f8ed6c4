"""How fast a network trains here: steps timed before anything is planned."""

from __future__ import annotations

from collections.abc import Iterable
from time import perf_counter
from typing import TYPE_CHECKING

import torch
from torch import nn

from archwright.training.recipe import Recipe
from archwright.training.runtime import threads

if TYPE_CHECKING:
    from archwright.tasks import Task


def row_seconds(
    model: nn.Module,
    task: Task,
    recipe: Recipe | None = None,
    *,
    device: str | torch.device = "cpu",
    n_threads: int | None = None,
    n_steps: int = 8,
    seconds: float = 2.0,
) -> float:
    """Seconds that one row takes in one training step: the fastest of a few steps.

    Forward pass, loss, backward pass and optimiser, without augmentation. The network's weights
    change.

    Args:
        model: the network.
        task: the data.
        recipe: for the batch size; None: by rule.
        device: where to train.
        n_threads: CPU threads; None leaves torch's setting.
        n_steps: steps to time, after one to warm up.
        seconds: stop timing after so long.

    >>> from archwright.tasks import Task
    >>> task = Task.load("iris")
    >>> 0 < row_seconds(nn.Linear(4, 3), task) < 1
    True
    """
    recipe = (recipe or Recipe()).resolve(
        kind=task.kind, modality=task.modality, n_rows=len(task.train)
    )
    assert recipe.batch_size is not None
    n = min(recipe.batch_size, len(task.train))
    model = model.to(device).train()
    x, y = task.train.x[:n].to(device), task.train.y[:n].to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    best, spent = float("inf"), 0.0
    with threads(n_threads):
        for step in range(n_steps + 1):
            start = perf_counter()
            optimizer.zero_grad()
            task.loss(model(task.prepare(x)), y).backward()
            optimizer.step()
            if torch.device(device).type == "cuda":
                torch.cuda.synchronize()
            took = perf_counter() - start
            spent += took
            if step or spent > seconds:
                best = min(best, took)
            if spent > seconds:
                break
    return best / n


def fastest_threads(
    model: nn.Module,
    task: Task,
    recipe: Recipe | None = None,
    *,
    choices: Iterable[int],
    device: str | torch.device = "cpu",
) -> int:
    """Which number of threads trains this network fastest here.

    More threads slow small networks down, and much so on a machine that others use too. A larger
    number must gain a tenth to be chosen. The network's weights change.

    >>> from archwright.tasks import Task
    >>> fastest_threads(nn.Linear(4, 3), Task.load("iris"), choices=[1])
    1
    """
    best, best_seconds = 1, float("inf")
    for n_threads in sorted(set(choices)):
        took = row_seconds(
            model, task, recipe, device=device, n_threads=n_threads, n_steps=12, seconds=1.0
        )
        if took < 0.9 * best_seconds:
            best, best_seconds = n_threads, took
    return best
