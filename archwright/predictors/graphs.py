"""The cells of an architecture as labelled graphs, for kernels, paths and graph features."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from archwright.errors import InputError
from archwright.space import Space
from archwright.space.cells import Atom, CellGraph

OUTPUT = "output"
JOIN = "join"


@dataclass(frozen=True)
class OpGraph:
    """A directed acyclic graph whose vertices are operations.

    Attributes:
        labels: the name of each vertex: "input" ("input0", "input1", ... where there are
            several), an operation, "join" (outputs that are joined before they are concatenated)
            or "output". Vertices are in topological order: inputs first, the output last.
        edges: pairs of vertices (source, destination), sorted; one that counts twice in a sum is
            there twice.

    >>> graph = OpGraph(("input", "conv", "output"), ((0, 1), (1, 2)))
    >>> graph.n_operations, graph.successors
    (1, ((1,), (2,), ()))
    """

    labels: tuple[str, ...]
    edges: tuple[tuple[int, int], ...]

    @cached_property
    def successors(self) -> tuple[tuple[int, ...], ...]:
        """For each vertex those that its edges lead to."""
        found: list[list[int]] = [[] for _ in self.labels]
        for source, destination in self.edges:
            found[source].append(destination)
        return tuple(map(tuple, found))

    @cached_property
    def predecessors(self) -> tuple[tuple[int, ...], ...]:
        """For each vertex those that its edges come from."""
        found: list[list[int]] = [[] for _ in self.labels]
        for source, destination in self.edges:
            found[destination].append(source)
        return tuple(map(tuple, found))

    @property
    def inputs(self) -> tuple[int, ...]:
        """The vertices that are inputs of the cell."""
        return tuple(i for i, before in enumerate(self.predecessors[:-1]) if not before)

    @property
    def n_operations(self) -> int:
        """How many operations there are; inputs, joins and the output do not count."""
        inputs = set(self.inputs)
        last = len(self.labels) - 1
        return sum(
            i not in inputs and i != last and label != JOIN for i, label in enumerate(self.labels)
        )


def cell_graph(space: Space, architecture: Mapping[str, Any]) -> dict[str, OpGraph]:
    """The graphs of an architecture's cells, by the name of the cell.

    Operations on edges (NAS-Bench-201, DARTS, NASNet) become vertices as those on nodes
    (NAS-Bench-101) are. Edges with the cell's `zero` operation, operations on nothing and what
    does not reach the output are gone; the `identity` passes on what comes, so that a skipped step
    is an edge. Cells of which no decision is live are left out; a cell whose output is always zero
    has no edges.

    Architectures that are the same by the cell's rule "graph" (see
    `archwright.space.cells.CellGraph`) give isomorphic graphs.

    Args:
        space: the search space.
        architecture: an architecture of it.

    Raises:
        InputError: the space has no cells.

    >>> from archwright.space import Choice, Space
    >>> from archwright.space.cells import CellGraph
    >>> cell = CellGraph.on_edges(
    ...     "cell",
    ...     1,
    ...     2,
    ...     {(0, 1): "a", (0, 2): "b", (1, 2): "c"},
    ...     output="last",
    ...     zero="none",
    ...     identity="skip",
    ... )
    >>> space = Space({p: Choice(("none", "skip", "conv")) for p in "abc"}, cells=[cell])
    >>> cell_graph(space, {"a": "conv", "b": "skip", "c": "skip"})["cell"]
    OpGraph(labels=('input', 'conv', 'output'), edges=((0, 1), (0, 2), (1, 2)))
    """
    if not space.cells:
        raise InputError(
            "the space has no cells, so there are no graphs: expected one with cells, such as "
            "nasbench201, nasnet or darts. For others use space.encode(architecture)"
        )
    values = space.check(architecture)
    found = {cell.key: one_cell_graph(cell, values) for cell in space.cells}
    return {key: graph for key, graph in found.items() if graph is not None}


def one_cell_graph(cell: CellGraph, values: Mapping[str, Any]) -> OpGraph | None:
    """The graph of one cell of an architecture; None where none of its decisions is live.

    Args:
        cell: one of the space's cells.
        values: an architecture of the space, not checked.
    """
    if cell.paths and not any(path in values for path in cell.paths):
        return None
    return _graph(cell, values)


def paths_within(space: Space, owners: Collection[str]) -> list[str]:
    """The decisions of a space that are among `owners` or below one: the kernel of an operation."""
    starts = tuple(f"{path}{mark}" for path in owners for mark in "=/")
    return [p for p in space.paths if p in owners or p.startswith(starts)]


def paths_outside_cells(space: Space) -> list[str]:
    """The decisions of a space that are no part of its cells, in tree order.

    >>> from archwright.space import Choice, Space
    >>> paths_outside_cells(Space({"width": Choice((16, 32))}))
    ['width']
    """
    inside = set(paths_within(space, {path for cell in space.cells for path in cell.paths}))
    return [p for p in space.paths if p not in inside]


def _graph(cell: CellGraph, values: Mapping[str, Any]) -> OpGraph:
    operations, outputs = cell.operations(values)
    reached: set[int] = set()
    pending = [i for atoms in outputs for kind, i in atoms if kind == "v"]
    while pending:
        i = pending.pop()
        if i not in reached:
            reached.add(i)
            pending += [j for kind, j in operations[i][1] if kind == "v"]
    n = cell.n_inputs
    labels = ["input"] if n == 1 else [f"input{i}" for i in range(n)]
    vertex = {old: n + new for new, old in enumerate(sorted(reached))}
    edges: list[tuple[int, int]] = []

    def at(atom: Atom) -> int:
        return atom[1] if atom[0] == "x" else vertex[atom[1]]

    for old, new in vertex.items():
        name, atoms = operations[old]
        labels.append(name)
        edges += [(at(atom), new) for atom in atoms]
    ends: list[int] = []
    for atoms in outputs:
        if len(outputs) > 1 and len(atoms) > 1:
            edges += [(at(atom), len(labels)) for atom in atoms]
            ends.append(len(labels))
            labels.append(JOIN)
        else:
            ends += [at(atom) for atom in atoms]
    edges += [(end, len(labels)) for end in ends]
    labels.append(OUTPUT)
    return OpGraph(tuple(labels), tuple(sorted(edges)))
