"""Rules that stop an evaluation early, when its curve shows that it is not worth its end."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Protocol, runtime_checkable

from archwright.errors import InputError, unknown_name
from archwright.strategies.population import check_counts
from archwright.trials import History, Objective, Trial

Judge = Callable[[Sequence[Mapping[str, float]]], str | None]
"""Given the curve so far, one mapping a report: why to stop, or None to go on."""


@runtime_checkable
class Stopping(Protocol):
    """Prepares a judge for each evaluation.

    `prepare` is called in the search's own process when an evaluation starts. What it returns must
    be picklable: it travels to the worker, and is asked there after each report.
    """

    def prepare(self, history: History, trial: Trial) -> Judge | None:
        """The judge of one trial, from the trials so far; None lets it run."""
        ...


@dataclass(frozen=True)
class MedianStopping:
    """Stop what at its best so far is worse than the median of the others at that step.

    Of the other trials that are complete, the running averages of the primary goal up to the
    step count: a trial is stopped when the best value that it reported is strictly worse than
    their median.

    Args:
        n_trials: complete trials that must have reported at least as many steps.
        n_steps: steps before which nothing is stopped.

    Raises:
        InputError: an argument is out of range.

    Source: Golovin, Solnik, Moitra, Kochanski, Karro and Sculley, Google Vizier: A Service for
    Black-Box Optimization, KDD 2017, section 3.2.2.

    Differences from the paper: `n_trials` and `n_steps`; a trial is compared with those that
    finished before it began, so that workers share nothing.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32, 64))})
    >>> curve = ({"step": 1, "accuracy": 0.5}, {"step": 2, "accuracy": 0.7})
    >>> done = Trial(0, space.default, metrics={"accuracy": 0.7}, curve=curve)
    >>> history = History(space, Objective.of(maximize="accuracy"), [done])
    >>> judge = MedianStopping(n_trials=1).prepare(history, Trial(1, space.default, "running"))
    >>> judge([{"step": 1, "accuracy": 0.5}])
    >>> judge([{"step": 1, "accuracy": 0.5}, {"step": 2, "accuracy": 0.55}])
    'accuracy is at best 0.55 up to step 2, the median of 1 others is 0.6'
    """

    n_trials: int = 5
    n_steps: int = 1

    def __post_init__(self) -> None:
        check_counts(**vars(self))

    def check(self, objective: Objective) -> None:
        """Refuse several objectives: a curve is judged by one."""
        check_single(objective)

    def prepare(self, history: History, trial: Trial) -> Judge | None:
        """See `Stopping.prepare`."""
        goal = history.objective.primary
        warn_without_curves(history, goal.metric)
        memory = history.memory.setdefault(self, {"n_read": 0, "averages": []})
        for done in history.trials[memory["n_read"] :]:
            if done.state == "complete":
                memory["averages"].append(_averages(done.curve, goal.metric))
        memory["n_read"] = len(history.trials)
        averages: list[dict[int, float]] = [a for a in memory["averages"] if a]
        if len(averages) < self.n_trials:
            return None
        medians = {}
        for step in sorted({s for known in averages for s in known}):
            # A trial counts at each step that it reached, reported or not.
            reached = [v for v in (_upto(a, step) for a in averages) if v is not None]
            if len(reached) >= self.n_trials:
                medians[step] = (median(reached), len(reached))
        return _MedianJudge(goal.metric, goal.maximize, medians, self.n_steps)


@dataclass(frozen=True)
class _MedianJudge:
    metric: str
    maximize: bool
    medians: Mapping[int, tuple[float, int]]
    n_steps: int

    def __call__(self, curve: Sequence[Mapping[str, float]]) -> str | None:
        step = int(curve[-1]["step"])
        values = [point[self.metric] for point in curve if self.metric in point]
        known = [s for s in self.medians if s <= step]
        if not values or not known or step < self.n_steps or self.metric not in curve[-1]:
            return None
        # Past the end of the others nothing is known.
        if step > max(self.medians):
            return None
        best = max(values) if self.maximize else min(values)
        middle, n = self.medians[max(known)]
        if best >= middle if self.maximize else best <= middle:
            return None
        return (
            f"{self.metric} is at best {best:.4g} up to step {step}, the median of {n} others is "
            f"{middle:.4g}"
        )


def _averages(curve: Sequence[Mapping[str, float]], metric: str) -> dict[int, float]:
    """Step -> mean of the metric over all reports up to it."""
    total, averages = 0.0, {}
    values = [(int(p["step"]), p[metric]) for p in curve if metric in p]
    for n, (step, value) in enumerate(values, start=1):
        total += value
        averages[step] = total / n
    return averages


def _upto(averages: Mapping[int, float], step: int) -> float | None:
    """The average at the last report up to a step; None before the first and after the last."""
    if step in averages:
        return averages[step]
    earlier = [s for s in averages if s < step]
    return averages[max(earlier)] if earlier and step < max(averages) else None


def check_single(objective: Objective) -> None:
    """Refuse several objectives.

    Raises:
        InputError: there are several.
    """
    if not objective.single:
        raise InputError(
            "early stopping judges by one metric, and this search has "
            f"{', '.join(map(str, objective.goals))}: leave stopping out, or ask for one goal and "
            "give the others as limits"
        )


N_SILENT = 3


def warn_without_curves(history: History, metric: str) -> None:
    """Warn, once a search, when its first complete trials reported nothing to be judged by.

    A rule can do nothing then: the evaluator reports no curve, or not the metric that is searched
    for.
    """
    if history.memory.get("warned without curves") or len(history.complete) < N_SILENT:
        return
    history.memory["warned without curves"] = True
    first = history.complete[:N_SILENT]
    if any(metric in point for trial in first for point in trial.curve):
        return
    names = sorted({k for trial in first for point in trial.curve for k in point if k != "step"})
    got = f"reports {', '.join(names)} only" if names else "reports no curve"
    warnings.warn(
        f"stopping= has nothing to judge by: the evaluator {got} in its first {N_SILENT} "
        f"complete trials; call candidate.report(step, {metric}=...) after each epoch, or leave "
        "stopping out",
        stacklevel=2,
    )


def _curve() -> Stopping:
    # Imported when it is asked for: it needs numpy, and the predictors.
    from archwright.strategies.curve_stopping import CurveStopping

    return CurveStopping()


STOPPING: dict[str, Callable[[], Stopping]] = {"curve": _curve, "median": MedianStopping}


def as_stopping(given: Any) -> Stopping | None:
    """A stopping rule from its name, an Optuna pruner, or the rule itself; None for None.

    Raises:
        UnknownNameError: no rule has that name.
        InputError: it is neither.

    >>> as_stopping("median")
    MedianStopping(n_trials=5, n_steps=1)
    """
    if given is None:
        return None
    if isinstance(given, str):
        if given not in STOPPING:
            raise unknown_name("stopping rule", given, STOPPING)
        return STOPPING[given]()
    if isinstance(given, type):
        raise InputError(f"stopping must be an object, got the class {given.__name__}: call it")
    if isinstance(given, Stopping):
        return given
    if callable(getattr(given, "prune", None)):
        from archwright.strategies.optuna_pruner import OptunaPruner

        return OptunaPruner(given)
    raise InputError(
        f"stopping must be a name ({', '.join(STOPPING)}), an Optuna pruner, or an object with "
        f"prepare(history, trial), got {given!r}"
    )
