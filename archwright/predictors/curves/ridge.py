"""A ridge regression from a few points of the curve to its end."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from archwright.predictors.curves.method import refuse
from archwright.predictors.curves.table import Table

Array = npt.NDArray[np.float64]

PLACES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Which of the points seen are looked at."""
PENALTIES = tuple(float(v) for v in np.geomspace(1e-4, 1e3, 15))


class Ridge:
    """Linear in five points of the curve; the penalty has the smallest leave-one-out error.

    The five share one scale, so that what the curve's noise alone tells is shrunk away. Features
    of architectures, where given, are standardised and stand beside them.

    Source: the linear model that Baker, Gupta, Raskar and Naik, "Accelerating Neural Architecture
    Search using Performance Prediction", 2018, arXiv:1705.10823, compare with (ordinary least
    squares on all features); Hoerl and Kennard, "Ridge Regression", Technometrics 1970; the
    leave-one-out errors in closed form are Allen's PRESS (1974).

    Differences from the paper: five points instead of all with their differences, and a penalty;
    what is learnt is how far a curve goes beyond its last value.
    """

    def extrapolate(self, table: Table) -> tuple[Array, Array]:
        """See `Method.extrapolate`: refused, as there is nothing to learn from.

        Raises:
            InputError: always.
        """
        return refuse("ridge")

    def learn(self, known: Table, finals: Array, asked: Table) -> tuple[Array, Array]:
        """See `Method.learn`."""
        n = len(finals)
        x, own = _rows(known, known), _rows(asked, known)
        y = finals - known.values[:, -1]
        centre = y.mean()
        u, s, vt = np.linalg.svd(x, full_matrices=False)
        uy = u.T @ (y - centre)
        best: tuple[float, Array, Array] | None = None
        for penalty in PENALTIES:
            kept = s**2 / (s**2 + n * penalty)
            leverage = np.minimum((u**2) @ kept + 1.0 / n, 0.999)
            errors = (y - centre - u @ (kept * uy)) / (1.0 - leverage)
            total = float(errors @ errors)
            if best is None or total < best[0]:
                weights = vt.T @ (s / (s**2 + n * penalty) * uy)
                best = total, errors, weights
        assert best is not None
        return finals - best[1], asked.values[:, -1] + centre + own @ best[2]


def _rows(table: Table, known: Table) -> Array:
    """Features of a table's curves, centred and scaled as the known ones are."""
    n = table.values.shape[1]
    places = sorted({round(p * (n - 1)) for p in PLACES})
    reference = known.values[:, places]
    scale = float(reference.std()) or 1.0
    groups = [(table.values[:, places] - reference.mean(axis=0)) / scale]
    if table.features is not None and known.features is not None:
        spread = known.features.std(axis=0)
        spread[spread < 1e-12] = 1.0
        groups.append((table.features - known.features.mean(axis=0)) / spread)
    return np.concatenate(groups, axis=1)
