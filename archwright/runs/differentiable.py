"""`differentiable`: a search by gradients that answers the same `Result` as every other."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from time import monotonic
from typing import TYPE_CHECKING, Any

from archwright.errors import InfeasibleError, InputError, whole_number
from archwright.runs.api import resolve, search
from archwright.runs.checks import check_folder, parse_limits, positive
from archwright.runs.networks import check_costs, cost_function
from archwright.runs.progress import Progress, harmless
from archwright.runs.record import REPORT, write_run
from archwright.space import Architecture, Space
from archwright.trials import History, Objective, Proposal, Result

if TYPE_CHECKING:
    from archwright.evaluators import Train
    from archwright.supernet import ExpectedCost, Found, Method, Settings
    from archwright.supernet.derive import Feasible

FOLDER = "supernet"
"""Where a run's folder keeps the supernet's state."""


@dataclass(frozen=True)
class Derived:
    """Proposes what a differentiable search has derived, the most probable first.

    Attributes:
        method: how it was found.
        architectures: what was derived.
    """

    method: str
    architectures: tuple[Architecture, ...] = field(repr=False)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        del rng
        new = next((a for a in self.architectures if history.is_new(a)), None)
        return None if new is None else Proposal(new, origin=self.method)


def differentiable(
    space: Space | str,
    task: Any,
    method: str | Method = "darts",
    *,
    epochs: int = 50,
    batch_size: int = 64,
    n: int = 1,
    limits: Mapping[str, Any] | None = None,
    cost: str | ExpectedCost | None = None,
    cost_weight: float = 0.1,
    speed: float | None = None,
    stop: Any = None,
    patience: int | None = None,
    eigenvalue: bool = False,
    checkpointing: bool = False,
    minutes: float | None = None,
    seed: int = 0,
    device: str = "auto",
    n_threads: int | None = None,
    out: str | Path | None = None,
    final: bool | str = True,
    baselines: bool = True,
    progress: Progress | None = None,
    command: str | None = None,
) -> Result:
    """Search with a supernet whose choices are relaxed; derive, train anew, test and export.

    The supernet learns on one half of the training rows, the strengths of the choices on the
    other; validation rows choose among the derived architectures, test rows are read once. What
    cannot be relaxed, such as a stride, is drawn in each step and learns by the score function;
    the result's notes name it. The space's default network is evaluated, too, as in every run;
    where it is better on the validation rows than what was derived, it is handed over.

    Args:
        space: a `ModelSpace`, or the name of one of the zoo's.
        task: a `Task`, or `Train(task, ...)`, which says how derived networks are trained.
        method: a name from `archwright.supernet.METHODS` ("darts", "gdas", "drnas", "beta-darts",
            "pc-darts", "proxyless", ...), or a `Method`.
        epochs: of the supernet, each over a half of the training rows.
        batch_size: rows of a step.
        n: how many architectures are derived and evaluated, the most probable ones.
        limits: metric -> bound, on costs that can be computed; see `search`.
        cost: a cost in the loss, "flops", "params", "latency_ms" or another that is known (a table
            is fitted to networks of the space), or an `ExpectedCost`.
        cost_weight: its weight; see `Settings`.
        speed: factor of the strengths' step size; None: fewer steps than published are made up
            for, see `Settings`.
        stop: "eigenvalue", "skips" or a rule: ends the supernet's search early.
        patience: ends it when the choices have not changed for so many epochs.
        eigenvalue: whether the dominant eigenvalue is measured; the rule of that name needs it and
            turns it on.
        checkpointing: computes parts twice and keeps less of them in memory.
        minutes: for everything; the supernet takes half at most.
        seed: everything random follows from it.
        device: "cpu", "cuda", "cuda:1" or "auto".
        n_threads: CPU threads of the supernet; None leaves torch's setting.
        out: the run's folder. The same call goes on after the last finished epoch.
        final: as for `search`.
        baselines: as for `search`.
        progress: called with a mapping a few times a second, and after each epoch with ``phase``
            "supernet".
        command: the command that reproduces this call.

    Returns:
        The result; ``result.info["differentiable"]`` has the course of the search.

    Raises:
        InputError: an argument cannot be used.
        SpaceError: the space cannot be relaxed.
        InfeasibleError: nothing that was derived keeps the limits.

    >>> import archwright as aw
    >>> from torch import nn
    >>> def net():
    ...     options = {"linear": lambda: aw.linear(4, 4), "skip": nn.Identity}
    ...     return nn.Sequential(aw.layer("op", options), nn.ReLU(), aw.linear(4, 3))
    >>> task = aw.Task.load("iris")
    >>> result = differentiable(
    ...     aw.ModelSpace(net), aw.Train(task, epochs=2), "darts", epochs=2, baselines=False
    ... )
    >>> result.info["strategy"], len(result.info["differentiable"]["epochs"])
    ('darts', 2)
    """
    from archwright.evaluators import Train
    from archwright.supernet import Settings, as_method, as_stop
    from archwright.supernet.watch import Eigenvalue
    from archwright.training.runtime import resolve_device

    began = monotonic()
    n = whole_number("n", n)
    positive("minutes", minutes)
    evaluator, space, space_name = resolve(space, task)
    if not isinstance(evaluator, Train):
        raise InputError(
            f"differentiable search trains a supernet on data: give a Task or Train(task), got "
            f"{type(task).__name__}"
        )
    folder = check_folder(out)
    own = evaluator.objective.primary
    objective = Objective.of(
        **{"maximize" if own.maximize else "minimize": [own.metric]}, limits=parse_limits(limits)
    )
    shape = tuple(evaluator.input_shape)
    check_costs(space, objective, shape, None)
    rule = as_stop(stop)
    where = str(resolve_device(device))
    settings = Settings(
        epochs=epochs,
        batch_size=batch_size,
        seed=seed,
        device=where,
        seconds=None if minutes is None else 30.0 * minutes,
        patience=patience,
        stop=rule,
        eigenvalue=eigenvalue or isinstance(rule, Eigenvalue),
        checkpointing=checkpointing,
        cost=_cost(cost, space, shape, seed, where),
        cost_weight=cost_weight,
        speed=speed,
        n_threads=n_threads,
    )
    chosen = as_method(method)
    shown = None if progress is None else harmless(progress)
    compute = cost_function(space, objective, shape, seed=seed, device=where)

    def feasible(arch: Architecture) -> bool:
        return compute is None or objective.feasible(dict(compute(arch)))

    found = _found(
        space, evaluator, chosen, settings, objective, feasible, n=n, folder=folder, progress=shown
    )
    result = search(
        space,
        evaluator,
        limits=limits,
        strategy=Derived(chosen.name, tuple(found.architectures)),
        trials=len(found.architectures) + _n_yardsticks(space, found, feasible),
        minutes=minutes,
        workers=0,
        out=folder,
        seed=seed,
        device=device,
        final=final,
        baselines=baselines,
        progress=progress,
        command=command,
        started=began,
    )
    result.info["strategy"] = chosen.name
    result.info["space"] = space_name
    result.info["differentiable"] = found.facts()
    result.info["notes"] = [*result.info.get("notes", []), *_notes(found)]
    if folder is not None:
        write_run(folder, result, finished=result.info.get("stopped") != "interrupted")
        if (folder / REPORT).exists():
            result.report(folder / REPORT)
    return result


def _n_yardsticks(space: Any, found: Found, feasible: Feasible) -> int:
    """The default network, which every run evaluates; one that breaks a limit is not counted."""
    default = space.default
    known = {space.canonical(arch) for arch in found.architectures}
    return int(space.canonical(default) not in known and feasible(default))


def _cost(
    cost: str | ExpectedCost | None, space: Any, shape: tuple[int, ...], seed: int, device: str
) -> ExpectedCost | None:
    from archwright.supernet import ExpectedCost

    if cost is None or isinstance(cost, ExpectedCost):
        return cost
    return ExpectedCost.of_networks(space, cost, shape, seed=seed, device=device)


def _found(
    space: Any,
    evaluator: Train,
    method: Method,
    settings: Settings,
    objective: Objective,
    feasible: Feasible,
    *,
    n: int,
    folder: Path | None,
    progress: Progress | None,
) -> Found:
    """Search the supernet and derive what keeps the limits."""
    from archwright.supernet import ExpectedCost, relaxed_search
    from archwright.supernet.limits import derive_within

    began = monotonic()
    shape = tuple(evaluator.input_shape)

    def told(record: dict[str, Any]) -> None:
        if progress is not None:
            progress(
                {
                    "phase": "supernet",
                    "done": record["epoch"],
                    "total": settings.epochs,
                    "elapsed": monotonic() - began,
                    "remaining": None,
                    "best": None,
                    "metric": objective.primary.metric,
                    "front": 0,
                    "failed": 0,
                    "infeasible": 0,
                    "message": f"loss {record['train_loss']:.4g}, entropy {record['entropy']:.2f}, "
                    f"skip connections {record['skip_share']:.0%}",
                }
            )

    found = relaxed_search(
        space,
        evaluator.task,
        method,
        settings,
        n=n,
        feasible=feasible if objective.limits else None,
        folder=None if folder is None else folder / FOLDER,
        on_epoch=told,
    )
    if found.architectures:
        return found
    tables = [
        (ExpectedCost.of_networks(space, limit.metric, shape, seed=settings.seed), limit.high)
        for limit in objective.limits
        if math.isfinite(limit.high)
    ]
    found.architectures = derive_within(
        space,
        found.scores,
        tables,
        fixed=found.searched.strengths.fixed,
        feasible=feasible,
        n=n,
    )
    if not found.architectures:
        raise InfeasibleError(
            "no architecture that the strengths make probable keeps the limits: loosen them, or "
            "search a space with smaller networks",
            closest=None,
        )
    return found


def _notes(found: Found) -> list[str]:
    searched = found.searched
    notes = [
        f"the supernet's search ended after {len(found.trajectory)} epochs: {searched.stopped}; "
        f"its memory was estimated at {searched.peak_bytes / 2**20:.0f} MiB beforehand"
    ]
    drawn = list(searched.relaxable.drawn)
    if drawn:
        shown = ", ".join(drawn[:5]) + (", ..." if len(drawn) > 5 else "")
        notes.append(
            f"{len(drawn)} decisions could not be relaxed and were drawn in each step ({shown})"
        )
    if searched.relaxable.fixed:
        notes.append(
            "left at their defaults by the differentiable search: "
            + ", ".join(searched.relaxable.fixed)
        )
    return notes
