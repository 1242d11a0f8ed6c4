"""Exact counting, and uniform drawing by it.

The number of architectures below a decision is the sum over its values of the product over the
decisions that are then live. With edge limits the count is kept apart by how much of each limit
is used (a polynomial whose exponent is the number of edges, cut off at the maximum), so that the
size is still exact and uniform drawing needs no rejection.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any, TypeAlias

from archwright.space.domains import Real, Subset, Value
from archwright.space.plan import Node, Plan

# How many architectures use how much of each limit.
Counts: TypeAlias = dict[tuple[int, ...], int]


@dataclass(frozen=True, slots=True)
class _Group:
    """Values of one node that use the limits alike and make the same nodes live."""

    used: tuple[int, ...]
    size: int
    kids: tuple[Node, ...]
    values: tuple[Value, ...] | None  # None: drawn from the domain, of `length` where given
    length: int | None = None


class Counter:
    """Counts and draws for one plan.

    A `Real` counts as a single value: uniform drawing is then uniform over the rest, and the real
    numbers are drawn from their own domains.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._caps = tuple(c.maximum for c in plan.constraints)
        self._zero = (0,) * len(self._caps)
        self._groups: dict[str, list[_Group]] = {}
        self._nodes: dict[str, Counts] = {}
        # By identity: tuples of nodes live as long as the plan, and are shared by it.
        self._rests: dict[int, list[Counts]] = {}

    def total(self) -> int:
        """The number of architectures (a Real counting as one value)."""
        return sum(self._rest(self._plan.roots)[0].values())

    def sample(self, rng: random.Random) -> dict[str, Value]:
        """The values of one architecture, each equally likely."""
        counts = self._rest(self._plan.roots)[0]
        out: dict[str, Value] = {}
        self._draw(self._plan.roots, _weighted(list(counts.items()), rng), out, rng)
        return out

    def _draw(
        self, nodes: tuple[Node, ...], used: tuple[int, ...], out: dict[str, Value], rng: Any
    ) -> None:
        rests = self._rest(nodes)
        for i, node in enumerate(nodes):
            # 1. how much of the limits goes to this node, and how much to those after it
            splits = []
            for here, n in self._node(node).items():
                after = tuple(a - b for a, b in zip(used, here, strict=True))
                m = rests[i + 1].get(after, 0)
                if m:
                    splits.append(((here, after), n * m))
            here, used = _weighted(splits, rng)
            # 2. which value, weighted by what can follow below it
            options = []
            for group in self._groups[node.path]:
                below = tuple(a - b for a, b in zip(here, group.used, strict=True))
                m = self._rest(group.kids)[0].get(below, 0)
                if m:
                    options.append(((group, below), group.size * m))
            group, below = _weighted(options, rng)
            out[node.path] = self._value(node, group, rng)
            if group.kids:
                self._draw(group.kids, below, out, rng)

    @staticmethod
    def _value(node: Node, group: _Group, rng: random.Random) -> Value:
        if group.values is not None:
            return group.values[rng.randrange(group.size)]
        if group.length is not None and isinstance(node.domain, Subset):
            return node.domain.sample_length(group.length, rng)
        return node.domain.sample_uniform(rng)

    def _rest(self, nodes: tuple[Node, ...]) -> list[Counts]:
        """Counts of nodes[i:] for i = 0 .. len(nodes)."""
        found = self._rests.get(id(nodes))
        if found is None:
            found = [{self._zero: 1}]
            for node in reversed(nodes):
                found.append(self._times(self._node(node), found[-1]))
            found.reverse()
            self._rests[id(nodes)] = found
        return found

    def _node(self, node: Node) -> Counts:
        found = self._nodes.get(node.path)
        if found is None:
            groups = self._groups[node.path] = self._make_groups(node)
            found = {}
            for group in groups:
                for used, n in self._rest(group.kids)[0].items():
                    key = tuple(a + b for a, b in zip(used, group.used, strict=True))
                    if self._fits(key):
                        found[key] = found.get(key, 0) + n * group.size
            self._nodes[node.path] = found
        return found

    def _make_groups(self, node: Node) -> list[_Group]:
        if not node.kids:
            if not node.limits or not isinstance(node.domain, Subset):
                size = 1 if isinstance(node.domain, Real) else node.domain.size
                return [_Group(self._zero, size, (), None)]
            return [
                _Group(self._used(node, k), n, (), None, k)
                for k, n in node.domain.by_length().items()
            ]
        gathered: dict[tuple[int, tuple[int, ...]], list[Value]] = {}
        for value in node.domain.values():
            used = self._used(node, len(value)) if isinstance(value, tuple) else self._zero
            gathered.setdefault((id(node.kids.get(value, ())), used), []).append(value)
        return [
            _Group(used, len(values), node.kids.get(values[0], ()), tuple(values))
            for (_, used), values in gathered.items()
        ]

    def _used(self, node: Node, length: int) -> tuple[int, ...]:
        return tuple(length if i in node.limits else 0 for i in range(len(self._caps)))

    def _fits(self, used: tuple[int, ...]) -> bool:
        return all(a <= cap for a, cap in zip(used, self._caps, strict=True))

    def _times(self, a: Counts, b: Counts) -> Counts:
        found: Counts = {}
        for used_a, n in a.items():
            for used_b, m in b.items():
                key = tuple(x + y for x, y in zip(used_a, used_b, strict=True))
                if self._fits(key):
                    found[key] = found.get(key, 0) + n * m
        return found


def _weighted(options: list[tuple[Any, int]], rng: random.Random) -> Any:
    # Weights are exact integers of any size: no floating point, no bias.
    if len(options) == 1:
        return options[0][0]
    r = rng.randrange(sum(weight for _, weight in options))
    for option, weight in options:
        r -= weight
        if r < 0:
            return option
    raise AssertionError("weights add up to their sum")
