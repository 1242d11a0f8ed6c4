"""What a run says of itself, for its records and the report."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from archwright.errors import InputError
from archwright.runs.checkpoints import in_full
from archwright.runs.plan import Plan
from archwright.runs.record import STUDY
from archwright.space import Space
from archwright.trials import History, Objective


def is_finite(space: Space) -> bool:
    """Whether the space is known to have an end."""
    try:
        return space.size != math.inf
    except InputError:
        return False


def size_of(space: Space) -> float | None:
    """The space's size; None where it is unknown or beyond what JSON's readers take."""
    size = space.size if is_finite(space) else None
    return size if size is None or size < 1e300 else None


def study_name(folder: Path | None, storage: str | None, suffix: str = "") -> str:
    """The study that holds a run's trials within its storage."""
    study = f"{STUDY}-{suffix}" if suffix else STUDY
    if storage is not None and folder is not None:
        study = f"{study}-{folder.resolve().name}"
    return study


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that results depend on."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"python": platform.python_version()}
    names = ("archwright", "torch", "numpy", "scikit-learn", "optuna", "onnx", "onnxruntime")
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def plan_facts(plan: Plan, evaluator: Any) -> dict[str, Any]:
    """What was planned, on what data and machine, with notes for the reader."""
    task = getattr(evaluator, "task", None)
    notes = list(plan.notes)
    if plan.max_flops is not None:
        notes.append(
            f"networks above {plan.max_flops:.3g} FLOPs were left out: their final training "
            "would not end in the time given"
        )
    facts: dict[str, Any] = {
        "date": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "versions": versions(),
        "plan": plan.to_dict(),
        "notes": notes,
    }
    if task is not None:
        from archwright.hardware import machine

        facts["task"] = task.summary()
        facts["recipe"] = evaluator.resolved.to_dict()
        facts["machine"] = str(machine())
        notes += task.notes
    trust = getattr(evaluator, "trust", None)
    if trust is not None:
        facts["trust"] = trust.to_dict()
        notes += trust.warnings
    return facts


def random_facts(
    history: History, objective: Objective, *, own: bool, other: History | None
) -> Mapping[str, Any]:
    """The random-search line for the report and ``result.json``.

    Args:
        history: the search.
        objective: its goals.
        own: whether the search itself is random search.
        other: random search run beside it, or None.
    """
    if own:
        trials, note = history.complete, "this search is random search"
    elif other is not None:
        trials = other.complete
        n_made = sum(t.state != "infeasible" for t in other.trials)
        n_wanted = round(in_full(history))
        note = f"random search with {n_made} trials, run beside this search"
        if n_made < n_wanted:
            note += f" (the time did not suffice for all {n_wanted})"
    else:
        note = (
            "random search was not run; compare_random=True (--compare-random) runs it with as "
            "many trials"
        )
        return {"random_search": None, "random_note": note}
    metric, maximize = objective.primary.metric, objective.primary.maximize
    best: float | None = None
    line: list[list[float]] = []
    for i, trial in enumerate(trials, start=1):
        value = trial.metrics[metric]
        best = value if best is None else max(best, value) if maximize else min(best, value)
        line.append([i, best])
    return {"random_search": best, "random_note": note, "random_line": line}
