"""Pheromones on the values of a tree of decisions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random
from typing import Any

from archwright.space import Architecture, Choice, Decision, Integer, Real, Space, Subset
from archwright.space.domains import Value
from archwright.strategies.vectors import part_of, value_at

N_PARTS = 16
"""Into how many parts long integers and real numbers are cut."""

Key = tuple[str, str, int]
Pick = Callable[[Sequence[float]], int]
"""Weights -> the index that is taken."""


class Trails:
    """How much pheromone lies on each value of each decision.

    A Choice has one trail for each value, an Integer too up to 16 values; longer ones and Reals
    one for each sixteenth of their range. A Subset has one for each number of things and one for
    each thing.

    Args:
        space: a space whose decisions can be listed.
        start: the pheromone on every trail at first.
    """

    def __init__(self, space: Space, *, start: float) -> None:
        self._space = space
        self._start = start
        self._left: dict[Key, float] = {}

    def __getitem__(self, key: Key) -> float:
        return self._left.get(key, self._start)

    def move(self, architecture: Architecture, share: float, *, towards: float) -> None:
        """Move the pheromone on an architecture's path a share of the way towards a value."""
        for key in self.keys(architecture):
            self._left[key] = (1 - share) * self[key] + share * towards

    def faded(self, walked: Iterable[Architecture], decay: float) -> Trails:
        """A copy on which the given paths were walked once more."""
        copy = Trails(self._space, start=self._start)
        copy._left = dict(self._left)
        for architecture in walked:
            copy.move(architecture, decay, towards=self._start)
        return copy

    def keys(self, architecture: Architecture) -> Iterator[Key]:
        """The trails along an architecture's path.

        >>> space = Space({"op": Choice(("a", "b")), "inputs": Subset(3)})
        >>> list(Trails(space, start=0.1).keys(space.check({"op": "b", "inputs": (0, 2)})))
        [('op', 'value', 1), ('inputs', 'length', 2), ('inputs', 'thing', 0), ('inputs', 'thing', 2)]
        """  # noqa: E501
        for path, value in architecture.items():
            domain = self._space.decision(path).domain
            if isinstance(domain, Subset):
                assert isinstance(value, tuple)
                yield path, "length", len(value)
                for j in value:
                    yield path, "thing", j
            else:
                yield path, "value", _part(domain, value)

    def value(self, decision: Decision, pick: Pick, rng: Random) -> Value:
        """The value that an ant takes at a decision.

        Args:
            decision: where the ant stands.
            pick: how it takes one of several weights.
            rng: places it within a part of a range.
        """
        path, domain = decision.path, decision.domain
        if isinstance(domain, Subset):
            return self._subset(path, domain, pick, rng)
        listed = domain.size <= N_PARTS or isinstance(domain, Choice)
        n = int(domain.size) if listed else N_PARTS
        i = pick([self[path, "value", k] for k in range(n)])
        if isinstance(domain, Choice):
            return domain.values_[i]
        if isinstance(domain, Integer) and listed:
            return domain.low + i * domain.step
        return value_at(domain, (i + rng.random()) / n)

    def _subset(self, path: str, domain: Subset, pick: Pick, rng: Random) -> tuple[int, ...]:
        lengths = [k for k, count in domain.by_length().items() if count]
        length = lengths[pick([self[path, "length", k] for k in lengths])]
        for _ in range(8):
            left, taken = list(range(domain.n)), []
            for _ in range(length):
                taken.append(left.pop(pick([self[path, "thing", j] for j in left])))
            value = tuple(sorted(taken))
            if domain.contains(value):
                return value
        return domain.sample_length(length, rng)


def _part(domain: Choice | Integer | Real, value: Any) -> int:
    """The number of the trail of a value."""
    if isinstance(domain, Choice):
        return domain.index(value)
    if isinstance(domain, Integer) and domain.size <= N_PARTS:
        return (value - domain.low) // domain.step
    low, high = part_of(domain, value)
    return min(int((low + high) / 2 * N_PARTS), N_PARTS - 1)
