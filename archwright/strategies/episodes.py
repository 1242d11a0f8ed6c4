"""An architecture as an episode: the small choices that a controller makes one after the other.

The decisions of a space are taken in tree order, those that hang on a value as soon as it is
chosen, so that only live ones are met. Most are one choice among their values. A `Real`, and an
`Integer` of more than 16 values, is two choices: the quarter of its range (on the logarithm where
its domain is), then the quarter of that; the place within this sixteenth is drawn evenly. A
`Subset` of more than 16 values is one choice for each thing: leave or take it. Each choice comes
with what is allowed there: what would leave a decision without a value, or an edge limit broken
whatever follows, is not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from random import Random

from archwright.space import Architecture, Decision, Integer, Real, Space, Subset, Value
from archwright.strategies.episode_coders import (
    BASE,
    N_LISTED,
    Bits,
    DeadEnd,
    Episode,
    Listed,
    Parts,
    Pick,
    Reader,
)


class Course:
    """Writes architectures of a space as episodes, and makes them choice by choice.

    Attributes:
        widths: how many options each step has. A step is one kind of choice: all episodes that
            come to one decision take the same steps there.
        loose: steps whose options hold many values: an episode with one of them is not the only
            architecture of its choices.

    Raises:
        SpaceError: the decisions are not known in advance (a dynamic space).

    >>> from archwright.space import Choice
    >>> course = Course(Space({"op": Choice(("conv", "pool")), "width": Choice((8, 16, 32))}))
    >>> course.widths
    [2, 3]
    >>> course.read({"op": "pool", "width": 16}).options
    [1, 1]
    """

    def __init__(self, space: Space) -> None:
        space.paths  # noqa: B018  (a dynamic space refuses)
        self.space = space
        self.widths: list[int] = []
        self.loose: set[int] = set()
        self._caps = [limit.maximum for limit in space.constraints]
        self._roots = tuple(self._add(decision) for decision in space.decisions)

    def read(self, architecture: Mapping[str, Value]) -> Episode:
        """The choices that make an architecture of the space."""
        episode = Episode([], [], [])
        self._walk(Reader(architecture, episode), Random(0))
        return episode

    def make(self, pick: Pick, rng: Random) -> Architecture | None:
        """The architecture that `pick` chooses, or None where it comes to a dead end.

        Args:
            pick: makes each choice.
            rng: draws the place within the part of a range that was chosen.
        """
        try:
            return self.space.check(self._walk(pick, rng))
        except DeadEnd:
            return None

    def _walk(self, pick: Pick, rng: Random) -> dict[str, Value]:
        values: dict[str, Value] = {}
        pending = list(reversed(self._roots))
        # What is left of the limits when everything pending takes as little as it can.
        room = [c - sum(n.least[i] for n in self._roots) for i, c in enumerate(self._caps)]
        while pending:
            node = pending.pop()
            room = [a + b for a, b in zip(room, node.least, strict=True)]
            if isinstance(pick, Reader):
                pick.value = pick.architecture[node.path]
            value = values[node.path] = node.coder.value(pick, node, room, rng)
            if room:
                room = [a - b for a, b in zip(room, node.takes(value), strict=True)]
            pending.extend(reversed(node.kids.get(value, ())))
        return values

    def _add(self, decision: Decision) -> Node:
        domain = decision.domain
        first = len(self.widths)
        coder: Listed | Parts | Bits
        if isinstance(domain, Real) or (isinstance(domain, Integer) and domain.size > N_LISTED):
            coder = Parts(domain, first)
            self.loose |= {first, first + 1}
            self.widths += [BASE, BASE]
        elif isinstance(domain, Subset) and domain.size > N_LISTED:
            coder = Bits(domain, first)
            self.widths += [2] * domain.n
        else:
            coder = Listed(tuple(domain.values()), first)
            self.widths += [len(coder.values)] if len(coder.values) > 1 else []
        limits = [i for i, x in enumerate(self.space.constraints) if decision.path in x.paths]
        node = Node(decision, coder, limits, len(self._caps))
        below = [tuple(self._add(d) for d in branch.decisions) for branch in decision.branches]
        for value in domain.values() if below else ():
            live = [
                n
                for branch, nodes in zip(decision.branches, below, strict=True)
                if value in branch.values
                for n in nodes
            ]
            if live:
                node.kids[value] = tuple(live)
        node.find_least()
        return node


class Closed:
    """Which options lead to known architectures only, at each point of an episode.

    A point is named by the steps and options before it.

    >>> from archwright.space import Choice
    >>> course = Course(Space({"op": Choice(("conv", "pool")), "width": Choice((8, 16))}))
    >>> closed = Closed(course)
    >>> _ = closed.close(course.read({"op": "conv", "width": 8}))
    >>> _ = closed.close(course.read({"op": "conv", "width": 16}))
    >>> closed.at(())
    {0}
    """

    def __init__(self, course: Course) -> None:
        self._course = course
        self._closed: dict[tuple[int, ...], set[int]] = {}

    def at(self, before: tuple[int, ...]) -> Collection[int]:
        """The closed options at a point."""
        return self._closed.get(before, ())

    def close(self, episode: Episode) -> list[tuple[tuple[int, ...], int]]:
        """Close the last option of an episode, and what then leads to nothing new.

        Returns:
            What was closed, for `open`.
        """
        if not self._course.loose.isdisjoint(episode.steps):
            return []
        taken = [x for pair in zip(episode.steps, episode.options, strict=True) for x in pair]
        found = []
        for t in reversed(range(len(episode))):
            before, option = tuple(taken[: 2 * t]), episode.options[t]
            closed = self._closed.setdefault(before, set())
            if option not in closed:
                closed.add(option)
                found.append((before, option))
            allowed = episode.allowed[t]
            width = self._course.widths[episode.steps[t]] if allowed is None else len(allowed)
            if len(closed) < width:
                break
        return found

    def open(self, closed: list[tuple[tuple[int, ...], int]]) -> None:
        """Take back what `close` did."""
        for before, option in closed:
            self._closed[before].discard(option)


class Node:
    """A decision, what it and what hangs on it takes of the edge limits, and how it is chosen."""

    __slots__ = ("coder", "decision", "kids", "least", "limits", "path")

    def __init__(
        self, decision: Decision, coder: Listed | Parts | Bits, limits: list[int], n: int
    ) -> None:
        self.decision = decision
        self.path = decision.path
        self.coder = coder
        self.limits = limits
        self.kids: dict[Value, tuple[Node, ...]] = {}
        self.least = [0] * n

    def takes(self, value: Value) -> list[int]:
        """The least of each limit that the value takes, with what is live below it."""
        taken = [0] * len(self.least)
        if isinstance(value, tuple):
            for i in self.limits:
                taken[i] = len(value)
        for kid in self.kids.get(value, ()):
            taken = [a + b for a, b in zip(taken, kid.least, strict=True)]
        return taken

    def find_least(self) -> None:
        """Set `least`: the least of each limit that any value takes."""
        domain = self.decision.domain
        if not self.least or isinstance(domain, Real) or not (self.limits or self.kids):
            return
        if isinstance(domain, Subset) and not self.kids:
            for i in self.limits:
                self.least[i] = min(domain.by_length())
            return
        all_taken = [self.takes(value) for value in domain.values()]
        self.least = [min(column) for column in zip(*all_taken, strict=True)]
