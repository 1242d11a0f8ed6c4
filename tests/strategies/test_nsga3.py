import math
from random import Random

import numpy as np
import pytest

from archwright.strategies import NSGA3
from archwright.strategies.fronts import Candidate
from archwright.strategies.nsga3 import _divisions, _normalised, niched, reference_points
from archwright.trials import History, Objective, Trial
from tests.strategies.problems import flat


@pytest.mark.parametrize(("m", "p"), [(2, 19), (3, 12), (5, 6), (1, 1)])
def test_reference_points_are_all_ways_to_share_the_parts(m, p):
    points = reference_points(m, p)
    assert points.shape == (math.comb(m + p - 1, p), m)  # 91 for 3 and 12, as in the paper
    assert np.allclose(points.sum(1), 1)
    assert np.allclose(points * p, np.round(points * p))
    assert len({tuple(point) for point in points.tolist()}) == len(points)
    assert points.min() >= 0


def test_divisions_make_no_more_lines_than_members():
    assert len(reference_points(2, _divisions(2, 20))) == 20
    assert len(reference_points(3, _divisions(3, 100))) == 91
    assert len(reference_points(3, _divisions(3, 90))) == 78
    assert _divisions(7, 2) == 1


def test_normalisation_puts_the_extremes_at_one():
    # Points on the plane x/2 + y/10 + z/5 = 1, moved by (3, -1, 7).
    rng = np.random.default_rng(0)
    shares = np.concatenate([np.eye(3), rng.dirichlet(np.ones(3), 10)])
    costs = shares * [2, 10, 5] + [3, -1, 7]
    assert np.allclose(_normalised(costs, n_first=len(costs)), shares)
    # One objective in which all are equal, and a front of one point: nothing is divided by zero.
    assert np.isfinite(_normalised(costs * [1, 1, 0], n_first=5)).all()
    assert np.isfinite(_normalised(costs[:1], n_first=1)).all()


def candidates(points):
    space = flat()
    return [Candidate(Trial(i, space.default), tuple(p), 0.0) for i, p in enumerate(points)]


def test_places_of_the_last_front_go_to_the_emptiest_lines():
    # One front along x + y = 1 (costs): both ends, five near the middle, one between.
    costs = [(0, 1), (1, 0), (0.5, 0.5), (0.48, 0.52), (0.52, 0.48), (0.49, 0.51), (0.24, 0.76)]
    front = candidates([(-a, -b) for a, b in costs])
    lines = reference_points(2, 4)  # shares 0, 1/4, 1/2, 3/4, 1
    for n, expected in ((4, {0, 1, 2, 6}), (7, set(range(7)))):
        assert {c.trial.number for c in niched([front], n, lines)} == expected
    five = niched([front], 5, lines)
    assert {0, 1, 2, 6} < {c.trial.number for c in five}
    # The middle line is taken by the first front: of the last, the one beside it comes in.
    both = candidates([(0, -1), (-1, 0), (-0.5, -0.5), (-0.51, -0.51), (-0.3, -0.9)])
    assert [c.trial.number for c in niched([both[:3], both[3:]], 4, lines)] == [0, 1, 2, 4]


def test_parents_break_no_limit_where_the_other_keeps_it():
    two = Objective.of(maximize="score", minimize="cost", limits={"cost": 100})
    history = History(flat(), two)
    for number, architecture in zip(range(4), flat().enumerate(), strict=False):
        bad = number < 3
        metrics = {"cost": 200.0} if bad else {"score": 1.0, "cost": 5.0}
        state = "infeasible" if bad else "complete"
        history.add(Trial(number, architecture, state, metrics=metrics))
    strategy = NSGA3(population=4)
    parents = [strategy.propose(history, Random(i)).parent for i in range(300)]
    assert 0.35 < parents.count(3) / 300 < 0.53  # 1 - (3/4)^2
