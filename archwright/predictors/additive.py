"""A Gaussian process whose kernel is a sum over groups of features."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archwright.predictors.gp import GaussianProcess

Matrix = npt.NDArray[np.float64]

DECISIONS = "decisions"
MOST_LEARNING = 150


@dataclass(frozen=True)
class Setting:
    """Hyper-parameters of the kernel.

    Attributes:
        scale: length scale; two random architectures are about 1 apart within a group.
        noise: variance of the noise relative to the process's.
        decisions: weight of the group "decisions", where every other group's is 1.
        log_prior: how probable the setting is before anything was observed, as a logarithm, up to
            a constant.
    """

    scale: float = 2.0
    noise: float = 0.05
    decisions: float = 1.0
    log_prior: float = 0.0


SETTINGS = tuple(
    Setting(scale, decisions=decisions, log_prior=log_prior)
    for decisions in (0.1, 1.0, 4.0)
    for scale, log_prior in ((2.0, 0.0), (0.7, -6.0))
)
"""What is chosen from. Whether it matters where a value is taken, or only how often it is and what
is around it, differs from space to space, and some tens of observations tell. A short length scale
takes more evidence, as it makes little of few observations."""


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
        settings: hyper-parameters, of which those are taken that are most probable given the
            latest `MOST_LEARNING` observations of the first target.

    Source: Duvenaud, Nickisch and Rasmussen, Additive Gaussian Processes, NeurIPS 2011,
    arXiv 1112.4394.

    Differences from the paper: first-order terms over groups, not over single inputs; equal
    weights but for that of the decisions; the hyper-parameters are chosen from a few.

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
        settings: Sequence[Setting] = SETTINGS,
    ) -> None:
        self._rows = rows
        self._groups = groups
        squares = squared_distances(rows, rows, groups)
        self.setting = settings[0]
        if len(settings) > 1:
            some = slice(-MOST_LEARNING, None)
            self.setting = _most_probable(
                {name: square[some, some] for name, square in squares.items()},
                targets[some, 0],
                settings,
            )
        kernel = weighted(
            materns(squares, self.setting.scale), self.setting, (len(rows), len(rows))
        )
        self._means = targets.mean(axis=0)
        self._processes = [
            GaussianProcess.fit(kernel, column - mean, noise=self.setting.noise)
            for column, mean in zip(targets.T, self._means, strict=True)
        ]

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
        squares = squared_distances(rows, self._rows, self._groups)
        shape = (len(rows), len(self._rows))
        return weighted(materns(squares, self.setting.scale), self.setting, shape)


def _most_probable(
    squares: Mapping[str, Matrix], targets: Matrix, settings: Sequence[Setting]
) -> Setting:
    found: list[tuple[float, int]] = []
    shapes = {scale: materns(squares, scale) for scale in {s.scale for s in settings}}
    for i, setting in enumerate(settings):
        kernel = weighted(shapes[setting.scale], setting, (len(targets), len(targets)))
        fit = GaussianProcess.fit(kernel, targets - targets.mean(), noise=setting.noise)
        found.append((fit.log_likelihood + setting.log_prior, -i))
    return settings[-max(found)[1]]


def squared_distances(a: Matrix, b: Matrix, groups: Mapping[str, slice]) -> dict[str, Matrix]:
    """Squared distances of m and n architectures within each group, m x n.

    Args:
        a: features, m x n_features.
        b: features, n x n_features.
        groups: name -> columns.
    """
    return {name: _squares(a[:, g], b[:, g]) for name, g in groups.items()}


def _squares(a: Matrix, b: Matrix) -> Matrix:
    found = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None] - 2 * a @ b.T
    np.maximum(found, 0.0, out=found)
    return found


def materns(squares: Mapping[str, Matrix], scale: float) -> dict[str, Matrix]:
    """Matern kernels (smoothness 5/2) of squared distances, of each group."""
    found = {}
    for name, square in squares.items():
        d = np.sqrt(square * (5 / scale**2))
        found[name] = (1 + d + d * d / 3) * np.exp(-d)
    return found


def weighted(kernels: Mapping[str, Matrix], setting: Setting, shape: tuple[int, int]) -> Matrix:
    """The mean of the groups' kernels with a setting's weights; ones where there is no group.

    >>> weighted({"counts": np.zeros((1, 1)), "decisions": np.ones((1, 1))}, Setting(), (1, 1))
    array([[0.5]])
    """
    if not kernels:  # a space of one architecture
        return np.ones(shape)
    weights = {name: setting.decisions if name == DECISIONS else 1.0 for name in kernels}
    total = sum(weight * kernels[name] for name, weight in weights.items())
    return np.asarray(total) / sum(weights.values())
