"""An exact Gaussian process over any kernel matrix, and expected improvement."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from archwright.errors import InputError

Matrix = npt.NDArray[np.float64]

_JITTERS = (0.0, 1e-10, 1e-8, 1e-6, 1e-4, 1e-2)


@dataclass(frozen=True)
class GaussianProcess:
    """The posterior of a Gaussian process with mean zero after n observations.

    The covariance of the observations is ``amplitude * (kernel + noise * identity)``.

    Attributes:
        factor: lower Cholesky factor of ``kernel + noise * identity``, n x n.
        weights: ``(kernel + noise * identity)^-1 targets``, n.
        amplitude: variance of the process where the kernel is 1.
        log_likelihood: logarithm of the marginal likelihood of the observations.

    Source: Rasmussen and Williams, Gaussian Processes for Machine Learning, MIT Press 2006,
    algorithm 2.1.

    >>> process = GaussianProcess.fit(np.eye(2), np.array([1.0, -1.0]), noise=1e-9)
    >>> mean, deviation = process.predict(np.array([[1.0, 0.0]]), np.array([1.0]))
    >>> mean.round(3).tolist(), deviation.round(3).tolist()
    ([1.0], [0.0])
    """

    factor: Matrix
    weights: Matrix
    amplitude: float
    log_likelihood: float

    @classmethod
    def fit(
        cls, kernel: Matrix, targets: Matrix, *, noise: float, amplitude: float | None = None
    ) -> GaussianProcess:
        """The process given its observations.

        Args:
            kernel: kernel between the observed points, n x n, symmetric.
            targets: the observations, n, with a mean of about zero.
            noise: variance of the observations' noise, relative to the amplitude.
            amplitude: variance of the process; None: the one with the largest marginal
                likelihood, which has a closed form.

        Raises:
            InputError: shapes that do not fit, no observations, or a kernel that is not positive
                semi-definite.
        """
        from scipy.linalg import LinAlgError, cho_solve, cholesky

        n = len(targets)
        if kernel.shape != (n, n) or n == 0:
            raise InputError(
                f"the kernel must be n x n for n >= 1 targets, got {kernel.shape} for {n}"
            )
        for jitter in _JITTERS:
            try:
                factor = cholesky(
                    kernel + (noise + jitter) * np.eye(n), lower=True, check_finite=False
                )
                break
            except LinAlgError:
                continue
        else:
            raise InputError("the kernel is not positive semi-definite; check how it was made")
        weights = cho_solve((factor, True), targets, check_finite=False)
        fit = float(targets @ weights)
        if amplitude is None:
            amplitude = max(fit / n, 1e-12)
        log_likelihood = (
            -0.5 * fit / amplitude
            - float(np.log(np.diag(factor)).sum())
            - 0.5 * n * math.log(2 * math.pi * amplitude)
        )
        return cls(factor, weights, amplitude, log_likelihood)

    def predict(self, cross: Matrix, diagonal: Matrix) -> tuple[Matrix, Matrix]:
        """Mean and standard deviation (of the process, without noise) at m points.

        Args:
            cross: kernel between the m points and the observed ones, m x n.
            diagonal: kernel of each of the m points with itself, m.
        """
        from scipy.linalg import solve_triangular

        mean = cross @ self.weights
        explained = solve_triangular(self.factor, cross.T, lower=True, check_finite=False)
        variance = self.amplitude * (diagonal - np.einsum("ij,ij->j", explained, explained))
        return mean, np.sqrt(np.maximum(variance, 1e-18))


def expected_improvement(mean: Matrix, deviation: Matrix, best: float) -> Matrix:
    """By how much a normal variable exceeds `best`, in expectation.

    Args:
        mean: means, larger is better.
        deviation: standard deviations, above 0.
        best: the value to exceed.

    Source: Jones, Schonlau and Welch, Efficient Global Optimization of Expensive Black-Box
    Functions, Journal of Global Optimization 13, 1998.

    >>> expected_improvement(np.array([0.0]), np.array([1.0]), 0.0).round(4).tolist()
    [0.3989]
    """
    from scipy.special import ndtr

    z = (mean - best) / deviation
    density = np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
    found: Matrix = deviation * (z * ndtr(z) + density)
    return found


def normal_scores(values: Matrix) -> Matrix:
    """Quantiles of the normal distribution at the values' ranks; equal values get equal scores.

    Makes targets of any scale fit a Gaussian process, also where a few are far below the others.

    >>> normal_scores(np.array([3.0, 1.0, 2.0])).round(2).tolist()
    [0.97, -0.97, 0.0]
    """
    from scipy.special import ndtri

    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, side="left")
    above = np.searchsorted(ordered, values, side="right")
    found: Matrix = ndtri((below + above) / (2 * len(values)))
    return found
