"""Graph features of many cells at once: counts, path lengths, ways and degrees by operation."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from archwright.predictors.graphs import JOIN, OpGraph

Matrix: TypeAlias = npt.NDArray[np.float64]

MOST_IN_ALL_SUBSETS = 4
_FAR = 1e6


@dataclass(frozen=True)
class PaddedGraphs:
    """Graphs of one cell in arrays of equal size, the output last.

    Attributes:
        edges: how many edges lead from one vertex to another, n x n_vertices x n_vertices. The
            graph's own vertices but the output stand first, in topological order.
        labels: the number of each vertex's operation in `names`; -1: an input, the output, a
            join or no vertex, n x n_vertices.
        inputs: which vertices are inputs, n x n_vertices.
        names: the operations, sorted.

    >>> graph = OpGraph(("input", "conv", "output"), ((0, 1), (1, 2)))
    >>> padded = PaddedGraphs.of([graph, OpGraph(("input", "output"), ((0, 1),))])
    >>> padded.names, padded.edges.shape
    (('conv',), (2, 3, 3))
    >>> padded.labels.tolist()
    [[-1, 0, -1], [-1, -1, -1]]
    """

    edges: Matrix
    labels: npt.NDArray[np.int64]
    inputs: npt.NDArray[np.bool_]
    names: tuple[str, ...]

    @classmethod
    def of(
        cls,
        graphs: Sequence[OpGraph | None],
        names: Sequence[str] | None = None,
        *,
        rename: Callable[[str], str] = str,
    ) -> PaddedGraphs:
        """The arrays of some graphs.

        Args:
            graphs: the graphs; None: a cell that is not live, which has no edges.
            names: the operations that are told apart, others are none; None: all that occur.
            rename: what to call a vertex's operation.
        """
        if names is None:
            seen: set[str] = set()
            for graph in graphs:
                seen.update(inner_labels(graph) if graph is not None else ())
            names = sorted(seen)
        code = {name: i for i, name in enumerate(names)}
        n_vertices = max((len(g.labels) for g in graphs if g is not None), default=2)
        edges = np.zeros((len(graphs), n_vertices, n_vertices))
        labels = np.full((len(graphs), n_vertices), -1, dtype=np.int64)
        inputs = np.zeros((len(graphs), n_vertices), dtype=bool)
        where: list[tuple[int, int, int]] = []
        for row, graph in enumerate(graphs):
            if graph is None:
                continue
            last = len(graph.labels) - 1
            starts = set(range(last))
            for source, destination in graph.edges:
                starts.discard(destination)
                where.append((row, source, -1 if destination == last else destination))
            for i in range(last):
                if i in starts:
                    inputs[row, i] = True
                else:
                    labels[row, i] = code.get(rename(graph.labels[i]), -1)
        if where:
            np.add.at(edges, tuple(np.array(where).T), 1.0)
        return cls(edges, labels, inputs, tuple(names))

    def adjacency(self, n_vertices: int) -> tuple[Matrix, list[str]]:
        """The adjacency encoding: edges between vertices, and each vertex's operation.

        Args:
            n_vertices: vertices that are encoded; of larger graphs the last ones before the output
                are cut.

        Returns:
            A matrix, n x n_features, and the names of its columns.

        Source: White, Neiswanger, Nolen and Savani, A Study on Encodings for Neural Architecture
        Search, NeurIPS 2020, arXiv 2007.04965.
        """
        n, size = self.labels.shape
        edges = np.zeros((n, n_vertices, n_vertices))
        onehot = np.zeros((n, n_vertices, len(self.names)))
        some = min(size, n_vertices) - 1
        edges[:, :some, :some] = self.edges[:, :some, :some]
        edges[:, :some, -1] = self.edges[:, :some, -1]
        onehot[:, :some] = self.labels[:, :some, None] == np.arange(len(self.names))
        a, b = np.triu_indices(n_vertices, 1)
        names = [f"{i} to {j}" for i, j in zip(a.tolist(), b.tolist(), strict=True)]
        names += [f"{i}: {name}" for i in range(n_vertices) for name in self.names]
        return np.concatenate([edges[:, a, b], onehot.reshape(n, -1)], axis=1), names


def inner_labels(graph: OpGraph) -> list[str]:
    """The operations of a graph, one for each vertex that is one."""
    outer = {*graph.inputs, len(graph.labels) - 1}
    return [x for i, x in enumerate(graph.labels) if i not in outer and x != JOIN]


def operation_subsets(names: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The subsets of operations that features are taken of: a name for each -> its operations.

    All subsets of up to four operations. Of more: none, each, those whose names share a word, the
    complements of these, and all.

    >>> list(operation_subsets(["conv", "pool"]))
    ['none', 'conv', 'pool', 'conv+pool']
    """
    if len(names) <= MOST_IN_ALL_SUBSETS:
        found = [s for n in range(len(names) + 1) for s in itertools.combinations(names, n)]
    else:
        words: dict[str, list[str]] = {}
        for name in names:
            for word in dict.fromkeys(re.findall(r"[a-z]{2,}", name.lower())):
                words.setdefault(word, []).append(name)
        some: list[tuple[str, ...]] = [*((n,) for n in names), *map(tuple, words.values())]
        rest = [tuple(n for n in names if n not in s) for s in some]
        found = list(dict.fromkeys([(), *some, *rest, tuple(names)]))
    return {"+".join(subset) or "none": subset for subset in found}


def graph_features(graphs: PaddedGraphs) -> tuple[Matrix, tuple[str, ...]]:
    """Features of the graphs for each subset of the operations, and their names.

    For each subset, with all other operations taken away: whether the input is still joined to the
    output, by how many ways (the logarithm of 1 + the number), the fewest and the most operations
    on such a way (0 where there is none). With all operations in place: how many are of the
    subset; the most, the fewest and the mean number of them on the ways from input to output; the
    number met by the signal, which is the mean where each vertex weighs what comes into it alike;
    how many edges lead from inputs to them and from them to the output, and how many into and out
    of each. Last, how often each operation follows each other one.

    Args:
        graphs: the graphs of one cell in n architectures.

    Returns:
        A matrix, n x n_features, and the names of its columns.

    Source: Kadlecova, Lukasik, Pilat, Vidnerova, Safari, Neruda and Hutter, Surprisingly Strong
    Performance Prediction with Neural Graph Features, ICML 2024, arXiv 2404.16551.

    Differences from the paper: of the graph of what has an effect (see
    `archwright.predictors.graphs.cell_graph`), where a skipped step is an edge and no operation;
    ways, operations on ways in place of vertices, what the signal meets, and pairs are added.

    >>> graph = OpGraph(("input", "conv", "output"), ((0, 1), (0, 2), (1, 2)))
    >>> values, names = graph_features(PaddedGraphs.of([graph]))
    >>> found = dict(zip(names, values[0].tolist()))
    >>> found["conv: operations"], found["conv: met by the signal"], found["conv > output"]
    (1.0, 0.5, 1.0)
    """
    subsets = operation_subsets(graphs.names)
    # -1, what is no operation, is the last column: in no subset.
    member = np.zeros((len(subsets), len(graphs.names) + 1), dtype=bool)
    for row, subset in zip(member, subsets.values(), strict=True):
        row[:-1] = [name in subset for name in graphs.names]
    inside = member.T[graphs.labels]  # n x n_vertices x n_subsets
    operation = (graphs.labels >= 0)[:, :, None]
    counted = inside.astype(float)
    ways, fewest, most = _through(graphs, ~operation | inside, operation.astype(float))
    all_ways, least_of, most_of = _through(graphs, np.ones_like(inside), counted)
    joined = (ways > 0).astype(float)
    linked = (all_ways > 0).astype(float)
    edges = graphs.edges
    count = counted.sum(axis=1)
    some = np.maximum(count, 1.0)
    from_input = np.einsum("ni,nij->nj", graphs.inputs, edges)
    parts = {
        "joined": joined,
        "ways": np.log2(1 + ways),
        "shortest": fewest * joined,
        "longest": most * joined,
        "operations": count,
        "most on a way": most_of * linked,
        "fewest on a way": least_of * linked,
        "mean on a way": _mean_on_ways(graphs, counted),
        "met by the signal": _met(graphs, counted),
        "from input": np.einsum("nj,njs->ns", from_input, counted),
        "to output": np.einsum("ni,nis->ns", edges[:, :, -1], counted),
        "edges in": np.einsum("ni,nis->ns", edges.sum(axis=1), counted) / some,
        "edges out": np.einsum("ni,nis->ns", edges.sum(axis=2), counted) / some,
    }
    names = [f"{subset}: {part}" for part in parts for subset in subsets]
    pairs, pair_names = _pairs(graphs)
    return np.concatenate([*parts.values(), pairs], axis=1), (*names, *pair_names)


def _through(
    graphs: PaddedGraphs, allowed: npt.NDArray[np.bool_], length: Matrix
) -> tuple[Matrix, Matrix, Matrix]:
    """Ways from inputs to the output by allowed vertices: how many, the shortest, the longest."""
    n, size, n_subsets = allowed.shape
    ways = np.zeros((n, size, n_subsets))
    short = np.full((n, size, n_subsets), _FAR)
    long = np.full((n, size, n_subsets), -_FAR)
    length = np.broadcast_to(length, allowed.shape)
    for v in range(size):
        into = graphs.edges[:, :v, v]
        ways[:, v] = np.einsum("ni,nis->ns", into, ways[:, :v])
        if v:
            gone = (into == 0)[:, :, None] * _FAR
            short[:, v] = (short[:, :v] + gone).min(axis=1)
            long[:, v] = (long[:, :v] - gone).max(axis=1)
        start = graphs.inputs[:, v, None]
        ways[:, v] = np.where(start, 1.0, ways[:, v]) * allowed[:, v]
        short[:, v] = np.where(start, 0.0, short[:, v]) + length[:, v]
        long[:, v] = np.where(start, 0.0, long[:, v]) + length[:, v]
        shut = ~allowed[:, v]
        short[:, v][shut] = _FAR
        long[:, v][shut] = -_FAR
    return ways[:, -1], short[:, -1], long[:, -1]


def _mean_on_ways(graphs: PaddedGraphs, counted: Matrix) -> Matrix:
    """How many operations of each subset a way from input to output has, on average."""
    n, size, n_subsets = counted.shape
    ways = np.zeros((n, size))
    total = np.zeros((n, size, n_subsets))
    for v in range(size):
        into = graphs.edges[:, :v, v]
        before = np.einsum("ni,ni->n", into, ways[:, :v])
        ways[:, v] = np.where(graphs.inputs[:, v], 1.0, before)
        total[:, v] = np.einsum("ni,nis->ns", into, total[:, :v]) + counted[:, v] * ways[:, v, None]
    found: Matrix = total[:, -1] / np.maximum(ways[:, -1], 1.0)[:, None]
    return found


def _met(graphs: PaddedGraphs, counted: Matrix) -> Matrix:
    """How many operations of each subset lie behind the output, each vertex taking a mean."""
    met = np.zeros_like(counted)
    for v in range(counted.shape[1]):
        into = graphs.edges[:, :v, v]
        share = into / np.maximum(into.sum(axis=1), 1.0)[:, None]
        met[:, v] = np.einsum("ni,nis->ns", share, met[:, :v]) + counted[:, v]
    return met[:, -1]


def _pairs(graphs: PaddedGraphs) -> tuple[Matrix, list[str]]:
    """How many edges lead from each kind of vertex to each other."""
    kinds = [*graphs.names, "input", "output"]
    onehot = (graphs.labels[:, :, None] == np.arange(len(kinds))).astype(float)
    onehot[:, :, -2] = graphs.inputs
    onehot[:, -1, -1] = 1.0
    ahead = np.einsum("nij,njb->nib", graphs.edges, onehot)
    pairs = np.einsum("nia,nib->nab", onehot, ahead)
    return pairs.reshape(len(pairs), -1), [f"{a} > {b}" for a in kinds for b in kinds]
