"""What a run leaves in its folder, and how it is read back."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from archwright.errors import LedgerError
from archwright.space import Space
from archwright.trials import Baseline, Final, Goal, History, Limit, Objective, Result

JOURNAL = "journal.log"
RUN = "run.json"
RESULT = "result.json"
REPORT = "report.html"
CALL = "call.pkl"
EXPORT = "export"
TRIALS = "trials"
STUDY = "archwright"


def write_json(path: Path, values: Any) -> None:
    """Write JSON whole or not at all."""
    part = path.with_name(path.name + ".part")
    with part.open("w", encoding="utf-8") as file:
        file.write(json.dumps(values, indent=1, default=_plain) + "\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        LedgerError: it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise LedgerError(
            f"{path} cannot be read: {error}. Remove it and call search(...) with the same "
            f"arguments: the trials are in {JOURNAL} and stay"
        ) from None


def write_run(folder: Path, result: Result, *, finished: bool) -> None:
    """Keep all of a result but its trials, which the ledger has."""
    objective = result.objective
    write_json(
        folder / RUN,
        {
            "finished": finished,
            "info": result.info,
            "objective": {
                "goals": [[g.metric, g.maximize] for g in objective.goals],
                "limits": [[x.metric, _bound(x.low), _bound(x.high)] for x in objective.limits],
            },
            "space": space_dict(result.space),
            "finals": [final.to_dict() for final in result.finals],
            "baselines": [
                {
                    "name": b.name,
                    "validation": dict(b.validation),
                    "test": None if b.test is None else dict(b.test),
                    "seconds": b.seconds,
                }
                for b in result.baselines
            ],
        },
    )


def write_result(folder: Path, result: Result) -> dict[str, Any]:
    """Write ``result.json``, the run in one small record, and return it."""
    info = result.info
    best = result.history.best
    metric = result.objective.primary.metric
    final = result.finals[0] if result.finals else None
    costs: Mapping[str, float] = final.costs if final else best.metrics if best else {}
    chosen = final or best
    values = {
        "metric": metric,
        "validation": None if best is None else best.metrics[metric],
        "test": None if final is None or final.test is None else final.test.get(metric),
        "parameters": costs.get("params"),
        "flops": costs.get("flops"),
        "latency_ms": costs.get("latency_ms"),
        "n_trials": sum(t.state != "infeasible" for t in result.trials),
        "n_infeasible": sum(t.state == "infeasible" for t in result.trials),
        "n_failed": result.n_failed,
        "seconds": info.get("seconds"),
        "seed": info.get("seed"),
        "strategy": info.get("strategy"),
        "space": info.get("space"),
        "architecture": None if chosen is None else dict(chosen.architecture),
        "random_search": info.get("random_search"),
        "random_search_note": info.get("random_note"),
        "stopped": info.get("stopped"),
    }
    write_json(folder / RESULT, values)
    return values


def read_run(folder: Path) -> dict[str, Any]:
    """The content of ``run.json``.

    Raises:
        LedgerError: the folder holds no run.
    """
    if not folder.is_dir() or not (folder / RUN).exists():
        raise LedgerError(
            f"{str(folder)!r} holds no run ({RUN} is not there); name the folder given as out= "
            "(--out) to a search"
        )
    run = read_json(folder / RUN)
    whole = isinstance(run, dict) and {"info", "objective", "space", "finals"} <= set(run)
    if not whole or not isinstance(run["info"], dict) or "plan" not in run["info"]:
        raise LedgerError(
            f"{str(folder / RUN)!r} is not the record of a run. Remove it and call search(...) "
            f"with the same arguments: the trials are in {JOURNAL} and stay"
        )
    return run


def objective_from(values: Mapping[str, Any]) -> Objective:
    """The objective that `write_run` wrote."""
    goals = tuple(Goal(metric, maximize) for metric, maximize in values["goals"])
    infinite = float("inf")
    limits = tuple(
        Limit(m, -infinite if low is None else low, infinite if high is None else high)
        for m, low, high in values["limits"]
    )
    return Objective(goals, limits)


def result_from(folder: Path, run: Mapping[str, Any], space: Space) -> Result:
    """A result from a run's folder, its trials from the ledger."""
    from archwright.ledger import OptunaLedger

    objective = objective_from(run["objective"])
    storage = run["info"].get("storage") or folder / JOURNAL
    finished, _ = OptunaLedger(storage, run["info"].get("study", STUDY), space, objective).load()
    return Result(
        history=History(space, objective, finished, full_budget=run["info"].get("full_budget")),
        info=dict(run["info"]),
        finals=[Final.from_dict(values) for values in run["finals"]],
        baselines=[Baseline(**values) for values in run["baselines"]],
        folder=folder,
    )


def space_dict(space: Space) -> dict[str, Any] | None:
    """The space's description, or None where it is not known beforehand (dynamic spaces)."""
    try:
        return space.to_dict()
    except Exception:
        return None


def _bound(value: float) -> float | None:
    return value if abs(value) != float("inf") else None


def _plain(value: Any) -> Any:
    if hasattr(value, "item"):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, tuple | set | frozenset):
        return list(value)
    return str(value)
