"""What the additive Gaussian process learns from: scores, and the metrics that limits name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archwright.predictors.additive import AdditiveProcess, Setting
from archwright.predictors.features import Features
from archwright.predictors.gp import normal_scores
from archwright.space import Architecture
from archwright.trials import History, Limit, Trial

Matrix = npt.NDArray[np.float64]

COSTS = Setting(scale=4.0, noise=0.01)
"""Costs are smoother in the counts of an architecture's parts than scores, and less noisy."""
N_LEAST = 3


@dataclass(frozen=True)
class Examples:
    """Architectures with a target for each goal, larger is better.

    Attributes:
        architectures: the evaluated architectures; those that failed come last.
        numbers: the trials' numbers.
        targets: normal quantiles of the ranks of the goals' values, n x n_goals.
        n_good: how many did not fail.
    """

    architectures: list[Architecture]
    numbers: list[int]
    targets: Matrix
    n_good: int

    @classmethod
    def of(cls, history: History, most: int) -> Examples:
        """The examples in a history.

        What was trained and measured counts with its value, also where it broke a limit, as that
        is the limit's affair; what failed, or broke a limit in a way that no metric says, counts
        as the worst. Of more than `most` the best half (by the first goal) and the latest are
        taken, and of failed ones no more than of others.
        """
        objective = history.objective
        goals = [goal.metric for goal in objective.goals]
        limits = {limit.metric for limit in objective.limits}
        good: list[Trial] = []
        bad: list[Trial] = []
        for trial in history.trials:
            if trial.state == "complete" and all(name in trial.metrics for name in goals):
                good.append(trial)
            elif trial.state == "failed" or (
                trial.state == "infeasible" and not limits.intersection(trial.metrics)
            ):
                bad.append(trial)
        if len(good) > most:
            scores = np.array([objective.score(trial.metrics) for trial in good])
            ranks = np.argsort(np.argsort(-scores, kind="stable"), kind="stable")
            latest = len(good) - most // 2
            n_best = most - most // 2
            rest = sorted(range(latest), key=ranks.__getitem__)[:n_best]
            good = [good[i] for i in sorted(rest)] + good[latest:]
        bad = bad[-len(good) :]
        values = np.array([objective.values(trial.metrics) for trial in good], dtype=float)
        values = np.concatenate([values, np.tile(values.min(axis=0), (len(bad), 1))])
        return cls(
            [trial.architecture for trial in good + bad],
            [trial.number for trial in good + bad],
            np.column_stack([normal_scores(column) for column in values.T]),
            len(good),
        )


def log_feasibility(
    history: History, features: Features, most: int
) -> Callable[[Matrix], Matrix | float]:
    """What gives, for rows of features, the logarithm of the probability that all limits hold.

    Each metric is predicted from the latest `most` trials in which it is known, in the logarithm
    where it is positive; a limit whose metric is known in fewer than three trials does not count.
    """
    models: list[tuple[Limit, AdditiveProcess, bool]] = []
    for limit in history.objective.limits:
        known = [trial for trial in history.trials if limit.metric in trial.metrics][-most:]
        values = np.array([trial.metrics[limit.metric] for trial in known], dtype=float)
        if len(known) < N_LEAST or not np.isfinite(values).all():
            continue
        positive = bool((values > 0).all())
        values = np.log(values) if positive else values
        rows = features.encode([trial.architecture for trial in known])
        process = AdditiveProcess(rows, values[:, None], features.groups, settings=[COSTS])
        models.append((limit, process, positive))

    def feasibility(rows: Matrix) -> Matrix | float:
        from scipy.special import ndtr

        total: Matrix | float = 0.0
        for limit, process, positive in models:
            mean, deviation = (column[:, 0] for column in process.predict(rows))
            deviation = np.hypot(deviation, 1e-3)
            with np.errstate(divide="ignore"):
                low, high = (
                    np.log(max(bound, 0.0)) if positive else bound
                    for bound in (limit.low, limit.high)
                )
            share = ndtr((high - mean) / deviation) - ndtr((low - mean) / deviation)
            total = total + np.log(np.maximum(share, 1e-9))
        return total

    return feasibility
