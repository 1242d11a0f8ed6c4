"""`Method`: what a way of predicting the end of a curve offers."""

from __future__ import annotations

from typing import NoReturn, Protocol

import numpy as np
import numpy.typing as npt

from archwright.errors import InputError
from archwright.predictors.curves.table import Table

Array = npt.NDArray[np.float64]


class Method(Protocol):
    """A way of predicting where curves end. Curves of one table end at the same step."""

    def extrapolate(self, table: Table) -> tuple[Array, Array]:
        """Mean and standard deviation at ``table.at``, of each curve by itself.

        Raises:
            InputError: the method learns from finished curves only.
        """
        ...

    def learn(self, known: Table, finals: Array, asked: Table) -> tuple[Array, Array]:
        """Learn from finished curves, as far as those asked for have come.

        Args:
            known: the beginnings of the finished curves; at least two.
            finals: their ends.
            asked: the curves to predict, at the same steps.

        Returns:
            For each finished curve what is predicted of it without it, which tells the error; and
            for each curve asked for the prediction.
        """
        ...


def refuse(name: str) -> NoReturn:
    """Say that a method needs finished curves.

    Raises:
        InputError: always.
    """
    raise InputError(
        f"{name} learns from finished curves: CurvePredictor({name!r}).fit(curves, finals)"
        ".predict(curve); of one curve alone tell method='parametric' or 'last_value'"
    )
