"""Support vector regression from the beginning of a curve to its end."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.errors import InputError
from archwright.predictors.curves.method import refuse
from archwright.predictors.curves.table import Table

Array = npt.NDArray[np.float64]

GRID = tuple(product((0.3, 3.0, 30.0), (0.03, 0.3)))
"""C, and gamma in units of one over the number of features; chosen by cross-validation."""
N_FOLDS = 5
N_LEAST = 5


class SupportVectors:
    """Regression on the values so far, their first and second differences, and the architecture.

    Source: Bowen Baker, Otkrist Gupta, Ramesh Raskar and Nikhil Naik, "Accelerating Neural
    Architecture Search using Performance Prediction", ICLR workshop 2018, arXiv:1705.10823
    (nu-SVR with a radial kernel).

    Differences from the paper: nu is 0.5, and C and gamma are chosen from six pairs instead of from
    1,000 random ones; features and ends are standardised; the features of architectures are those
    that are given (there: depth, and sums over weights and layers). What is learnt is how far a
    curve goes beyond its last value.
    """

    def extrapolate(self, table: Table) -> tuple[Array, Array]:
        """See `Method.extrapolate`: refused, as there is nothing to learn from.

        Raises:
            InputError: always.
        """
        return refuse("lc_svr")

    def learn(self, known: Table, finals: Array, asked: Table) -> tuple[Array, Array]:
        """See `Method.learn`.

        Raises:
            InputError: there are fewer than `N_LEAST` finished curves.
        """
        n = len(finals)
        if n < N_LEAST:
            raise InputError(f"lc_svr needs at least {N_LEAST} finished curves, got {n}")
        x, own = _rows(known), _rows(asked)
        middle, scale = x.mean(axis=0), x.std(axis=0)
        scale[scale < 1e-12] = 1.0
        x, own = (x - middle) / scale, (own - middle) / scale
        gains = finals - known.values[:, -1]
        centre, size = float(gains.mean()), float(gains.std()) or 1.0
        y = (gains - centre) / size
        folds = [np.arange(k, n, N_FOLDS) for k in range(min(N_FOLDS, n))]
        best: tuple[float, Array, tuple[float, float]] | None = None
        for c, gamma in GRID:
            held_out = np.empty(n)
            for fold in folds:
                rest = np.setdiff1d(np.arange(n), fold)
                held_out[fold] = _fitted(x[rest], y[rest], c, gamma).predict(x[fold])
            error = float(np.square(held_out - y).sum())
            if best is None or error < best[0]:
                best = error, held_out, (c, gamma)
        assert best is not None
        found = _fitted(x, y, *best[2]).predict(own)
        return (
            known.values[:, -1] + centre + size * best[1],
            asked.values[:, -1] + centre + size * np.asarray(found),
        )


def _rows(table: Table) -> Array:
    """Values and differences, n_curves x features; each group weighs the same."""
    groups = [table.values, np.diff(table.values, axis=1), np.diff(table.values, n=2, axis=1)]
    if table.features is not None:
        groups.append(table.features)
    return np.concatenate([g for g in groups if g.shape[1]], axis=1)


def _fitted(x: Array, y: Array, c: float, gamma: float) -> Any:
    from sklearn.svm import NuSVR

    return NuSVR(nu=0.5, C=c, gamma=gamma / x.shape[1]).fit(x, y)
