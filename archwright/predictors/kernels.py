"""Kernels between architectures: Weisfeiler-Lehman on cells, Hamming-type on decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.space import Choice, Space, Subset

Matrix = npt.NDArray[np.float64]


def count_kernel(a: Sequence[Counter[str]], b: Sequence[Counter[str]]) -> Matrix:
    """Inner products of counters, each of length one, shape (len(a), len(b)).

    With the Weisfeiler-Lehman features of graphs (all iterations in one counter) this is the
    normalised Weisfeiler-Lehman subtree kernel. An empty counter is equal to empty ones only.

    Source: Shervashidze et al., Weisfeiler-Lehman Graph Kernels, JMLR 2011.

    >>> count_kernel([Counter("aab")], [Counter("aab"), Counter("b")]).round(3).tolist()
    [[1.0, 0.447]]
    """
    place: dict[str, int] = {"": 0}
    for counter in (*a, *b):
        for label in counter:
            place.setdefault(label, len(place))
    rows = []
    for counters in (a, b):
        row = np.zeros((len(counters), len(place)))
        for i, counter in enumerate(counters):
            row[i, [place[label] for label in counter]] = list(counter.values())
            row[i, 0] = not counter
        rows.append(row / np.linalg.norm(row, axis=1, keepdims=True))
    found: Matrix = rows[0] @ rows[1].T
    return found


class DecisionEmbedding:
    """Points whose distance (sum of absolute differences) says how different decisions are.

    Each decision adds to the distance of two architectures: nothing where it is live in neither,
    1 where it is live in one only, and where it is live in both, for a Choice of names 1 if they
    differ; for a Choice of numbers (in order), an Integer or a Real the distance of their
    positions scaled to 0..1; for a Subset the share of things that are in one only. As these are
    distances of points, ``exp(-distance)`` is a kernel (positive definite).

    Args:
        space: the search space.
        paths: the decisions that count; None: all.

    Source: the mixed Hamming kernel with the treatment of inactive parameters follows Hutter and
    Osborne, A Kernel for Hierarchical Parameter Spaces, 2013, arXiv 1310.5738.

    Differences from the paper: absolute differences in place of arcs on a circle.

    >>> from archwright.space import Choice, Integer, Space
    >>> space = Space({"op": Choice(("a", "b", "c")), "depth": Integer(1, 5)})
    >>> points = DecisionEmbedding(space).embed([{"op": "a", "depth": 1}, {"op": "c", "depth": 3}])
    >>> float(np.abs(points[0] - points[1]).sum())
    1.5
    """

    def __init__(self, space: Space, paths: Sequence[str] | None = None) -> None:
        self._columns: dict[str, slice] = {}
        self._domains = {
            p: space.decision(p).domain for p in (space.paths if paths is None else paths)
        }
        start = 0
        for path, domain in self._domains.items():
            if isinstance(domain, Subset):
                width = 2 * domain.n
            elif isinstance(domain, Choice) and not _ordered(domain):
                width = domain.size
            else:
                width = 2
            self._columns[path] = slice(start, start + width + 1)
            start += width + 1
        self.width = start
        self._rows: dict[tuple[str, Any], list[float]] = {}

    @property
    def paths(self) -> tuple[str, ...]:
        """The decisions that count."""
        return tuple(self._columns)

    def weights(self, of: Sequence[float]) -> Matrix:
        """For each column the weight of its decision: points times these differ by weighted sums.

        Args:
            of: a weight for each of `paths`.
        """
        widths = [columns.stop - columns.start for columns in self._columns.values()]
        return np.repeat(np.asarray(of, dtype=float), widths)

    def embed(self, architectures: Sequence[Mapping[str, Any]]) -> Matrix:
        """The points, shape (n, width)."""
        # Live: halves that differ by the distance. Not live: zeros, and a half that says so.
        found = np.zeros((len(architectures), self.width))
        found[:, [columns.stop - 1 for columns in self._columns.values()]] = 0.5
        for row, architecture in zip(found, architectures, strict=True):
            for path, value in architecture.items():
                if path in self._columns:
                    row[self._columns[path]] = self._row(path, value)
        return found

    def _row(self, path: str, value: Any) -> list[float]:
        known = self._rows.get((path, value))
        if known is not None:
            return known
        domain = self._domains[path]
        if isinstance(domain, Subset):
            bits = domain.features(value)
            n = max(domain.n, 1)
            row = [bit / (2 * n) for bit in bits] + [(1 - bit) / (2 * n) for bit in bits]
        elif isinstance(domain, Choice) and not _ordered(domain):
            row = [bit / 2 for bit in domain.features(value)]
        else:
            if isinstance(domain, Choice):
                x = domain.index(value) / max(domain.size - 1, 1)
            else:
                (x,) = domain.features(value)
            row = [x / 2, (1 - x) / 2]
        row.append(0.0)
        if len(self._rows) < 100_000:
            self._rows[path, value] = row
        return row


def laplace_kernel(a: Matrix, b: Matrix, *, scale: float) -> Matrix:
    """``exp(-distance / scale)`` of points by sums of absolute differences, shape (n, m).

    >>> laplace_kernel(np.array([[0.0]]), np.array([[1.0]]), scale=1.0).round(3).tolist()
    [[0.368]]
    """
    from scipy.spatial.distance import cdist

    found: Matrix = np.exp(-cdist(a, b, "cityblock") / scale)
    return found


def _ordered(domain: Choice) -> bool:
    numbers = [v for v in domain.values() if isinstance(v, int | float) and not isinstance(v, bool)]
    return len(numbers) == domain.size and numbers == sorted(numbers)
