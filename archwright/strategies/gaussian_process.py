"""Bayesian optimisation with a Gaussian process over decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.predictors.gp import GaussianProcess
from archwright.predictors.kernels import DecisionEmbedding, laplace_kernel
from archwright.space import Architecture, Space
from archwright.strategies.base import remembered
from archwright.strategies.bayesian import (
    Fitting,
    Surrogate,
    likeliest,
    propose_by_expected_improvement,
)
from archwright.strategies.population import check_counts, refuse_several
from archwright.strategies.vectors import refuse_dynamic
from archwright.trials import History, Objective, Proposal

SCALES = tuple(0.25 * 2**i for i in range(9))
"""Length scales that the marginal likelihood chooses from, in decisions that differ."""
FACTORS = (0.1, 0.3, 3.0, 10.0)
"""What the weight of a single decision may be multiplied by where that is likelier."""
_MOST_WEIGHED = 100
_LEAST_GAIN = 0.5  # so that a decision is not weighed by noise


@dataclass(frozen=True)
class GaussianProcessSearch:
    """A Gaussian process predicts the score; what improves most in expectation comes next.

    The kernel falls exponentially with the number of decisions in which two architectures differ;
    numbers that are close differ less, and a decision that is live in one architecture only
    differs wholly (see `archwright.predictors.kernels.DecisionEmbedding`). The length scale, the
    noise and how much each decision counts are chosen by marginal likelihood. Scores are replaced
    by the normal quantiles of their ranks. Trials that failed count as the worst; what is being
    evaluated counts with the mean predicted for it.

    For spaces of cells see `nas_bowl`, whose kernel compares cells as graphs.

    Args:
        n_initial: random architectures before the model is asked.
        n_candidates: how many architectures the expected improvement is computed for each time;
            half are mutations of the best, half are random.
        n_parents: how many of the best are mutated.

    Raises:
        InputError: an argument below 1.

    Source: Snoek, Larochelle and Adams, Practical Bayesian Optimization of Machine Learning
    Algorithms, NeurIPS 2012, arXiv 1206.2944; the kernel follows Hutter and Osborne, A Kernel for
    Hierarchical Parameter Spaces, 2013, arXiv 1310.5738.

    Differences from the paper: length scales are chosen, not integrated over, by one step for each
    decision from a common one; candidates are mutated, as decisions have no
    gradient.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32, 64))})
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> GaussianProcessSearch().propose(history, Random(0)).origin
    'random'
    """

    n_initial: int = 10
    n_candidates: int = 200
    n_parents: int = 10

    def __post_init__(self) -> None:
        check_counts(**vars(self))

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse several objectives, and a dynamic space."""
        refuse_several("gp", objective)
        refuse_dynamic("gp", space)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        surrogate = remembered(history, self, lambda: Surrogate(DecisionKernel(history.space)))
        fitting = Fitting(self.n_initial, self.n_candidates, self.n_parents)
        return propose_by_expected_improvement(history, rng, surrogate, fitting)


class DecisionKernel:
    """The kernel over all decisions of a space; settings are a weight for each decision."""

    def __init__(self, space: Space) -> None:
        self._embedding = DecisionEmbedding(space)

    def describe(self, architecture: Architecture) -> Any:
        """Its point."""
        return self._embedding.embed([architecture])[0]

    def matrix(
        self, a: Sequence[Any], b: Sequence[Any], setting: Sequence[float]
    ) -> npt.NDArray[np.float64]:
        """The kernel between points."""
        weights = self._embedding.weights(setting)
        return laplace_kernel(np.array(a) * weights, np.array(b) * weights, scale=1.0)

    def choose(
        self, points: Sequence[Any], targets: npt.NDArray[np.float64]
    ) -> tuple[tuple[float, ...], float]:
        """One length scale for all; then for each decision in turn what is likelier."""
        n = len(self._embedding.paths)
        scales = [(1 / scale,) * n for scale in SCALES]
        setting, noise, best = likeliest(self, points, targets, scales)
        # With many decisions only those of them that this many points may tell apart.
        for i in range(n) if n <= _MOST_WEIGHED else ():
            likelier = setting
            for factor in FACTORS:
                changed = (*setting[:i], setting[i] * factor, *setting[i + 1 :])
                matrix = self.matrix(points, points, changed)
                likelihood = GaussianProcess.fit(matrix, targets, noise=noise).log_likelihood
                if likelihood > best + _LEAST_GAIN:
                    best, likelier = likelihood, changed
            setting = likelier
        return setting, noise
