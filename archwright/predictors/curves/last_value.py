"""The last value is the prediction: the baseline that any other method must beat."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from archwright.predictors.curves.parametric import spread
from archwright.predictors.curves.table import Table, rising_line

Array = npt.NDArray[np.float64]


class LastValue:
    """What was reported last; with finished curves, put on a straight line through them.

    The line never falls: what is better now is not predicted to end worse. So it ranks as the last
    value does, and what differs is the error.

    Source: the baseline "last seen value" of Domhan, Springenberg and Hutter, IJCAI 2015, and
    "early stopping" of Binxin Ru et al., "Speedy Performance Estimation for Neural Architecture
    Search", NeurIPS 2021, arXiv:2006.04492.
    """

    def extrapolate(self, table: Table) -> tuple[Array, Array]:
        """See `Method.extrapolate`."""
        return table.values[:, -1].copy(), spread(table.steps, table.values, table.at)

    def learn(self, known: Table, finals: Array, asked: Table) -> tuple[Array, Array]:
        """See `Method.learn`."""
        return rising_line(known.values[:, -1], finals, asked.values[:, -1])
