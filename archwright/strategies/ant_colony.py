"""Ant colony optimisation over the tree of decisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from archwright.errors import InputError
from archwright.space import Architecture, Decision, Space
from archwright.space.domains import Value
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
from archwright.strategies.trails import Trails
from archwright.strategies.vectors import grow, refuse_dynamic
from archwright.trials import History, Objective, Proposal, Trial

N_WALKS = 20
"""How often an ant walks anew when its path breaks an edge limit."""


@dataclass(frozen=True)
class AntColony:
    """Ants walk down the tree of decisions and prefer values on which good ants left pheromone.

    At each live decision an ant takes the value with most pheromone with probability
    `greediness`, else draws one with the pheromones as weights. Each path that was walked loses
    some pheromone (so that the next ants look elsewhere, those that set out while others are
    still under way as well), and each time that `ants` of them are back, the best path so far
    gains some.

    Args:
        ants: how many ants are back before the best path gains pheromone.
        greediness: probability of taking the value with most pheromone.
        start: the pheromone on every value at first, above 0 and below 1.
        decay: by how much of the way the pheromone of a path that was walked goes back to `start`.
        evaporation: by how much of the way the pheromone of the best path goes towards 1.

    Raises:
        InputError: an argument is out of range.

    Source: Byla and Pang, DeepSwarm: Optimising Convolutional Neural Networks using Swarm
    Intelligence, UKCI 2019, arXiv 1905.07350; its rules are those of Dorigo and Gambardella, Ant
    Colony System, IEEE Transactions on Evolutionary Computation 1997.

    Differences from the paper: the graph is the space's tree of decisions, so that depth is a
    decision like any other instead of growing as the search goes on, and weights are not reused
    between depths; what the best path gains does not depend on the metric's scale (1 in place of
    the accuracy); integers of more than 16 values and real numbers are cut into 16 parts; a path
    that was walked before is walked anew, with more mutations after every four vain walks.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32, 64))})
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> history.add(Trial(0, space.default, metrics={"accuracy": 0.5}))
    >>> AntColony().propose(history, Random(0)).origin
    'ant'
    """

    ants: int = 8
    greediness: float = 0.5
    start: float = 0.1
    decay: float = 0.1
    evaporation: float = 0.1

    def __post_init__(self) -> None:
        check_at_least(ants=(self.ants, 1))
        check_share(greediness=self.greediness, decay=self.decay, evaporation=self.evaporation)
        if not 0 < self.start < 1:
            raise InputError(f"start must lie between 0 and 1, got {self.start!r}")

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse several objectives and dynamic spaces; see `Strategy`."""
        refuse_several("ant_colony", objective)
        refuse_dynamic("ant_colony", space)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        colony = followed(history, self, lambda: _Colony(history.space, self))
        if not history.trials:
            return random_proposal(history, rng)
        walked = [trial.architecture for trial in history.running.values()]
        trails = colony.trails.faded(walked, self.decay) if walked else colony.trails

        def make() -> tuple[Architecture | None, None]:
            return walk(history.space, trails, rng, greediness=self.greediness), None

        return offspring(history, rng, make, origin="ant")


def walk(space: Space, trails: Trails, rng: Random, *, greediness: float) -> Architecture | None:
    """The architecture that one ant finds; None where it keeps breaking an edge limit."""

    def pick(weights: Sequence[float]) -> int:
        return chosen(weights, rng, greediness=greediness)

    def value(decision: Decision) -> Value:
        return trails.value(decision, pick, rng)

    for _ in range(N_WALKS):
        values = grow(space, value)
        if all(limit.allows(values) for limit in space.constraints):
            return space.check(values)
    return None


def chosen(weights: Sequence[float], rng: Random, *, greediness: float) -> int:
    """The index that an ant takes: one of the greatest weights, or drawn by the weights.

    >>> {chosen([0.1, 0.3, 0.2], Random(seed), greediness=1.0) for seed in range(9)}
    {1}
    """
    if rng.random() < greediness:
        greatest = max(weights)
        best = [i for i, w in enumerate(weights) if w == greatest]
        return best[int(rng.random() * len(best))]
    left = rng.random() * sum(weights)
    for i, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return i
    return len(weights) - 1


class _Colony:
    """The pheromones after the trials read so far."""

    def __init__(self, space: Space, options: AntColony) -> None:
        self.n_read = 0
        self.trails = Trails(space, start=options.start)
        self._best: tuple[Worth, Architecture] | None = None
        self._n_back = 0
        self._options = options

    def read(self, history: History, trial: Trial) -> None:
        self.trails.move(trial.architecture, self._options.decay, towards=self._options.start)
        found = worth(history.objective, trial)
        if found is None:
            return
        if self._best is None or found > self._best[0]:
            self._best = (found, trial.architecture)
        self._n_back += 1
        if self._n_back % self._options.ants == 0:
            self.trails.move(self._best[1], self._options.evaporation, towards=1.0)
