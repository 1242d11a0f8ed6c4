"""Sums along the curve: how fast a network learns says how well it ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archwright.errors import InputError
from archwright.predictors.curves.table import Table, fitted_line

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sum:
    """A sum over the epochs so far, turned into a final value by a line through finished curves.

    Args:
        of: "losses" (SoTL: the training losses) or "values" (SoVL: the metric itself).
        latest: how many of the latest are added up; None: all. SoTL-E is the sum over the latest
            epoch.

    Source: Binxin Ru, Clare Lyle, Lisa Schut, Miroslav Fil, Mark van der Wilk and Yarin Gal,
    "Speedy Performance Estimation for Neural Architecture Search", NeurIPS 2021, arXiv:2006.04492.

    Differences from the paper: there the sum only ranks; here a line through the finished curves
    of the same search makes it a value with an error. A training that reports one loss an epoch
    (its mean over the batches) gives SoTL-E from that one.
    """

    of: str = "losses"
    latest: int | None = None

    def extrapolate(self, table: Table) -> tuple[Array, Array]:
        """See `Method.extrapolate`: refused, as a sum is no value.

        Raises:
            InputError: always.
        """
        raise InputError(
            "a sum along the curve ranks and has no unit of the metric: fit it to finished "
            "curves, CurvePredictor('sotl').fit(curves).predict(curve), or use "
            "method='parametric' or 'last_value'"
        )

    def learn(self, known: Table, finals: Array, asked: Table) -> tuple[Array, Array]:
        """See `Method.learn`."""
        return fitted_line(self.sums(known), finals, self.sums(asked))

    def sums(self, table: Table) -> Array:
        """The sum of each curve.

        Raises:
            InputError: a curve has no training losses.
        """
        rows = table.losses if self.of == "losses" else table.values
        if rows is None:
            raise InputError(
                "the sum over training losses needs them in every curve: report train_loss each "
                "epoch, or give Curve(steps, values, losses=...)"
            )
        return np.asarray(
            rows.sum(axis=1) if self.latest is None else rows[:, -self.latest :].sum(1)
        )
