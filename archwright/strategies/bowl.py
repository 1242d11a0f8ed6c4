"""NAS-BOWL: Bayesian optimisation with a Weisfeiler-Lehman kernel on cells."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.errors import InputError
from archwright.predictors.graphs import cell_graph, paths_outside_cells
from archwright.predictors.kernels import DecisionEmbedding, count_kernel, laplace_kernel
from archwright.predictors.wl import wl_features
from archwright.space import Architecture, Space
from archwright.strategies.base import remembered
from archwright.strategies.bayesian import (
    Fitting,
    Kernel,
    Surrogate,
    likeliest,
    propose_by_expected_improvement,
)
from archwright.strategies.gaussian_process import DecisionKernel
from archwright.strategies.population import check_counts, refuse_several
from archwright.strategies.vectors import refuse_dynamic
from archwright.trials import History, Objective, Proposal

SHARES = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Shares of the kernel that decisions outside the cells may have."""
WIDTHS = (None, 0.3, 0.1, 0.03)
"""Length scales of the kernel on cells; None: the inner product itself."""


@dataclass(frozen=True)
class NASBOWL:
    """A Gaussian process over the graphs of cells; what improves most in expectation comes next.

    The kernel counts the neighbourhoods of operations that two cells have in common
    (`archwright.predictors.wl`), so that cells which are the same network are the same to it. How
    far neighbourhoods reach and how noisy scores are is chosen by marginal likelihood. In a space
    with decisions outside its cells the kernel is a weighted sum with one over these decisions, as
    in `gp`; in a space without cells it is `gp`. Trials that failed count as the worst; what is
    being evaluated counts with the mean predicted for it.

    Args:
        n_initial: random architectures before the model is asked.
        n_candidates: how many architectures the expected improvement is computed for each time;
            half are mutations of the best, half are random.
        n_parents: how many of the best are mutated.
        max_h: neighbourhoods reach at most so many steps.

    Raises:
        InputError: an argument out of range.

    Source: Ru, Wan, Dong and Osborne, Interpretable Neural Architecture Search via Bayesian
    Optimisation with Weisfeiler-Lehman Kernels, ICLR 2021, arXiv 2006.07556.

    Differences from the paper: where the marginal likelihood prefers it, the kernel is an
    exponential of the paper's; skipped steps are edges, and not operations; neighbourhoods hold
    what comes before and what comes after; scores are replaced by the normal quantiles of their
    ranks, in place of the logarithm of the error; asynchronous workers by the predicted mean.

    >>> NASBOWL(max_h=2).max_h
    2
    """

    n_initial: int = 10
    n_candidates: int = 200
    n_parents: int = 10
    max_h: int = 3

    def __post_init__(self) -> None:
        check_counts(
            n_initial=self.n_initial, n_candidates=self.n_candidates, n_parents=self.n_parents
        )
        if not 0 <= self.max_h <= 10:
            raise InputError(f"max_h must lie between 0 and 10, got {self.max_h}")

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse several objectives, and a dynamic space."""
        refuse_several("nas_bowl", objective)
        refuse_dynamic("nas_bowl", space)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        surrogate = remembered(history, self, lambda: Surrogate(self._kernel(history.space)))
        fitting = Fitting(self.n_initial, self.n_candidates, self.n_parents)
        return propose_by_expected_improvement(history, rng, surrogate, fitting)

    def _kernel(self, space: Space) -> Kernel:
        return _CellKernel(space, self.max_h) if space.cells else DecisionKernel(space)


class _CellKernel:
    """Settings: reach of the neighbourhoods, length scale; share and scale of other decisions."""

    def __init__(self, space: Space, max_h: int) -> None:
        self._space, self._max_h = space, max_h
        others = paths_outside_cells(space)
        self._others = DecisionEmbedding(space, others) if others else None
        hs = range(max_h + 1)
        self.settings: list[tuple[int, float | None, float, float]] = [
            (h, width, 0.0, 1.0) for h in hs for width in WIDTHS
        ]
        if others:
            self.settings = list(itertools.product(hs, (None, 0.1), SHARES, (0.5, 2.0, 8.0)))

    def describe(self, architecture: Architecture) -> Any:
        # Features up to each reach, in one counter each.
        rounds = wl_features(cell_graph(self._space, architecture), h=self._max_h)
        upto: list[Counter[str]] = []
        total: Counter[str] = Counter()
        for i, counter in enumerate(rounds):
            total = total + Counter({f"{i}{label}": n for label, n in counter.items()})
            upto.append(total)
        row = None if self._others is None else self._others.embed([architecture])[0]
        return upto, row

    def matrix(
        self, a: Sequence[Any], b: Sequence[Any], setting: tuple[int, float | None, float, float]
    ) -> npt.NDArray[np.float64]:
        h, width, share, scale = setting
        cells = count_kernel([x[0][h] for x in a], [x[0][h] for x in b])
        if width is not None:
            cells = np.exp((cells - 1) / width)
        if self._others is None:
            return cells
        rows = laplace_kernel(np.array([x[1] for x in a]), np.array([x[1] for x in b]), scale=scale)
        return (1 - share) * cells + share * rows

    def choose(
        self, points: Sequence[Any], targets: npt.NDArray[np.float64]
    ) -> tuple[tuple[int, float | None, float, float], float]:
        return likeliest(self, points, targets, self.settings)[:2]
