"""Pareto local search: climb with a whole front."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from archwright.space import Architecture
from archwright.strategies.base import random_proposal
from archwright.strategies.population import check_at_least, followed
from archwright.strategies.sorting import crowding_distances
from archwright.trials import History, Proposal, Trial, dominates


@dataclass(frozen=True)
class ParetoLocalSearch:
    """Evaluate neighbours of the front, which grows and moves as they are found.

    After some random starts, each trial is a neighbour (it differs in one decision) of a member
    of the front: of one with room around it more likely than of one in a crowd. Whatever none
    dominates joins the front. When all neighbours of all its members are known, it is a Pareto
    local optimum, and further architectures are drawn at random until it moves again. `LocalSearch`
    is this method when there are several objectives.

    Args:
        starts: how many architectures are drawn at random to begin with.

    Raises:
        InputError: an argument is out of range.

    Source: Paquete, Chiarandini and Stützle, Pareto Local Optimum Sets in the Biobjective
    Traveling Salesman Problem, Metaheuristics for Multiobjective Optimisation 2004; with members
    drawn one at a time Dubois-Lacoste, López-Ibáñez and Stützle, Anytime Pareto Local Search,
    European Journal of Operational Research 2015; for architectures den Ottelander, Dushatskiy,
    Virgolin and Bosman, Local Search is a Remarkably Strong Baseline for Neural Architecture
    Search, EMO 2021, arXiv 2004.08996.

    Differences from the papers: several starts share one front (den Ottelander and others climb
    towards one weighted sum of the goals after the other; measured on NAS-Bench-201 with
    latencies, see benchmarks/hypervolume.py); a neighbour counts at once, whatever others of its
    member are left; room is the crowding distance of NSGA-II in place of the hypervolume that a
    neighbour may add; nothing is evaluated twice.

    >>> from archwright.space import Choice, Space
    >>> from archwright.trials import Objective
    >>> space = Space({"width": Choice((16, 32, 64))})
    >>> history = History(space, Objective.of(maximize="accuracy", minimize="params"))
    >>> history.add(Trial(0, space.default, metrics={"accuracy": 0.5, "params": 16.0}))
    >>> ParetoLocalSearch(starts=1).propose(history, Random(0)).parent
    0
    """

    starts: int = 10

    def __post_init__(self) -> None:
        check_at_least(starts=(self.starts, 1))

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        front = followed(history, self, _Front)
        if len(history.complete) + len(history.running) < self.starts:
            return random_proposal(history, rng)
        members = list(front.members)
        while members:
            member = _with_room(members, rng)
            # A generator of its own: what `rng` yields next must not depend on `exhausted`, which
            # is known to those only who asked before.
            own = Random(rng.getrandbits(32))
            if not member.exhausted:
                neighbour = one_new(history, member.neighbours(history), own)
                if neighbour is not None:
                    return Proposal(neighbour, origin="neighbour", parent=member.trial.number)
                member.exhausted = True
            members.remove(member)
        return random_proposal(history, rng)


def one_new(
    history: History, architectures: Sequence[Architecture], rng: Random
) -> Architecture | None:
    """One of those that were not started yet, each equally likely; None where all were."""
    for _ in range(8):  # asking about all of them costs more than the rest of a proposal
        drawn = architectures[int(rng.random() * len(architectures))] if architectures else None
        if drawn is not None and history.is_new(drawn):
            return drawn
    new = [a for a in architectures if history.is_new(a)]
    return rng.choice(new) if new else None


class _Member:
    """A trial on the front; `exhausted` once all its neighbours were started."""

    def __init__(self, trial: Trial, values: tuple[float, ...]) -> None:
        self.trial = trial
        self.values = values
        self.exhausted = False
        self._neighbours: list[Architecture] | None = None

    def neighbours(self, history: History) -> list[Architecture]:
        """The architectures that differ in one decision."""
        if self._neighbours is None:
            self._neighbours = history.space.neighbours(self.trial.architecture)
        return self._neighbours


class _Front:
    """The trials that none dominates, of those read so far."""

    def __init__(self) -> None:
        self.n_read = 0
        self.members: list[_Member] = []

    def read(self, history: History, trial: Trial) -> None:
        if trial.state != "complete" or not history.objective.feasible(trial.metrics):
            return
        values = history.objective.values(trial.metrics)
        if any(m.values == values or dominates(m.values, values) for m in self.members):
            return
        self.members = [m for m in self.members if not dominates(values, m.values)]
        self.members.append(_Member(trial, values))


def _with_room(members: list[_Member], rng: Random) -> _Member:
    """One of the members, drawn by its crowding distance; the ends count double the greatest."""
    room = crowding_distances([member.values for member in members])
    widest = max((x for x in room if x < math.inf), default=0.0) or 1.0
    # A share for those in a crowd: none is passed over for ever.
    return rng.choices(members, [min(x, 2 * widest) + 0.01 * widest for x in room])[0]
