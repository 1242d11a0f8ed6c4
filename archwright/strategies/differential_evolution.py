"""Differential evolution over the unit cube."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from archwright.errors import InputError
from archwright.space import Architecture, Space
from archwright.strategies.base import random_proposal
from archwright.strategies.population import (
    Worth,
    check_at_least,
    check_share,
    followed,
    offspring,
    refuse_several,
    worth,
)
from archwright.strategies.vectors import UnitCube, refuse_dynamic
from archwright.trials import History, Objective, Proposal, Trial

ORIGIN = "difference"


@dataclass(frozen=True)
class DifferentialEvolution:
    """Add the difference of two members to a third, and mix the sum with the one to be replaced.

    Members are points of the unit cube; `UnitCube` says which architecture each stands for. The
    members take their turns as target x. A child takes each coordinate with probability
    `crossover` (and one at least) from ``a + factor * (b - c)``, a, b and c being three other
    members drawn at random, and the rest from x; coordinates that leave the cube are drawn anew.
    It takes the place of x when it is as good or better. This is "rand/1/bin".

    Args:
        population: how many members there are, at least 4; as many are drawn at random to begin
            with.
        factor: what the difference is multiplied by.
        crossover: probability that a coordinate comes from the sum.

    Raises:
        InputError: an argument is out of range.

    Source: Awad, Mallik and Hutter, Differential Evolution for Neural Architecture Search, ICLR
    2020 Workshop on Neural Architecture Search, arXiv 2012.06400 (population 20, factor and
    crossover 0.5); the method itself is Storn and Price, Differential Evolution, Journal of
    Global Optimization 1997.

    Differences from the paper: a child takes its target's place as soon as it has finished, not
    at the end of a generation (which lets workers run freely, and is the asynchronous variant of
    DEHB, Awad, Mallik and Hutter, IJCAI 2021); a member stands in the middle of the part of the
    cube that stands for its architecture, since the record of a trial holds no point; population
    10 by default, for searches of tens to hundreds of evaluations; a child that was evaluated
    before is drawn again, with more mutations after every four vain draws.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32, 64)), "kernel": Choice((3, 5, 7))})
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> for number, architecture in enumerate(list(space.enumerate())[:4]):
    ...     history.add(Trial(number, architecture, metrics={"accuracy": 0.5}))
    >>> DifferentialEvolution(population=4).propose(history, Random(0)).origin
    'difference'
    """

    population: int = 10
    factor: float = 0.5
    crossover: float = 0.5

    def __post_init__(self) -> None:
        check_at_least(population=(self.population, 4))
        check_share(crossover=self.crossover)
        if not 0 < self.factor <= 2:
            raise InputError(f"factor must lie above 0 and not above 2, got {self.factor!r}")

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse several objectives and dynamic spaces; see `Strategy`."""
        refuse_several("differential_evolution", objective)
        refuse_dynamic("differential_evolution", space)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        members = followed(history, self, lambda: _Members(history.space, self.population))
        if len(members.points) < self.population:
            return random_proposal(history, rng)
        target = members.next_target(history)

        def make() -> tuple[Architecture | None, int]:
            others = [i for i in range(self.population) if i != target]
            a, b, c = (members.points[i] for i in rng.sample(others, 3))
            x = members.points[target]
            point = trial_point(x, a, b, c, rng, factor=self.factor, crossover=self.crossover)
            return members.cube.architecture(point), members.numbers[target]

        return offspring(history, rng, make, origin=ORIGIN)


def trial_point(
    x: Sequence[float],
    a: Sequence[float],
    b: Sequence[float],
    c: Sequence[float],
    rng: Random,
    *,
    factor: float,
    crossover: float,
) -> list[float]:
    """The child of a target x: ``a + factor * (b - c)``, mixed with x coordinate by coordinate.

    >>> trial_point([0.0], [0.5], [0.5], [0.25], Random(0), factor=0.5, crossover=1.0)
    [0.625]
    """
    always = rng.randrange(len(x))
    child = list(x)
    for k in range(len(x)):
        if k == always or rng.random() < crossover:
            moved = a[k] + factor * (b[k] - c[k])
            child[k] = moved if 0 <= moved <= 1 else rng.random()
    return child


class _Members:
    """The members after the trials read so far."""

    def __init__(self, space: Space, size: int) -> None:
        self.n_read = 0
        self.cube = UnitCube(space)
        self.points: list[list[float]] = []
        self.numbers: list[int] = []
        self._worths: list[Worth] = []
        self._n_children: list[int] = []
        # Every trial that is or was a member -> its place: children may come back late.
        self._places: dict[int, int] = {}
        self._size = size

    def read(self, history: History, trial: Trial) -> None:
        found = worth(history.objective, trial)
        place = self._place(trial)
        if place is not None:
            self._n_children[place] += 1
            if found is not None and found >= self._worths[place]:
                self._settle(place, trial, found)
        elif found is None:
            return
        elif len(self.points) < self._size:
            self.points.append([])
            self.numbers.append(0)
            self._worths.append(found)
            self._n_children.append(0)
            self._settle(len(self.points) - 1, trial, found)
        else:
            # No child of a member: it takes the place of the worst, where it is better.
            worst = min(range(self._size), key=self._worths.__getitem__)
            if found > self._worths[worst]:
                self._settle(worst, trial, found)

    def next_target(self, history: History) -> int:
        """The member that had fewest children, those under way included."""
        counts = self._n_children.copy()
        for trial in history.running.values():
            place = self._place(trial)
            if place is not None:
                counts[place] += 1
        return min(range(len(counts)), key=counts.__getitem__)

    def _place(self, trial: Trial) -> int | None:
        if trial.origin != ORIGIN or trial.parent is None:
            return None
        return self._places.get(trial.parent)

    def _settle(self, place: int, trial: Trial, found: Worth) -> None:
        # Coordinates of decisions that are not live: the target's, at first any.
        dead = self.points[place] or _anywhere(trial, self.cube.n)
        self.points[place] = self.cube.point(trial.architecture, otherwise=dead)
        self.numbers[place] = trial.number
        self._worths[place] = found
        self._places[trial.number] = place


def _anywhere(trial: Trial, n: int) -> list[float]:
    rng = Random(trial.architecture.id)
    return [rng.random() for _ in range(n)]
