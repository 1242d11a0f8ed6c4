"""`Table`: curves brought to the same steps, so that methods work on plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archwright.predictors.curves.curve import Curve

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """Parts of several curves, up to one step.

    Attributes:
        steps: n of them.
        values: n_curves x n.
        at: the step whose value is asked for.
        losses: training losses, n_curves x n_losses; None where one of the curves has none.
        features: of the architectures, n_curves x n_features; None: not given.
    """

    steps: Array
    values: Array
    at: float
    losses: Array | None = None
    features: Array | None = None

    @classmethod
    def of(
        cls, curves: Sequence[Curve], like: Curve, at: float, features: Array | None = None
    ) -> Table:
        """The curves at the steps of another one, which they must not end before.

        Args:
            curves: any number.
            like: gives the steps.
            at: the step whose value is asked for.
            features: of the architectures, n_curves x n_features.
        """
        steps = np.array(like.steps)
        values = np.array([c.at(steps) for c in curves]).reshape(len(curves), len(steps))
        losses = None
        if like.losses and all(c.losses for c in curves):
            places = np.array([s for s, _ in like.losses])
            losses = np.array(
                [np.interp(places, *np.array(c.losses).T) for c in curves], dtype=np.float64
            ).reshape(len(curves), len(places))
        return cls(steps, values, at, losses, features)


def fitted_line(base: Array, finals: Array, asked: Array) -> tuple[Array, Array]:
    """A straight line from one number a curve to its end, by least squares.

    Args:
        base: the number of each finished curve, n.
        finals: their ends, n.
        asked: the numbers of those asked for.

    Returns:
        For each finished curve what the others say of it, n; and the predictions.

    >>> held_out, found = fitted_line(np.arange(4.0), 2 * np.arange(4.0) + 1, np.array([5.0]))
    >>> held_out.round(6).tolist(), float(round(found[0], 6))
    ([1.0, 3.0, 5.0, 7.0], 11.0)
    """
    middle = base.mean()
    x = base - middle
    total = float(x @ x)
    if total <= 1e-24 * max(1.0, middle**2):
        held_out = (finals.sum() - finals) / max(len(finals) - 1, 1)
        return held_out, np.full(len(asked), finals.mean())
    slope = float(x @ finals) / total
    line = finals.mean() + slope * x
    leverage = np.minimum(1.0 / len(x) + x**2 / total, 0.999)
    held_out = finals - (finals - line) / (1.0 - leverage)
    return held_out, finals.mean() + slope * (asked - middle)


def rising_line(base: Array, finals: Array, asked: Array) -> tuple[Array, Array]:
    """`fitted_line`, but level where it would fall: for numbers that foretell the end themselves.

    >>> rising_line(np.arange(3.0), np.array([3.0, 2.0, 1.0]), np.array([9.0]))[1]
    array([2.])
    """
    if np.dot(base - base.mean(), finals) <= 0:
        base, asked = np.zeros(len(base)), np.zeros(len(asked))
    return fitted_line(base, finals, asked)
