"""The tables that a `Space` computes once so that drawing and changing cost microseconds."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

from archwright.errors import SpaceError
from archwright.space.constraints import EdgeLimit
from archwright.space.decisions import Decision, at
from archwright.space.domains import Choice, Integer, Real, Subset, Value

# Domains up to this size are kept as a tuple, so that drawing is one index.
_TABLE = 256


class Node:
    """A decision with what the hot paths need of it.

    Attributes:
        path: its name.
        decision: the decision.
        domain: its domain.
        size: the number of values.
        values: all values where drawing is uniform and they are few, else None.
        index: value -> position in `values`.
        kids: value -> the nodes directly below that are live then; values without are absent.
        default: the default value.
        parent: the node above, or None.
        limits: numbers of the edge limits that count this decision.
    """

    __slots__ = (
        "decision",
        "default",
        "domain",
        "index",
        "kids",
        "limits",
        "parent",
        "path",
        "size",
        "values",
    )

    def __init__(self, decision: Decision, parent: Node | None) -> None:
        domain = decision.domain
        self.path = decision.path
        self.decision = decision
        self.domain = domain
        self.size = domain.size
        self.default: Value = decision.default
        self.parent = parent
        self.limits: tuple[int, ...] = ()
        self.kids: dict[Value, tuple[Node, ...]] = {}
        self.values: tuple[Value, ...] | None = None
        if isinstance(domain, Choice) or (
            isinstance(domain, Integer | Subset)
            and domain.size <= _TABLE
            and not getattr(domain, "log", False)
        ):
            self.values = tuple(domain.values())
        self.index = {v: i for i, v in enumerate(self.values or ())}

    def sample(self, rng: random.Random) -> Value:
        """One value, as the domain draws it."""
        if self.values is None:
            return self.domain.sample(rng)
        return self.values[int(rng.random() * len(self.values))]

    def other(self, value: Value, rng: random.Random) -> Value:
        """Another value than the one given, as the domain draws it."""
        if self.values is None:
            return self.domain.other(value, rng)  # type: ignore[arg-type]
        i = int(rng.random() * (len(self.values) - 1))
        return self.values[i + (i >= self.index[value])]


class Plan:
    """All nodes of a space and what follows from its shape.

    Attributes:
        roots: the nodes that are always live.
        nodes: path -> node, in tree order.
        flat: whether no decision hangs on another.
        paths: all paths in tree order.
        free: for flat spaces without limits whose values are all listed: (path, values, number
            of values) of each decision, else None.
    """

    def __init__(self, decisions: Sequence[Decision], constraints: Sequence[EdgeLimit]) -> None:
        self.nodes: dict[str, Node] = {}
        self.roots = tuple(self._add(decision, None) for decision in decisions)
        self.constraints = tuple(constraints)
        for i, constraint in enumerate(self.constraints):
            for path in constraint.paths:
                if path not in self.nodes:
                    raise SpaceError(f"edge limit: there is no decision {path!r} in the space")
                node = self.nodes[path]
                if not isinstance(node.domain, Subset):
                    raise SpaceError(
                        f"edge limit: {path} must be a subset decision, it is "
                        f"{node.domain.describe()}{at(node.decision.origin)}"
                    )
                node.limits += (i,)
        self.paths = tuple(self.nodes)
        self.flat = not any(node.kids for node in self.nodes.values())
        self.free: tuple[tuple[str, tuple[Value, ...], int], ...] | None = None
        if self.flat and not self.constraints:
            rows = [(n.path, n.values, len(n.values)) for n in self.roots if n.values is not None]
            if len(rows) == len(self.roots):
                self.free = tuple(rows)
        self.movable = tuple(n.path for n in self.nodes.values() if n.size > 1)
        self.real = next((n for n in self.nodes.values() if isinstance(n.domain, Real)), None)

    def _add(self, decision: Decision, parent: Node | None) -> Node:
        if not isinstance(decision, Decision):
            raise SpaceError(f"space: decisions must be Decision objects, got {decision!r}")
        if decision.path in self.nodes:
            first = self.nodes[decision.path].decision.origin
            both = ""
            if first or decision.origin:
                both = f" (written at {first or '?'} and at {decision.origin or '?'})"
            raise SpaceError(
                f"two decisions have the path {decision.path!r}{both}: wrap one of them in "
                'aw.scope("name") to give it a path of its own, or pass shared=True to both to '
                "make them one decision"
            )
        node = self.nodes[decision.path] = Node(decision, parent)
        below = [tuple(self._add(d, node) for d in b.decisions) for b in decision.branches]
        # Values with the same live branches share one tuple: counting groups them by it.
        interned: dict[tuple[int, ...], tuple[Node, ...]] = {}
        for value in decision.domain.values() if below else ():
            live = tuple(
                i for i, b in enumerate(decision.branches) if below[i] and value in b.values
            )
            if live:
                if live not in interned:
                    interned[live] = tuple(n for i in live for n in below[i])
                node.kids[value] = interned[live]
        return node

    def walk(self, node: Node) -> Iterator[Node]:
        """A node and all below it, in tree order."""
        for decision in node.decision.walk():
            yield self.nodes[decision.path]
