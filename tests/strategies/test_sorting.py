import math
from itertools import pairwise

import numpy as np
import pytest

from archwright.strategies.sorting import crowding_distances, non_dominated_ranks
from archwright.trials import dominates


def by_peeling(points):
    """Fronts as the definition says: take away what none of the rest dominates, and again."""
    left, ranks, front = set(range(len(points))), [0] * len(points), 0
    while left:
        best = {i for i in left if not any(dominates(points[j], points[i]) for j in left)}
        for i in best:
            ranks[i] = front
        left -= best
        front += 1
    return ranks


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("n_values", [2, 5, 1000])
def test_ranks_are_those_of_peeling(m, n_values):
    rng = np.random.default_rng(10 * m + n_values)
    for n in (1, 2, 13, 50):
        points = rng.integers(0, n_values, (n, m)).astype(float).tolist()
        assert non_dominated_ranks(points) == by_peeling(points)


def test_ranks_by_hand():
    assert non_dominated_ranks([]) == []
    #       a        b        c        d (below a, b)  e (below d)  f (equal to b)
    points = [(1, 5), (3, 3), (5, 1), (1, 3), (0, 3), (3, 3)]
    assert non_dominated_ranks(points) == [0, 0, 0, 1, 2, 0]
    cube = [(1, 1, 1), (2, 2, 2), (3, 0, 0), (2, 2, 1), (0, 0, 3)]
    assert non_dominated_ranks(cube) == [2, 0, 0, 1, 0]


def test_a_chain_and_an_antichain_of_ten_thousand():
    n = 10_000
    assert non_dominated_ranks([(i, i) for i in range(n)]) == list(range(n))[::-1]
    assert set(non_dominated_ranks([(i, -i) for i in range(n)])) == {0}
    assert set(non_dominated_ranks([(i, -i, i % 7) for i in range(n)])) == {0}


def test_crowding_by_hand():
    # Ranges 4 and 8: the second of the first three is (3 - 0) / 4 + (8 - 1) / 8.
    points = [(0, 8), (1, 4), (3, 1), (4, 0)]
    assert crowding_distances(points) == [math.inf, 3 / 4 + 7 / 8, 3 / 4 + 4 / 8, math.inf]
    assert crowding_distances([]) == []
    assert crowding_distances([(1, 1), (1, 1)]) == [0.0, 0.0]
    assert crowding_distances([()]) == [0.0]


def test_crowding_is_the_sum_over_objectives():
    points = np.random.default_rng(0).random((20, 3)).tolist()
    found = crowding_distances(points)
    expected = [0.0] * 20
    for k in range(3):
        order = sorted(range(20), key=lambda i: points[i][k])
        span = points[order[-1]][k] - points[order[0]][k]
        expected[order[0]] = expected[order[-1]] = math.inf
        for (a, i), (_, b) in zip(pairwise(order), pairwise(order[1:]), strict=False):
            expected[i] += (points[b][k] - points[a][k]) / span
    assert found == pytest.approx(expected)
