"""A Gaussian process whose kernel is a sum over groups of features."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archwright.predictors.gp import GaussianProcess

Matrix = npt.NDArray[np.float64]

SCALES = (0.5, 1.0, 2.0, 4.0)
NOISES = (0.01, 0.05, 0.25)
USUAL_SCALE, USUAL_NOISE = 2.0, 0.05
MOST_LEARNING = 150


@dataclass(frozen=True)
class Setting:
    """Hyper-parameters: length scale, and variance of the noise relative to the process's."""

    scale: float = USUAL_SCALE
    noise: float = USUAL_NOISE

    @property
    def log_prior(self) -> float:
        """How probable it is before anything was observed, as a logarithm.

        A factor of two in the scale, or of five in the noise, costs as much as one observation
        that is a standard deviation and a half off: evidence of some tens of observations decides.
        """
        off = math.log2(self.scale / USUAL_SCALE) ** 2 + math.log(self.noise / USUAL_NOISE, 5) ** 2
        return -1.0 * off


class AdditiveProcess:
    """The posterior of a sum of Gaussian processes, one over each group of features.

    The kernel is the mean over the groups of a Matern kernel (smoothness 5/2) of the distance
    within the group, so that each group explains a part of the observations and what one group
    does not tell apart another may. Scores enter as they are given; use
    `archwright.predictors.gp.normal_scores` where their scale is unknown.

    Args:
        rows: features of the observed architectures, n x n_features.
        targets: what was observed, n x n_targets; targets share the kernel.
        groups: name -> columns.
        setting: hyper-parameters; None: the most probable of `SCALES` and `NOISES`, from the
            latest `MOST_LEARNING` observations of the first target.

    Source: Duvenaud, Nickisch and Rasmussen, Additive Gaussian Processes, NeurIPS 2011,
    arXiv 1112.4394.

    Differences from the paper: first-order terms over groups, not over single inputs; equal
    weights; the hyper-parameters are chosen from a grid, with a prior.

    >>> rows = np.array([[0.0], [1.0], [2.0]])
    >>> process = AdditiveProcess(rows, np.array([[0.0], [1.0], [0.0]]), {"all": slice(0, 1)})
    >>> mean, deviation = process.predict(np.array([[1.0], [9.0]]))
    >>> bool(mean[0, 0] > mean[1, 0]), bool(deviation[0, 0] < deviation[1, 0])
    (True, True)
    """

    def __init__(
        self,
        rows: Matrix,
        targets: Matrix,
        groups: Mapping[str, slice],
        *,
        setting: Setting | None = None,
    ) -> None:
        self._rows = rows
        self._groups = list(groups.values()) or [slice(0, 0)]
        squares = [_squares(rows[:, g], rows[:, g]) for g in self._groups]
        self.setting = setting or self._learn(squares, targets[:, 0])
        kernel = _kernel(squares, self.setting.scale)
        self._means = targets.mean(axis=0)
        self._processes = [
            GaussianProcess.fit(kernel, column - mean, noise=self.setting.noise)
            for column, mean in zip(targets.T, self._means, strict=True)
        ]

    def _learn(self, squares: Sequence[Matrix], targets: Matrix) -> Setting:
        some = slice(-MOST_LEARNING, None)
        squares = [s[some, some] for s in squares]
        targets = targets[some] - targets[some].mean()
        found: list[tuple[float, int, Setting]] = []
        for scale in SCALES:
            kernel = _kernel(squares, scale)
            for noise in NOISES:
                setting = Setting(scale, noise)
                fit = GaussianProcess.fit(kernel, targets, noise=noise)
                found.append((fit.log_likelihood + setting.log_prior, -len(found), setting))
        return max(found)[2]

    def predict(self, rows: Matrix) -> tuple[Matrix, Matrix]:
        """Mean and standard deviation at m architectures, each m x n_targets.

        Args:
            rows: their features, m x n_features.
        """
        cross = self.kernel(rows)
        first = self._processes[0]
        mean, deviation = first.predict(cross, np.ones(len(rows)))
        # The targets share the kernel, so their deviations differ by a factor only.
        means = [mean] + [cross @ p.weights for p in self._processes[1:]]
        factors = np.sqrt([p.amplitude / first.amplitude for p in self._processes])
        return np.column_stack(means) + self._means, deviation[:, None] * factors

    def kernel(self, rows: Matrix) -> Matrix:
        """How alike m architectures and the observed ones are, 0..1, m x n."""
        squares = [_squares(rows[:, g], self._rows[:, g]) for g in self._groups]
        return _kernel(squares, self.setting.scale)


def _squares(a: Matrix, b: Matrix) -> Matrix:
    found = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None] - 2 * a @ b.T
    np.maximum(found, 0.0, out=found)
    return found


def _kernel(squares: Sequence[Matrix], scale: float) -> Matrix:
    total = np.zeros_like(squares[0])
    for square in squares:
        d = np.sqrt(square * (5 / scale**2))
        total += (1 + d + d * d / 3) * np.exp(-d)
    total /= len(squares)
    return total
