"""Bayesian optimisation with a Gaussian process: the part that does not depend on the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from archwright.predictors.gp import GaussianProcess, expected_improvement, normal_scores
from archwright.predictors.memo import Remembered
from archwright.space import Architecture
from archwright.strategies.base import random_proposal
from archwright.strategies.surrogates import Pool, best_trials, evidence
from archwright.trials import History, Proposal, Trial

Matrix = npt.NDArray[np.float64]

NOISES = (1e-4, 1e-3, 1e-2, 1e-1, 0.5, 2.0)
"""Variances of noise, relative to the amplitude, that the marginal likelihood chooses from."""


class Kernel(Protocol):
    """A family of kernels between architectures: kernels are 1 between equal ones."""

    def describe(self, architecture: Architecture) -> Any:
        """What the kernel reads of an architecture; remembered."""
        ...

    def matrix(self, a: Sequence[Any], b: Sequence[Any], setting: Any) -> Matrix:
        """The kernel between described architectures, len(a) x len(b)."""
        ...

    def choose(self, points: Sequence[Any], targets: Matrix) -> tuple[Any, float]:
        """The hyper-parameters and the noise under which the targets are likeliest."""
        ...


def likeliest(
    kernel: Kernel, points: Sequence[Any], targets: Matrix, settings: Sequence[Any]
) -> tuple[Any, float, float]:
    """Of some hyper-parameters those with the largest marginal likelihood, the noise, and it."""
    best: tuple[Any, float, float] = settings[0], NOISES[-1], -np.inf
    for setting in settings:
        matrix = kernel.matrix(points, points, setting)
        for noise in NOISES:
            process = GaussianProcess.fit(matrix, targets, noise=noise)
            if process.log_likelihood > best[2]:
                best = setting, noise, process.log_likelihood
    return best


@dataclass(frozen=True)
class Fitting:
    """How a process is fitted and asked.

    Attributes:
        n_initial: random architectures before the model is asked.
        n_candidates: how many architectures the acquisition function is computed for; half are
            mutations of the best, half are random.
        n_parents: how many of the best are mutated.
        max_points: observations that the posterior holds at most: of more the best half and the
            latest.
        max_learning: observations that hyper-parameters are chosen with at most.
    """

    n_initial: int
    n_candidates: int
    n_parents: int
    max_points: int = 500
    max_learning: int = 200


class Surrogate:
    """The caches of one strategy in one history; the trials determine what is in them."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self._described = Remembered(kernel.describe)
        self._chosen: tuple[int, Any, float] | None = None

    def describe(self, architectures: Sequence[Architecture]) -> list[Any]:
        """What the kernel reads of each architecture."""
        return [self._described[architecture] for architecture in architectures]

    def choose(self, history: History, most: int) -> tuple[Any, float]:
        """The hyper-parameters with the largest marginal likelihood.

        They are chosen anew when the number of complete trials has grown by an eighth, from what
        was known then.
        """
        n = _last_step(len(history.complete))
        if self._chosen is None or self._chosen[0] != n:
            trials, scores = _kept(*evidence(history, n_complete=n), most)
            targets = normal_scores(scores)
            points = self.describe([trial.architecture for trial in trials])
            self._chosen = (n, *self.kernel.choose(points, targets))
        return self._chosen[1:]


def propose_by_expected_improvement(
    history: History, rng: Random, surrogate: Surrogate, fitting: Fitting
) -> Proposal | None:
    """The candidate with the largest expected improvement on the best score.

    What is being evaluated counts as evaluated with the mean that the model predicts for it (the
    "kriging believer"), so that workers at the same time look at different places.

    Source: Ginsbourger, Le Riche and Carraro, Kriging Is Well-Suited to Parallelize Optimization,
    2010, for what is being evaluated.
    """
    if len(history.complete) + len(history.running) < fitting.n_initial or not history.complete:
        return random_proposal(history, rng)
    pool = Pool(history)
    parents = best_trials(history, fitting.n_parents)
    pool.add_mutations(rng, parents, fitting.n_candidates // 2)
    pool.add_random(rng, fitting.n_candidates - len(pool))
    if not pool:
        return random_proposal(history, rng)
    kernel = surrogate.kernel
    setting, noise = surrogate.choose(history, fitting.max_learning)
    trials, scores = _kept(*evidence(history), fitting.max_points)
    targets = normal_scores(scores)
    points = surrogate.describe([trial.architecture for trial in trials])
    matrix = kernel.matrix(points, points, setting)
    process = GaussianProcess.fit(matrix, targets, noise=noise)
    if history.running:
        pending = surrogate.describe([t.architecture for t in history.running.values()])
        cross = kernel.matrix(pending, points, setting)
        believed, _ = process.predict(cross, np.ones(len(pending)))
        matrix = np.block([[matrix, cross.T], [cross, kernel.matrix(pending, pending, setting)]])
        points = points + pending
        process = GaussianProcess.fit(
            matrix,
            np.concatenate([targets, believed]),
            noise=noise,
            amplitude=process.amplitude,
        )
    candidates = surrogate.describe(pool.architectures)
    mean, deviation = process.predict(
        kernel.matrix(candidates, points, setting), np.ones(len(candidates))
    )
    best = int(np.argmax(expected_improvement(mean, deviation, float(targets.max()))))
    return Proposal(pool.architectures[best], origin="model", parent=pool.parents[best])


def _last_step(n: int) -> int:
    step = 1
    while step + max(1, step // 8) <= n:
        step += max(1, step // 8)
    return step


def _kept(trials: list[Trial], scores: Matrix, most: int) -> tuple[list[Trial], Matrix]:
    if len(trials) <= most:
        return trials, scores
    order = np.argsort(-scores, kind="stable")
    best = set(order[: most // 2].tolist())
    latest = [i for i in range(len(trials) - 1, -1, -1) if i not in best][: most - len(best)]
    kept = sorted(best | set(latest))
    return [trials[i] for i in kept], scores[kept]
