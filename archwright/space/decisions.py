"""The tree of decisions: what varies, and under which condition.

A `Decision` has a path (its name), a domain and branches; a `Branch` holds the decisions that
are live only while the one above takes certain values.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from archwright.errors import SpaceError
from archwright.space.domains import (
    MISSING,
    Choice,
    Domain,
    Integer,
    Real,
    Subset,
    Value,
    domain_from_dict,
    show,
)

_UNSET: Any = type("_Unset", (), {"__repr__": lambda self: "the domain's default"})()


def at(origin: str) -> str:
    """The end of a message that says where something was written.

    >>> at("net.py:12"), at("")
    (' (written at net.py:12)', '')
    """
    return f" (written at {origin})" if origin else ""


@dataclass(frozen=True, slots=True)
class Branch:
    """Decisions that are live while the decision above has one of these values.

    Args:
        values: the values (of the decision above) under which this branch is live.
        decisions: what is then to be decided.

    >>> Branch({"conv"}, [Decision("op=conv/kernel", Choice((3, 5)))]).values
    frozenset({'conv'})
    """

    values: frozenset[Value]
    decisions: tuple[Decision, ...]

    def __init__(self, values: Iterable[Any], decisions: Iterable[Decision]) -> None:
        if isinstance(values, str):
            raise SpaceError(f"branch: values must be a set of values, got the string {values!r}")
        object.__setattr__(self, "values", frozenset(values))
        object.__setattr__(self, "decisions", tuple(decisions))
        if not self.values:
            raise SpaceError("branch: values must hold at least one value, got none")
        for decision in self.decisions:
            if not isinstance(decision, Decision):
                raise SpaceError(f"branch: decisions must be Decision objects, got {decision!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return Branch, (self.values, self.decisions)


@dataclass(frozen=True, slots=True)
class Decision:
    """One thing to decide.

    Args:
        path: its name, unique in the space: `depth.2/op=mbconv/expand`.
        domain: the values it may take.
        default: the value of the default architecture (left out: the domain's default).
        branches: what else is to be decided, depending on the value.
        origin: where the user wrote it, "file.py:12".

    Raises:
        SpaceError: a default or a branch value that is not in the domain; branches of a `Real`.

    >>> Decision("width", Choice((16, 32)), default=32).default
    32
    """

    path: str
    domain: Domain
    default: Any = _UNSET
    branches: tuple[Branch, ...] = ()
    origin: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.path, str) or not self.path:
            raise SpaceError(
                f"decision: path must be a non-empty string, got {self.path!r}{at(self.origin)}"
            )
        if not isinstance(self.domain, Choice | Integer | Real | Subset):
            raise SpaceError(
                f"{self.path}: the domain must be one of choice([...]), integer(low, high), "
                f"real(low, high) and subset(n), got {self.domain!r}{at(self.origin)}"
            )
        default = self.domain.default
        if self.default is not _UNSET:
            default = self.domain.normalise(self.default)
            if default is MISSING:
                raise SpaceError(
                    f"{self.path}: default {self.default!r} is not in the domain "
                    f"({self.domain.describe()}){at(self.origin)}"
                )
        object.__setattr__(self, "default", default)
        object.__setattr__(self, "branches", tuple(self.branches))
        if self.branches and isinstance(self.domain, Real):
            raise SpaceError(
                f"{self.path}: a real number cannot have branches, only choices, integers and "
                f"subsets can{at(self.origin)}"
            )
        for branch in self.branches:
            for value in branch.values:
                if not self.domain.contains(value):
                    raise SpaceError(
                        f"{self.path}: a branch hangs on {value!r}, which is not in the domain "
                        f"({self.domain.describe()}){at(self.origin)}"
                    )

    def live(self, value: Value) -> Iterator[Decision]:
        """The decisions directly below this one that are live when it takes `value`."""
        for branch in self.branches:
            if value in branch.values:
                yield from branch.decisions

    def walk(self) -> Iterator[Decision]:
        """This decision and all below it, in tree order."""
        yield self
        for branch in self.branches:
            for decision in branch.decisions:
                yield from decision.walk()

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description; `Decision.from_dict` reads it."""
        found: dict[str, Any] = {
            "path": self.path,
            "domain": self.domain.to_dict(),
            "default": _jsonable(self.default),
        }
        if self.branches:
            order = list(self.domain.values())
            found["branches"] = [
                {
                    "values": [_jsonable(v) for v in order if v in branch.values],
                    "decisions": [d.to_dict() for d in branch.decisions],
                }
                for branch in self.branches
            ]
        if self.origin:
            found["origin"] = self.origin
        return found

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> Decision:
        """The decision that `to_dict` described."""
        branches = tuple(
            Branch(
                (tuple(v) if isinstance(v, list) else v for v in branch["values"]),
                (cls.from_dict(d) for d in branch["decisions"]),
            )
            for branch in description.get("branches", ())
        )
        return cls(
            description["path"],
            domain_from_dict(description["domain"]),
            default=description["default"],
            branches=branches,
            origin=description.get("origin", ""),
        )

    def lines(self, indent: str = "") -> Iterator[str]:
        """This decision and all below it as an indented tree."""
        where = f"   [{self.origin}]" if self.origin else ""
        yield f"{indent}{self.path}: {self.domain.describe()}{where}"
        for branch in self.branches:
            inner = indent + "  "
            if len(branch.values) < self.domain.size:
                yield f"{inner}if {self.condition(branch.values)}:"
                inner += "  "
            for decision in branch.decisions:
                yield from decision.lines(inner)

    def condition(self, values: Iterable[Value]) -> str:
        """In words: this decision has one of these values.

        >>> Decision("depth", Integer(1, 4)).condition({3, 4, 2})
        'depth is 2..4'
        """
        wanted: set[Any] = set(values)
        if isinstance(self.domain, Subset):
            common: set[int] = set.intersection(*map(set, wanted)) if wanted else set()
            for j in sorted(common):
                if len(wanted) == sum(j in v for v in self.domain.values()):
                    return f"{self.path} contains {j}"
        ordered: list[Any] = [v for v in self.domain.values() if v in wanted]
        if isinstance(self.domain, Integer) and len(ordered) > 2:
            step = self.domain.step
            if ordered == list(range(ordered[0], ordered[-1] + 1, step)):
                return f"{self.path} is {ordered[0]}..{ordered[-1]}"
        return f"{self.path} is {' or '.join(show(v) for v in ordered)}"


def _jsonable(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value
