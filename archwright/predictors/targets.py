"""The scale on which models are fitted, and the way back to the values'."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from archwright.predictors.gp import normal_scores

Matrix: TypeAlias = npt.NDArray[np.float64]
Scale: TypeAlias = Literal["ranks", "values"]

_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)


@dataclass(frozen=True)
class Targets:
    """Standard normal targets of values, and the map from predicted targets back to values.

    With "ranks" a value's target is the normal quantile of its rank. Accuracies have a few very
    low values and a crowd at the top, which alone matters; ranks give both the same room. The map
    back joins the known pairs by straight lines and goes on at the ends with the slope of the
    outer fifth.

    Attributes:
        scores: the targets of the distinct values, ascending.
        values: the distinct values, ascending.

    >>> targets = Targets.of(np.array([1.0, 2.0, 50.0, 60.0, 61.0]), "ranks")
    >>> mean, deviation = targets.back(targets.scores, np.full(5, 1e-3))
    >>> bool(np.allclose(mean, targets.values, atol=0.1)), bool((deviation < 1).all())
    (True, True)
    """

    scores: Matrix
    values: Matrix

    @classmethod
    def of(cls, values: Matrix, scale: Scale) -> Targets:
        """The targets of some values.

        Args:
            values: finite values.
            scale: "ranks", or "values": centred and divided by their standard deviation.
        """
        distinct = np.unique(values)
        if scale == "ranks":
            place = np.searchsorted(distinct, values)
            scores = np.zeros(len(distinct))
            scores[place] = normal_scores(values)
            return cls(scores, distinct)
        return cls((distinct - values.mean()) / (values.std() or 1.0), distinct)

    def forward(self, values: Matrix) -> Matrix:
        """The targets of the values that this was made of."""
        return self.scores[np.searchsorted(self.values, values)]

    def compressed(self, values: Matrix) -> Matrix:
        """The targets of other values; beyond the known ones they grow like a logarithm.

        So the best of what was not seen are told apart, and an outlier stays near.

        >>> Targets.of(np.arange(5.0), "ranks").compressed(np.array([2.0, 5.0, 50.0])).round(1)
        array([0. , 1.8, 4.2])
        """
        known, scores = self.values, self.scores
        found: Matrix = np.interp(values, known, scores)
        n = len(known)
        if n > 1:
            outer = max(n // 5, 1)
            beyond = np.maximum(values - known[-1], 0.0) / (known[-1] - known[-1 - outer])
            below = np.maximum(known[0] - values, 0.0) / (known[outer] - known[0])
            found += np.log1p(beyond) * (scores[-1] - scores[-1 - outer])
            found -= np.log1p(below) * (scores[outer] - scores[0])
        return found

    def at(self, scores: Matrix) -> Matrix:
        """The values at some targets."""
        known_scores, known = self.scores, self.values
        n = len(known)
        if n == 1:
            return np.full_like(scores, known[0])
        found: Matrix = np.interp(scores, known_scores, known)
        outer = max(n // 5, 1)
        low = (known[outer] - known[0]) / (known_scores[outer] - known_scores[0])
        high = (known[-1] - known[-1 - outer]) / (known_scores[-1] - known_scores[-1 - outer])
        found += np.minimum(scores - known_scores[0], 0.0) * low
        found += np.maximum(scores - known_scores[-1], 0.0) * high
        return found

    def back(self, mean: Matrix, deviation: Matrix) -> tuple[Matrix, Matrix]:
        """Mean and standard deviation of the value where the target is normal.

        Values are taken to be at most as far beyond the known ones as these are apart, and a mean
        by their standard deviation.

        Args:
            mean: predicted means of the target, n.
            deviation: predicted standard deviations, n.
        """
        low, high = self.values[0], self.values[-1]
        nodes = self.at(mean[:, None] + deviation[:, None] * _NODES)
        nodes = np.clip(nodes, low - (high - low), high + (high - low))
        weights = _WEIGHTS / _WEIGHTS.sum()
        middle = nodes @ weights
        spread = np.sqrt(((nodes - middle[:, None]) ** 2) @ weights)
        own = self.values.std()
        return np.clip(middle, low - own, high + own), spread
