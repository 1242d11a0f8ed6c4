from random import Random

import pytest

from archwright.strategies import DifferentialEvolution
from archwright.strategies.differential_evolution import ORIGIN, trial_point
from archwright.trials import Trial
from tests.strategies.problems import flat, history_of, memory_of


def test_the_equation():
    x, a, b, c = [0.0] * 4, [0.5, 0.2, 0.9, 0.1], [0.4, 0.6, 0.9, 0.1], [0.2, 0.8, 0.1, 0.9]
    child = trial_point(x, a, b, c, Random(0), factor=0.5, crossover=1.0)
    assert child[:2] == pytest.approx([0.5 + 0.5 * 0.2, 0.2 - 0.5 * 0.2])
    # 0.9 + 0.4 and 0.1 - 0.4 leave the cube: drawn anew, not clipped.
    assert 0 < child[2] < 1
    assert 0 < child[3] < 1


def test_crossover_takes_one_coordinate_at_least_and_the_share_asked_for():
    x, a = [0.0] * 40, [0.5] * 40
    counts = []
    for crossover in (0.0, 0.3, 1.0):
        taken = 0
        for seed in range(50):
            child = trial_point(x, a, x, x, Random(seed), factor=0.5, crossover=crossover)
            taken += sum(value == 0.5 for value in child)
        counts.append(taken / 50)
    assert counts[0] == 1
    assert 11 < counts[1] < 15
    assert counts[2] == 40


def start():
    return history_of(flat(), [(flat().sample(seed=number), number + 1) for number in range(4)])


def add(history, number, parent, score, **kwargs):
    architecture = history.space.sample(seed=number)
    metrics = {} if score is None else {"score": score}
    kwargs = {"origin": ORIGIN, "state": "complete" if score is not None else "failed", **kwargs}
    history.add(Trial(number, architecture, parent=parent, metrics=metrics, **kwargs))


def members(history):
    return memory_of(DifferentialEvolution(population=4), history).numbers


def test_members_take_turns_and_children_replace_them_when_as_good():
    history, strategy = start(), DifferentialEvolution(population=4)
    assert strategy.propose(history, Random(0)).parent == 0
    add(history, 4, 0, 1.0)  # as good: takes the place
    assert members(history) == [4, 1, 2, 3]
    assert strategy.propose(history, Random(0)).parent == 1
    add(history, 5, 1, 1.9)  # worse
    add(history, 6, 2, None)  # failed
    assert members(history) == [4, 1, 2, 3]
    assert strategy.propose(history, Random(0)).parent == 3
    add(history, 7, 0, 9.0)  # a late child of a member that is gone: meets who took its place
    assert members(history) == [7, 1, 2, 3]
    add(history, 8, None, 5.0, origin="random")  # no child: takes the place of the worst
    assert members(history) == [7, 8, 2, 3]
