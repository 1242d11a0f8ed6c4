"""Dynamic spaces: decisions that are found as each architecture is built."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any

from torch import nn

from archwright.errors import ArchitectureError, SpaceError, nearest
from archwright.nn.reading import UNSET, Plain
from archwright.nn.wiring import Cell
from archwright.space import Architecture, Decision, Domain, EdgeLimit
from archwright.space.origin import user_origin

# Architectures whose decisions are remembered; one costs some kilobytes.
_MOST = 20_000
# How often drawing within edge limits is tried.
_TRIES = 100

Decisions = dict[str, Decision]
Picker = Callable[[Decision], Any]


class Discover(Plain):
    """Runs a constructor with a value for each decision, and notes both.

    Args:
        given: values of some decisions; where one is not in its domain, it is passed over.
        pick: the value of any other decision.
    """

    def __init__(self, given: Mapping[str, Any], pick: Picker) -> None:
        super().__init__()
        self._given = given
        self._pick = pick
        self._sharing = 0
        self.decisions: Decisions = {}
        self.values: dict[str, Any] = {}
        self.limits: list[EdgeLimit] = []

    @contextmanager
    def inside(self, prefix: str, *, shared: bool = False) -> Iterator[None]:
        """Declarations get this prefix; with `shared`, each may be met again."""
        self._sharing += shared
        try:
            with super().inside(prefix):
                yield
        finally:
            self._sharing -= shared

    def decide(self, name: str, domain: Callable[[], Domain], default: Any, shared: bool) -> Any:
        """See `Reading`."""
        path = self.path(name)
        given = {} if default is UNSET else {"default": default}
        decision = Decision(path, domain(), origin=user_origin(), **given)
        known = self.decisions.get(path)
        if known is not None:
            if not (shared or self._sharing) or known.domain != decision.domain:
                raise SpaceError(
                    f"two decisions have the path {path!r}: written at {known.origin} and at "
                    f'{decision.origin}. Give each its own scope, `with aw.scope("name"):`, or '
                    "another name; or, if they are to be one decision, write shared=True in both "
                    "and give both the same values"
                )
            return self.values[path]
        value: Any = _NOTHING
        if path in self._given and decision.domain.contains(self._given[path]):
            value = decision.domain.normalise(self._given[path])
        if value is _NOTHING:
            value = self._pick(decision)
        self.decisions[path] = decision
        self.values[path] = value
        return value

    def layer(self, name: str, options: Any, default: Any, shared: bool) -> nn.Module:
        """See `Reading`."""
        with self.inside(self.prefix, shared=shared):
            return super().layer(name, options, default, shared)

    def repeat(
        self,
        name: str,
        low: int,
        high: int,
        factory: Callable[[int], nn.Module],
        default: Any,
        shared: bool,
        as_list: bool,
    ) -> nn.Module:
        """See `Reading`."""
        with self.inside(self.prefix, shared=shared):
            return super().repeat(name, low, high, factory, default, shared, as_list)

    def cell(self, cell: Cell) -> nn.Module:
        """See `Reading`."""
        path = self.path(cell.name)
        with self.inside(self.prefix, shared=cell.shared):
            made = super().cell(cell)
        if cell.max_edges is not None:
            self.limits.append(cell.limit(path))
        return made


_NOTHING: Any = object()


class Unknown(ArchitectureError):
    """A decision that the architecture lacks."""


class DynamicTree:
    """What a space whose tree is not known beforehand can still do.

    Args:
        run: runs the constructor in a reading (on meta where possible).
        name: how messages call the space.
    """

    def __init__(self, run: Callable[[Callable[[], Discover]], Discover], name: str) -> None:
        self._run = run
        self._name = name
        self._known: OrderedDict[Architecture, Decisions] = OrderedDict()
        # All decisions that were ever met, for messages and descriptions.
        self.met: Decisions = {}

    def refuse(self, what: str) -> SpaceError:
        """The error for what needs the whole tree."""
        return SpaceError(
            f"{what} needs all decisions of a space beforehand, but {self._name} was made with "
            "dynamic=True: its decisions are found as each architecture is built. Sampling, "
            "mutating, checking and building work; for the rest, write the constructor without "
            "branching on choices and leave dynamic=True out"
        )

    def discover(self, given: Mapping[str, Any], pick: Picker) -> Architecture:
        """The architecture with the given values where they fit, and picked ones elsewhere."""
        limits: list[EdgeLimit] = []
        for _ in range(_TRIES):
            found = self._run(lambda: Discover(given, pick))
            limits = found.limits
            if all(limit.allows(found.values) for limit in limits):
                return self._remember(found)
        raise SpaceError(
            f"{_TRIES} architectures were drawn, and each broke a limit: at most "
            + " and ".join(f"{limit.maximum} in {', '.join(limit.paths)}" for limit in limits)
        )

    def _remember(self, found: Discover) -> Architecture:
        arch = Architecture(found.values)
        self.met.update(found.decisions)
        self._known[arch] = found.decisions
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return arch

    def default(self) -> Architecture:
        """Every decision at its default."""
        return self.discover({}, _default)

    def sample(self, rng: Random) -> Architecture:
        """Decision by decision."""
        return self.discover({}, _sampler(rng))

    def decisions(self, arch: Architecture) -> Decisions:
        """The decisions of an architecture of the space, in the order in which they are met."""
        known = self._known.get(arch)
        if known is None:
            known = self._known[self.check(arch)]
        return known

    def problem(self, arch: Any) -> tuple[str | None, Architecture | None]:
        """Why an architecture is not in the space, or None, and the architecture in order."""
        if isinstance(arch, Architecture) and arch in self._known:
            return None, arch
        if not isinstance(arch, Mapping):
            return f"an architecture is a mapping from path to value, got {arch!r}", None

        def missing(decision: Decision) -> Any:
            where = f" (written at {decision.origin})" if decision.origin else ""
            if decision.path in arch:
                raise Unknown(
                    f"{decision.path}: {arch[decision.path]!r} is not in the domain "
                    f"({decision.domain.describe()}){where}"
                )
            close = nearest(decision.path, arch)
            raise Unknown(
                f"{decision.path}: the architecture has no value for it; expected "
                f"{decision.domain.describe()}{where}"
                + (f"; did you mean it by {close!r}?" if close else "")
            )

        try:
            found = self._run(lambda: Discover(arch, missing))
        except Unknown as error:
            return str(error), None
        for path in arch:
            if path not in found.values:
                return f"{path}: the architecture that the other values describe has no such " + (
                    f"decision; it has {', '.join(found.values) or 'none'}"
                ), None
        for limit in found.limits:
            problem = limit.problem(found.values)
            if problem is not None:
                return problem, None
        return None, self._remember(found)

    def check(self, arch: Any) -> Architecture:
        """The architecture, in order; raises ArchitectureError where it is not in the space."""
        problem, checked = self.problem(arch)
        if checked is None:
            raise ArchitectureError(problem)
        return checked

    def mutate(self, arch: Architecture, rng: Random, n: int, rate: float | None) -> Architecture:
        """Some decisions drawn anew; what becomes live is drawn."""
        arch = self.check(arch)
        decisions = self.decisions(arch)
        movable = [path for path, decision in decisions.items() if decision.domain.size > 1]
        if not movable:
            return arch
        for _ in range(_TRIES):
            if rate is not None:
                picked = [path for path in movable if rng.random() < rate]
                picked = picked or [rng.choice(movable)]
            else:
                picked = rng.sample(movable, min(n, len(movable)))
            changed = dict(arch)
            for path in picked:
                changed[path] = decisions[path].domain.other(changed[path], rng)  # type: ignore[arg-type]
            found = self.discover(changed, _sampler(rng))
            if found != arch:
                return found
        return arch

    def crossover(self, a: Architecture, b: Architecture, rng: Random) -> Architecture:
        """Each decision from one of the parents; what neither has is drawn."""
        mixed = dict(b)
        for path, value in a.items():
            if path not in b or rng.random() < 0.5:
                mixed[path] = value
        return self.discover(mixed, _sampler(rng))

    def neighbours(self, arch: Architecture) -> list[Architecture]:
        """All architectures one decision away; what becomes live takes its default."""
        arch = self.check(arch)
        found = []
        for path, decision in self.decisions(arch).items():
            for other in decision.domain.neighbours(arch[path]):  # type: ignore[arg-type]
                given = {**arch, path: other}
                changed = self._run(lambda given=given: Discover(given, _default))  # type: ignore[misc]
                if all(limit.allows(changed.values) for limit in changed.limits):
                    found.append(self._remember(changed))
        return found


def _default(decision: Decision) -> Any:
    return decision.default


def _sampler(rng: Random) -> Picker:
    return lambda decision: decision.domain.sample(rng)
