"""Non-dominated sorting and crowding distance. Every value is signed so that larger is better."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def non_dominated_ranks(points: Sequence[Sequence[float]]) -> list[int]:
    """The front of each point: 0 for those that none dominates, 1 for those left without 0, ...

    Up to three objectives are swept in the order of the first: for two, a front dominates a point
    exactly when its newest member does; for three, when its staircase in the other two does. In
    both, a front that dominates a point is preceded by fronts that do, so that bisection finds
    the first that does not: O(n log n) and O(n log^2 n). For more objectives each front is
    compared at once. Equal points share a front.

    Source: the bisection over fronts is that of Zhang, Tian, Cheng and Jin, An Efficient Approach
    to Nondominated Sorting for Evolutionary Multiobjective Optimization (ENS-BS), IEEE
    Transactions on Evolutionary Computation 2015; the staircases follow Kung, Luccio and
    Preparata, On Finding the Maxima of a Set of Vectors, Journal of the ACM 1975.

    >>> non_dominated_ranks([(1, 3), (2, 2), (1, 2), (0, 0), (2, 2)])
    [0, 0, 1, 2, 0]
    """
    if len(points) == 0:
        return []
    table = np.asarray(points, dtype=float)
    # Lexicographic, best first: a point can only be dominated by one that stands before it.
    order = np.lexsort(-table.T[::-1])
    if table.shape[1] == 1:
        return _one(table[:, 0])
    if table.shape[1] == 2:
        return _two(table, order)
    if table.shape[1] == 3:
        return _three(table, order)
    return _many(table, order)


def _one(values: npt.NDArray[np.float64]) -> list[int]:
    return [int(i) for i in np.unique(-values, return_inverse=True)[1]]


def _two(table: npt.NDArray[np.float64], order: npt.NDArray[np.intp]) -> list[int]:
    ranks = [0] * len(order)
    newest: list[float] = []  # less the second value of each front's newest member, ascending
    last, rank = None, 0
    ordered = table[order]
    rows = zip(order.tolist(), ordered[:, 0].tolist(), (-ordered[:, 1]).tolist(), strict=True)
    for i, x, y in rows:
        if (x, y) != last:
            rank = bisect_right(newest, y)
            if rank == len(newest):
                newest.append(y)
            else:
                newest[rank] = y
            last = (x, y)
        ranks[i] = rank
    return ranks


def _three(table: npt.NDArray[np.float64], order: npt.NDArray[np.intp]) -> list[int]:
    ranks = [0] * len(order)
    # The staircase of each front: second values less than zero-signed and ascending, third
    # values (signed alike) descending.
    stairs: list[tuple[list[float], list[float]]] = []
    last, rank = None, 0
    ordered = table[order]
    rows = zip(order.tolist(), ordered[:, 0].tolist(), (-ordered[:, 1:]).tolist(), strict=True)
    for i, x, (y, z) in rows:
        if (x, y, z) != last:
            low, high = 0, len(stairs)
            while low < high:
                middle = (low + high) // 2
                ys, zs = stairs[middle]
                place = bisect_right(ys, y)
                if place and zs[place - 1] <= z:
                    low = middle + 1
                else:
                    high = middle
            rank = low
            if rank == len(stairs):
                stairs.append(([y], [z]))
            else:
                _step(*stairs[rank], y, z)
            last = (x, y, z)
        ranks[i] = rank
    return ranks


def _step(ys: list[float], zs: list[float], y: float, z: float) -> None:
    """Add a step that the staircase does not cover, and drop those that it covers itself."""
    start = bisect_left(ys, y)
    stop = start
    while stop < len(ys) and zs[stop] >= z:
        stop += 1
    ys[start:stop] = [y]
    zs[start:stop] = [z]


def _many(table: npt.NDArray[np.float64], order: npt.NDArray[np.intp]) -> list[int]:
    ranks = [0] * len(order)
    fronts: list[npt.NDArray[np.float64]] = []
    sizes: list[int] = []
    last, rank = None, 0
    for i in order.tolist():
        point = table[i]
        if last is None or not np.array_equal(point, last):
            low, high = 0, len(fronts)
            while low < high:
                middle = (low + high) // 2
                if (fronts[middle][: sizes[middle]] >= point).all(1).any():
                    low = middle + 1
                else:
                    high = middle
            rank = low
            if rank == len(fronts):
                fronts.append(np.empty((8, len(point))))
                sizes.append(0)
            if sizes[rank] == len(fronts[rank]):
                fronts[rank] = np.concatenate([fronts[rank], np.empty_like(fronts[rank])])
            fronts[rank][sizes[rank]] = point
            sizes[rank] += 1
            last = point
        ranks[i] = rank
    return ranks


def crowding_distances(points: Sequence[Sequence[float]]) -> list[float]:
    """How far apart each point's neighbours in one front are.

    The sum over the objectives of the distance between the next smaller and the next larger
    value, as shares of the front's range; infinite for the ends. An objective in which all are
    equal adds nothing.

    Source: Deb, Pratap, Agarwal and Meyarivan, A Fast and Elitist Multiobjective Genetic
    Algorithm: NSGA-II, IEEE Transactions on Evolutionary Computation 2002.

    >>> crowding_distances([(0, 4), (1, 2), (2, 1), (4, 0)])
    [inf, 1.25, 1.25, inf]
    """
    n = len(points)
    distances = [0.0] * n
    if n == 0:
        return distances
    for values in zip(*points, strict=True):
        order = sorted(range(n), key=values.__getitem__)
        low, high = values[order[0]], values[order[-1]]
        if low == high:
            continue
        distances[order[0]] = distances[order[-1]] = math.inf
        span = high - low
        for before, here, after in zip(order, order[1:], order[2:], strict=False):
            distances[here] += (values[after] - values[before]) / span
    return distances
