"""Weisfeiler-Lehman features: how often each neighbourhood occurs in a labelled graph."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from typing import Literal, TypeAlias

from archwright.errors import InputError
from archwright.predictors.graphs import OpGraph

Direction: TypeAlias = Literal["both", "in", "out"]


def wl_features(
    graphs: OpGraph | Mapping[str, OpGraph], *, h: int = 2, direction: Direction = "both"
) -> tuple[Counter[str], ...]:
    """The Weisfeiler-Lehman features of a graph, for each number of iterations up to `h`.

    The features of iteration 0 are the labels of the vertices. In each further iteration a
    vertex's label is joined with the sorted labels of its neighbours; the features of iteration i
    are thus the neighbourhoods of radius i, each with the number of vertices that have it.
    Isomorphic graphs have equal features.

    Args:
        graphs: a cell's graph, or what `cell_graph` gives for an architecture; features of several
            cells are told apart by the cell's name.
        h: number of iterations.
        direction: whether a vertex's neighbours are those that its edges come from ("in"), lead to
            ("out"), or both, told apart.

    Returns:
        h + 1 counters, label -> number of vertices. Labels are equal in every process.

    Raises:
        InputError: `h` is negative, or an unknown direction.

    Source: Shervashidze, Schweitzer, van Leeuwen, Mehlhorn and Borgwardt, Weisfeiler-Lehman Graph
    Kernels, JMLR 2011; for architectures Ru, Wan, Dong and Osborne, Interpretable Neural
    Architecture Search via Bayesian Optimisation with Weisfeiler-Lehman Kernels, ICLR 2021,
    arXiv 2006.07556.

    >>> graph = OpGraph(("input", "conv", "conv", "output"), ((0, 1), (1, 2), (2, 3)))
    >>> labels, neighbourhoods = wl_features(graph, h=1)
    >>> labels == {"input": 1, "conv": 2, "output": 1}, sorted(neighbourhoods.values())
    (True, [1, 1, 1, 1])
    """
    if h < 0:
        raise InputError(f"h must not be negative, got {h}")
    if direction not in ("both", "in", "out"):
        raise InputError(f"direction must be one of both, in, out, got {direction!r}")
    if isinstance(graphs, OpGraph):
        return tuple(map(Counter, _rounds(graphs, h, direction)))
    found: list[Counter[str]] = [Counter() for _ in range(h + 1)]
    several = len(graphs) > 1
    for name, graph in graphs.items():
        for counter, labels in zip(found, _rounds(graph, h, direction), strict=True):
            counter.update(f"{name}:{label}" for label in labels) if several else counter.update(
                labels
            )
    return tuple(found)


def _rounds(graph: OpGraph, h: int, direction: Direction) -> list[list[str]]:
    labels = list(graph.labels)
    rounds = [labels]
    ins = graph.predecessors if direction != "out" else None
    outs = graph.successors if direction != "in" else None
    for _ in range(h):
        after = []
        for v, label in enumerate(labels):
            parts = [label]
            if ins is not None:
                parts += ["<", *sorted(labels[u] for u in ins[v])]
            if outs is not None:
                parts += [">", *sorted(labels[u] for u in outs[v])]
            after.append(_short("\0".join(parts)))
        labels = after
        rounds.append(labels)
    return rounds


def _short(text: str) -> str:
    # Neighbourhoods grow exponentially with the radius; their digests do not.
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
