"""How a cell is wired, and what it computes in an architecture."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, fx, nn

from archwright.errors import SpaceError
from archwright.nn.carriers import carrier
from archwright.space import CellEdge, CellGraph, CellNode, Choice, EdgeLimit, Subset

Factory = Callable[[], nn.Module]
Options = Mapping[str, Factory | None]
Output = Literal["last", "concat", "loose", "select"]
OpOn = Literal["edge", "node"]

DROP, PASS, MODULE = range(3)


class Place(NamedTuple):
    """Where in a cell an operation sits.

    Attributes:
        node: the number of its node; the cell's inputs count first.
        source: the number of the node or input that its edge comes from; None for an operation
            on a node.
        n_inputs: the number of the cell's inputs.
    """

    node: int
    source: int | None
    n_inputs: int

    @property
    def from_input(self) -> bool:
        """Whether the edge comes from an input of the cell (a reduction cell strides there)."""
        return self.source is not None and self.source < self.n_inputs


class Join(NamedTuple):
    """One edge into a node."""

    source: int | None  # None: chosen by the decision `choose`
    choose: str
    op: str  # the decision of its operation, "" for none
    slot: str  # what tells edges between the same nodes apart


@dataclass(frozen=True)
class Node:
    """One node of a wiring; decisions are named relative to the cell."""

    number: int
    joins: tuple[Join, ...]
    inputs: str
    n_low: int
    n_high: int
    op: str


@dataclass(frozen=True, eq=False)
class Wiring:
    """What of a cell does not depend on its operations; equal ones are one object."""

    n_inputs: int
    nodes: tuple[Node, ...]
    output: Output

    def name(self, node: Node, join: Join, source: int) -> str:
        """The name of the module on an edge."""
        return f"edge_{source}_{node.number}{join.slot}"


@cache
def wiring(
    n_inputs: int,
    n_nodes: int,
    low: int | None,
    high: int | None,
    replacement: bool,
    on_edge: bool,
    output: Output,
) -> Wiring:
    """The wiring of a cell; `low` None: each node takes all that come before it."""
    nodes = []
    for number in range(n_inputs, n_inputs + n_nodes):
        inputs, n_low, n_high = "", number, number
        if replacement:
            assert high is not None
            joins = [
                Join(None, f"{number}.{k}/from", f"{number}.{k}/op" if on_edge else "", f"_{k}")
                for k in range(high)
            ]
        else:
            joins = [
                Join(source, "", f"{source}-{number}" if on_edge else "", "")
                for source in range(number)
            ]
            if low is not None:
                n_low = min(low, number)
                n_high = number if high is None else min(high, number)
                inputs = f"{number}/inputs" if n_low < number else ""
        nodes.append(
            Node(number, tuple(joins), inputs, n_low, n_high, "" if on_edge else f"{number}/op")
        )
    if output == "select":
        number = n_inputs + n_nodes
        joins = [Join(source, "", "", "") for source in range(number)]
        nodes.append(Node(number, tuple(joins), "output/inputs", 1, number, ""))
    return Wiring(n_inputs, tuple(nodes), output)


class Plan(NamedTuple):
    """What a cell computes in an architecture; equal for equal computations.

    `steps` hold for each node its number, (source, module name) of what it adds up, and the
    name of the module on the sum; "" is no module. Outputs that are nothing are None.
    """

    n_inputs: int
    steps: tuple[tuple[int, tuple[tuple[int, str], ...], str], ...]
    outputs: tuple[int | None, ...]
    dim: int

    def names(self) -> Iterator[str]:
        """The names of the modules, in the order in which they compute."""
        for _, terms, own in self.steps:
            for _, name in terms:
                if name:
                    yield name
            if own:
                yield own


class Reader(Protocol):
    """Answers what an architecture decided about a cell."""

    def inputs(self, node: Node) -> tuple[int, ...]:
        """Which of a node's joins are there."""

    def source(self, node: Node, join: Join) -> int:
        """Where a join comes from."""

    def op(self, path: str, place: Place, name: str) -> int:
        """DROP, PASS or MODULE: what the operation at a path is; `name` is its module's."""


def plan(wires: Wiring, reader: Reader, dim: int) -> Plan:
    """What the cell computes, without what does not reach the output or receives nothing."""
    n_inputs = wires.n_inputs
    steps: dict[int, tuple[int, tuple[tuple[int, str], ...], str]] = {}
    there = set(range(n_inputs))
    used: set[int] = set()
    for node in wires.nodes:
        joins = node.joins
        if node.inputs:
            joins = tuple([joins[j] for j in reader.inputs(node)])
        terms = []
        for join in joins:
            source = join.source
            if source is None:
                source = reader.source(node, join)
            used.add(source)
            name = wires.name(node, join, source) if join.op else ""
            kind = PASS
            if join.op:
                kind = reader.op(join.op, Place(node.number, source, n_inputs), name)
            if kind != DROP and source in there:
                terms.append((source, name if kind == MODULE else ""))
        name, kind = "", PASS
        if node.op:
            name = f"node_{node.number}"
            kind = reader.op(node.op, Place(node.number, None, n_inputs), name)
        if terms and kind != DROP:
            there.add(node.number)
            steps[node.number] = (node.number, tuple(terms), name if kind == MODULE else "")
    outputs = output_numbers(wires, used)
    needed = set(outputs)
    for number in reversed(steps):
        if number in needed:
            needed.update(source for source, _ in steps[number][1])
    return Plan(
        n_inputs,
        tuple([step for number, step in steps.items() if number in needed]),
        tuple([number if number in there else None for number in outputs]),
        dim,
    )


def output_numbers(wires: Wiring, used: set[int]) -> list[int]:
    """The numbers of the nodes that make the output."""
    if wires.output in ("last", "select"):
        return [wires.nodes[-1].number]
    numbers = [node.number for node in wires.nodes]
    return numbers if wires.output == "concat" else [n for n in numbers if n not in used]


def draw(plan: Plan) -> Callable[[fx.Graph], None]:
    """Puts the computation of a plan into a graph."""

    def into(graph: fx.Graph) -> None:
        n = plan.n_inputs
        found: dict[int | None, Any] = {
            i: graph.placeholder("x" if n == 1 else f"x{i}") for i in range(n)
        }
        for number, terms, own in plan.steps:
            total = None
            for source, name in terms:
                term = found[source]
                if name:
                    term = graph.call_module(name, (term,))
                total = term if total is None else graph.call_function(operator.add, (total, term))
            found[number] = graph.call_module(own, (total,)) if own else total
        if None in plan.outputs:
            like = next((i for i in plan.outputs if i is not None), 0)
            found[None] = graph.call_function(torch.zeros_like, (found[like],))
        outputs = [found[number] for number in plan.outputs]
        if len(outputs) == 1:
            graph.output(outputs[0])
        else:
            graph.output(graph.call_function(torch.cat, (outputs, plan.dim)))

    return into


def run(plan: Plan, modules: Mapping[str, Any], inputs: tuple[Tensor, ...]) -> Tensor:
    """Computes what the graph of the plan computes, in the same order."""
    found: dict[int | None, Any] = dict(enumerate(inputs))
    for number, terms, own in plan.steps:
        total = None
        for source, name in terms:
            term = found[source]
            if name:
                term = modules[name](term)
            total = term if total is None else total + term
        found[number] = modules[own](total) if own else total
    if None in plan.outputs:
        like = next((i for i in plan.outputs if i is not None), 0)
        found[None] = torch.zeros_like(found[like])
    outputs = [found[number] for number in plan.outputs]
    return outputs[0] if len(outputs) == 1 else torch.cat(outputs, plan.dim)


@dataclass(frozen=True)
class Cell:
    """A declared cell: its wiring, its operations and how it takes part in `canonical`."""

    name: str
    wiring: Wiring
    ops: Options | Callable[[Place], Options]
    zero: str | None
    identity: str | None
    default: Any
    max_edges: int | None
    shared: bool
    dim: int
    rule: Any

    def options(self, place: Place) -> Options:
        """The operations at a place."""
        if isinstance(self.ops, Mapping):
            return self.ops
        found = self.ops(place)
        if not isinstance(found, Mapping) or not found:
            raise SpaceError(
                f"cell {self.name!r}: ops must answer a mapping from name to module class or "
                f"function for {place}, got {found!r}"
            )
        return found

    def kind(self, value: Any, factory: Any) -> int:
        """DROP, PASS or MODULE for one option."""
        if factory is not None:
            return MODULE
        if value == self.zero:
            return DROP
        if value == self.identity:
            return PASS
        raise SpaceError(
            f"cell {self.name!r}: the operation {value!r} is None, which only the zero "
            f"({self.zero!r}) and the identity ({self.identity!r}) may be"
        )

    def graph(self, path: str) -> CellGraph:
        """The wiring in terms of decisions, for `Space.canonical`."""
        at = path + "/"
        nodes = tuple(
            CellNode(
                tuple(
                    CellEdge(
                        at + join.choose if join.source is None else join.source,
                        at + join.op if join.op else None,
                    )
                    for join in node.joins
                ),
                at + node.inputs if node.inputs else None,
                at + node.op if node.op else None,
            )
            for node in self.wiring.nodes
        )
        output = "last" if self.wiring.output == "select" else self.wiring.output
        return CellGraph(
            path,
            self.wiring.n_inputs,
            nodes,
            output=output,
            zero=self.zero,
            identity=self.identity,
            rule=self.rule,
        )

    def limit(self, path: str) -> EdgeLimit:
        """The limit of `max_edges`, less the edges that are not decided."""
        assert self.max_edges is not None
        nodes = self.wiring.nodes
        n_fixed = sum(len(node.joins) for node in nodes if not node.inputs)
        return EdgeLimit(
            [f"{path}/{node.inputs}" for node in nodes if node.inputs], self.max_edges - n_fixed
        )


def subset_of(node: Node) -> Subset:
    """The domain of a node's inputs."""
    return Subset(len(node.joins), node.n_low, node.n_high)


def source_of(node: Node) -> Choice:
    """The domain of a join's source."""
    return Choice(range(node.number))


def plain_cell(plan: Plan, modules: Mapping[str, nn.Module]) -> fx.GraphModule:
    """The cell of a built network."""
    made = carrier(("cell", plan), draw(plan), modules)
    made.__dict__["n_outputs"] = len(plan.outputs)
    return made
