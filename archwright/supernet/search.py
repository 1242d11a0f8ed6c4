"""A whole differentiable search: stages, the loop, selection, derived architectures."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archwright.errors import InputError
from archwright.nn import ModelSpace
from archwright.nn.mixture import walk
from archwright.space import Architecture
from archwright.supernet.bilevel import Bilevel, Searched, Settings, load_state, save_state
from archwright.supernet.derive import Feasible, derive, scores
from archwright.supernet.method import Method, Stage
from archwright.supernet.methods import as_method
from archwright.supernet.regularisers import SkipDropout
from archwright.supernet.selection import by_perturbation
from archwright.tasks import Task

OnEpoch = Callable[[dict[str, Any]], Any]


@dataclass
class Found:
    """What a differentiable search found.

    Attributes:
        architectures: the most probable ones, best first; none where no probable one keeps the
            limits.
        searched: the last loop: supernet, strengths, trajectory.
        trajectory: the records of all epochs, of all stages.
        scores: path -> value -> logarithm of its probability.
    """

    architectures: list[Architecture]
    searched: Searched
    trajectory: list[dict[str, Any]]
    scores: dict[str, dict[Any, float]]

    def facts(self) -> dict[str, Any]:
        """All of it as plain JSON values, for a record."""
        searched = self.searched
        decisions = searched.strengths.decisions
        return {
            "method": searched.method.name,
            "reference": searched.method.reference,
            "stopped": searched.stopped,
            "seconds": sum(
                e["seconds"]
                for i, e in enumerate(self.trajectory)
                if i + 1 == len(self.trajectory) or self.trajectory[i + 1]["epoch"] == 1
            ),
            "peak_bytes": searched.peak_bytes,
            "mixed": list(searched.relaxable.mixed),
            "drawn": dict(searched.relaxable.drawn),
            "fixed": dict(searched.relaxable.fixed),
            "values": {
                path: [list(v) if isinstance(v, tuple) else v for v in one.domain.values()]
                for path, one in decisions.items()
            },
            "epochs": self.trajectory,
        }


def relaxed_search(
    space: ModelSpace,
    task: Task,
    method: str | Method = "darts",
    settings: Settings | None = None,
    *,
    n: int = 1,
    feasible: Feasible | None = None,
    folder: str | Path | None = None,
    on_epoch: OnEpoch | None = None,
) -> Found:
    """Search a space with a supernet whose choices are relaxed, and derive architectures.

    Args:
        space: the space; decisions that cannot be mixed are drawn, see `relaxable`.
        task: the data; only its training rows are used.
        method: a name from `METHODS`, or a `Method`.
        settings: how long and where; None: 50 epochs on the CPU.
        n: how many architectures are derived.
        feasible: whether an architecture keeps the limits.
        folder: where the state is kept after each epoch; a search that is there goes on.
        on_epoch: given the record of each epoch.

    Raises:
        InputError: the space is no ModelSpace, or nothing can be searched.
        SpaceError: it has no supernet.

    >>> import archwright as aw
    >>> from torch import nn
    >>> def net():
    ...     ops = {"linear": lambda: aw.linear(4, 4), "skip": nn.Identity}
    ...     return nn.Sequential(aw.layer("op", ops), nn.ReLU(), aw.linear(4, 3))
    >>> task = aw.Task.load("iris")
    >>> found = relaxed_search(aw.ModelSpace(net), task, "darts", Settings(epochs=2))
    >>> len(found.architectures), len(found.trajectory)
    (1, 2)
    """
    if not isinstance(space, ModelSpace):
        raise InputError(
            f"differentiable search needs a ModelSpace, whose networks it can build, got {space!r}"
        )
    method, settings = as_method(method), settings or Settings()
    place = None if folder is None else Path(folder)
    if place is not None:
        place.mkdir(parents=True, exist_ok=True)
    if method.stages:
        search, trajectory = _staged(space, task, method, settings, place, on_epoch)
    else:
        search = Bilevel(space, task, method, settings)
        trajectory = _go_on(search, place, "search.pt", on_epoch)
    if method.selection == "perturbation":
        by_perturbation(search, seed=settings.seed)
    searched = search.run()
    found = scores(search.strengths, method.relaxation)
    _forbid(search, found)
    made = derive(space, found, fixed=search.strengths.fixed, feasible=feasible, n=n)
    return Found(made, searched, trajectory, found)


def _go_on(
    search: Bilevel, folder: Path | None, name: str, on_epoch: OnEpoch | None
) -> list[dict[str, Any]]:
    if folder is None:
        search.run(on_epoch=on_epoch)
        return search.trajectory
    path = folder / name
    if path.exists():
        search.load(load_state(path))
    search.run(keep=lambda state: save_state(path, state), on_epoch=on_epoch)
    return search.trajectory


def _staged(
    space: ModelSpace,
    task: Task,
    method: Method,
    settings: Settings,
    folder: Path | None,
    on_epoch: OnEpoch | None,
) -> tuple[Bilevel, list[dict[str, Any]]]:
    """Stage after stage, each with the operations that were the strongest in the one before."""
    allowed: dict[str, tuple[int, ...]] = {}
    trajectory: list[dict[str, Any]] = []
    search = None
    if settings.epochs < len(method.stages):
        raise InputError(
            f"{method.name} has {len(method.stages)} stages, each of at least one epoch, got "
            f"epochs={settings.epochs}"
        )
    left, seconds = settings.epochs, settings.seconds
    steps = math.ceil(len(task.train) / 2 / settings.batch_size) * settings.epochs
    settings = replace(settings, speed=settings.speed_for(steps))
    for i, stage in enumerate(method.stages):
        last = i + 1 == len(method.stages)
        epochs = left if last else max(1, min(left, round(stage.share * settings.epochs)))
        left -= epochs
        if epochs < 1:
            break
        own = method.replace(
            stages=(),
            changes=(*method.changes, *([SkipDropout(stage.dropout)] if stage.dropout else ())),
        )
        if search is not None:
            allowed = _strongest(search, stage)
        search = Bilevel(
            _deep(space, stage),
            task,
            own,
            replace(
                settings,
                epochs=epochs,
                seed=settings.seed + i,
                seconds=None if seconds is None else seconds * epochs / settings.epochs,
            ),
            allowed=allowed,
        )
        trajectory += _go_on(search, folder, f"search-{i + 1}.pt", on_epoch)
    assert search is not None
    return search, trajectory


def _deep(space: ModelSpace, stage: Stage) -> ModelSpace:
    """The space with a share of its networks' depth, where it says how that is scaled."""
    if stage.depth >= 1 or "depth" not in space.scaled.values():
        return space
    try:
        smaller = space.smaller(depth=stage.depth)
    except InputError:  # already as shallow as can be
        return space
    return smaller if {d.path for d in walk(smaller)} == {d.path for d in walk(space)} else space


def _strongest(search: Bilevel, stage: Stage) -> dict[str, tuple[int, ...]]:
    """The operations of each choice that stay in a stage, of all that there once were."""
    found = {}
    for path, one in search.strengths.decisions.items():
        if not (one.mixed and one.is_operation and path in search.strengths.values):
            continue
        p = search.strengths.probability(path, search.method.relaxation).tolist()
        n = max(1, math.ceil(stage.keep * len(p)))
        order = sorted(range(len(p)), key=lambda k: -p[k])
        found[path] = tuple(sorted(order[:n]))
    return found


def _forbid(search: Bilevel, found: Mapping[str, dict[Any, float]]) -> None:
    """What is no longer allowed is the very last to be derived."""
    for path, allowed in search.strengths.allowed.items():
        for k, value in enumerate(list(found[path])):
            if k not in allowed:
                found[path][value] -= 1e3
