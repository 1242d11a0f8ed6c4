"""The shapes that learning curves take: published families, each on a grid of its parameters.

Source: Tobias Domhan, Jost Tobias Springenberg and Frank Hutter, "Speeding up Automatic
Hyperparameter Optimization of Deep Neural Networks by Extrapolation of Learning Curves", IJCAI
2015, table 1; Prabhant Kolachina et al., "Prediction of Learning Curves in Machine Translation",
ACL 2012.

Differences from the paper: every family has a free offset and scale, ``offset + scale * shape``,
so that a prediction of 1 - accuracy is one minus the prediction of accuracy, and losses that fall
are served like accuracies that rise. With them, exp4, Janoschek and Weibull are one family, and so
are MMF, Hill's and the logistic power curve: each is counted once in the ensemble. Steps are
measured as a part of the whole training, or in units of the distance between reports, and the
parameters other than offset and scale lie on a grid.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import numpy.typing as npt

from archwright.errors import unknown_name

Array = npt.NDArray[np.float64]

_RATES = tuple(np.geomspace(0.5, 100.0, 10))


def _pow3(t: Array, n: Array) -> Iterator[Array]:
    """Scale * x**-alpha."""
    for alpha in np.geomspace(0.05, 3.0, 10):
        yield t**-alpha


def _pow4(t: Array, n: Array) -> Iterator[Array]:
    """Scale * (x + b)**-alpha."""
    for b, alpha in product((0.01, 0.03, 0.1, 0.3), (0.3, 0.6, 1.0, 2.0, 4.0)):
        yield (t + b) ** -alpha


def _mmf(t: Array, n: Array) -> Iterator[Array]:
    """Scale / (1 + (kappa * x)**delta)."""
    for kappa, delta in product(_RATES, (0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0)):
        yield 1.0 / (1.0 + (kappa * t) ** delta)


def _weibull(t: Array, n: Array) -> Iterator[Array]:
    """Scale * exp(-(kappa * x)**delta)."""
    for kappa, delta in product(_RATES, (0.3, 0.5, 0.75, 1.0, 1.5, 2.0)):
        yield np.exp(-((kappa * t) ** delta))


def _vapor_pressure(t: Array, n: Array) -> Iterator[Array]:
    """Scale * exp(b / x) * x**c."""
    for b, c in product((-3.0, -1.0, -0.3, 0.3), (-0.5, -0.2, -0.05, 0.05, 0.2)):
        yield np.exp(b / n) * n**c


def _ilog2(t: Array, n: Array) -> Iterator[Array]:
    """Scale / log(x + 1)."""
    yield 1.0 / np.log1p(n)


def _loglog_linear(t: Array, n: Array) -> Iterator[Array]:
    """Scale * log(log(x) + b)."""
    for b in (0.3, 1.0, 3.0, 10.0):
        yield np.log(np.log(n) + b)


def _logx_linear(t: Array, n: Array) -> Iterator[Array]:
    """Scale * log(x)."""
    yield np.log(n)


ENSEMBLE: dict[str, Callable[[Array, Array], Iterator[Array]]] = {
    "pow3": _pow3,
    "pow4": _pow4,
    "mmf": _mmf,
    "weibull": _weibull,
    "vapor_pressure": _vapor_pressure,
    "ilog2": _ilog2,
    "loglog_linear": _loglog_linear,
    "logx_linear": _logx_linear,
}
"""The families that differ: name -> its shapes on the grid."""

FAMILIES = ENSEMBLE | {
    "exp4": _weibull,
    "janoschek": _weibull,
    "log_power": _mmf,
    "hill3": _mmf,
}
"""All published names."""


def shapes(steps: Array, at: float, names: tuple[str, ...]) -> tuple[Array, Array]:
    """The shapes of some families at the steps of a curve and at its end.

    Args:
        steps: ascending, above 0; n of them.
        at: the step that is asked for.
        names: of `FAMILIES`.

    Returns:
        Shapes, n_shapes x (n + 1), the last column at `at`, each scaled so that it spans 1; and
        the prior weight of each, which sums to 1: families count alike.

    Raises:
        UnknownNameError: no family has that name.

    >>> rows, weights = shapes(np.array([1.0, 2.0]), 4.0, ("ilog2", "logx_linear"))
    >>> rows.shape, float(weights.sum())
    ((2, 3), 1.0)
    """
    x = np.append(steps, at)
    unit = float(np.min(np.diff(steps, prepend=0.0)))
    n = np.maximum(x / unit, 1.0)
    found, weights = [], []
    for name in names:
        if name not in FAMILIES:
            raise unknown_name("family of learning curves", name, FAMILIES)
        rows = np.stack(list(FAMILIES[name](x / at, n)))
        spans = rows.max(axis=1) - rows.min(axis=1)
        # What hardly bends before or after is a constant: nothing to learn from.
        kept = np.isfinite(spans) & (spans > 1e-9)
        if kept.any():
            found.append(rows[kept] / spans[kept, None])
            weights.append(np.full(kept.sum(), 1.0 / kept.sum()))
    if not found:
        return np.zeros((0, len(x))), np.zeros(0)
    return np.concatenate(found), np.concatenate(weights) / len(found)
