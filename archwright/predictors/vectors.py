"""Architectures as vectors for networks and trees: features of cells beside the other decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from archwright.errors import InputError
from archwright.predictors.graphs import cell_graph, paths_outside_cells
from archwright.predictors.memo import Remembered
from archwright.predictors.paths import PathEncoding, cell_paths
from archwright.predictors.wl import wl_features
from archwright.space import Architecture, Space

Matrix = npt.NDArray[np.float64]
CellFeatures = Literal["paths", "neighbourhoods"]


class Vectors:
    """Vectors of architectures: what their cells hold, then `Space.encode` of other decisions.

    The features of cells are those that some given architectures have, as a space's own may be
    too many to list. In a space without cells the vectors are those of `Space.encode`.

    Args:
        space: the search space.
        cells: "paths" (which paths there are, see `archwright.predictors.paths`) or
            "neighbourhoods" (how many operations have each neighbourhood, see
            `archwright.predictors.wl`).
        most: at most so many features of cells, the commonest.

    Raises:
        InputError: an unknown kind of features.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32))})
    >>> Vectors(space).of([space.default], like=[space.default]).tolist()
    [[1.0, 0.0]]
    """

    def __init__(self, space: Space, *, cells: CellFeatures = "paths", most: int = 300) -> None:
        if cells not in ("paths", "neighbourhoods"):
            raise InputError(f"cells must be 'paths' or 'neighbourhoods', got {cells!r}")
        self._space, self._cells, self._most = space, cells, most
        outside = set(paths_outside_cells(space))
        columns: list[int] = []
        start = 0
        for path in space.paths:
            n = len(space.decision(path).domain.feature_names(path))
            columns += range(start, start + n) if path in outside else ()
            start += n
        self._columns = np.array(columns, dtype=int)
        self._known = Remembered(self._describe)

    def of(self, architectures: Sequence[Architecture], *, like: Sequence[Architecture]) -> Matrix:
        """The vectors, shape (n, n_features).

        Args:
            architectures: n architectures.
            like: those that say which features of cells there are.
        """
        parts = [self._known[a] for a in architectures]
        rows = np.array([row for _, row in parts])
        if not self._space.cells:
            return rows
        examples = [self._known[a][0] for a in like]
        encoding = PathEncoding.of(examples, truncate=self._most)
        if self._cells == "paths":
            cells = encoding.encode([features for features, _ in parts])
        else:
            cells = np.array(
                [[features.get(x, 0) for x in encoding.paths] for features, _ in parts], dtype=float
            )
            cells = np.log1p(cells)
        return np.concatenate([cells, rows], axis=1)

    def _describe(self, architecture: Architecture) -> tuple[Any, Matrix]:
        features: Any = ()
        if self._space.cells:
            graphs = cell_graph(self._space, architecture)
            if self._cells == "paths":
                features = cell_paths(graphs)
            else:
                features = Counter()
                for i, counter in enumerate(wl_features(graphs, h=2)):
                    features.update({(str(i), label): n for label, n in counter.items()})
        return features, self._space.encode(architecture)[self._columns]
