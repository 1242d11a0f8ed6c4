"""Constraints: what holds between decisions and cannot be said by a tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from archwright.errors import SpaceError
from archwright.space.domains import Value


@dataclass(frozen=True, slots=True)
class EdgeLimit:
    """At most `maximum` things taken by some `Subset` decisions together.

    NAS-Bench-101 allows nine edges in a cell: every node's inputs are a subset of the nodes
    before it, and the sizes of these subsets add up to nine at most. Decisions that are not live
    count nothing.

    Args:
        paths: the paths of the Subset decisions.
        maximum: the greatest total length.

    >>> EdgeLimit(("a", "b"), 3).problem({"a": (0, 1), "b": (0, 2)})
    'a and b take 4 inputs together, at most 3 are allowed'
    """

    paths: tuple[str, ...]
    maximum: int

    def __init__(self, paths: Iterable[str], maximum: int) -> None:
        own = tuple(paths) if not isinstance(paths, str) else (paths,)
        object.__setattr__(self, "paths", own)
        object.__setattr__(self, "maximum", maximum)
        if not own:
            raise SpaceError("edge limit: paths must name at least one decision, got none")
        if len(set(own)) < len(own):
            raise SpaceError(f"edge limit: paths must differ from each other, got {own!r}")
        if not isinstance(maximum, int) or isinstance(maximum, bool) or maximum < 0:
            raise SpaceError(f"edge limit: maximum must be an integer from 0, got {maximum!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return EdgeLimit, (self.paths, self.maximum)

    def total(self, values: Mapping[str, Value]) -> int:
        """How many things the live decisions among `paths` take together."""
        found = 0
        for path in self.paths:
            value = values.get(path)
            if isinstance(value, tuple):
                found += len(value)
        return found

    def allows(self, values: Mapping[str, Value]) -> bool:
        """Whether the limit is kept."""
        return self.total(values) <= self.maximum

    def problem(self, values: Mapping[str, Value]) -> str | None:
        """In words how the limit is broken, or None where it is kept."""
        total = self.total(values)
        if total <= self.maximum:
            return None
        live = [path for path in self.paths if path in values]
        shown = " and ".join(live) if len(live) <= 3 else f"{live[0]} ... {live[-1]}"
        return f"{shown} take {total} inputs together, at most {self.maximum} are allowed"

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description; `constraint_from_dict` reads it."""
        return {"kind": "edge_limit", "paths": list(self.paths), "maximum": self.maximum}


def constraint_from_dict(description: Mapping[str, Any]) -> EdgeLimit:
    """The constraint that `to_dict` described.

    >>> constraint_from_dict({"kind": "edge_limit", "paths": ["a"], "maximum": 2})
    EdgeLimit(paths=('a',), maximum=2)
    """
    kind = description.get("kind")
    if kind != "edge_limit":
        raise SpaceError(f"a constraint's kind must be edge_limit, got {kind!r}")
    return EdgeLimit(tuple(description["paths"]), description["maximum"])
