"""Grid search: every architecture in order."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from archwright.errors import InputError
from archwright.space import Architecture, Choice, Real, Space
from archwright.strategies.base import remembered
from archwright.strategies.vectors import refuse_dynamic
from archwright.trials import History, Objective, Proposal


@dataclass(frozen=True)
class Grid:
    """Every architecture of the space, in the order of `Space.enumerate`.

    Args:
        levels: how many values stand for a real-valued decision, ends included, evenly spaced
            (on the logarithm where the decision says ``log=True``).

    Raises:
        InputError: `levels` is below 2.

    >>> from archwright.space import Choice, Space
    >>> from archwright.trials import Objective
    >>> history = History(Space({"width": Choice((16, 32))}), Objective.of(maximize="accuracy"))
    >>> dict(Grid().propose(history, Random(0)).architecture)
    {'width': 16}
    """

    levels: int = 5

    def __post_init__(self) -> None:
        if self.levels < 2:
            raise InputError(f"levels must be at least 2, got {self.levels}")

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse a dynamic space."""
        refuse_dynamic("grid", space)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        walk = remembered(history, self, lambda: _Walk(self._architectures(history.space)))
        while walk.here is not None and not history.is_new(walk.here):
            walk.here = next(walk.rest, None)
        return None if walk.here is None else Proposal(walk.here, origin="grid")

    def _architectures(self, space: Space) -> Iterator[Architecture]:
        levels = {
            path: Choice(self._values(domain))
            for path in space.paths
            if isinstance(domain := space.decision(path).domain, Real)
        }
        return (space.restrict(levels) if levels else space).enumerate()

    def _values(self, domain: Real) -> tuple[float, ...]:
        shares = [i / (self.levels - 1) for i in range(self.levels)]
        if domain.log:
            low, high = math.log(domain.low), math.log(domain.high)
            inner = [math.exp(low + share * (high - low)) for share in shares[1:-1]]
        else:
            inner = [domain.low + share * (domain.high - domain.low) for share in shares[1:-1]]
        # A range may hold fewer numbers than levels.
        return tuple(dict.fromkeys((domain.low, *inner, domain.high)))


class _Walk:
    """How far the enumeration has come: everything before `here` was evaluated."""

    def __init__(self, architectures: Iterator[Architecture]) -> None:
        self.rest = architectures
        self.here = next(self.rest, None)
