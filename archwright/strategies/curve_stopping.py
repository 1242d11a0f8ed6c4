"""Stop a training when its curve, extrapolated, will hardly end among the best."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from archwright.errors import InputError
from archwright.predictors.curves import Curve, CurvePredictor, as_method
from archwright.predictors.curves.lc_svr import N_LEAST as N_LEAST_LC_SVR
from archwright.predictors.curves.lc_svr import SupportVectors
from archwright.predictors.curves.sums import Sum
from archwright.strategies.population import check_counts
from archwright.strategies.stopping import Judge, check_single, warn_without_curves
from archwright.trials import History, Objective, Trial

N_LEAST = 4
GROWTH = 1.2
N_CURVES_AT_MOST = 100


@dataclass(frozen=True)
class CurveStopping:
    """Stop what will probably not end better than the best so far.

    The finished trials' curves teach a predictor; a running one is stopped when the probability
    that it ends better than the `rank`-th best of them is below the threshold. It is asked at the
    `n_steps`-th report and then each time that the curve is longer by a fifth, and never stops what
    is at that best already.

    Args:
        threshold: probability below which a trial is stopped.
        rank: it need not beat the best, but the `rank`-th best.
        n_trials: finished trials with curves before anything is stopped; at least 4.
        n_steps: reports before which nothing is stopped.
        method: one of `archwright.predictors.curves.METHODS` or a family's name.

    Raises:
        InputError: an argument is out of range.
        UnknownNameError: no method has that name.

    Source: Domhan, Springenberg and Hutter, "Speeding up Automatic Hyperparameter Optimization of
    Deep Neural Networks by Extrapolation of Learning Curves", IJCAI 2015 (the rule, there with a
    threshold of 0.05); Baker, Gupta, Raskar and Naik, "Accelerating Neural Architecture Search
    using Performance Prediction", 2018, arXiv:1705.10823 (a predictor learnt from the finished
    curves of the same search).

    Differences from the papers: the threshold is 0.01, as it holds for each trial, and of 30 that
    are stopped at 0.05 one may well be the best; the predictor is `CurvePredictor`'s "auto"; a
    trial that is stopped stays without a value (there: the predicted one), and does not teach; it
    is asked at a growing distance, not after each epoch.

    Trials are compared with those of the same budget and fidelity that began alike (anew,
    or from a checkpoint). Where the method cannot judge, the trial runs on: too few finished curves
    came as far, or "sotl" and "sotl_e" find no ``train_loss`` in the reports (a search whose first
    finished curves have none is warned). Curves whose steps go back, as those of an evaluation that
    trains several times, are neither judged nor learnt from.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice(range(8))})
    >>> def curve(a):
    ...     return tuple({"step": i, "accuracy": 1 - a * i**-0.5} for i in range(1, 31))
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> for n in range(5):
    ...     done = curve(0.2 + 0.1 * n)
    ...     history.add(Trial(n, space.default, metrics=done[-1], curve=done))
    >>> judge = CurveStopping(n_trials=5).prepare(history, Trial(5, space.default, "running"))
    >>> judge(curve(0.1)[:3])
    >>> print(judge(curve(0.5)[:3]))  # doctest: +ELLIPSIS
    accuracy is predicted to end at 0.908..., the best to beat is 0.9635 (probability 0...
    """

    threshold: float = 0.01
    rank: int = 1
    n_trials: int = 8
    n_steps: int = 3
    method: str = "auto"

    def __post_init__(self) -> None:
        check_counts(rank=self.rank, n_trials=self.n_trials, n_steps=self.n_steps)
        if not isinstance(self.threshold, int | float) or not 0 < self.threshold < 1:
            raise InputError(
                f"threshold must be a probability between 0 and 1, got {self.threshold!r}"
            )
        if self.n_trials < N_LEAST:
            raise InputError(
                f"n_trials must be at least {N_LEAST}, as the error of a prediction is told by the "
                f"finished curves, got {self.n_trials}"
            )
        if isinstance(as_method(self.method), SupportVectors) and self.n_trials < N_LEAST_LC_SVR:
            raise InputError(
                f"lc_svr learns from at least {N_LEAST_LC_SVR} finished curves, got "
                f"n_trials={self.n_trials}: give n_trials={N_LEAST_LC_SVR} or more"
            )

    def check(self, objective: Objective) -> None:
        """Refuse several objectives: a curve is judged by one."""
        check_single(objective)

    def prepare(self, history: History, trial: Trial) -> Judge | None:
        """See `Stopping.prepare`."""
        goal = history.objective.primary
        warn_without_curves(history, goal.metric)
        known = self._finished(history, _group(history, trial))
        if len(known) < max(self.n_trials, self.rank):
            return None
        self._warn_without_losses(history, known)
        finals = sorted((final for _, final in known), reverse=goal.maximize)
        latest = known[-N_CURVES_AT_MOST:]
        return _CurveJudge(
            self,
            goal.metric,
            goal.maximize,
            finals[self.rank - 1],
            tuple(c for c, _ in latest),
            tuple(f for _, f in latest),
        )

    def _warn_without_losses(self, history: History, known: Sequence[tuple[Curve, float]]) -> None:
        method = as_method(self.method)
        if not isinstance(method, Sum) or method.of != "losses":
            return
        if history.memory.get("warned without losses") or any(curve.losses for curve, _ in known):
            return
        history.memory["warned without losses"] = True
        warnings.warn(
            f"CurveStopping(method={self.method!r}) sums training losses, and no finished trial "
            "reported train_loss: nothing can be stopped. Report it each epoch, or take another "
            "method, such as 'auto'",
            stacklevel=2,
        )

    def _finished(self, history: History, group: tuple[Any, ...]) -> list[tuple[Curve, float]]:
        """Curves and final values of the complete trials of a group, in order; read once."""
        goal = history.objective.primary
        memory = history.memory.setdefault(self, {"n_read": 0, "groups": {}})
        for done in history.trials[memory["n_read"] :]:
            if done.state != "complete" or not history.objective.feasible(done.metrics):
                continue
            points = [p for p in done.curve if goal.metric in p and p["step"] > 0]
            if len(points) > 1 and _ascends(points) and math.isfinite(done.metrics[goal.metric]):
                curve = Curve.of(done.curve, metric=goal.metric)
                pair = curve, float(done.metrics[goal.metric])
                memory["groups"].setdefault(_group(history, done), []).append(pair)
        memory["n_read"] = len(history.trials)
        found: list[tuple[Curve, float]] = memory["groups"].get(group, [])
        return found


@dataclass(frozen=True)
class _CurveJudge:
    rule: CurveStopping
    metric: str
    maximize: bool
    target: float
    curves: tuple[Curve, ...]
    finals: tuple[float, ...]

    def __call__(self, reports: Sequence[Mapping[str, float]]) -> str | None:
        if self.metric not in reports[-1]:
            return None
        curve = [p for p in reports if self.metric in p and p["step"] > 0]
        if not curve or not _is_due(len(curve), self.rule.n_steps) or not _ascends(curve):
            return None
        values = [p[self.metric] for p in curve]
        sign = 1.0 if self.maximize else -1.0
        if max(sign * v for v in values) >= sign * self.target:
            return None
        predictor = CurvePredictor(self.rule.method, metric=self.metric)
        predictor.fit(self.curves, self.finals)
        try:
            mean, std = predictor.predict(reports)
        except InputError:
            # The method cannot tell: too few finished curves came as far, or have what it needs.
            return None
        beats = _probability(sign * (mean - self.target), std)
        if beats >= self.rule.threshold:
            return None
        which = "best" if self.rule.rank == 1 else f"{self.rule.rank}. best"
        return (
            f"{self.metric} is predicted to end at {mean:.4g} +- {std:.2g} after step "
            f"{reports[-1]['step']:g}, the {which} to beat is {self.target:.4g} (probability "
            f"{beats:.2g})"
        )


def _group(history: History, trial: Trial) -> tuple[Any, ...]:
    return history.level(trial.budget), trial.fidelity, trial.continues is None


def _ascends(points: Sequence[Mapping[str, float]]) -> bool:
    return all(a["step"] <= b["step"] for a, b in pairwise(points))


def _is_due(n: int, first: int) -> bool:
    """Whether the n-th report is one of those after which is asked."""
    due = first
    while due < n:
        due = max(due + 1, math.ceil(due * GROWTH))
    return due == n


def _probability(gap: float, std: float) -> float:
    """That a normal variable with this mean and deviation is above 0."""
    if std == 0.0 or math.isinf(std):
        return 0.5 if gap == 0 or std else float(gap > 0)
    return 0.5 * math.erfc(-gap / std / math.sqrt(2.0))
