"""Bayesian optimisation with an additive Gaussian process over features of architectures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt

from archwright.errors import InputError
from archwright.predictors.additive import AdditiveProcess, Setting
from archwright.predictors.features import Features, features_of
from archwright.space import Architecture, Space
from archwright.strategies.additive_examples import Examples, log_feasibility
from archwright.strategies.base import random_proposal, remembered
from archwright.strategies.population import check_at_least
from archwright.strategies.surrogates import mutated
from archwright.strategies.vectors import refuse_dynamic
from archwright.trials import History, Objective, Proposal

Matrix = npt.NDArray[np.float64]

_FEATURES = "archwright.features"
_EVERYTHING = "archwright.everything"


@dataclass(frozen=True)
class AdditiveGP:
    """A Gaussian process over several views of an architecture predicts the score.

    The first architectures are spread out: of some random ones, the one least like those known.
    Then what has the greatest upper confidence bound comes next, so that the search goes where the
    score is predicted to be high or is not known. The kernel is a sum over groups of features:
    decisions, counts of values, paths through cells and the shape of cells (see
    `archwright.predictors.features`); any space has some of these. Scores are replaced by the
    normal quantiles of their ranks, so that their scale and a few very bad ones do not matter.

    The bound is searched among random architectures, mutations of the best known, and, in some
    rounds, mutations of those with the greatest bound so far; in a space with no more than
    `n_candidates`, among all.

    Evaluations that failed count as the worst. Metrics that limits name are predicted from all
    trials in which they are known (also those that were never trained as they break a limit), and
    the logarithm of the probability that the limits hold is added to the bound. What is being
    evaluated counts with the mean predicted for it. With several objectives one process predicts
    each, and the bound is that of a random weighting of them (augmented Chebyshev), drawn for each
    proposal.

    Args:
        n_initial: architectures before the model is asked.
        beta: how many standard deviations above the mean the bound lies, on average: each proposal
            draws its own from an exponential distribution, so that the search neither stays where
            the model is wrong about the best nor explores for ever.
        n_candidates: how many architectures the bound is computed for.
        rounds: rounds of mutating those with the greatest bound, for half of the candidates.
        max_points: observations that the model learns from; of more, the best half and the latest.

    Raises:
        InputError: an argument is out of range.

    Source: Srinivas, Krause, Kakade and Seeger, Gaussian Process Optimization in the Bandit
    Setting, ICML 2010, arXiv 0912.3995; the bound at random: Berk, Gupta, Rana and Venkatesh,
    Randomised Gaussian Process Upper Confidence Bound for Bayesian Optimisation, IJCAI 2020,
    arXiv 2006.04296; the kernel: Duvenaud, Nickisch and Rasmussen, Additive Gaussian Processes,
    NeurIPS 2011, arXiv 1112.4394; several objectives: Knowles, ParEGO, IEEE Transactions on
    Evolutionary Computation 10, 2006.

    Differences from the paper: groups of features of architectures in place of single inputs; the
    normal quantiles of ranks; hyper-parameters from a few; an exponential `beta` in place of a
    gamma one; candidates in place of all of the space. ParEGO predicts the weighted sum, here each
    objective is predicted.

    >>> from archwright.space import Choice, Space
    >>> from archwright.trials import Objective
    >>> space = Space({"width": Choice((16, 32, 64))})
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> AdditiveGP().propose(history, Random(0)).origin
    'random'
    """

    n_initial: int = 4
    beta: float = 1.0
    n_candidates: int = 300
    rounds: int = 5
    max_points: int = 300

    def __post_init__(self) -> None:
        check_at_least(
            n_initial=(self.n_initial, 2),
            n_candidates=(self.n_candidates, 2),
            max_points=(self.max_points, 2),
            rounds=(self.rounds, 0),
        )
        if not 0 <= self.beta < math.inf:
            raise InputError(f"beta must be a finite number of at least 0, got {self.beta}")

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse a dynamic space."""
        refuse_dynamic("additive_gp", space)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        if not history.trials and not history.running:
            return random_proposal(history, rng)
        n = len(history.complete)
        if n < 2 or n + len(history.running) < self.n_initial:
            return self._spread(history, rng)
        features = features_in(history)
        examples = Examples.of(history, self.max_points)
        rows = features.encode(examples.architectures)
        process = AdditiveProcess(rows, examples.targets, features.groups)
        pending = [trial.architecture for trial in history.running.values()]
        if pending:
            more = features.encode(pending)
            targets = np.concatenate([examples.targets, process.predict(more)[0]])
            rows = np.concatenate([rows, more])
            process = AdditiveProcess(rows, targets, features.groups, settings=[process.setting])
        weigh = weighting(examples.targets, rng)
        feasible = log_feasibility(history, features, self.max_points)

        beta = rng.expovariate(1.0) * self.beta

        def bound(architectures: Sequence[Architecture]) -> Matrix:
            found = features.encode(architectures)
            mean, deviation = process.predict(found)
            return weigh(mean + beta * deviation) + feasible(found)

        known = weigh(examples.targets[: examples.n_good])
        best = np.argsort(-known, kind="stable")[:10]
        parents = [(examples.architectures[i], examples.numbers[i]) for i in best]
        return self._best(history, rng, bound, parents)

    def _best(
        self,
        history: History,
        rng: Random,
        bound: Callable[[Sequence[Architecture]], Matrix],
        parents: Sequence[tuple[Architecture, int]],
    ) -> Proposal | None:
        space = history.space
        pool = _Pool(history)
        everything = _listed(history, self.n_candidates)
        if everything is not None:
            for architecture in everything:
                pool.add(architecture, None)
        else:
            for _ in range(self.n_candidates // 8):
                pool.add(space.sample(rng=rng), None)
            pool.mutate(rng, parents, self.n_candidates * 3 // 8)
        if not pool.architectures:
            return random_proposal(history, rng)
        values = bound(pool.architectures)
        for i in range(self.rounds if everything is None else 0):
            start = len(pool.architectures)
            top = np.argsort(-values, kind="stable")[:10]
            # Where the share of a round is not whole, the first rounds have one more.
            n = (self.n_candidates // 2 + self.rounds - 1 - i) // self.rounds
            pool.mutate(rng, [(pool.architectures[j], pool.parents[j]) for j in top], n)
            if len(pool.architectures) > start:
                values = np.concatenate([values, bound(pool.architectures[start:])])
        # Canonical forms take longer than bounds, so they are looked at from the best on only.
        for j in np.argsort(-values, kind="stable"):
            if history.is_new(pool.architectures[j]):
                return Proposal(pool.architectures[j], origin="model", parent=pool.parents[j])
        return random_proposal(history, rng)

    def _spread(self, history: History, rng: Random) -> Proposal | None:
        features = features_in(history)
        drawn = [history.space.sample(rng=rng) for _ in range(50)]
        new = [architecture for architecture in drawn if history.is_new(architecture)]
        if not new:
            return random_proposal(history, rng)
        known = [t.architecture for t in (*history.trials[-50:], *history.running.values())]
        rows = features.encode(new)
        process = AdditiveProcess(
            features.encode(known), np.zeros((len(known), 1)), features.groups, settings=[Setting()]
        )
        near = process.kernel(rows).max(axis=1)
        feasible = log_feasibility(history, features, self.max_points)
        return Proposal(new[int((feasible(rows) - near).argmax())], origin="design")


def _listed(history: History, most: int) -> list[Architecture] | None:
    """All architectures of a space that has no more than `most`, else None."""
    space = history.space
    return remembered(
        history,
        (_EVERYTHING, most),
        lambda: list(space.enumerate()) if space.size <= most else None,
    )


def features_in(history: History) -> Features:
    """The features of a history's space, made once."""
    return remembered(history, _FEATURES, lambda: features_of(history.space))


class _Pool:
    """Architectures that differ from each other and from all that were started."""

    def __init__(self, history: History) -> None:
        self.architectures: list[Architecture] = []
        self.parents: list[int | None] = []
        self._space = history.space
        started = itertools.chain(history.trials, history.running.values())
        self._known = {trial.architecture for trial in started}

    def add(self, architecture: Architecture, parent: int | None) -> None:
        if architecture not in self._known:
            self._known.add(architecture)
            self.architectures.append(architecture)
            self.parents.append(parent)

    def mutate(
        self, rng: Random, parents: Sequence[tuple[Architecture, int | None]], n: int
    ) -> None:
        """Mutate each in its turn."""
        for architecture, number in itertools.islice(itertools.cycle(parents), n):
            self.add(mutated(self._space, architecture, rng), number)


def weighting(targets: Matrix, rng: Random) -> Callable[[Matrix], Matrix]:
    """What makes one value of each row of several: larger is better."""
    n = targets.shape[1]
    if n == 1:
        return lambda values: values[:, 0]
    shares = np.array([-math.log(1.0 - rng.random()) for _ in range(n)])
    shares /= shares.sum()
    ideal = targets.max(axis=0) + 0.5

    def weigh(values: Matrix) -> Matrix:
        missed = shares * (ideal - values)
        found: Matrix = -missed.max(axis=1) - 0.05 * missed.sum(axis=1)
        return found

    return weigh
