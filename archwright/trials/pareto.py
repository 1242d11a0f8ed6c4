"""Dominance, fronts and hypervolume. Every value is signed so that larger is better."""

from __future__ import annotations

from collections.abc import Sequence


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether `a` is at least as good as `b` everywhere and better somewhere.

    >>> dominates((0.9, -10), (0.8, -10))
    True
    >>> dominates((0.9, -10), (0.8, -5))
    False
    """
    better = False
    for x, y in zip(a, b, strict=True):
        if x < y:
            return False
        better = better or x > y
    return better


def pareto_front(points: Sequence[Sequence[float]]) -> list[int]:
    """Indices of the points that no other dominates, best first coordinate first.

    Of equal points only the first is kept. One sort and a sweep for up to two objectives,
    pairwise against the growing front for more.

    >>> pareto_front([(1, -3), (2, -5), (0, -4), (2, -5)])
    [1, 0]
    """
    order = sorted(range(len(points)), key=lambda i: [-v for v in points[i]] + [float(i)])
    front: list[int] = []
    if points and len(points[0]) <= 2:
        best = float("-inf")
        for i in order:
            last = points[i][-1] if len(points[i]) == 2 else 0.0
            if last > best:
                front.append(i)
                best = last
        return front
    kept: set[tuple[float, ...]] = set()
    for i in order:
        point = tuple(points[i])
        if point in kept or any(dominates(points[j], point) for j in front):
            continue
        kept.add(point)
        front.append(i)
    return front


def hypervolume(points: Sequence[Sequence[float]], reference: Sequence[float]) -> float:
    """Volume that the points dominate above a reference point.

    Exact, by slicing along the last objective (fine for fronts of some hundred points in up to
    four objectives).

    >>> hypervolume([(2, 1), (1, 2)], (0, 0))
    3.0
    """
    inside = [tuple(p) for p in points if all(x > r for x, r in zip(p, reference, strict=True))]
    return _volume(inside, tuple(reference))


def _volume(points: list[tuple[float, ...]], reference: tuple[float, ...]) -> float:
    if not points:
        return 0.0
    if len(reference) == 1:
        return float(max(p[0] for p in points) - reference[0])
    total, active = 0.0, []
    levels = sorted(points, key=lambda p: -p[-1])
    for i, point in enumerate(levels):
        active.append(point[:-1])
        below = levels[i + 1][-1] if i + 1 < len(levels) else reference[-1]
        if point[-1] > below:
            total += _volume(active, reference[:-1]) * (point[-1] - below)
    return total
