"""How a value is chosen in small steps: the coders behind `episodes`."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from archwright.space import Integer, Real, Subset, Value
from archwright.strategies.vectors import position, value_at

if TYPE_CHECKING:
    from archwright.strategies.episodes import Node

N_LISTED = 16
BASE = 4
_N_PARTS = BASE * BASE

Room: TypeAlias = list[int]
"""How much of each edge limit a decision and what hangs on it may still take."""


class Pick(Protocol):
    """Makes one choice: the option, one of `allowed` (None: any of the step's options)."""

    def __call__(self, step: int, allowed: Sequence[int] | None) -> int:
        """The option taken at a step."""
        ...


class DeadEnd(Exception):
    """What was chosen so far cannot be completed within the edge limits."""


@dataclass(slots=True)
class Episode:
    """The choices behind one architecture: `options[t]` was taken at `steps[t]`."""

    steps: list[int]
    options: list[int]
    allowed: list[Sequence[int] | None]

    def __len__(self) -> int:
        return len(self.steps)


class Reader:
    """Stands for a pick where the architecture is known: writes down what it must have been."""

    def __init__(self, architecture: Mapping[str, Value], episode: Episode) -> None:
        self.architecture = architecture
        self.episode = episode
        self.value: Value = None

    def note(self, step: int, option: int, allowed: Sequence[int] | None) -> None:
        """Append one choice to the episode."""
        self.episode.steps.append(step)
        self.episode.options.append(option)
        self.episode.allowed.append(allowed)

    def __call__(self, step: int, allowed: Sequence[int] | None) -> int:
        """Never called: what was chosen is known."""
        raise AssertionError("a reader is told, not asked")


def _choose(pick: Pick, step: int, allowed: Sequence[int] | None, known: int | None = None) -> int:
    if isinstance(pick, Reader):
        assert known is not None
        pick.note(step, known, allowed)
        return known
    if allowed is not None and not allowed:
        raise DeadEnd
    return pick(step, allowed)


class Listed:
    """One choice among the values."""

    def __init__(self, values: tuple[Value, ...], step: int) -> None:
        self.values = values
        self.index = {value: i for i, value in enumerate(values)}
        self.step = step

    def value(self, pick: Pick, node: Node, room: Room, rng: Random) -> Value:
        """The value that `pick` chooses (or that a `Reader` knows) for a node."""
        if len(self.values) == 1:
            return self.values[0]
        allowed: list[int] | None = None
        if room and (node.limits or node.kids):
            allowed = [i for i, v in enumerate(self.values) if _fits(node.takes(v), room)]
            allowed = None if len(allowed) == len(self.values) else allowed
        known = self.index[pick.value] if isinstance(pick, Reader) else None
        return self.values[_choose(pick, self.step, allowed, known)]


class Parts:
    """The quarter of a range, then the quarter of that, then an even draw."""

    def __init__(self, domain: Real | Integer, step: int) -> None:
        self.domain = domain
        self.step = step
        self.starts: list[int] = []
        if isinstance(domain, Integer):
            low, by = domain.low, domain.step
            self.starts = [
                bisect.bisect_left(
                    range(domain.size), k / _N_PARTS, key=lambda i: position(domain, low + i * by)
                )
                for k in range(_N_PARTS)
            ] + [domain.size]
        full = [not self.starts or self.starts[k] < self.starts[k + 1] for k in range(_N_PARTS)]
        # Parts of a logarithmic range of integers may hold none.
        self.inner = [_some([full[a * BASE + b] for b in range(BASE)]) for a in range(BASE)]
        self.outer = _some([any(full[a * BASE : (a + 1) * BASE]) for a in range(BASE)])

    def value(self, pick: Pick, node: Node, room: Room, rng: Random) -> Value:
        """The value that `pick` chooses (or that a `Reader` knows) for a node."""
        known: tuple[int, int] | tuple[None, None] = (None, None)
        if isinstance(pick, Reader):
            assert isinstance(pick.value, int | float)
            known = divmod(self.part(pick.value), BASE)
        first = _choose(pick, self.step, self.outer, known[0])
        second = _choose(pick, self.step + 1, self.inner[first], known[1])
        if isinstance(pick, Reader):
            return pick.value
        part = first * BASE + second
        if isinstance(self.domain, Integer):
            i = rng.randrange(self.starts[part], self.starts[part + 1])
            return self.domain.low + i * self.domain.step
        return value_at(self.domain, (part + rng.random()) / _N_PARTS)

    def part(self, value: int | float) -> int:
        """The number of the sixteenth that holds a value."""
        if isinstance(self.domain, Integer):
            i = (int(value) - self.domain.low) // self.domain.step
            return bisect.bisect_right(self.starts, i) - 1
        return min(_N_PARTS - 1, int(_N_PARTS * position(self.domain, value)))


class Bits:
    """Leave or take each thing in turn."""

    def __init__(self, domain: Subset, step: int) -> None:
        self.domain = domain
        self.step = step

    def value(self, pick: Pick, node: Node, room: Room, rng: Random) -> Value:
        """The value that `pick` chooses (or that a `Reader` knows) for a node."""
        known: Any = pick.value if isinstance(pick, Reader) else None
        most = min([self.domain.most, *(room[i] for i in node.limits)])
        left = self.domain.allowed
        if left is not None:
            left = tuple(v for v in left if len(v) <= most)
        taken: list[int] = []
        for j in range(self.domain.n):
            if left is None:
                after = self.domain.n - j - 1
                allowed = _some([len(taken) + after >= self.domain.low, len(taken) < most])
            else:
                allowed = _some([any(j not in v for v in left), any(j in v for v in left)])
            bit = None if known is None else int(j in known)
            if _choose(pick, self.step + j, allowed, bit):
                taken.append(j)
            if left is not None:
                left = tuple(v for v in left if (j in v) == (j in taken[-1:]))
        return tuple(taken)


def _some(open_: list[bool]) -> list[int] | None:
    """The options that are open; None where all are."""
    return None if all(open_) else [i for i, is_open in enumerate(open_) if is_open]


def _fits(taken: list[int], room: Room) -> bool:
    return all(a <= b for a, b in zip(taken, room, strict=True))
