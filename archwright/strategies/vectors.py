"""Architectures as points of the unit cube, for methods that move through continuous space."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from archwright.errors import InputError, SpaceError
from archwright.space import Architecture, Choice, Decision, Integer, Real, Space, Subset
from archwright.space.domains import Value


class UnitCube:
    """A map between [0, 1]^n and the architectures of a space without dynamic decisions.

    A Choice or Integer cuts its coordinate into equal parts, one for each value (on the logarithm
    where an Integer says so), a Real is scaled (likewise). A Subset has one coordinate for each
    thing, which is taken from 0.5 on; where that are too few or too many, the greatest are taken.
    Of edge limits that are broken the taken things with the smallest coordinates are dropped.
    Coordinates of decisions that are not live are passed over.

    This is how Awad, Mallik and Hutter (Differential Evolution for Neural Architecture Search,
    2020, arXiv 2012.06400) read vectors, with conditions and subsets added.

    Attributes:
        n: the number of coordinates.

    >>> from archwright.space import Choice, Space
    >>> cube = UnitCube(Space({"width": Choice((16, 32)), "rate": Real(0.0, 2.0)}))
    >>> cube.architecture([0.7, 0.25])
    Architecture(width=32, rate=0.5)
    >>> cube.point(cube.architecture([0.7, 0.25]))
    [0.75, 0.25]
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._places: dict[str, tuple[int, int]] = {}
        self._domains = {path: space.decision(path).domain for path in space.paths}
        self.n = 0
        for path, domain in self._domains.items():
            width = domain.n if isinstance(domain, Subset) else 1
            self._places[path] = (self.n, self.n + width)
            self.n += width

    def architecture(self, point: Sequence[float]) -> Architecture | None:
        """The architecture at a point; None where no repair makes it keep the edge limits.

        Args:
            point: `n` numbers from 0 to 1.
        """
        forced: dict[str, Value] = {}

        def value(decision: Decision) -> Value:
            path = decision.path
            if path in forced:
                return forced[path]
            start, stop = self._places[path]
            domain = decision.domain
            if isinstance(domain, Subset):
                return _subset_at(domain, point[start:stop])
            return value_at(domain, point[start])

        while True:
            values = grow(self._space, value)
            broken = next((c for c in self._space.constraints if not c.allows(values)), None)
            if broken is None:
                return self._space.check(values)
            smallest = self._droppable(broken.paths, values, point)
            if smallest is None:
                return None
            _, path, rest = smallest
            forced[path] = rest

    def point(
        self, architecture: Architecture, *, otherwise: Sequence[float] | None = None
    ) -> list[float]:
        """The middle of the part of the cube that stands for an architecture.

        Args:
            architecture: an architecture of the space.
            otherwise: coordinates for decisions that are not live; None: 0.5.
        """
        found = [0.5] * self.n if otherwise is None else list(otherwise)
        for path, value in architecture.items():
            start, stop = self._places[path]
            domain = self._domains[path]
            if isinstance(domain, Subset):
                assert isinstance(value, tuple)
                found[start:stop] = [0.75 if j in value else 0.25 for j in range(domain.n)]
            else:
                low, high = part_of(domain, value)
                found[start] = (low + high) / 2
        return found

    def _droppable(
        self, paths: Sequence[str], values: dict[str, Value], point: Sequence[float]
    ) -> tuple[float, str, tuple[int, ...]] | None:
        """The thing with the smallest coordinate that may be dropped: (coordinate, path, rest)."""
        found = []
        for path in paths:
            taken = values.get(path, ())
            assert isinstance(taken, tuple)
            for j in taken:
                rest = tuple(k for k in taken if k != j)
                if self._domains[path].contains(rest):
                    found.append((point[self._places[path][0] + j], path, rest))
        return min(found, default=None)


def grow(space: Space, value: Callable[[Decision], Value]) -> dict[str, Value]:
    """Path to value of every decision that is live, in tree order, as `value` decides."""
    values: dict[str, Value] = {}

    def decide(decision: Decision) -> None:
        chosen = values[decision.path] = value(decision)
        for below in decision.live(chosen):
            decide(below)

    for decision in space.decisions:
        decide(decision)
    return values


def value_at(domain: Choice | Integer | Real, x: float) -> Value:
    """The value of a domain at a coordinate from 0 to 1.

    >>> [value_at(Integer(1, 4), x) for x in (0.0, 0.3, 0.99, 1.0)]
    [1, 2, 4, 4]
    """
    x = min(max(x, 0.0), 1.0)
    if isinstance(domain, Real):
        if domain.log:
            a, b = math.log(domain.low), math.log(domain.high)
            return min(max(math.exp(a + (b - a) * x), domain.low), domain.high)
        return min(domain.low + (domain.high - domain.low) * x, domain.high)
    if isinstance(domain, Integer) and domain.log:
        a, b = _log_ends(domain)
        found: int = domain.closest(math.exp(a + (b - a) * x))
        return found
    i = min(int(x * domain.size), domain.size - 1)
    return domain.low + i * domain.step if isinstance(domain, Integer) else domain.values_[i]


def position(domain: Integer | Real, value: Any) -> float:
    """Where a value lies in its range, from 0 to 1: on the logarithm where the domain says so."""
    return domain.features(value)[0]


def part_of(domain: Choice | Integer | Real, value: Any) -> tuple[float, float]:
    """The part of [0, 1] that belongs to a value; both ends are the same for a Real.

    >>> part_of(Choice(("a", "b")), "b")
    (0.5, 1.0)
    """
    if isinstance(domain, Choice):
        i = domain.index(value)
        return i / domain.size, (i + 1) / domain.size
    if isinstance(domain, Real):
        x = position(domain, value)
        return x, x
    if domain.log:
        a, b = _log_ends(domain)
        low = 0.0 if value == domain.low else (math.log(value - domain.step / 2) - a) / (b - a)
        high = 1.0 if value == domain.last else (math.log(value + domain.step / 2) - a) / (b - a)
        return low, high
    i = (value - domain.low) // domain.step
    return i / domain.size, (i + 1) / domain.size


def _log_ends(domain: Integer) -> tuple[float, float]:
    return math.log(domain.low - 0.5), math.log(domain.last + 0.5)


def _subset_at(domain: Subset, x: Sequence[float]) -> tuple[int, ...]:
    if domain.allowed is not None:
        return max(domain.allowed, key=lambda v: sum(x[j] - 0.5 for j in v))
    n_taken = min(max(sum(share >= 0.5 for share in x), domain.low), domain.most)
    return tuple(sorted(sorted(range(domain.n), key=lambda j: -x[j])[:n_taken]))


def refuse_dynamic(name: str, space: Space) -> None:
    """Refuse a dynamic space, whose decisions cannot be listed, on behalf of a method.

    Raises:
        InputError: the space is dynamic; the message says which strategies take it.
    """
    try:
        space.paths  # noqa: B018
    except SpaceError as error:
        raise InputError(
            f"the strategy {name!r} needs the list of all decisions, which a dynamic space does "
            "not have: take 'random', 'evolution', 'genetic', 'nsga2' or 'local'"
        ) from error
