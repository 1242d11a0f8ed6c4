"""The mean of several models as a predictor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from archwright.predictors.tables import Table

Matrix: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Average:
    """The mean of several models' predictions.

    The variance is the mean of theirs and the variance between them.

    Args:
        models: the models.
    """

    models: tuple[Any, ...]

    def fit(self, table: Table, targets: Matrix, *, seed: int) -> FittedAverage:
        """See `archwright.predictors.tables.Model`."""
        return FittedAverage(tuple(m.fit(table, targets, seed=seed) for m in self.models))


@dataclass(frozen=True)
class FittedAverage:
    """Several fitted models."""

    parts: tuple[Any, ...]

    def predict(self, table: Table) -> tuple[Matrix, Matrix]:
        """See `archwright.predictors.tables.Fitted`."""
        return _pooled([part.predict(table) for part in self.parts])

    def held_out(self) -> tuple[Matrix, Matrix]:
        """See `archwright.predictors.tables.Fitted`: of the latest that all of them kept."""
        found = [part.held_out() for part in self.parts]
        n = min(len(mean) for mean, _ in found)
        return _pooled([(mean[-n:], deviation[-n:]) for mean, deviation in found])


def _pooled(parts: Sequence[tuple[Matrix, Matrix]]) -> tuple[Matrix, Matrix]:
    means = np.array([mean for mean, _ in parts])
    variances = np.array([deviation**2 for _, deviation in parts])
    return means.mean(axis=0), np.sqrt(variances.mean(axis=0) + means.var(axis=0))
