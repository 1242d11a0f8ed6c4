"""Gaussian processes over groups of features, with learnt weights of the groups or without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from archwright.predictors.gp import GaussianProcess
from archwright.predictors.tables import Table

Matrix: TypeAlias = npt.NDArray[np.float64]

MOST_LEARNING = 500
MOST_SEEN = 4_000
NOISE = 0.05
SCALE = 2.0
JOINED_SCALE = 1.4


@dataclass(frozen=True)
class SumProcess:
    """A sum of Gaussian processes, one a group, whose weights, scale and noise are learnt.

    The kernel is a weighted sum of Matern kernels (smoothness 5/2), one over each group of
    features. The weights of the groups, the length scale that they share and the noise are the
    most probable ones given the observations, under broad log-normal priors.

    Args:
        max_steps: of the climb (L-BFGS) to the most probable setting.

    Source: Duvenaud, Nickisch and Rasmussen, Additive Gaussian Processes, NeurIPS 2011, arXiv
    1112.4394; Rasmussen and Williams, Gaussian Processes for Machine Learning, MIT Press 2006,
    sections 5.4.1 and 5.4.2.

    Differences from the paper: first-order terms over groups, not over single inputs; of more than
    500 observations the setting is learnt from the latest 500; more than 4,000 are not kept.
    """

    max_steps: int = 40

    def fit(self, table: Table, targets: Matrix, *, seed: int = 0) -> Process:
        """See `archwright.predictors.tables.Model`."""
        del seed  # nothing is random
        blocks = [rows[-MOST_SEEN:] for rows in table.groups.values()]
        targets = targets[-MOST_SEEN:]
        some = [rows[-MOST_LEARNING:] for rows in blocks]
        learnt = _most_probable(some, targets[-MOST_LEARNING:], self.max_steps)
        k = len(blocks)
        setting = _Setting(np.exp(learnt[:k]), float(np.exp(learnt[k])), float(np.exp(learnt[-1])))
        return Process.of(blocks, targets, setting, joined=False)


@dataclass(frozen=True)
class JoinedProcess:
    """One Gaussian process over the main columns joined, with nothing learnt.

    Args:
        scale: length scale of the Matern kernel (smoothness 5/2); two random architectures are
            about 1 apart for each group.
        noise: variance of the noise relative to the process's.
    """

    scale: float = JOINED_SCALE
    noise: float = NOISE

    def fit(self, table: Table, targets: Matrix, *, seed: int = 0) -> Process:
        """See `archwright.predictors.tables.Model`."""
        del seed
        scale = self.scale * float(np.sqrt(table.n_main_groups))
        setting = _Setting(np.ones(1), scale, self.noise)
        return Process.of([table.main[-MOST_SEEN:]], targets[-MOST_SEEN:], setting, joined=True)


@dataclass(frozen=True)
class _Setting:
    weights: Matrix
    scale: float
    noise: float


@dataclass(frozen=True)
class Process:
    """The posterior of either process."""

    blocks: Sequence[Matrix]
    targets: Matrix
    mean: float
    setting: _Setting
    joined: bool
    posterior: GaussianProcess

    @classmethod
    def of(
        cls, blocks: Sequence[Matrix], targets: Matrix, setting: _Setting, *, joined: bool
    ) -> Process:
        """The posterior given n observations."""
        kernel = _kernel(blocks, blocks, setting)
        mean = float(targets.mean())
        amplitude = None if joined else 1.0
        posterior = GaussianProcess.fit(
            kernel, targets - mean, noise=setting.noise, amplitude=amplitude
        )
        return cls(blocks, targets, mean, setting, joined, posterior)

    def predict(self, table: Table) -> tuple[Matrix, Matrix]:
        """See `archwright.predictors.tables.Fitted`; the deviation is that of an observation."""
        rows = [table.main] if self.joined else list(table.groups.values())
        cross = _kernel(rows, self.blocks, self.setting)
        n = len(table.architectures)
        mean, deviation = self.posterior.predict(cross, np.full(n, self.setting.weights.sum()))
        noise = self.setting.noise * self.posterior.amplitude
        return mean + self.mean, np.sqrt(deviation**2 + noise)

    def held_out(self) -> tuple[Matrix, Matrix]:
        """Leave one out, in closed form (Rasmussen and Williams, section 5.4.2)."""
        return leave_one_out(self.posterior, self.targets)


def leave_one_out(posterior: GaussianProcess, targets: Matrix) -> tuple[Matrix, Matrix]:
    """Mean and deviation of each observation given all the others."""
    from scipy.linalg import cho_solve

    inverse = cho_solve((posterior.factor, True), np.eye(len(targets)), check_finite=False)
    diagonal = np.diag(inverse)
    mean = targets - posterior.weights / diagonal
    return mean, np.sqrt(posterior.amplitude / diagonal)


def _squares(a: Matrix, b: Matrix) -> Matrix:
    found = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1)[None] - 2 * a @ b.T
    np.maximum(found, 0.0, out=found)
    return found


def _matern(squares: Matrix, scale: float) -> Matrix:
    d = np.sqrt(squares * (5 / scale**2))
    return (1 + d + d * d / 3) * np.exp(-d)


def _kernel(a: Sequence[Matrix], b: Sequence[Matrix], setting: _Setting) -> Matrix:
    found = np.zeros((len(a[0]), len(b[0])))
    for weight, x, y in zip(setting.weights, a, b, strict=True):
        found += weight * _matern(_squares(x, y), setting.scale)
    return found


def _most_probable(blocks: Sequence[Matrix], targets: Matrix, max_steps: int) -> Matrix:
    """Logarithms of the weights, the scale and the noise with the largest posterior density."""
    from scipy.linalg import LinAlgError, cho_solve, cholesky
    from scipy.optimize import minimize

    k, n = len(blocks), len(targets)
    squares = [_squares(rows, rows) for rows in blocks]
    centred = targets - targets.mean()
    start = np.array([-np.log(k)] * k + [np.log(SCALE), np.log(NOISE)])
    spread = np.array([1.5] * k + [0.5, 1.0])

    def cost(x: Matrix) -> tuple[float, Matrix]:
        weights, scale, noise = np.exp(x[:k]), np.exp(x[k]), np.exp(x[-1])
        materns, slopes = [], []
        for square in squares:
            d = np.sqrt(square * (5 / scale**2))
            decay = np.exp(-d)
            materns.append((1 + d + d * d / 3) * decay)
            slopes.append(d * d * (1 + d) / 3 * decay)  # by the logarithm of the scale
        covariance = sum(w * m for w, m in zip(weights, materns, strict=True))
        try:
            factor = cholesky(covariance + (noise + 1e-9) * np.eye(n), lower=True)
        except LinAlgError:
            return 1e12, np.zeros_like(x)
        inverse = cho_solve((factor, True), np.eye(n), check_finite=False)
        pull = inverse @ centred
        away = (x - start) / spread
        value = 0.5 * centred @ pull + np.log(np.diag(factor)).sum() + 0.5 * away @ away
        slack = 0.5 * (inverse - np.outer(pull, pull))
        by_weight = [w * np.vdot(slack, m) for w, m in zip(weights, materns, strict=True)]
        by_scale = sum(w * np.vdot(slack, s) for w, s in zip(weights, slopes, strict=True))
        slope = np.array([*by_weight, by_scale, noise * np.trace(slack)]) + away / spread
        return float(value), slope

    found = minimize(cost, start, jac=True, method="L-BFGS-B", options={"maxiter": max_steps})
    learnt: Matrix = found.x
    return learnt
