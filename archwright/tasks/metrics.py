"""Metrics of predictions, in plain NumPy, and intervals around them.

A metric reads *scores* and *targets*. Classification: scores are probabilities, `n x classes`,
targets class indices, `n`. Multi-label: probabilities `n x labels`, targets 0/1 of that shape.
Regression: predictions and targets in the target's own unit, `n x targets`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.errors import DataError, UnknownNameError, unknown_name, whole_number

Array = npt.NDArray[Any]
MetricFunction = Callable[[Array, Array], float]

KINDS = ("classification", "multilabel", "regression")


@dataclass(frozen=True)
class Metric:
    """A named figure of merit.

    Attributes:
        name: as users write it, `"accuracy"`.
        maximize: whether more is better.
        fn: `fn(scores, targets) -> float`; see the module for the shapes.
        kinds: the kinds of task it can judge.

    >>> half = Metric("hits", True, lambda scores, targets: (scores.argmax(1) == targets).mean())
    >>> half(np.array([[0.9, 0.1], [0.8, 0.2]]), np.array([0, 1]))
    0.5
    """

    name: str
    maximize: bool
    fn: MetricFunction
    kinds: tuple[str, ...] = KINDS

    def __call__(self, scores: Array, targets: Array) -> float:
        """The metric of `scores` against `targets`."""
        return float(self.fn(np.asarray(scores), np.asarray(targets)))


def accuracy(scores: Array, targets: Array) -> float:
    """Share of rows (or, multi-label, of single labels) that are predicted right."""
    if targets.ndim == 2:
        return float(((scores >= 0.5) == (targets >= 0.5)).mean())
    return float((scores.argmax(1) == targets).mean())


def balanced_accuracy(scores: Array, targets: Array) -> float:
    """Mean over the classes present of the share of their rows predicted right."""
    right = scores.argmax(1) == targets
    present = np.bincount(targets, minlength=scores.shape[1])
    hits = np.bincount(targets, weights=right, minlength=scores.shape[1])
    return float((hits[present > 0] / present[present > 0]).mean())


def _label_counts(scores: Array, targets: Array) -> tuple[Array, Array, Array]:
    """True positives, predicted and actual positives of each class or label."""
    if targets.ndim == 2:
        predicted, actual = scores >= 0.5, targets >= 0.5
        return (predicted & actual).sum(0), predicted.sum(0), actual.sum(0)
    n_classes = scores.shape[1]
    chosen = scores.argmax(1)
    hits = np.bincount(targets[chosen == targets], minlength=n_classes)
    return (
        hits,
        np.bincount(chosen, minlength=n_classes),
        np.bincount(targets, minlength=n_classes),
    )


def macro_f1(scores: Array, targets: Array) -> float:
    """Mean F1 over the classes (or labels) that occur in the predictions or the targets."""
    hits, predicted, actual = _label_counts(scores, targets)
    total = predicted + actual
    seen = total > 0
    return float((2 * hits[seen] / total[seen]).mean()) if seen.any() else 0.0


def micro_f1(scores: Array, targets: Array) -> float:
    """F1 of all labels taken together."""
    hits, predicted, actual = (values.sum() for values in _label_counts(scores, targets))
    return float(2 * hits / (predicted + actual)) if predicted + actual else 0.0


def exact_match(scores: Array, targets: Array) -> float:
    """Share of rows whose labels are all right."""
    return float(((scores >= 0.5) == (targets >= 0.5)).all(1).mean())


def log_loss(scores: Array, targets: Array) -> float:
    """Mean negative log-likelihood of the true class (or of each label), in nats."""
    tiny = float(np.finfo(np.float64).eps)
    if targets.ndim == 2:
        p = np.clip(scores, tiny, 1 - tiny)
        return float(-(targets * np.log(p) + (1 - targets) * np.log1p(-p)).mean())
    return float(-np.log(np.clip(scores[np.arange(len(targets)), targets], tiny, 1.0)).mean())


def _binary_auc(score: Array, positive: Array) -> float:
    """Area under the ROC curve of one score: ties count half."""
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if n_positive == 0 or n_negative == 0:
        return math.nan
    _, group, size = np.unique(score, return_inverse=True, return_counts=True)
    rank = np.cumsum(size) - (size - 1) / 2
    total = float(rank[group.ravel()][positive].sum())
    return (total - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative)


def auc(scores: Array, targets: Array) -> float:
    """Area under the ROC curve; several classes or labels: the mean of one against the rest.

    Classes of which the targets hold no row, or nothing else, are left out; 0.5 when all are.
    """
    if targets.ndim == 2:
        each = [_binary_auc(scores[:, k], targets[:, k] >= 0.5) for k in range(scores.shape[1])]
    elif scores.shape[1] == 2:
        each = [_binary_auc(scores[:, 1], targets == 1)]
    else:
        each = [_binary_auc(scores[:, k], targets == k) for k in range(scores.shape[1])]
    known = [value for value in each if not math.isnan(value)]
    return float(np.mean(known)) if known else 0.5


def mean_average_precision(scores: Array, targets: Array) -> float:
    """Mean over the labels (with a positive row) of their average precision; 0 when none has."""
    each = []
    for k in range(scores.shape[1]):
        positive = (targets[:, k] >= 0.5) if targets.ndim == 2 else (targets == k)
        if positive.any():
            each.append(_average_precision(scores[:, k], positive))
    return float(np.mean(each)) if each else 0.0


def _average_precision(score: Array, positive: Array) -> float:
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(positive[order])
    last = np.append(np.diff(score[order]) != 0, True)  # tied scores are one threshold
    hits, n_chosen = hits[last], np.flatnonzero(last) + 1
    gained = np.diff(hits, prepend=0)
    return float((gained * hits / n_chosen).sum() / hits[-1])


def r2(scores: Array, targets: Array) -> float:
    """Coefficient of determination, the mean over the targets; 0 where a target is constant."""
    residual = ((targets - scores) ** 2).reshape(len(targets), -1).sum(0)
    spread = ((targets - targets.mean(0)) ** 2).reshape(len(targets), -1).sum(0)
    fixed = spread == 0
    ratio = residual / np.where(fixed, 1.0, spread)
    return float(np.where(fixed, np.where(residual == 0, 1.0, 0.0), 1.0 - ratio).mean())


def rmse(scores: Array, targets: Array) -> float:
    """Root mean squared error in the target's unit (several targets: the mean of their errors)."""
    return float(np.sqrt(((targets - scores) ** 2).mean(0)).mean())


def mae(scores: Array, targets: Array) -> float:
    """Mean absolute error in the target's unit."""
    return float(np.abs(targets - scores).mean())


_C, _M, _R = KINDS
METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("accuracy", True, accuracy, (_C, _M)),
        Metric("balanced_accuracy", True, balanced_accuracy, (_C,)),
        Metric("macro_f1", True, macro_f1, (_C, _M)),
        Metric("micro_f1", True, micro_f1, (_M,)),
        Metric("auc", True, auc, (_C, _M)),
        Metric("mean_average_precision", True, mean_average_precision, (_M,)),
        Metric("exact_match", True, exact_match, (_M,)),
        Metric("log_loss", False, log_loss, (_C, _M)),
        Metric("r2", True, r2, (_R,)),
        Metric("rmse", False, rmse, (_R,)),
        Metric("mae", False, mae, (_R,)),
    )
}
"""Every metric by its name."""

DEFAULT_METRICS = {"classification": "accuracy", "multilabel": "macro_f1", "regression": "r2"}
"""The metric of each kind of task when none is asked for."""


def resolve_metric(metric: str | Metric | None, kind: str) -> Metric:
    """The `Metric` that a name (or None: the kind's default) stands for.

    Raises:
        UnknownNameError: the name is unknown, or cannot judge this kind of task.

    >>> resolve_metric(None, "regression").name
    'r2'
    >>> resolve_metric("acuracy", "classification")
    Traceback (most recent call last):
    ...
    archwright.errors.UnknownNameError: unknown metric 'acuracy': did you mean 'accuracy'? \
Known: accuracy, auc, balanced_accuracy, log_loss, macro_f1
    """
    known = {name: one for name, one in METRICS.items() if kind in one.kinds}
    if metric is None:
        return METRICS[DEFAULT_METRICS[kind]]
    if isinstance(metric, Metric):
        return metric
    if metric in known:
        return known[metric]
    if metric in METRICS:
        raise UnknownNameError(
            f"metric {metric!r} judges {' and '.join(METRICS[metric].kinds)}, and this task is "
            f"{kind}: choose one of {', '.join(sorted(known))}"
        )
    raise unknown_name("metric", metric, known)


def wilson_interval(share: float, n: int, *, level: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval of a share observed on `n` rows.

    Args:
        share: between 0 and 1, an accuracy for example.
        n: number of rows it was observed on.
        level: confidence.

    Source: Edwin B. Wilson, "Probable Inference, the Law of Succession, and Statistical
    Inference", Journal of the American Statistical Association 22 (158), 1927.

    >>> low, high = wilson_interval(0.9, 100)
    >>> round(low, 3), round(high, 3)
    (0.826, 0.945)
    """
    if n <= 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + level / 2)
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def confidence_interval(
    metric: str | Metric,
    scores: Array,
    targets: Array,
    *,
    level: float = 0.95,
    seed: int = 0,
    n_resamples: int = 500,
) -> tuple[float, float]:
    """An interval around a metric's value: Wilson's for accuracy, else a seeded bootstrap.

    Args:
        metric: its name or itself.
        scores: as the metric reads them, see the module.
        targets: likewise.
        level: confidence.
        seed: of the bootstrap's resampling of rows.
        n_resamples: of the bootstrap (percentile interval).

    >>> scores = np.array([[0.9, 0.1]] * 90 + [[0.2, 0.8]] * 10)
    >>> low, high = confidence_interval("accuracy", scores, np.zeros(100, int))
    >>> round(low, 3), round(high, 3)
    (0.826, 0.945)
    """
    if not 0.0 < level < 1.0:
        raise DataError(f"level must be between 0 and 1, got {level!r}: for example 0.95")
    scores, targets = np.asarray(scores), np.asarray(targets)
    if isinstance(metric, str):
        if metric not in METRICS:
            raise unknown_name("metric", metric, METRICS)
        metric = METRICS[metric]
    if metric.name == "exact_match" or (metric.name == "accuracy" and targets.ndim == 1):
        return wilson_interval(metric(scores, targets), len(targets), level=level)
    rng = np.random.default_rng(whole_number("seed", seed, least=0))
    values = [
        metric(scores[rows], targets[rows])
        for rows in (rng.integers(0, len(targets), len(targets)) for _ in range(n_resamples))
    ]
    low, high = np.nanquantile(values, [0.5 - level / 2, 0.5 + level / 2])
    return float(low), float(high)
