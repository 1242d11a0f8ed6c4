"""The situations in which a constructor is read: ordinary, build, trace and supernet.

A context variable says which; the words of the language (`choice`, `layer`, `repeat`, ...) ask
the current reading what to answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from torch import nn

from archwright.errors import ArchitectureError, SpaceError
from archwright.nn.containers import (
    ElasticCell,
    ElasticInputs,
    ElasticLayer,
    ElasticList,
    ElasticSequential,
)
from archwright.nn.elastic import Active, Elastic, Leaf
from archwright.nn.elastic import describe as describe_elastic
from archwright.nn.selection import Selection, plain_inputs
from archwright.nn.sketch import sketching
from archwright.nn.wiring import (
    MODULE,
    Cell,
    Join,
    Node,
    Place,
    Plan,
    plain_cell,
    plan,
    source_of,
    subset_of,
)
from archwright.space import Branch, CellGraph, Choice, Decision, Domain, EdgeLimit, Integer, Space
from archwright.space.origin import user_origin


class _Unset(Enum):
    """What a default is that was not given (an enumeration stays one when it is pickled)."""

    UNSET = "unset"


UNSET: Any = _Unset.UNSET

Factory = Callable[[], nn.Module]
# Name of a module of a cell -> its decision, the value, and what makes the module.
Chosen = dict[str, tuple[str, Any, Factory]]


class Reading:
    """What the words of the language ask; one object for each time a constructor is read."""

    def __init__(self) -> None:
        # What is put before the name of a decision, "" or ending in "/".
        self.prefix = ""

    def path(self, name: str) -> str:
        """The path of a decision declared here: `name` in the current scope, `/name` at the top."""
        return name[1:] if name.startswith("/") else self.prefix + name

    @contextmanager
    def inside(self, prefix: str, *, shared: bool = False) -> Iterator[None]:
        """Declarations get this prefix."""
        before, self.prefix = self.prefix, prefix
        try:
            yield
        finally:
            self.prefix = before

    def scope(self, name: str, shared: bool) -> Any:
        """The context manager behind `aw.scope`."""
        return self.inside(self.path(name) + "/", shared=shared)

    def decide(self, name: str, domain: Callable[[], Domain], default: Any, shared: bool) -> Any:
        """The value of a decision; `domain` is called only where it is needed."""
        raise NotImplementedError

    def layer(
        self, name: str, options: Mapping[Any, Factory], default: Any, shared: bool
    ) -> nn.Module:
        """One of several modules."""
        raise NotImplementedError

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
        """Between `low` and `high` modules in a row."""
        raise NotImplementedError

    def cell(self, cell: Cell) -> nn.Module:
        """A graph of nodes and edges."""
        raise NotImplementedError

    def inputs(self, selection: Selection) -> nn.Module:
        """Some of several tensors."""
        raise NotImplementedError


class Plain(Reading):
    """Readings in which every decision has a value: what comes out are plain torch modules."""

    def layer(
        self, name: str, options: Mapping[Any, Factory], default: Any, shared: bool
    ) -> nn.Module:
        """See `Reading`."""
        path = self.path(name)
        value = self.decide(name, lambda: Choice(options), default, shared)
        # Written out, as are the loops of `repeat`: a context manager for each layer would be
        # a tenth of what building a small network costs.
        before, self.prefix = self.prefix, f"{path}={value}/"
        try:
            module = options[value]()
        finally:
            self.prefix = before
        if not isinstance(module, nn.Module):
            raise not_a_module(f"option {value!r} of layer {path!r}", module)
        return module

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
        path = self.path(name)
        n = self.decide(name, lambda: Integer(low, high), default, shared)
        before = self.prefix
        items = []
        try:
            for i in range(n):
                self.prefix = f"{path}.{i}/"
                item = factory(i)
                if not isinstance(item, nn.Module):
                    raise not_a_module(f"item {i} of repeat {path!r}", item)
                items.append(item)
        finally:
            self.prefix = before
        return nn.ModuleList(items) if as_list else nn.Sequential(*items)

    def cell(self, cell: Cell) -> nn.Module:
        """See `Reading`."""
        path = self.path(cell.name)
        before, self.prefix = self.prefix, path + "/"
        try:
            planned, chosen = self.planned(cell, path)
            modules = {}
            for name in planned.names():
                op, value, factory = chosen[name]
                self.prefix = f"{path}/{op}={value}/"
                module = factory()
                if not isinstance(module, nn.Module):
                    raise not_a_module(f"operation {value!r} of cell {path!r}", module)
                modules[name] = module
        finally:
            self.prefix = before
        return plain_cell(planned, modules)

    def planned(self, cell: Cell, path: str) -> tuple[Plan, Chosen]:
        """What a cell computes, and for each of its modules the operation chosen."""
        reader = _PlainReader(
            cell, lambda name, domain, default: self.decide(name, domain, default, cell.shared)
        )
        return plan(cell.wiring, reader, cell.dim), reader.chosen

    def inputs(self, selection: Selection) -> nn.Module:
        """See `Reading`."""
        taken = self.decide(selection.name, selection.domain, selection.default, selection.shared)
        return plain_inputs(selection, taken)


class _PlainReader:
    """Reads a cell's decisions by asking for their values, and notes the modules to make."""

    def __init__(self, cell: Cell, ask: Callable[[str, Callable[[], Any], Any], Any]) -> None:
        self._cell = cell
        self._ask = ask
        self.chosen: Chosen = {}

    def inputs(self, node: Node) -> tuple[int, ...]:
        """Which of a node's joins are there."""
        return self._ask(node.inputs, lambda: subset_of(node), UNSET)

    def source(self, node: Node, join: Join) -> int:
        """Where a join comes from."""
        return self._ask(join.choose, lambda: source_of(node), UNSET)

    def op(self, path: str, place: Place, name: str) -> int:
        """What the operation at a path is."""
        options = self._cell.options(place)
        value = self._ask(path, lambda: Choice(options), self._cell.default)
        factory = options[value]
        if factory is None:
            return self._cell.kind(value, factory)
        self.chosen[name] = (path, value, factory)
        return MODULE


class Ordinary(Plain):
    """No reading: `Net(10)` is called by hand, and every decision takes its default."""

    def decide(self, name: str, domain: Callable[[], Domain], default: Any, shared: bool) -> Any:
        """See `Reading`."""
        found = domain()
        return found.default if default is UNSET else Decision(name, found, default).default

    def cell(self, cell: Cell) -> nn.Module:
        """See `Reading`."""
        if cell.max_edges is None:
            return super().cell(cell)
        # The defaults of the decisions may break the limit; the space of this cell mends them.
        trace = Trace()
        with reading_as(trace), sketching():
            trace.cell(cell)
        space = Space(trace.tree(), constraints=trace.constraints)
        build = Build(space.default)
        with reading_as(build):
            return build.cell(cell)


class Build(Plain):
    """Every decision takes its value in an architecture."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        super().__init__()
        self.values = values
        self._plans: dict[Any, tuple[Plan, Chosen]] = {}

    def planned(self, cell: Cell, path: str) -> tuple[Plan, Chosen]:
        """See `Plain`; a cell that is met again is planned once."""
        if not isinstance(cell.ops, Mapping):
            return super().planned(cell, path)
        key = (path, cell.wiring, cell.dim, *[v for v, f in cell.ops.items() if f is None])
        found = self._plans.get(key)
        if found is None:
            found = self._plans[key] = super().planned(cell, path)
            return found
        planned, chosen = found
        ops: Any = cell.ops
        return planned, {name: (op, value, ops[value]) for name, (op, value, _) in chosen.items()}

    def decide(self, name: str, domain: Callable[[], Domain], default: Any, shared: bool) -> Any:
        """See `Reading`."""
        try:
            return self.values[name[1:] if name.startswith("/") else self.prefix + name]
        except KeyError:
            raise ArchitectureError(
                f"the constructor asks for the decision {self.path(name)!r}, which the "
                "architecture does not have and the space did not have when it was traced; a "
                "constructor must declare the same decisions each time, or the space must be "
                "made with dynamic=True"
            ) from None


class Symbolic(Reading):
    """Readings in which decisions are elastic values: trace and supernet."""

    def __init__(self) -> None:
        super().__init__()
        self.active = Active()

    def enter(self, name: str, domain: Domain, default: Any, shared: bool) -> Entry:
        """Begin the declaration of a decision; `Entry` says what is to be made under it."""
        raise NotImplementedError

    @contextmanager
    def under(self, entry: Entry, values: tuple[Any, ...], prefix: str) -> Iterator[None]:
        """Declarations inside are live while the decision has one of these values."""
        with self.inside(prefix):
            yield

    def decide(self, name: str, domain: Callable[[], Domain], default: Any, shared: bool) -> Any:
        """See `Reading`."""
        _check_name(name)
        return self.enter(name, self._domain(name, domain), default, shared).leaf

    def _domain(self, name: str, make: Callable[[], Domain]) -> Domain:
        try:
            return make()
        except SpaceError as error:
            raise SpaceError(f"{self.path(name)} (written at {user_origin()}): {error}") from None

    def layer(
        self, name: str, options: Mapping[Any, Factory], default: Any, shared: bool
    ) -> nn.Module:
        """See `Reading`."""
        _check_name(name)
        entry = self.enter(name, self._domain(name, lambda: Choice(options)), default, shared)
        modules = {}
        for value in entry.leaf.domain.values():
            with self.under(entry, (value,), f"{entry.path}={value}/"):
                module = options[value]()
            if not isinstance(module, nn.Module):
                raise not_a_module(f"option {value!r} of layer {entry.path!r}", module)
            modules[value] = module
        return ElasticLayer(entry.leaf, modules)

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
        _check_name(name)
        entry = self.enter(name, Integer(low, high), default, shared)
        counts: Any = tuple(entry.leaf.domain.values())
        items = []
        for i in range(max(counts)):
            live = tuple([n for n in counts if n > i])
            with self.under(entry, live, f"{entry.path}.{i}/"):
                item = factory(i)
            if not isinstance(item, nn.Module):
                raise not_a_module(f"item {i} of repeat {entry.path!r}", item)
            items.append(item)
        kind = ElasticList if as_list else ElasticSequential
        return kind(entry.leaf, items)

    def inputs(self, selection: Selection) -> nn.Module:
        """See `Reading`."""
        leaf = self.decide(selection.name, selection.domain, selection.default, selection.shared)
        return ElasticInputs(leaf, selection)

    def cell(self, cell: Cell) -> nn.Module:
        """See `Reading`."""
        path = self.path(cell.name)
        prefix = path + "/"
        leaves: list[Leaf] = []
        layers: dict[str, nn.Module] = {}
        kinds: dict[str, dict[Any, int]] = {}
        with self.scope(cell.name, cell.shared):
            for node in cell.wiring.nodes:
                inputs = None
                if node.inputs:
                    inputs = self.enter(node.inputs, subset_of(node), UNSET, cell.shared)
                    leaves.append(inputs.leaf)
                for j, join in enumerate(node.joins):
                    if inputs is None:
                        self._join(cell, node, join, leaves, layers, kinds)
                        continue
                    subsets: Any = inputs.leaf.domain.values()
                    live = tuple([subset for subset in subsets if j in subset])
                    if live:  # a restricted space may never take this edge
                        with self.under(inputs, live, prefix):
                            self._join(cell, node, join, leaves, layers, kinds)
                if node.op:
                    place = Place(node.number, None, cell.wiring.n_inputs)
                    self._op(cell, node.op, [(f"node_{node.number}", place)], layers, kinds)
        return ElasticCell(cell.wiring, path, self.active, leaves, layers, kinds, cell.dim)

    def _join(
        self,
        cell: Cell,
        node: Node,
        join: Join,
        leaves: list[Leaf],
        layers: dict[str, nn.Module],
        kinds: dict[str, dict[Any, int]],
    ) -> None:
        sources: Any = (join.source,)
        if join.source is None:
            entry = self.enter(join.choose, source_of(node), UNSET, cell.shared)
            leaves.append(entry.leaf)
            sources = entry.leaf.domain.values()
        if join.op:
            wires = cell.wiring
            places = [
                (wires.name(node, join, source), Place(node.number, source, wires.n_inputs))
                for source in sources
            ]
            self._op(cell, join.op, places, layers, kinds)

    def _op(
        self,
        cell: Cell,
        name: str,
        places: Sequence[tuple[str, Place]],
        layers: dict[str, nn.Module],
        kinds: dict[str, dict[Any, int]],
    ) -> None:
        """One decision of an operation; its modules are made for each place it may be at."""
        first = cell.options(places[0][1])
        entry = self.enter(name, Choice(first), cell.default, cell.shared)
        # What is decided below the operation is the same wherever its edge comes from.
        entry.shared = entry.shared or len(places) > 1
        for module_name, place in places:
            options = cell.options(place)
            if list(options) != list(first):
                raise SpaceError(
                    f"cell {cell.name!r}: the operations of {entry.path!r} must be the same "
                    f"wherever its edge comes from, got {list(first)} and {list(options)}"
                )
            modules = {}
            kinds[module_name] = {}
            for value in entry.leaf.domain.values():
                factory = options[value]  # type: ignore[index]
                kind = kinds[module_name][value] = cell.kind(value, factory)
                if kind == MODULE:
                    assert factory is not None
                    with self.under(entry, (value,), f"{entry.path}={value}/"):
                        module = factory()
                    if not isinstance(module, nn.Module):
                        raise not_a_module(f"operation {value!r} of {entry.path!r}", module)
                    modules[value] = module
            layers[module_name] = ElasticLayer(entry.leaf, modules)
            entry = replace(entry, again=True, branches=[])


@dataclass
class Entry:
    """One decision of a symbolic reading."""

    path: str
    leaf: Leaf
    default: Any
    shared: bool
    branches: list[tuple[tuple[Any, ...], list[Any]]] = field(default_factory=list)
    again: bool = False


class Trace(Symbolic):
    """Notes the tree of decisions."""

    def __init__(self) -> None:
        super().__init__()
        self.roots: list[Any] = []
        self.cells: list[CellGraph] = []
        self.constraints: list[EdgeLimit] = []
        self._slot = self.roots
        self._seen: dict[str, Entry] = {}
        self._cells: dict[str, Cell] = {}
        self._sharing = 0

    @contextmanager
    def inside(self, prefix: str, *, shared: bool = False) -> Iterator[None]:
        """Declarations get this prefix; with `shared`, each may be met again."""
        before, self.prefix = self.prefix, prefix
        self._sharing += shared
        try:
            yield
        finally:
            self.prefix = before
            self._sharing -= shared

    @contextmanager
    def scope(self, name: str, shared: bool) -> Iterator[None]:
        """Declarations get a prefix, and leave all branches when it begins with "/"."""
        before = self._slot
        if name.startswith("/"):
            self._slot = self.roots
        try:
            with self.inside(self.path(name) + "/", shared=shared):
                yield
        finally:
            self._slot = before

    def cell(self, cell: Cell) -> nn.Module:
        """Note a cell, or find it again when it is shared."""
        _check_name(cell.name)
        path = self.path(cell.name)
        known = self._cells.get(path)
        if known is not None:
            return self._cell_again(path, known, cell)
        self._cells[path] = cell
        made = super().cell(cell)
        self.cells.append(cell.graph(path))
        if cell.max_edges is not None:
            self.constraints.append(cell.limit(path))
        return made

    def _cell_again(self, path: str, known: Cell, cell: Cell) -> nn.Module:
        if not ((cell.shared and known.shared) or self._sharing):
            raise SpaceError(
                f"two cells have the path {path!r}, the second at {user_origin()}. Give each its "
                "own name or scope; or, if their decisions are to be the same, write shared=True "
                "in both"
            )
        # Its operations declare nothing new, so they need not be made.
        if cell.wiring != known.wiring:
            raise SpaceError(
                f"the shared cell {path!r} has other nodes, inputs or outputs at "
                f"{user_origin()} than where it was first declared"
            )
        leaves = [
            self._seen[f"{path}/{name}"].leaf
            for node in cell.wiring.nodes
            for name in (node.inputs, *(join.choose for join in node.joins))
            if name
        ]
        return ElasticCell(cell.wiring, path, self.active, leaves, {}, {}, cell.dim)

    @contextmanager
    def under(self, entry: Entry, values: tuple[Any, ...], prefix: str) -> Iterator[None]:
        """Declarations inside go into a branch of the decision."""
        before = self._slot
        self._slot = []
        if entry.again or not values:
            branch: list[Any] = self._slot
        elif entry.branches and entry.branches[-1][0] == values:
            branch = self._slot = entry.branches[-1][1]
        else:
            branch = self._slot
            entry.branches.append((values, branch))
        try:
            with self.inside(prefix, shared=entry.shared):
                yield
        finally:
            self._slot = before
        if entry.again and branch:
            raise SpaceError(
                f"{branch[0].path!r} ({branch[0].leaf.origin}) is declared inside "
                f"{entry.path!r}, which is shared and had no such decision where it was first "
                f"met ({entry.leaf.origin}): what is shared must declare the same each time"
            )

    def enter(self, name: str, domain: Domain, default: Any, shared: bool) -> Entry:
        """Note a decision, or find it again when it is shared."""
        path = self.path(name)
        origin = user_origin()
        shared = shared or self._sharing > 0
        known = self._seen.get(path)
        if known is not None:
            return self._again(known, domain, default, shared, origin)
        # The decision checks the default, and shows its message with the origin.
        Decision(path, domain, origin=origin, **({} if default is UNSET else {"default": default}))
        at_top = name.startswith("/")
        slot = self.roots if at_top else self._slot
        leaf = Leaf(self.active, path, domain, origin)
        entry = Entry(path, leaf, default, shared)
        slot.append(entry)
        self._seen[path] = entry
        return entry

    def _again(
        self, known: Entry, domain: Domain, default: Any, shared: bool, origin: str
    ) -> Entry:
        path, first = known.path, known.leaf.origin
        if not (shared and known.shared):
            raise SpaceError(
                f"two decisions have the path {path!r}: written at {first} and at {origin}. "
                f'Give each its own scope, `with aw.scope("name"):`, or another name; or, if '
                "they are to be one decision, write shared=True in both"
            )
        if domain != known.leaf.domain:
            raise SpaceError(
                f"the shared decision {path!r} has the values {known.leaf.domain.describe()} at "
                f"{first}, but {domain.describe()} at {origin}; what is shared must have the "
                "same values"
            )
        if default is not UNSET and default != known.default:
            raise SpaceError(
                f"the shared decision {path!r} has the default {known.default!r} at {first}, but "
                f"{default!r} at {origin}; give both the same"
            )
        return Entry(path, known.leaf, default, True, again=True)

    def tree(self) -> tuple[Decision, ...]:
        """The decisions noted."""
        return tuple(_decision(entry) for entry in self.roots)


def _decision(entry: Entry) -> Decision:
    branches = [
        Branch(values, [_decision(inner) for inner in inners])
        for values, inners in entry.branches
        if inners
    ]
    given = {} if entry.default is UNSET else {"default": entry.default}
    return Decision(
        entry.path, entry.leaf.domain, branches=tuple(branches), origin=entry.leaf.origin, **given
    )


class Widest(Symbolic):
    """Makes the supernet of a space, which may be narrower than what the constructor says."""

    def __init__(self, space: Space) -> None:
        super().__init__()
        self._space = space
        self._known = {d.path: d for root in space.decisions for d in root.walk()}

    def enter(self, name: str, domain: Domain, default: Any, shared: bool) -> Entry:
        """The decision as the space has it."""
        path = self.path(name)
        decision = self._known.get(path)
        if decision is None:
            raise SpaceError(
                f"the constructor declares the decision {path!r} at {user_origin()}, which was "
                "not there when the space was traced; a constructor must declare the same "
                "decisions each time"
            )
        leaf = Leaf(self.active, path, decision.domain, decision.origin)
        return Entry(path, leaf, default, shared)


def _check_name(name: str) -> None:
    inner = name.removeprefix("/")
    if not inner or any(sign in inner for sign in "/=\n"):
        raise SpaceError(
            f"the name of a decision must be a non-empty string without '/' and '=' (a leading "
            f"'/' puts it at the top), got {name!r} at {user_origin()}"
        )


def not_a_module(what: str, given: Any) -> SpaceError:
    """The error for a factory that answers something else than a module."""
    mend = ""
    if isinstance(given, type) and issubclass(given, nn.Module):
        mend = f"; give the class itself ({given.__name__}) or a function that calls it"
    elif isinstance(given, Elastic):
        mend = f" ({describe_elastic(given)})"
    return SpaceError(
        f"{what} must be made by a function that returns a torch module, got {given!r}{mend}"
    )


ORDINARY = Ordinary()

current: ContextVar[Reading | None] = ContextVar("reading", default=None)


@contextmanager
def reading_as(reading: Reading) -> Iterator[None]:
    """Inside, the words of the language ask this reading."""
    token = current.set(reading)
    try:
        yield
    finally:
        current.reset(token)
