"""A genetic algorithm: tournament selection, crossover, mutation, elitism."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from random import Random
from typing import Literal

from archwright.errors import InputError
from archwright.space import Space
from archwright.strategies.base import random_proposal
from archwright.strategies.population import (
    Worth,
    breed,
    check_at_least,
    check_share,
    followed,
    refuse_several,
    worth,
)
from archwright.trials import History, Objective, Proposal, Trial


@dataclass(frozen=True)
class Genetic:
    """Cross and mutate the winners of small tournaments.

    The first `population` trials are drawn at random. After that each child has two parents, each
    the best of `tournament` members drawn at random. A generation is complete when enough trials
    have finished, in whatever order workers deliver them; then the members are replaced:

    - ``"generational"``: the `elite` best stay, the new generation takes the other places;
    - ``"truncation"``: the best of the old members and the new generation together stay;
    - ``"steady"``: each child that finishes takes the place of the worst, where it is better.

    Architectures that break a limit are members too, behind all that keep it: of two such the one
    that breaks it by less is better.

    Args:
        population: how many members there are.
        tournament: how many of them compete to be a parent.
        crossover: probability that a child takes each decision from one of two parents by a fair
            coin; else it begins as a copy of one.
        mutation: probability that one of its decisions is then drawn anew.
        replacement: how members are replaced, see above.
        elite: how many of the best stay with ``"generational"``.

    Raises:
        InputError: an argument is out of range.

    Source: Sun, Xue, Zhang, Yen and Lv, Automatically Designing CNN Architectures Using the
    Genetic Algorithm for Image Classification, IEEE Transactions on Cybernetics 2020, arXiv
    1808.03818 (binary tournaments, population 20, crossover 0.9, mutation 0.2, elitism); the first
    for architectures of this kind is Xie and Yuille, Genetic CNN, ICCV 2017, arXiv 1703.01513.

    Differences from the paper: tournaments of five, mutation 0.5 and a child at a time by default,
    which does better in searches of tens to hundreds of evaluations; crossover is uniform over
    the decisions, which a conditional space allows, not at one point; the survivors are the best
    (or, generationally, the young) instead of drawn by further tournaments; a child that was
    evaluated before is drawn again, with more mutations after every four vain draws.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32, 64)), "kernel": Choice((3, 5, 7))})
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> history.add(Trial(0, space.default, metrics={"accuracy": 0.5}))
    >>> history.add(Trial(1, space.sample(seed=1), metrics={"accuracy": 0.6}))
    >>> Genetic(population=2).propose(history, Random(0)).origin
    'child'
    """

    population: int = 20
    tournament: int = 5
    crossover: float = 0.9
    mutation: float = 0.5
    replacement: Literal["generational", "truncation", "steady"] = "steady"
    elite: int = 1

    def __post_init__(self) -> None:
        check_at_least(population=(self.population, 2), tournament=(self.tournament, 1))
        check_share(crossover=self.crossover, mutation=self.mutation)
        if self.replacement not in ("generational", "truncation", "steady"):
            raise InputError(
                "replacement must be 'generational', 'truncation' or 'steady', got "
                f"{self.replacement!r}"
            )
        if not 0 <= self.elite < self.population:
            raise InputError(
                f"elite must lie between 0 and population - 1 ({self.population - 1}), got "
                f"{self.elite}"
            )

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse several objectives; see `Strategy`."""
        refuse_several("genetic", objective)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        members = followed(history, self, lambda: _Members(self))
        if not members.full:
            return random_proposal(history, rng)
        parents = members.parents(rng)
        return breed(history, parents, rng, crossover=self.crossover, mutation=self.mutation)


class _Members:
    """The population after the trials read so far, best first once it is full."""

    def __init__(self, options: Genetic) -> None:
        self.n_read = 0
        self.all: list[tuple[Worth, Trial]] = []
        self.full = False
        self._options = options
        self._young: list[tuple[Worth, Trial]] = []

    def read(self, history: History, trial: Trial) -> None:
        found = worth(history.objective, trial)
        if found is None:
            return
        options = self._options
        if not self.full:
            self.all.append((found, trial))
            if len(self.all) == options.population:
                self.full = True
                self._sort()
            return
        self._young.append((found, trial))
        if options.replacement == "generational":
            if len(self._young) == options.population - options.elite:
                self._renew(self.all[: options.elite] + self._young)
        elif options.replacement == "steady" or len(self._young) == options.population:
            self._renew(self.all + self._young)

    def parents(self, rng: Random) -> Iterator[Trial]:
        """The winner of one tournament after the other."""
        members, size, draw = self.all, self._options.tournament, rng.random
        n = len(members)
        while True:  # members stand best first: the lowest place wins
            yield members[min([int(draw() * n) for _ in range(size)])][1]

    def _renew(self, candidates: list[tuple[Worth, Trial]]) -> None:
        self.all = candidates
        self._young = []
        self._sort()

    def _sort(self) -> None:
        # Stable: of equals those that were there first stand in front.
        self.all.sort(key=itemgetter(0), reverse=True)
        del self.all[self._options.population :]
