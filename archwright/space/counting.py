"""Exact counting, and uniform drawing by it.

The number of architectures below a decision is the sum over its values of the product over the
decisions that are then live. With edge limits the count is kept apart by how much of each limit
is used (a polynomial whose exponent is the number of edges, cut off at the maximum), so that the
size is still exact and uniform drawing needs no rejection.
"""

from __future__ import annotations

import bisect
import itertools
import random
from dataclasses import dataclass
from typing import Any, TypeAlias

from archwright.space.domains import Real, Subset, Value
from archwright.space.plan import Node, Plan

# How many architectures use how much of each limit.
Counts: TypeAlias = dict[tuple[int, ...], int]
# Sums of the weights so far, and what is weighted.
_Weights: TypeAlias = tuple[list[int], list[Any]]


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
        self._tables: dict[Any, _Weights] = {}

    def total(self) -> int:
        """The number of architectures (a Real counting as one value)."""
        return sum(self._rest(self._plan.roots)[0].values())

    def sample(self, rng: random.Random) -> dict[str, Value]:
        """The values of one architecture, each equally likely."""
        counts = self._rest(self._plan.roots)[0]
        out: dict[str, Value] = {}
        self._draw(self._plan.roots, _weighted(_weights(list(counts.items())), rng), out, rng)
        return out

    def _draw(
        self,
        nodes: tuple[Node, ...],
        used: tuple[int, ...],
        out: dict[str, Value],
        rng: random.Random,
    ) -> None:
        for i, node in enumerate(nodes):
            here, used = _weighted(self._splits(nodes, i, used), rng)
            group, below = _weighted(self._options(node, here), rng)
            out[node.path] = self._value(node, group, rng)
            if group.kids:
                self._draw(group.kids, below, out, rng)

    def _splits(self, nodes: tuple[Node, ...], i: int, used: tuple[int, ...]) -> _Weights:
        """How much of the limits node i may take of what is left for nodes[i:]."""
        key = (id(nodes), i, used)
        found = self._tables.get(key)
        if found is None:
            after = self._rest(nodes)[i + 1]
            rows = []
            for here, n in self._node(nodes[i]).items():
                left = tuple(a - b for a, b in zip(used, here, strict=True))
                rows.append(((here, left), n * after.get(left, 0)))
            found = self._tables[key] = _weights(rows)
        return found

    def _options(self, node: Node, here: tuple[int, ...]) -> _Weights:
        """The values of a node that, with what is below, take just this much of the limits."""
        key = (node.path, here)
        found = self._tables.get(key)
        if found is None:
            rows = []
            for group in self._groups[node.path]:
                below = tuple(a - b for a, b in zip(here, group.used, strict=True))
                n = self._rest(group.kids)[0].get(below, 0)
                rows.append(((group, below), group.size * n))
            found = self._tables[key] = _weights(rows)
        return found

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


def _weights(rows: list[tuple[Any, int]]) -> _Weights:
    rows = [row for row in rows if row[1]]
    return list(itertools.accumulate(weight for _, weight in rows)), [item for item, _ in rows]


def _weighted(weights: _Weights, rng: random.Random) -> Any:
    # Exact integers of any size: no floating point, no bias.
    sums, items = weights
    if len(items) == 1:
        return items[0]
    return items[bisect.bisect_right(sums, rng.randrange(sums[-1]))]
