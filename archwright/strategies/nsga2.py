"""NSGA-II: non-dominated sorting and crowding distance, for several objectives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import attrgetter
from random import Random

from archwright.strategies.base import random_proposal
from archwright.strategies.fronts import Candidate, Generations
from archwright.strategies.population import breed, check_at_least, check_share, followed
from archwright.strategies.sorting import crowding_distances
from archwright.trials import History, Proposal, Trial


@dataclass(frozen=True)
class NSGA2:
    """Keep the fronts that dominate, and of the last that fits those in the emptiest places.

    The first `population` trials are drawn at random. Each child has two parents, each the better
    of two members drawn at random: the one in the better front, in the same front the one with
    more room around it. When `offspring` more trials have finished, in whatever order workers
    deliver them, the members are chosen anew among the old ones and these.

    Architectures that break a limit come behind all that keep it; of two such the one that breaks
    it by less is better (the paper's constrained domination). With one objective it is a genetic
    algorithm in which the best survive.

    Args:
        population: how many members there are.
        offspring: how many new trials make a generation; None: as many as members.
        crossover: probability that a child takes each decision from one of two parents by a fair
            coin; else it begins as a copy of one.
        mutation: probability that one of its decisions is then drawn anew; None: each decision is
            drawn anew with one over their number as its probability, and at least one is.

    Raises:
        InputError: an argument is out of range.

    Source: Deb, Pratap, Agarwal and Meyarivan, A Fast and Elitist Multiobjective Genetic
    Algorithm: NSGA-II, IEEE Transactions on Evolutionary Computation 2002; for architectures Lu,
    Whalen, Boddeti, Dhebar, Deb, Goodman and Banzhaf, NSGA-Net: Neural Architecture Search using
    Multi-Objective Genetic Algorithm, GECCO 2019, arXiv 1810.03522.

    Differences from the paper: population 10 by default, for searches of tens to hundreds of
    evaluations (100 in the paper, 40 in NSGA-Net); decisions are exchanged and drawn anew as they
    are, without a code of bits; no model of the decisions' joint distribution (NSGA-Net's
    exploitation stage); a child that was evaluated before is drawn again, with more mutations
    after every four vain draws.

    >>> from archwright.space import Choice, Space
    >>> from archwright.trials import Objective
    >>> space = Space({"width": Choice((16, 32, 64)), "kernel": Choice((3, 5, 7))})
    >>> history = History(space, Objective.of(maximize="accuracy", minimize="params"))
    >>> for number, score in enumerate((0.5, 0.6)):
    ...     metrics = {"accuracy": score, "params": 100.0 * score}
    ...     history.add(Trial(number, space.sample(seed=number), metrics=metrics))
    >>> NSGA2(population=2).propose(history, Random(0)).origin
    'child'
    """

    population: int = 10
    offspring: int | None = None
    crossover: float = 0.9
    mutation: float | None = None

    def __post_init__(self) -> None:
        check_at_least(
            population=(self.population, 2),
            offspring=(1 if self.offspring is None else self.offspring, 1),
        )
        check_share(crossover=self.crossover, mutation=self.mutation or 0.0)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        size = self.population
        members = followed(
            history, self, lambda: Generations(size, self.offspring or size, _survivors)
        )
        if not members.full:
            return random_proposal(history, rng)
        parents = _parents(members.alive, rng)
        return breed(history, parents, rng, crossover=self.crossover, mutation=self.mutation)


def _parents(alive: Sequence[Candidate], rng: Random) -> Iterator[Trial]:
    """The winner of one binary tournament after the other; members stand best first."""
    n, draw = len(alive), rng.random
    while True:
        i, j = int(draw() * n), int(draw() * n)
        a, b = alive[i], alive[j]
        if a.rank == b.rank and a.room == b.room:
            yield a.trial
        else:
            yield (a if i < j else b).trial


def _survivors(fronts: list[list[Candidate]], n: int) -> list[Candidate]:
    """The best `n`, by front and then by room, best first."""
    kept: list[Candidate] = []
    for front in fronts:
        room = crowding_distances([c.values for c in front])
        for candidate, distance in zip(front, room, strict=True):
            candidate.room = distance
        front.sort(key=attrgetter("room"), reverse=True)
        kept += front[: n - len(kept)]
        if len(kept) == n:
            break
    return kept
