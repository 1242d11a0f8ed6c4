"""How fast a network trains here, timed before anything is planned."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from archwright.training.loop import fit
from archwright.training.recipe import Recipe

if TYPE_CHECKING:
    from archwright.tasks import Task


def row_seconds(
    model: nn.Module,
    task: Task,
    recipe: Recipe | None = None,
    *,
    device: str | torch.device = "cpu",
    n_threads: int | None = None,
    seconds: float = 1.0,
) -> float:
    """Seconds that one row takes in training: the faster of two short epochs of the real loop.

    Augmentation, averaging and the loop itself are in it, validation is not. The network's
    weights change.

    Args:
        model: the network.
        task: the data.
        recipe: how it would be trained; None: by rule.
        device: where to train.
        n_threads: CPU threads; None leaves torch's setting.
        seconds: about how long to take.

    >>> from archwright.tasks import Task
    >>> task = Task.load("iris")
    >>> 0 < row_seconds(nn.Linear(4, 3), task, seconds=0.1) < 1
    True
    """
    recipe = (recipe or Recipe()).resolve(
        kind=task.kind, modality=task.modality, n_rows=len(task.train)
    )
    assert recipe.batch_size is not None
    n = min(recipe.batch_size, len(task.train))
    few = replace(
        task,
        train=task.train.take(torch.arange(n)),
        validation=task.validation.take(torch.arange(2)),
    )
    once = recipe.replace(epochs=1, batch_size=n, patience=None)
    options: dict[str, Any] = {"device": device, "n_threads": n_threads}
    fit(model, few, once, **options)
    start = perf_counter()
    fit(model, few, once, **options)
    step = perf_counter() - start
    n_steps = int(min(max(0.4 * seconds / step, 1), len(task.train) / n))
    if n_steps <= 1:
        return step / n
    many = replace(few, train=task.train.take(torch.arange(n_steps * n)))
    timed = recipe.replace(epochs=2, batch_size=n, patience=None, validate_every=2)
    ends = [0.0, *(point["seconds"] for point in fit(model, many, timed, **options).curve)]
    return min(ends[1] - ends[0], ends[2] - ends[1]) / (n_steps * n)


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
        took = row_seconds(model, task, recipe, device=device, n_threads=n_threads)
        if took < 0.9 * best_seconds:
            best, best_seconds = n_threads, took
    return best
