"""Ridge regression, networks and the additive process as predictors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from archwright.predictors.additive import AdditiveProcess
from archwright.predictors.mlp import MlpEnsemble
from archwright.predictors.tables import Table, by_folds

Matrix: TypeAlias = npt.NDArray[np.float64]

LEAST_DEVIATION = 1e-3
SHARE = 0.8  # of the examples that each network sees: so they differ where little is known


@dataclass(frozen=True)
class Ridge:
    """Linear regression with a penalty that is chosen by leave-one-out errors.

    Args:
        penalties: what is chosen from, relative to the mean square of the singular values.

    Source: Hoerl and Kennard, Ridge Regression, Technometrics 12, 1970.
    """

    penalties: Sequence[float] = tuple(10.0**p for p in np.arange(-4, 2.1, 0.5))

    def fit(self, table: Table, targets: Matrix, *, seed: int = 0) -> FittedRidge:
        """See `archwright.predictors.tables.Model`."""
        del seed
        rows = table.all
        centre, mean = rows.mean(axis=0), float(targets.mean())
        u, s, vt = np.linalg.svd(rows - centre, full_matrices=False)
        y = targets - mean
        best: tuple[float, Any] | None = None
        size = float((s**2).mean())
        # Of one architecture, however often, nothing is learnt of the others but the mean.
        alphas = [penalty * size + 1e-12 for penalty in self.penalties] if size > 1e-12 else [1.0]
        for alpha in alphas:
            shrunk = s**2 / (s**2 + alpha)
            leverage = np.minimum((u**2) @ shrunk + 1 / len(y), 1 - 1e-9)
            error = (y - u @ (shrunk * (u.T @ y))) / (1 - leverage)
            score = float((error**2).mean())
            if best is None or score < best[0]:
                best = (score, (alpha, leverage, error))
        assert best is not None
        alpha, leverage, error = best[1]
        weights = vt.T @ (s / (s**2 + alpha) * (u.T @ y))
        noise = float(((error * (1 - leverage)) ** 2).sum() / max(1.0, (1 - leverage).sum()))
        return FittedRidge(centre, mean, weights, vt, s, alpha, noise, targets - error, leverage)


@dataclass(frozen=True)
class FittedRidge:
    """A fitted ridge regression."""

    centre: Matrix
    mean: float
    weights: Matrix
    basis: Matrix
    singular: Matrix
    alpha: float
    noise: float
    left_out: Matrix
    leverage: Matrix

    def predict(self, table: Table) -> tuple[Matrix, Matrix]:
        """See `archwright.predictors.tables.Fitted`."""
        rows = table.all - self.centre
        along = rows @ self.basis.T
        inside = (along**2 / (self.singular**2 + self.alpha)).sum(axis=1)
        outside = np.maximum((rows**2).sum(axis=1) - (along**2).sum(axis=1), 0.0) / self.alpha
        deviation = np.sqrt(self.noise * (1 + inside + outside))
        return rows @ self.weights + self.mean, np.maximum(deviation, LEAST_DEVIATION)

    def held_out(self) -> tuple[Matrix, Matrix]:
        """Leave one out, in closed form."""
        deviation = np.sqrt(self.noise / (1 - self.leverage))
        return self.left_out, np.maximum(deviation, LEAST_DEVIATION)


@dataclass(frozen=True)
class Networks:
    """An ensemble of feed-forward networks; the deviation is that of the networks.

    Args:
        ranking: fitted to which of two architectures is better, not to how good they are.
        n_networks: how many.
        depth: hidden layers.
        width: units of each.
        epochs: passes over the examples.

    Source: White, Neiswanger and Savani, BANANAS, AAAI 2021, arXiv 1910.11858; the pairwise loss
    is that of Burges et al., Learning to Rank using Gradient Descent, ICML 2005.
    """

    ranking: bool = False
    n_networks: int = 5
    depth: int = 2
    width: int = 64
    epochs: int = 200

    def fit(self, table: Table, targets: Matrix, *, seed: int) -> FittedNetworks:
        """See `archwright.predictors.tables.Model`."""
        rows = table.main
        unit = rows.std(axis=0)
        unit[unit < 1e-9] = 1.0
        ensemble = MlpEnsemble.fit(
            rows / unit,
            targets,
            seed=seed,
            n_networks=self.n_networks,
            depth=self.depth,
            width=self.width,
            epochs=self.epochs,
            learning_rate=0.003,
            loss="rank" if self.ranking else "mse",
            share=SHARE,
        )
        lines = [fitted_line(own, targets) for own in ensemble.predict(rows / unit)]
        if not self.ranking:
            lines = [(1.0, 0.0)] * len(lines)
        return FittedNetworks(self, ensemble, unit, np.array(lines), table, targets, seed)


def fitted_line(scores: Matrix, targets: Matrix) -> tuple[float, float]:
    """Slope and intercept that take scores of any scale to targets; the slope is never negative.

    >>> fitted_line(np.array([0.0, 1.0]), np.array([1.0, 3.0]))
    (2.0, 1.0)
    """
    spread = float(scores.var())
    covariance = float(((scores - scores.mean()) * (targets - targets.mean())).mean())
    slope = max(covariance / spread, 0.0) if spread > 1e-12 else 0.0
    return slope, float(targets.mean() - slope * scores.mean())


@dataclass(frozen=True)
class FittedNetworks:
    """Fitted networks."""

    made_by: Networks
    ensemble: MlpEnsemble
    unit: Matrix
    lines: Matrix
    table: Table
    targets: Matrix
    seed: int

    def predict(self, table: Table) -> tuple[Matrix, Matrix]:
        """See `archwright.predictors.tables.Fitted`."""
        each = self.ensemble.predict(table.main / self.unit)
        each = each * self.lines[:, :1] + self.lines[:, 1:]
        return each.mean(axis=0), np.maximum(each.std(axis=0), LEAST_DEVIATION)

    def held_out(self) -> tuple[Matrix, Matrix]:
        """See `archwright.predictors.tables.Fitted`: by five folds."""
        return by_folds(self.made_by, self.table, self.targets, seed=self.seed)


@dataclass(frozen=True)
class Additive:
    """`archwright.predictors.additive.AdditiveProcess` over the groups of features."""

    def fit(self, table: Table, targets: Matrix, *, seed: int = 0) -> FittedAdditive:
        """See `archwright.predictors.tables.Model`."""
        places: dict[str, slice] = {}
        start = 0
        for name, rows in table.groups.items():
            # The process weighs the decisions by themselves; it knows them by this name.
            known = "decisions" if name == "one_hot" else name
            places[known] = slice(start, start + rows.shape[1])
            start += rows.shape[1]
        process = AdditiveProcess(table.all, targets[:, None], places)
        return FittedAdditive(self, process, table, targets, seed)


@dataclass(frozen=True)
class FittedAdditive:
    """A fitted additive process."""

    made_by: Additive
    process: AdditiveProcess
    table: Table
    targets: Matrix
    seed: int

    def predict(self, table: Table) -> tuple[Matrix, Matrix]:
        """See `archwright.predictors.tables.Fitted`."""
        mean, deviation = self.process.predict(table.all)
        return mean[:, 0], deviation[:, 0]

    def held_out(self) -> tuple[Matrix, Matrix]:
        """See `archwright.predictors.tables.Fitted`: by five folds."""
        return by_folds(self.made_by, self.table, self.targets, seed=self.seed)
