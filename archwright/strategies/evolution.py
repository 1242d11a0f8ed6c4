"""Regularized (aging) evolution."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from archwright.errors import InputError
from archwright.strategies.base import random_proposal
from archwright.strategies.population import check_at_least, check_share
from archwright.trials import History, Proposal, Trial, dominates


@dataclass(frozen=True)
class RegularizedEvolution:
    """Mutate the best of a random sample of the youngest architectures.

    The population is the newest `population` architectures that were evaluated with success and
    keep the limits: the oldest leaves as a new one comes, so that a lucky evaluation does not
    stay for ever. With several objectives the parent is one of those in the sample that no other
    in it dominates.

    Args:
        population: how many architectures live; as many are drawn at random to begin with.
        sample: how many of them compete to be the parent.
        n_mutations: how many decisions a child changes.
        crossover: probability that the child takes each decision from two parents before it is
            mutated; 0 in the paper.

    Raises:
        InputError: an argument is out of range.

    Source: Real, Aggarwal, Huang and Le, Regularized Evolution for Image Classifier Architecture
    Search, AAAI 2019, arXiv 1802.01548.

    Differences from the paper: population 20 and sample 10 by default, for searches of tens to
    hundreds of evaluations; `amoebanet` makes the paper's 100 and 25, which are for 20,000. Its
    two kinds of mutation, of an input and of an operation, are equally likely here because its
    cells (the space "nasnet") hold as many of the one as of the other; elsewhere each decision is
    as likely as any other. Its third, which changes nothing and trains the parent again (5 % of
    the children), is left out, as nothing is evaluated twice: a child that is a canonical
    duplicate is drawn again, with one more mutation after every eight vain draws.

    >>> from archwright.space import Choice, Space
    >>> from archwright.trials import Objective
    >>> space = Space({"width": Choice((16, 32, 64)), "kernel": Choice((3, 5, 7))})
    >>> first = Trial(0, space.default, metrics={"accuracy": 0.5})
    >>> history = History(space, Objective.of(maximize="accuracy"), [first])
    >>> RegularizedEvolution(population=1, sample=1).propose(history, Random(0)).origin
    'mutation'
    """

    population: int = 20
    sample: int = 10
    n_mutations: int = 1
    crossover: float = 0.0

    def __post_init__(self) -> None:
        check_at_least(population=(self.population, 1), n_mutations=(self.n_mutations, 1))
        if not 1 <= self.sample <= self.population:
            raise InputError(
                f"sample must lie between 1 and population ({self.population}), got {self.sample}"
            )
        check_share(crossover=self.crossover)

    @classmethod
    def amoebanet(cls) -> RegularizedEvolution:
        """As in the paper's main experiment, of 20,000 evaluations: population 100, sample 25.

        >>> RegularizedEvolution.amoebanet()
        RegularizedEvolution(population=100, sample=25, n_mutations=1, crossover=0.0)
        """
        return cls(population=100, sample=25)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        if len(history.complete) + len(history.running) < self.population or not history.complete:
            return random_proposal(history, rng)
        parent = self._parent(history, rng)
        mate = self._parent(history, rng) if rng.random() < self.crossover else parent
        space = history.space
        for extra in range(4):
            for _ in range(8):
                child = parent.architecture
                if mate is not parent:
                    child = space.crossover(child, mate.architecture, rng=rng)
                child = space.mutate(child, rng=rng, n=self.n_mutations + extra)
                if history.is_new(child):
                    return Proposal(child, origin="mutation", parent=parent.number)
        return random_proposal(history, rng)

    def _parent(self, history: History, rng: Random) -> Trial:
        trials, scores = history.complete, history.scores
        first = max(0, len(trials) - self.population)
        n_alive = len(trials) - first
        # One draw of many bits, cut into 24-bit shares of the population, is faster than many.
        bits = rng.getrandbits(24 * self.sample)
        sample = [
            first + ((bits >> shift & 0xFFFFFF) * n_alive >> 24)
            for shift in range(0, 24 * self.sample, 24)
        ]
        if history.objective.single:
            return trials[max(sample, key=scores.__getitem__)]
        return rng.choice(_undominated(history, [trials[i] for i in sample]))


def _undominated(history: History, trials: list[Trial]) -> list[Trial]:
    values = [history.objective.values(trial.metrics) for trial in trials]
    return [
        t for t, v in zip(trials, values, strict=True) if not any(dominates(o, v) for o in values)
    ]
