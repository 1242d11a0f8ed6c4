"""What a cell computes in a mixture: which operations of which edges, and their weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from archwright.errors import SpaceError
from archwright.nn.mixture import NotRelaxable
from archwright.nn.wiring import DROP, Join, Node, output_numbers

if TYPE_CHECKING:
    from archwright.nn.containers import ElasticCell
    from archwright.nn.mixture import Mixture

Factor = tuple[str, int]  # a decision's path and a position in its weights


class Edge(NamedTuple):
    """One edge of a mixed cell.

    Attributes:
        source: the number of the node or input it comes from.
        factors: the weights that multiply all of its operations.
        op: the path of the decision of its operation, "" where there is none.
        options: (position, value, kind) of the operations that are computed.
        name: the name of the module that holds them.
    """

    source: int
    factors: tuple[Factor, ...]
    op: str
    options: tuple[tuple[int, Any, int], ...]
    name: str


class Step(NamedTuple):
    """One node of a mixed cell: its edges, and the operations on their sum (`op` "": none)."""

    number: int
    edges: tuple[Edge, ...]
    own: Edge


class MixedPlan(NamedTuple):
    """What a mixed cell computes, without what receives nothing or does not reach the output."""

    steps: tuple[Step, ...]
    outputs: tuple[int | None, ...]


def mixed_plan(cell: ElasticCell, mixture: Mixture) -> MixedPlan:
    """What a cell computes in a mixture.

    Args:
        cell: the cell.
        mixture: with weights for all decisions of the cell that are live.

    Raises:
        NotRelaxable: mixed sources of a cell whose output is made of loose nodes.
    """
    wires = cell._wiring
    there, used = set(range(wires.n_inputs)), set()
    steps: dict[int, Step] = {}
    for node in wires.nodes:
        edges = []
        for join, factors in _joins(cell, node, mixture):
            for source, more in _sources(cell, node, join, mixture):
                used.add(source)
                edge = _edge(cell, node, join, source, factors + more, mixture)
                if source in there and edge is not None:
                    edges.append(edge)
        own = _own(cell, node, mixture)
        if edges and own is not None:
            there.add(node.number)
            steps[node.number] = Step(node.number, tuple(edges), own)
    outputs = output_numbers(wires, used)
    needed = set(outputs)
    for number in reversed(steps):
        if number in needed:
            needed.update(edge.source for edge in steps[number].edges)
    return MixedPlan(
        tuple([step for number, step in steps.items() if number in needed]),
        tuple([number if number in there else None for number in outputs]),
    )


def _joins(
    cell: ElasticCell, node: Node, mixture: Mixture
) -> Iterator[tuple[Join, tuple[Factor, ...]]]:
    """The edges into a node that are computed, and the weights of taking them."""
    if not node.inputs:
        yield from ((join, ()) for join in node.joins)
        return
    path = cell._prefix + node.inputs
    _refuse_loose(cell, path, mixture)
    for j in mixture.positions(path):
        yield node.joins[j], ((path, j),)


def _sources(
    cell: ElasticCell, node: Node, join: Join, mixture: Mixture
) -> Iterator[tuple[int, tuple[Factor, ...]]]:
    """Where an edge may come from, and the weights of that."""
    if join.source is not None:
        yield join.source, ()
        return
    path = cell._prefix + join.choose
    positions = mixture.positions(path)
    if len(positions) > 1:
        _refuse_loose(cell, path, mixture)
    values = cell._domains[path].values()
    sources: Any = list(values)
    for k in positions:
        yield sources[k], ((path, k),)


def _refuse_loose(cell: ElasticCell, path: str, mixture: Mixture) -> None:
    if cell._wiring.output == "loose" and path not in mixture.values:
        raise NotRelaxable(
            [path], "the cell's output is made of the nodes that no edge starts from"
        )


def _edge(
    cell: ElasticCell,
    node: Node,
    join: Join,
    source: int,
    factors: tuple[Factor, ...],
    mixture: Mixture,
) -> Edge | None:
    """One edge; None where nothing passes it."""
    if not join.op:
        return Edge(source, factors, "", (), "")
    name = cell._wiring.name(node, join, source)
    if name not in cell._kinds:  # a restricted space may never take this edge
        return None
    path = cell._prefix + join.op
    options = _options(cell, path, name, mixture)
    return Edge(source, factors, path, options, name) if options else None


def _own(cell: ElasticCell, node: Node, mixture: Mixture) -> Edge | None:
    """The operations on a node's sum; None where nothing passes them."""
    if not node.op:
        return Edge(node.number, (), "", (), "")
    path, name = cell._prefix + node.op, f"node_{node.number}"
    options = _options(cell, path, name, mixture)
    return Edge(node.number, (), path, options, name) if options else None


def _options(
    cell: ElasticCell, path: str, name: str, mixture: Mixture
) -> tuple[tuple[int, Any, int], ...]:
    """The operations of an edge that are computed and are not nothing."""
    if path not in mixture.weights:
        raise SpaceError(f"{path}: the mixture has no weights for this decision")
    kinds = list(cell._kinds[name].items())
    return tuple([(k, *kinds[k]) for k in mixture.positions(path) if kinds[k][1] != DROP])


def check_shapes(path: str, one: torch.Size, other: torch.Size) -> None:
    """Raises where what is to be added up has different shapes.

    Raises:
        NotRelaxable: it has.
    """
    if one != other:
        raise NotRelaxable(
            [path] if path else [],
            f"what a node adds up has different shapes, {tuple(one)} and {tuple(other)}",
        )
