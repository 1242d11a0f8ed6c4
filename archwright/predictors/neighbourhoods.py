"""Weisfeiler-Lehman features of many cells at once, as vectors."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from archwright.predictors.graf import PaddedGraphs

Matrix: TypeAlias = npt.NDArray[np.float64]
Codes: TypeAlias = npt.NDArray[np.uint64]

ROUNDS = 2
MOST_KNOWN = 300


@dataclass(frozen=True)
class Neighbourhoods:
    """Vectors that say how often each of a list of neighbourhoods occurs in a graph.

    What `archwright.predictors.wl.wl_features` counts, of thousands of graphs in one go. The
    counts are given as ``log(1 + count)``.

    Args:
        known: the codes of the neighbourhoods that are counted, sorted.
        direction: whether a vertex's neighbourhood is what lies before it ("in") or behind ("out").

    Source: Shervashidze et al., Weisfeiler-Lehman Graph Kernels, JMLR 2011.

    Differences from the paper: a neighbourhood's code is a 64-bit sum of mixed codes in place of a
    new letter; that two of them meet has a probability of about 1e-14.

    >>> from archwright.predictors.graphs import OpGraph
    >>> graph = OpGraph(("input", "conv", "conv", "output"), ((0, 1), (1, 2), (2, 3)))
    >>> padded = PaddedGraphs.of([graph])
    >>> counted = Neighbourhoods.of(padded, "in").encode(padded)
    >>> np.expm1(counted).round().sum()  # four vertices, three radii
    np.float64(12.0)
    """

    known: Codes
    direction: Literal["in", "out"]

    @classmethod
    def of(cls, graphs: PaddedGraphs, direction: Literal["in", "out"]) -> Neighbourhoods:
        """Those that occur in some graphs; of very many, the commonest.

        Args:
            graphs: the graphs.
            direction: see `Neighbourhoods`.
        """
        codes, there = _codes(graphs, direction)
        seen, counts = np.unique(codes[there], return_counts=True)
        kept = np.argsort(-counts, kind="stable")[:MOST_KNOWN]
        return cls(np.sort(seen[kept]), direction)

    def encode(self, graphs: PaddedGraphs) -> Matrix:
        """One row for each graph, n x n_known."""
        codes, there = _codes(graphs, self.direction)
        n, n_known = len(codes), len(self.known)
        place = np.minimum(np.searchsorted(self.known, codes), n_known - 1)
        hit = there & (self.known[place] == codes)
        flat = (np.arange(n)[:, None] * n_known + place.reshape(n, -1))[hit.reshape(n, -1)]
        return np.log1p(np.bincount(flat, minlength=n * n_known).reshape(n, n_known))


def _codes(graphs: PaddedGraphs, direction: str) -> tuple[Codes, npt.NDArray[np.bool_]]:
    """The code of each vertex in each round, n x rounds x n_vertices, and which vertices exist."""
    kinds = [*graphs.names, "\0input", "\0output", "\0join"]
    named = np.array([_digest(kind) for kind in kinds], dtype=np.uint64)
    labels = np.where(graphs.inputs, len(kinds) - 3, graphs.labels)  # -1: a join
    labels[:, -1] = len(kinds) - 2
    edges = graphs.edges.astype(np.uint64)
    if direction == "in":
        edges = edges.transpose(0, 2, 1)
    there = graphs.inputs | (graphs.edges.sum(axis=1) > 0)
    there[:, -1] = True
    codes = named[labels]
    rounds = [codes]
    for i in range(ROUNDS):
        # The sum does not depend on the order of the neighbours.
        around = np.einsum("nij,nj->ni", edges, _mix(codes))
        codes = _mix(codes * np.uint64(3) + around + np.uint64(i + 1))
        rounds.append(codes)
    stacked = np.stack(rounds, axis=1)
    return stacked, np.broadcast_to(there[:, None], stacked.shape)


def _digest(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "little")


def _mix(codes: Codes) -> Codes:
    """The finisher of splitmix64: spreads each bit over all."""
    codes = (codes ^ (codes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    codes = (codes ^ (codes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return codes ^ (codes >> np.uint64(31))
