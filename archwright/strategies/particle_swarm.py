"""Particle swarm optimisation over the unit cube."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

from archwright.errors import InputError
from archwright.space import Architecture, Space
from archwright.strategies.base import random_proposal
from archwright.strategies.population import (
    Worth,
    check_at_least,
    followed,
    offspring,
    refuse_several,
    worth,
)
from archwright.strategies.vectors import UnitCube, refuse_dynamic
from archwright.trials import History, Objective, Proposal, Trial

ORIGIN = "particle"


@dataclass(frozen=True)
class ParticleSwarm:
    """Particles that are drawn to the best place each has seen and to the best that any has.

    A particle at x with velocity v moves to x + v', where v' is ``inertia * v +
    own * r1 * (best of its own - x) + swarm * r2 * (best of all - x)``, r1 and r2 drawn from
    0..1 for each coordinate, and no coordinate moves further than `max_speed`. Positions are
    points of the unit cube; `UnitCube` says which architecture each stands for. The particles
    take turns.

    Args:
        population: how many particles there are; as many trials are drawn at random to begin with.
        inertia: share of the velocity that is kept.
        own: pull of the best place that the particle has seen.
        swarm: pull of the best place that any particle has seen.
        max_speed: the furthest that a coordinate moves, as a share of the cube.

    Raises:
        InputError: an argument is out of range.

    Source: Wang, Sun, Xue and Zhang, Evolving Deep Convolutional Neural Networks by
    Variable-Length Particle Swarm Optimization for Image Classification (IPPSO), IEEE CEC 2018,
    arXiv 1803.06492, whose bytes of an address are the coordinates here; the method itself is
    Kennedy and Eberhart, Particle Swarm Optimization, ICNN 1995, with inertia by Shi and
    Eberhart, 1998.

    Differences from the paper: one coordinate for each decision, live or not, instead of layers
    that may be switched off; the swarm's best counts at once, not at the end of a round, so that
    workers run freely; a position is moved to the middle of the part that stands for its
    architecture, since the record of a trial holds no point, and the velocity is the distance
    between a particle's last two positions; a particle that would move to an architecture
    evaluated before is moved anew, with more mutations after every four vain draws.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32, 64)), "kernel": Choice((3, 5, 7))})
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> history.add(Trial(0, space.default, metrics={"accuracy": 0.5}))
    >>> ParticleSwarm(population=1).propose(history, Random(0)).parent
    0
    """

    population: int = 20
    inertia: float = 0.7298
    own: float = 1.49618
    swarm: float = 1.49618
    max_speed: float = 0.5

    def __post_init__(self) -> None:
        check_at_least(
            population=(self.population, 1),
            inertia=(self.inertia, 0),
            own=(self.own, 0),
            swarm=(self.swarm, 0),
        )
        if not 0 < self.max_speed <= 1:
            raise InputError(f"max_speed must lie above 0 and not above 1, got {self.max_speed!r}")

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse several objectives and dynamic spaces; see `Strategy`."""
        refuse_several("particle_swarm", objective)
        refuse_dynamic("particle_swarm", space)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        swarm = followed(history, self, lambda: _Swarm(history.space, self.population))
        if len(swarm.particles) < self.population:
            return random_proposal(history, rng)
        particle = swarm.next_particle(history)

        def make() -> tuple[Architecture | None, int]:
            v = velocity(
                particle.velocity,
                particle.position,
                particle.best,
                swarm.best,
                rng,
                inertia=self.inertia,
                own=self.own,
                swarm=self.swarm,
                max_speed=self.max_speed,
            )
            moved = [min(max(x + d, 0.0), 1.0) for x, d in zip(particle.position, v, strict=True)]
            return swarm.cube.architecture(moved), particle.number

        return offspring(history, rng, make, origin=ORIGIN)


def velocity(
    v: Sequence[float],
    x: Sequence[float],
    own_best: Sequence[float],
    swarm_best: Sequence[float],
    rng: Random,
    *,
    inertia: float,
    own: float,
    swarm: float,
    max_speed: float,
) -> list[float]:
    """A particle's next velocity.

    >>> velocity([0.2], [0.5], [0.5], [0.5], Random(0), inertia=0.5, own=1, swarm=1, max_speed=1)
    [0.1]
    """
    found = []
    for vk, xk, pk, gk in zip(v, x, own_best, swarm_best, strict=True):
        pull = own * rng.random() * (pk - xk) + swarm * rng.random() * (gk - xk)
        found.append(min(max(inertia * vk + pull, -max_speed), max_speed))
    return found


@dataclass(slots=True)
class _Particle:
    number: int
    position: list[float]
    best: list[float]
    best_worth: Worth
    velocity: list[float] = field(default_factory=list)
    n_moves: int = 0


class _Swarm:
    """The particles after the trials read so far."""

    def __init__(self, space: Space, size: int) -> None:
        self.n_read = 0
        self.cube = UnitCube(space)
        self.particles: list[_Particle] = []
        self.best: list[float] = []
        self._best_worth: Worth | None = None
        # Every trial that a particle stood at -> the particle: workers may come back late.
        self._owners: dict[int, _Particle] = {}
        self._size = size

    def read(self, history: History, trial: Trial) -> None:
        found = worth(history.objective, trial)
        particle = self._owner(trial)
        if particle is not None:
            particle.n_moves += 1
        if found is None:
            return
        if particle is not None:
            here = self.cube.point(trial.architecture, otherwise=particle.position)
            pairs = zip(here, particle.position, strict=True)
            particle.velocity = [new - old for new, old in pairs]
            particle.position, particle.number = here, trial.number
            self._owners[trial.number] = particle
            if found > particle.best_worth:
                particle.best, particle.best_worth = here, found
        else:
            here = self.cube.point(trial.architecture)
            if len(self.particles) < self._size:
                new = _Particle(trial.number, here, here, found, [0.0] * len(here))
                self.particles.append(new)
                self._owners[trial.number] = new
        if self._best_worth is None or found > self._best_worth:
            self.best, self._best_worth = here, found

    def next_particle(self, history: History) -> _Particle:
        """The particle that moved least often, moves under way included."""
        under_way: dict[int, int] = {}
        for trial in history.running.values():
            particle = self._owner(trial)
            if particle is not None:
                under_way[id(particle)] = under_way.get(id(particle), 0) + 1
        return min(self.particles, key=lambda p: p.n_moves + under_way.get(id(p), 0))

    def _owner(self, trial: Trial) -> _Particle | None:
        if trial.origin != ORIGIN or trial.parent is None:
            return None
        return self._owners.get(trial.parent)
