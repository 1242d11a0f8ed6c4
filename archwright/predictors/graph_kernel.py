"""A Gaussian process over the graphs of cells as a predictor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from archwright.predictors.gp import GaussianProcess
from archwright.predictors.graphs import cell_graph, paths_outside_cells
from archwright.predictors.kernels import DecisionEmbedding, count_kernel, laplace_kernel
from archwright.predictors.memo import Remembered
from archwright.predictors.sum_process import leave_one_out
from archwright.predictors.tables import Table
from archwright.predictors.wl import wl_features
from archwright.space import Architecture, Space

Matrix: TypeAlias = npt.NDArray[np.float64]


class GraphKernel:
    """A Gaussian process with the Weisfeiler-Lehman kernel of cells, times one of other decisions.

    In a space without cells the kernel is that of the decisions alone. The number of rounds, the
    length scale and the noise are the most probable of a few.

    Args:
        space: the search space.

    Source: Ru, Wan, Dong and Osborne, Interpretable Neural Architecture Search via Bayesian
    Optimisation with Weisfeiler-Lehman Kernels, ICLR 2021, arXiv 2006.07556.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        self._embedding = DecisionEmbedding(space, paths_outside_cells(space))
        self._counts: Remembered[Architecture, list[Counter[str]]] = Remembered(self._count)

    def _count(self, architecture: Architecture) -> list[Counter[str]]:
        found: list[Counter[str]] = []
        total: Counter[str] = Counter()
        for counter in wl_features(cell_graph(self._space, architecture), h=2):
            total = total + counter
            found.append(total)
        return found

    def kernel(
        self, a: Sequence[Architecture], b: Sequence[Architecture], h: int, scale: float
    ) -> Matrix:
        """How alike architectures are, 0 to 1, len(a) x len(b)."""
        found = np.ones((len(a), len(b)))
        if self._space.cells:
            found *= count_kernel([self._counts[x][h] for x in a], [self._counts[x][h] for x in b])
        if self._embedding.paths:
            points = self._embedding.embed(a), self._embedding.embed(b)
            found *= laplace_kernel(*points, scale=scale * len(self._embedding.paths))
        return found

    def fit(self, table: Table, targets: Matrix, *, seed: int = 0) -> FittedGraphKernel:
        """See `archwright.predictors.tables.Model`."""
        del seed
        seen = table.architectures
        mean = float(targets.mean())
        best: FittedGraphKernel | None = None
        for h in (0, 1, 2) if self._space.cells else (0,):
            for scale in (0.2, 0.5, 1.0, 2.0) if self._embedding.paths else (1.0,):
                kernel = self.kernel(seen, seen, h, scale)
                for noise in (0.01, 0.05, 0.2):
                    process = GaussianProcess.fit(kernel, targets - mean, noise=noise)
                    if best is None or process.log_likelihood > best.process.log_likelihood:
                        best = FittedGraphKernel(
                            self, process, seen, targets, mean, h, scale, noise
                        )
        assert best is not None
        return best


@dataclass(frozen=True)
class FittedGraphKernel:
    """A fitted process over graphs."""

    made_by: GraphKernel
    process: GaussianProcess
    seen: Sequence[Architecture]
    targets: Matrix
    mean: float
    h: int
    scale: float
    noise: float

    def predict(self, table: Table) -> tuple[Matrix, Matrix]:
        """See `archwright.predictors.tables.Fitted`."""
        cross = self.made_by.kernel(table.architectures, self.seen, self.h, self.scale)
        mean, deviation = self.process.predict(cross, np.ones(len(cross)))
        noise = self.noise * self.process.amplitude
        return mean + self.mean, np.sqrt(deviation**2 + noise)

    def held_out(self) -> tuple[Matrix, Matrix]:
        """Leave one out, in closed form."""
        mean, deviation = leave_one_out(self.process, self.targets)
        return mean, deviation
