"""Space: the set of all architectures, as a tree of decisions."""

from __future__ import annotations

import fnmatch
import hashlib
import itertools
import json
import math
import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from archwright.errors import ArchitectureError, SpaceError, nearest, whole_number
from archwright.space.architecture import Architecture
from archwright.space.cells import CellGraph
from archwright.space.constraints import EdgeLimit, constraint_from_dict
from archwright.space.counting import Counter
from archwright.space.decisions import Branch, Decision, at
from archwright.space.domains import (
    MISSING,
    Choice,
    Domain,
    Integer,
    Real,
    Subset,
    Value,
    plain,
    show,
)
from archwright.space.origin import user_origin
from archwright.space.plan import Node, Plan

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from archwright.space.encoding import Encoder

S = TypeVar("S", bound="Space")

# How often drawing within edge limits is tried before exact counting takes over.
_TRIES = 100
# Canonical forms remembered; the whole of NAS-Bench-201 fits.
_MEMO = 100_000


class Space:
    """All architectures that a tree of decisions describes.

    Attributes:
        name: what reports call it, such as "mobilenet"; None: its class's name.

    Args:
        decisions: the decisions that are always live (what hangs on them is in their branches),
            or a mapping from name to domain.
        cells: cells within the space, for `canonical`.
        constraints: limits that hold between decisions.

    Raises:
        SpaceError: two decisions with one path, a limit or cell on a path that is not there,
            limits that no architecture keeps.

    >>> from archwright.space import choice, real
    >>> space = Space({"batch": choice([32, 64]), "optimizer": choice(["adamw", "sgd"])})
    >>> space.size
    4
    >>> space.default
    Architecture(batch=32, optimizer=adamw)
    >>> (space & Space({"lr": real(1e-4, 1e-1, log=True)})).paths
    ('batch', 'optimizer', 'lr')
    """

    name: str | None = None

    def __init__(
        self,
        decisions: Iterable[Decision] | Mapping[str, Domain],
        *,
        cells: Iterable[CellGraph] = (),
        constraints: Iterable[EdgeLimit] = (),
    ) -> None:
        if isinstance(decisions, Mapping):
            origin = user_origin()
            decisions = [Decision(name, d, origin=origin) for name, d in decisions.items()]
        elif isinstance(decisions, Decision | str) or not isinstance(decisions, Iterable):
            raise SpaceError(
                f"space: decisions must be a list of Decision objects or a mapping from name to "
                f"domain, got {decisions!r}"
            )
        self.decisions = tuple(decisions)
        self.cells = tuple(cells)
        self.constraints = tuple(constraints)
        self._prepare()
        for cell in self.cells:
            cell.check_paths(self._plan.nodes)
        if self.constraints and self._counter.total() == 0:
            words = "; ".join(f"at most {c.maximum} in {c.paths}" for c in self.constraints)
            raise SpaceError(f"space: no architecture keeps the limits ({words})")

    def _prepare(self) -> None:
        self._plan = Plan(self.decisions, self.constraints)
        self._counter = Counter(self._plan)
        self._encoder: Encoder | None = None
        self._size: int | float | None = None
        self._default: Architecture | None = None
        self._canonical: dict[Any, Architecture] = {}

    # Tables are computed anew where a space arrives: they are large, and quick to make.
    def __getstate__(self) -> dict[str, Any]:
        made = ("_plan", "_counter", "_encoder", "_size", "_default", "_canonical")
        return {k: v for k, v in self.__dict__.items() if k not in made}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def _derive(
        self,
        decisions: Iterable[Decision],
        cells: Iterable[CellGraph],
        constraints: Iterable[EdgeLimit],
    ) -> Space:
        """A space like this one with other decisions; subclasses keep what else they hold."""
        return Space(decisions, cells=cells, constraints=constraints)

    # ------------------------------------------------------------------ what there is

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of all decisions, live or not, in tree order."""
        return self._plan.paths

    def decision(self, path: str) -> Decision:
        """The decision with this path.

        Raises:
            SpaceError: there is none; the message names the nearest path.
        """
        try:
            return self._plan.nodes[path].decision
        except KeyError:
            raise SpaceError(self._unknown(path)) from None

    @property
    def size(self) -> int | float:
        """The exact number of architectures; infinity where a real number is among them."""
        if self._size is None:
            self._size = self._counter.total() if self._plan.real is None else math.inf
        return self._size

    @property
    def default(self) -> Architecture:
        """Every live decision at its default.

        Where the defaults break an edge limit, the subsets in it are cut to their smallest, last
        ones first.
        """
        if self._default is None:
            values = self._complete({}, lambda node: node.default)
            limited = [n for n in self._plan.nodes.values() if n.limits]
            cut: dict[str, Value] = {}
            while not self._allowed(values) and limited:
                node = limited.pop()
                cut[node.path] = next(iter(node.domain.values()))
                values = self._complete(cut, lambda node: node.default)
            if not self._allowed(values):
                values = self._counter.sample(random.Random(0))
            self._default = self._made(values)
        return self._default

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The name of each feature of `encode`."""
        return self._encoding.names

    @property
    def fingerprint(self) -> str:
        """32 hexadecimal digits that tell spaces apart, equal in every process.

        Where the decisions were written does not count.
        """
        text = json.dumps(_without_origins(self.to_dict()), sort_keys=True)
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Space):
            return NotImplemented
        return (self.decisions, self.cells, self.constraints) == (
            other.decisions,
            other.cells,
            other.constraints,
        )

    def __hash__(self) -> int:
        return hash((self.decisions, self.cells, self.constraints))

    def __repr__(self) -> str:
        count = f"{self.size:,}"
        if self.size >= 10**9:
            # Not by float(): sizes may exceed its range.
            count = "inf" if self.size == math.inf else f"about 10^{math.log10(self.size):.0f}"
        return f"{type(self).__name__}({len(self.paths)} decisions, {count} architectures)"

    def describe(self) -> str:
        """The tree of decisions, for a person to read.

        >>> from archwright.space import Branch, Choice, Decision
        >>> kernel = Decision("op=conv/kernel", Choice((3, 5)))
        >>> op = Decision("op", Choice(("conv", "skip")), branches=(Branch({"conv"}, [kernel]),))
        >>> print(Space([op]).describe())
        3 architectures, 2 decisions
        op: conv | skip
          if op is conv:
            op=conv/kernel: 3 | 5
        """
        count = "infinitely many" if self.size == math.inf else f"{self.size:,}"
        lines = [f"{count} architectures, {len(self.paths)} decisions"]
        for decision in self.decisions:
            lines += decision.lines()
        for limit in self.constraints:
            lines.append(f"limit: at most {limit.maximum} inputs in {', '.join(limit.paths)}")
        return "\n".join(lines)

    # ------------------------------------------------------------------ drawing and changing

    def sample(
        self,
        seed: int | None = None,
        *,
        rng: random.Random | None = None,
        uniform: bool = False,
    ) -> Architecture:
        """A random architecture.

        Decision by decision by default: each live decision is drawn from its domain, so that an
        option with many variants below it is as likely as one with none. With `uniform=True`
        each architecture is equally likely instead, by exact counting (real numbers are drawn
        from their domains in both ways). Edge limits are kept in both: by drawing again in the
        first (uniformly, when a hundred draws have broken them), by counting in the second.

        Args:
            seed: a seed for a generator of its own; None: not reproducible.
            rng: a generator to draw from, instead of a seed.
            uniform: each architecture equally likely.

        >>> from archwright.space import choice
        >>> space = Space({"width": choice([16, 32, 64])})
        >>> space.sample(seed=0) == space.sample(seed=0)
        True
        """
        if rng is None:
            rng = random.Random(None if seed is None else whole_number("seed", seed, least=0))
        free = self._plan.free
        if free is not None:
            draw = rng.random
            return self._made({p: vs[int(draw() * n)] for p, vs, n in free})
        if uniform:
            return self._made(self._counter.sample(rng))
        for _ in range(_TRIES):
            values: dict[str, Value] = {}
            self._draw(self._plan.roots, values, rng)
            if self._allowed(values):
                return self._made(values)
        return self._made(self._counter.sample(rng))

    def enumerate(self) -> Iterator[Architecture]:
        """All architectures, in lexicographic order of the tree.

        Raises:
            SpaceError: a real number is among the decisions.

        >>> from archwright.space import choice, integer
        >>> [
        ...     tuple(a.values())
        ...     for a in Space({"a": choice([3, 5]), "b": integer(1, 2)}).enumerate()
        ... ]
        [(3, 1), (3, 2), (5, 1), (5, 2)]
        """
        real = self._plan.real
        if real is not None:
            raise SpaceError(
                f"a space with a real number cannot be enumerated: {real.path} is "
                f"{real.domain.describe()}{at(real.decision.origin)}; restrict it to some values"
            )
        if self._plan.free is not None:
            paths = [path for path, _, _ in self._plan.free]
            found = itertools.product(*(values for _, values, _ in self._plan.free))
            return (self._made(dict(zip(paths, row, strict=True))) for row in found)
        pending: Any = None
        for node in reversed(self._plan.roots):
            pending = (node, pending)
        return self._enumerate(pending, {}, [c.maximum for c in self.constraints])

    def _enumerate(
        self, pending: Any, values: dict[str, Value], left: list[int]
    ) -> Iterator[Architecture]:
        # `pending` is a linked list (node, rest): branches push their decisions in front.
        if pending is None:
            yield self._made(dict(values))
            return
        node, rest = pending
        for value in node.domain.values():
            values[node.path] = value
            after = left
            if node.limits:
                used = len(value)
                after = [x - used if i in node.limits else x for i, x in enumerate(left)]
                if min(after) < 0:
                    break  # subsets come in the order of their lengths
            ahead = rest
            for kid in reversed(node.kids.get(value, ())):
                ahead = (kid, ahead)
            yield from self._enumerate(ahead, values, after)
        del values[node.path]

    def neighbours(self, arch: Mapping[str, Any]) -> list[Architecture]:
        """All architectures that differ in one live decision.

        A Choice takes each of its other values, an Integer one step down and up (and an eighth of
        the range where it has more than 16 values), a Real a 32nd and an eighth of its range down
        and up, a Subset one thing more, less or exchanged. Decisions that become live take their
        defaults; those that are no longer live vanish; what breaks an edge limit is left out.

        >>> from archwright.space import choice, integer
        >>> space = Space({"op": choice(["a", "b", "c"]), "depth": integer(1, 4)})
        >>> [tuple(n.values()) for n in space.neighbours(space.default)]
        [('b', 1), ('c', 1), ('a', 2)]
        """
        values = self._values(arch)
        found = []
        for path, value in values.items():
            for other in self._plan.nodes[path].domain.neighbours(value):  # type: ignore[arg-type]
                changed = self._complete({**values, path: other}, lambda node: node.default)
                if self._allowed(changed):
                    found.append(self._made(changed))
        return found

    def mutate(
        self,
        arch: Mapping[str, Any],
        *,
        rng: random.Random,
        n: int = 1,
        rate: float | None = None,
    ) -> Architecture:
        """Some live decisions drawn anew, each to another value.

        Decisions with a single value are passed over. Decisions that become live are drawn,
        those no longer live vanish, all others stay. A change that breaks an edge limit is drawn
        again. Only in a space of one architecture is the same returned.

        Args:
            arch: an architecture of this space.
            rng: the generator to draw from.
            n: how many decisions change (all, where fewer are live).
            rate: instead of `n`: each live decision changes with this probability, at least one
                does.

        >>> from archwright.space import choice
        >>> space = Space({"a": choice([1, 2]), "b": choice([1, 2])})
        >>> changed = space.mutate(space.default, rng=random.Random(0))
        >>> sum(changed[p] != space.default[p] for p in space.paths)
        1
        """
        if n < 1:
            raise SpaceError(f"mutate: n must be at least 1, got {n}")
        if rate is not None and not 0 <= rate <= 1:
            raise SpaceError(f"mutate: rate must lie between 0 and 1, got {rate}")
        values = self._values(arch)
        plan = self._plan
        nodes = plan.nodes
        if plan.flat:
            movable: Sequence[str] = plan.movable
        else:
            movable = [path for path in values if nodes[path].size > 1]
        if not movable:
            return self._made(values)
        for _ in range(_TRIES):
            if rate is not None:
                picked: Sequence[str] = [p for p in movable if rng.random() < rate]
                picked = picked or [movable[int(rng.random() * len(movable))]]
            elif n == 1:
                picked = [movable[int(rng.random() * len(movable))]]
            else:
                picked = rng.sample(movable, min(n, len(movable)))
            changed = values.copy()
            moved = False
            for path in picked:
                node = nodes[path]
                changed[path] = node.other(values[path], rng)
                moved = moved or bool(node.kids)
            if moved:
                changed = self._complete(changed, lambda node: node.sample(rng))
            if self._allowed(changed):
                return self._made(changed)
        return self._forced(values, movable, rng)

    def _forced(
        self, values: dict[str, Value], movable: Sequence[str], rng: random.Random
    ) -> Architecture:
        # A limit so tight that chance does not find a change: look at every single one.
        for path in rng.sample(movable, len(movable)):
            node = self._plan.nodes[path]
            # A subset that may change at all may do so by one thing; other domains are in no limit.
            near = node.domain.neighbours(values[path])  # type: ignore[arg-type]
            others = [v for v in node.values or near if v != values[path]]
            for other in rng.sample(others, len(others)):
                changed = self._complete({**values, path: other}, lambda node: node.sample(rng))
                if self._allowed(changed):
                    return self._made(changed)
        for _ in range(_TRIES):
            drawn = self._counter.sample(rng)
            if drawn != values:
                return self._made(drawn)
        return self._made(values)

    def crossover(
        self, a: Mapping[str, Any], b: Mapping[str, Any], *, rng: random.Random
    ) -> Architecture:
        """A child of two architectures.

        Each live decision takes the value of `a` or of `b` by a fair coin, that of the one parent
        that has it where only one does, and is drawn where neither does. What breaks an edge limit
        is drawn again (after a hundred times the child is `a`).
        """
        ours, theirs = self._values(a), self._values(b)

        def take(node: Node) -> Value:
            path = node.path
            if path in ours:
                if path in theirs and rng.random() < 0.5:
                    return theirs[path]
                return ours[path]
            return theirs[path] if path in theirs else node.sample(rng)

        for _ in range(_TRIES):
            child = self._complete({}, take)
            if self._allowed(child):
                return self._made(child)
        return self._made(ours)

    def _draw(self, nodes: tuple[Node, ...], values: dict[str, Value], rng: random.Random) -> None:
        for node in nodes:
            value = values[node.path] = node.sample(rng)
            if node.kids:
                live = node.kids.get(value)
                if live:
                    self._draw(live, values, rng)

    def _complete(
        self, given: Mapping[str, Value], otherwise: Callable[[Node], Value]
    ) -> dict[str, Value]:
        """The values in `given` of what is live, and `otherwise` where there is none."""
        values: dict[str, Value] = {}

        def fill(nodes: tuple[Node, ...]) -> None:
            for node in nodes:
                path = node.path
                value = values[path] = given[path] if path in given else otherwise(node)
                live = node.kids.get(value)
                if live:
                    fill(live)

        fill(self._plan.roots)
        return values

    def _allowed(self, values: Mapping[str, Value]) -> bool:
        return not self.constraints or all(c.allows(values) for c in self.constraints)

    def _made(self, values: dict[str, Value]) -> Architecture:
        return Architecture.trusted(values, home=self._plan)

    def _values(self, arch: Mapping[str, Any]) -> dict[str, Value]:
        """The values of an architecture, which is checked unless this space has done so before."""
        if type(arch) is Architecture and arch._home is self._plan:
            return arch._values
        values = self.check(arch)._values
        if type(arch) is Architecture and list(values) == list(arch._values):
            arch._values, arch._home = values, self._plan
        return values

    # ------------------------------------------------------------------ belonging

    def contains(self, arch: Mapping[str, Any]) -> bool:
        """Whether the architecture belongs to this space."""
        return self.why_not(arch) is None

    def __contains__(self, arch: object) -> bool:
        return isinstance(arch, Mapping) and self.contains(arch)

    def why_not(self, arch: Mapping[str, Any]) -> str | None:
        """Why the architecture does not belong to this space; None where it does.

        >>> from archwright.space import Choice, Decision
        >>> Space([Decision("width", Choice([16, 32]))]).why_not({"width": 31})
        'width: 31 is not in the domain (16 | 32); the nearest value is 32'
        """
        if type(arch) is Architecture and arch._home is self._plan:
            return None
        return self._read(arch)[0]

    def check(self, arch: Mapping[str, Any]) -> Architecture:
        """The architecture in tree order with the domains' own values (lists become tuples).

        Raises:
            ArchitectureError: an unknown path, a missing or unknown value, a value of a decision
                that is not live, a broken limit; the message names path, value and the nearest.

        >>> from archwright.space import choice, subset
        >>> Space({"width": choice([16, 32]), "inputs": subset(3)}).check(
        ...     {"inputs": [2, 0], "width": 16.0}
        ... )
        Architecture(width=16, inputs=(0, 2))
        """
        if type(arch) is Architecture and arch._home is self._plan:
            return arch
        problem, values = self._read(arch)
        if problem is not None:
            raise ArchitectureError(problem)
        return self._made(values)

    def _read(self, arch: Mapping[str, Any]) -> tuple[str | None, dict[str, Value]]:
        if not isinstance(arch, Mapping):
            return f"an architecture is a mapping from path to value, got {arch!r}", {}
        values: dict[str, Value] = {}
        missing: list[Node] = []

        def read(nodes: tuple[Node, ...]) -> str | None:
            for node in nodes:
                if node.path not in arch:
                    missing.append(node)
                    continue
                given = arch[node.path]
                value = node.domain.normalise(given)
                if value is MISSING:
                    return _wrong_value(node, given)
                values[node.path] = value
                live = node.kids.get(value)
                if live:
                    problem = read(live)
                    if problem is not None:
                        return problem
            return None

        problem = read(self._plan.roots)
        if problem is not None:
            return problem, values
        if missing or len(values) != len(arch):
            # A misspelt path is both unknown and missing: the first says more.
            for path in arch:
                if path not in self._plan.nodes:
                    return self._unknown(path), values
        if missing:
            node = missing[0]
            return (
                f"{node.path}: the architecture has no value for it; expected "
                f"{node.domain.describe()}{at(node.decision.origin)}",
                values,
            )
        for path in arch:
            if path not in values:
                return self._not_live(self._plan.nodes[path], values), values
        for constraint in self.constraints:
            problem = constraint.problem(values)
            if problem is not None:
                return problem, values
        return None, values

    def _not_live(self, node: Node, values: Mapping[str, Value]) -> str:
        parent = node.parent
        while parent is not None and parent.path not in values:
            node, parent = parent, parent.parent
        assert parent is not None
        needed = [v for v, kids in parent.kids.items() if node in kids]
        return (
            f"{node.path}: not live here, as {parent.path} is {show(values[parent.path])}; it is "
            f"live where {parent.decision.condition(needed)}{at(node.decision.origin)}"
        )

    def _unknown(self, path: object) -> str:
        close = nearest(str(path), self.paths)
        if close is not None:
            hint = f"did you mean {close!r}{at(self._plan.nodes[close].decision.origin)}?"
        else:
            shown = ", ".join(self.paths[:20]) + (", ..." if len(self.paths) > 20 else "")
            hint = f"there are: {shown}" if shown else "the space has none"
        return f"unknown decision {path!r}: {hint}"

    # ------------------------------------------------------------------ other readings

    def canonical(self, arch: Mapping[str, Any]) -> Architecture:
        """What the architecture is up to isomorphism of its cells.

        Each cell's decisions are replaced by one entry, named by the cell's prefix, that holds its
        canonical expression: equal for cells that compute the same up to the order of their nodes,
        parts without effect, and skipped steps. It serves as an identity (in sets and dicts), and
        cannot be built. In a space without cells it is the architecture itself.

        Results are remembered: the second call for an architecture costs under a microsecond.
        """
        if not self.cells:
            return arch if type(arch) is Architecture else self.check(arch)
        # A space checks an architecture once, so its paths are in tree order from here on.
        values = self._values(arch)
        key: Any = tuple(values.values())
        if not self._plan.flat:
            key = (tuple(values), key)
        found = self._canonical.get(key)
        if found is None:
            left = dict(values)
            # Inner cells first: an outer one then reads their expressions as parts of its labels.
            for cell in sorted(self.cells, key=lambda c: -len(c.prefix)):
                cell.reduce(left)
            if len(self._canonical) >= _MEMO:
                self._canonical.clear()
            found = self._canonical[key] = Architecture.trusted(left)
        return found

    @property
    def _encoding(self) -> Encoder:
        if self._encoder is None:
            # NumPy is loaded by those who encode only: importing it takes longer than the rest.
            from archwright.space.encoding import Encoder

            self._encoder = Encoder(self._plan)
        return self._encoder

    def encode(self, arch: Mapping[str, Any]) -> npt.NDArray[np.float64]:
        """The architecture as a vector of fixed length, shape (n_features,).

        A Choice is one-hot, a Subset has one bit for each thing, an Integer or Real is scaled to
        0..1 (in the logarithm where its domain is). What is not live is zero; `encode_mask` tells
        it from a zero that is meant.

        >>> from archwright.space import choice, integer
        >>> space = Space({"op": choice(["conv", "pool"]), "depth": integer(1, 5)})
        >>> space.encode({"op": "pool", "depth": 2}).tolist()
        [0.0, 1.0, 0.25]
        >>> space.feature_names
        ('op=conv', 'op=pool', 'depth')
        """
        return self._encoding.encode(self._values(arch))

    def encode_mask(self, arch: Mapping[str, Any]) -> npt.NDArray[np.bool_]:
        """Whether the decision behind each feature is live, shape (n_features,)."""
        return self._encoding.mask(self._values(arch))

    # ------------------------------------------------------------------ other spaces

    def restrict(self: S, to: Mapping[str, Any]) -> S:
        """The part of this space in which some decisions have fewer values.

        Branches that can no longer be live are dropped, and defaults that are gone become the
        first value that is left.

        Args:
            to: path or glob (`*/kernel`) -> a list of values, a single value, or a domain. Of
                several that match a decision, all apply.

        Raises:
            SpaceError: a path or glob that matches nothing (the message names the nearest), a
                value that no matched decision has, a decision left without values.

        >>> from archwright.space import choice, integer
        >>> space = Space({"a/kernel": choice([3, 5, 7]), "depth": integer(1, 4)})
        >>> space.restrict({"*/kernel": [3, 5], "depth": integer(2, 3)}).size
        4
        """
        rules: dict[str, list[Any]] = {}
        for pattern, wanted in to.items():
            if isinstance(wanted, Iterable) and not isinstance(wanted, str | tuple):
                wanted = list(wanted)
            matched = [pattern] if pattern in self._plan.nodes else []
            matched = matched or [p for p in self.paths if fnmatch.fnmatchcase(p, pattern)]
            if not matched:
                raise SpaceError(f"restrict: no decision matches. {self._unknown(pattern)}")
            nodes = [self._plan.nodes[path] for path in matched]
            for node in nodes:
                rules.setdefault(node.path, []).append(_as_values(pattern, node, wanted))
            if not isinstance(wanted, Choice | Integer | Real | Subset):
                _each_known(pattern, nodes, rules)
        decisions = tuple(_narrow(decision, rules) for decision in self.decisions)
        left = {d.path for root in decisions for d in root.walk()}
        constraints = [
            EdgeLimit(kept, c.maximum)
            for c in self.constraints
            if (kept := tuple(path for path in c.paths if path in left))
        ]
        cells = [cell for cell in self.cells if not left.isdisjoint(cell.paths)]
        return self._derive(decisions, cells, constraints)  # type: ignore[return-value]

    def __and__(self, other: Space) -> Space:
        """The product space: all decisions of both; one path in both is an error."""
        if not isinstance(other, Space):
            return NotImplemented
        return self._derive(
            self.decisions + other.decisions,
            self.cells + other.cells,
            self.constraints + other.constraints,
        )

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description; `Space.from_dict` reads it.

        >>> from archwright.space import choice
        >>> space = Space({"width": choice([16, 32])})
        >>> Space.from_dict(space.to_dict()) == space
        True
        """
        return {
            "format": 1,
            "decisions": [d.to_dict() for d in self.decisions],
            "cells": [c.to_dict() for c in self.cells],
            "constraints": [c.to_dict() for c in self.constraints],
        }

    @staticmethod
    def from_dict(description: Mapping[str, Any]) -> Space:
        """The space that `to_dict` described.

        Raises:
            SpaceError: the description is of a later format, or not one of a space.
        """
        if not isinstance(description, Mapping) or "decisions" not in description:
            raise SpaceError("not the description of a space: it has no 'decisions'")
        if description.get("format") != 1:
            raise SpaceError(
                f"the description of a space has format {description.get('format')!r}, this "
                "version of archwright reads format 1"
            )
        return Space(
            [Decision.from_dict(d) for d in description["decisions"]],
            cells=[CellGraph.from_dict(c) for c in description.get("cells", ())],
            constraints=[constraint_from_dict(c) for c in description.get("constraints", ())],
        )


def _wrong_value(node: Node, given: Any) -> str:
    message = f"{node.path}: {given!r} is not in the domain ({node.domain.describe()})"
    close = node.domain.closest(plain(given))
    if close is not MISSING:
        message += f"; the nearest value is {close!r}"
    return message + at(node.decision.origin)


def _as_values(pattern: str, node: Node, wanted: Any) -> Any:
    """What `restrict` was given for one decision, as a domain or a list of values."""
    if isinstance(wanted, Choice | Integer | Real | Subset):
        return wanted
    if isinstance(wanted, str) or not isinstance(wanted, Iterable):
        return [wanted]
    found = list(wanted)
    # (0, 1) is one subset, not two values; () is the empty subset, [] is a mistake.
    one = all(isinstance(plain(v), int) for v in found) and (found or isinstance(wanted, tuple))
    if one and isinstance(node.domain, Subset):
        return [tuple(found)]
    if not found:
        raise SpaceError(f"restrict: {pattern!r} must keep at least one value, got none")
    return found


def _each_known(pattern: str, nodes: list[Node], rules: Mapping[str, list[Any]]) -> None:
    wanted = rules[nodes[0].path][-1]
    for value in wanted:
        if not any(node.domain.contains(value) for node in nodes):
            raise SpaceError(f"restrict: {_wrong_value(nodes[0], value)}")


def _narrow(decision: Decision, rules: Mapping[str, list[Any]]) -> Decision:
    domain: Domain | None = decision.domain
    for wanted in rules.get(decision.path, ()):
        narrower = domain.narrow(wanted) if domain is not None else None
        if narrower is None:
            raise SpaceError(
                f"restrict: {decision.path} is left without values: nothing of "
                f"{wanted.describe() if hasattr(wanted, 'describe') else wanted!r} is in "
                f"{decision.domain.describe()}{at(decision.origin)}"
            )
        domain = narrower
    assert domain is not None
    branches = []
    for branch in decision.branches:
        values = [v for v in branch.values if domain.contains(v)]
        if values:
            branches.append(Branch(values, [_narrow(d, rules) for d in branch.decisions]))
    default = decision.default if domain.contains(decision.default) else domain.default
    return replace(decision, domain=domain, default=default, branches=tuple(branches))


def _without_origins(description: Any) -> Any:
    if isinstance(description, dict):
        return {k: _without_origins(v) for k, v in description.items() if k != "origin"}
    if isinstance(description, list):
        return [_without_origins(v) for v in description]
    return description
