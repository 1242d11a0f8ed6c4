"""Parametric families as a method: one of them, or the ensemble of all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archwright.predictors.curves.parametric import posterior
from archwright.predictors.curves.shapes import ENSEMBLE
from archwright.predictors.curves.table import Table, rising_line

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Parametric:
    """The families' mean; with finished curves, put on a line through theirs (never falling).

    Args:
        names: of `FAMILIES`.

    Source and differences: see `archwright.predictors.curves.parametric`.
    """

    names: tuple[str, ...] = tuple(ENSEMBLE)

    def extrapolate(self, table: Table) -> tuple[Array, Array]:
        """See `Method.extrapolate`."""
        return posterior(table.steps, table.values, table.at, self.names)

    def learn(self, known: Table, finals: Array, asked: Table) -> tuple[Array, Array]:
        """See `Method.learn`."""
        base, _ = self.extrapolate(known)
        own, _ = self.extrapolate(asked)
        return rising_line(base, finals, own)
