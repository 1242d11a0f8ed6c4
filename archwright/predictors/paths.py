"""The path encoding of cells: which chains of operations lead from an input to the output."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from archwright.errors import InputError
from archwright.predictors.graphs import JOIN, OpGraph

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Path: TypeAlias = tuple[str, ...]

MOST_PATHS = 1_000


def cell_paths(graphs: OpGraph | Mapping[str, OpGraph], *, most: int = MOST_PATHS) -> set[Path]:
    """The distinct paths of a cell, each the operations on it from an input to the output.

    A cell without operations that passes on its input has the empty path. Where a cell has several
    inputs a path begins with the name of its own; where an architecture has several cells, with
    the name of the cell before that.

    Args:
        graphs: a cell's graph, or what `cell_graph` gives for an architecture.
        most: there may be exponentially many paths; beyond so many vertices on the way the longest
            are left out.

    Source: White, Neiswanger and Savani, BANANAS: Bayesian Optimization with Neural Architectures
    for Neural Architecture Search, AAAI 2021, arXiv 1910.11858.

    >>> graph = OpGraph(("input", "conv", "pool", "output"), ((0, 1), (0, 3), (1, 2), (2, 3)))
    >>> sorted(cell_paths(graph))
    [(), ('conv', 'pool')]
    """
    if isinstance(graphs, OpGraph):
        return _paths(graphs, most)
    several = len(graphs) > 1
    return {
        (name, *path) if several else path
        for name, graph in graphs.items()
        for path in _paths(graph, most)
    }


def _paths(graph: OpGraph, most: int) -> set[Path]:
    found: set[Path] = set()
    last = len(graph.labels) - 1
    inputs = graph.inputs
    named = len(inputs) > 1 or (len(inputs) == 1 and graph.labels[inputs[0]] != "input")
    # Step by step from the inputs, equal beginnings at the same vertex once: short paths first.
    front: dict[tuple[int, Path], None] = dict.fromkeys(
        (i, (graph.labels[i],) if named else ()) for i in inputs
    )
    n_steps = 0
    while front and n_steps < most:
        ahead: dict[tuple[int, Path], None] = {}
        for vertex, path in front:
            n_steps += 1
            for after in graph.successors[vertex]:
                if after == last:
                    found.add(path)
                elif graph.labels[after] == JOIN:
                    ahead[after, path] = None
                else:
                    ahead[after, (*path, graph.labels[after])] = None
        front = ahead
    return found


@dataclass(frozen=True)
class PathEncoding:
    """Vectors that say which of a list of paths a cell has.

    Attributes:
        paths: the path that each feature stands for.

    Source: White, Neiswanger and Savani, BANANAS, AAAI 2021, arXiv 1910.11858.

    Differences from the paper: the paper lists all paths that a space allows, shortest first, and
    cuts the list; here those of given architectures are listed, commonest first (in a random
    graph these are the short ones, too), so that a space need not be known in advance.

    >>> encoding = PathEncoding.of([{("conv",), ()}, {("conv",)}])
    >>> encoding.paths
    (('conv',), ())
    >>> encoding.encode([{()}, {("pool",)}]).tolist()
    [[0.0, 1.0], [0.0, 0.0]]
    """

    paths: tuple[Path, ...]
    _place: dict[Path, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_place", {path: i for i, path in enumerate(self.paths)})

    @classmethod
    def of(
        cls, examples: Iterable[Collection[Path]], *, truncate: int | None = None
    ) -> PathEncoding:
        """The encoding with the paths of some architectures.

        Args:
            examples: the paths of each.
            truncate: how many paths to keep, the commonest; None: all.

        Raises:
            InputError: `truncate` is below 1.
        """
        if truncate is not None and truncate < 1:
            raise InputError(f"truncate must be at least 1 or None, got {truncate}")
        counts = Counter(path for paths in examples for path in set(paths))
        order = sorted(counts, key=lambda path: (-counts[path], len(path), path))
        return cls(tuple(order[:truncate]))

    def encode(self, examples: Sequence[Collection[Path]]) -> npt.NDArray[np.float64]:
        """One row for each architecture's paths, shape (n, n_paths), of ones and zeros."""
        import numpy as np

        found = np.zeros((len(examples), len(self.paths)))
        for row, paths in zip(found, examples, strict=True):
            for path in paths:
                place = self._place.get(path)
                if place is not None:
                    row[place] = 1.0
        return found
