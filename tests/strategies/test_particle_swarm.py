from random import Random

import pytest

from archwright.strategies import ParticleSwarm
from archwright.strategies.particle_swarm import ORIGIN, velocity
from archwright.trials import History, Trial
from tests.strategies.problems import ONE, flat, history_of, memory_of


def test_the_equation():
    rng = Random(7)
    r = [rng.random() for _ in range(4)]
    found = velocity(
        [0.1, -0.2],
        [0.5, 0.5],
        [0.6, 0.5],
        [0.4, 0.9],
        Random(7),
        inertia=0.7,
        own=1.5,
        swarm=2.0,
        max_speed=1.0,
    )
    assert found == pytest.approx(
        [
            0.7 * 0.1 + 1.5 * r[0] * 0.1 + 2.0 * r[1] * -0.1,
            0.7 * -0.2 + 1.5 * r[2] * 0.0 + 2.0 * r[3] * 0.4,
        ]
    )


def test_speed_is_limited():
    args = {"inertia": 9.0, "own": 0.0, "swarm": 0.0, "max_speed": 0.25}
    assert velocity([1.0, -1.0, 0.01], [0.5] * 3, [0.5] * 3, [0.5] * 3, Random(0), **args) == [
        0.25,
        -0.25,
        0.09,
    ]


def test_particles_remember():
    space, strategy = flat(n=2, k=4), ParticleSwarm(population=2)

    def at(number, a, b, score, parent=None):
        architecture = space.check({"d0": a, "d1": b})
        origin = "random" if parent is None else ORIGIN
        state = "failed" if score is None else "complete"
        metrics = {} if score is None else {"score": score}
        history.add(
            Trial(number, architecture, state, metrics=metrics, origin=origin, parent=parent)
        )

    history = History(space, ONE)
    at(0, 0, 0, 1.0)
    at(1, 3, 3, 2.0)
    swarm = memory_of(strategy, history)
    first, second = swarm.particles
    assert first.velocity == [0.0, 0.0]
    assert swarm.best == second.position == [0.875, 0.875]
    at(2, 2, 1, 0.5, parent=0)  # worse than before: moves on, remembers
    swarm = memory_of(strategy, history)
    assert first.velocity == [0.5, 0.25]
    assert first.position == [0.625, 0.375]
    assert first.best == [0.125, 0.125]
    assert first.number == 2
    assert strategy.propose(history, Random(0)).parent == 1  # whose turn it is
    at(3, 1, 1, 9.0, parent=2)
    memory_of(strategy, history)
    assert first.velocity == [-0.25, 0.0]
    assert first.best == swarm.best == [0.375, 0.375]
    at(4, 0, 3, None, parent=1)  # failed: stays where it is
    memory_of(strategy, history)
    assert second.position == [0.875, 0.875]
    assert second.n_moves == 1


def test_a_particle_moves_towards_the_best():
    space = flat(n=6, k=9)
    strategy = ParticleSwarm(population=2)
    corners = [(dict.fromkeys(space.paths, value), score) for value, score in ((0, 0), (8, 1))]
    history = history_of(space, corners)
    proposals = [strategy.propose(history, Random(seed)) for seed in range(40)]
    assert {p.parent for p in proposals} == {0}
    moved = [sum(p.architecture.values()) / 6 for p in proposals]
    # Pull 1.49618 * r towards the other corner, at most half of the cube: about 4 in the mean.
    assert 2 < sum(moved) / len(moved) < 5
