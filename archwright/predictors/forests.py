"""Ensembles of trees as predictors."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from archwright.errors import MissingExtraError
from archwright.predictors.tables import Table, by_folds

Matrix: TypeAlias = npt.NDArray[np.float64]

N_TREES = 100
N_FOLD_TREES = 40
N_BOOSTS = 5
SHARE = 0.8
LEAST_DEVIATION = 1e-3


@dataclass(frozen=True)
class Forest:
    """A random forest or extra trees; the deviation is that of the trees.

    Args:
        kind: "random_forest" or "extra_trees".
        n_trees: trees.
        max_features: the share of the columns that each split looks at.

    Source: Breiman, Random Forests, Machine Learning 45, 2001; Geurts, Ernst and Wehenkel,
    Extremely Randomized Trees, Machine Learning 63, 2006.
    """

    kind: Literal["random_forest", "extra_trees"] = "extra_trees"
    n_trees: int = N_TREES
    max_features: float = 0.4

    def fit(self, table: Table, targets: Matrix, *, seed: int) -> FittedForest:
        """See `archwright.predictors.tables.Model`."""
        from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor

        kind = ExtraTreesRegressor if self.kind == "extra_trees" else RandomForestRegressor
        model = kind(self.n_trees, max_features=self.max_features, random_state=seed)
        return FittedForest(self, model.fit(table.main, targets), table, targets, seed)


@dataclass(frozen=True)
class FittedForest:
    """A fitted forest."""

    made_by: Forest
    model: Any
    table: Table
    targets: Matrix
    seed: int

    def predict(self, table: Table) -> tuple[Matrix, Matrix]:
        """See `archwright.predictors.tables.Fitted`."""
        rows = np.ascontiguousarray(table.main, dtype=np.float32)
        # The trees themselves: the forest's own predict starts threads and gives no spread.
        each = np.array([tree.tree_.predict(rows)[:, 0] for tree in self.model.estimators_])
        return each.mean(axis=0), np.maximum(each.std(axis=0), LEAST_DEVIATION)

    def held_out(self) -> tuple[Matrix, Matrix]:
        """See `archwright.predictors.tables.Fitted`: by five folds, with fewer trees."""
        n_trees = min(self.made_by.n_trees, N_FOLD_TREES)
        smaller = Forest(self.made_by.kind, n_trees, self.made_by.max_features)
        return by_folds(smaller, self.table, self.targets, seed=self.seed)


@dataclass(frozen=True)
class Boosting:
    """Gradient boosted trees, five times on 80 % of the examples; their spread is the deviation.

    Args:
        library: "gradient_boosting" (scikit-learn), "lightgbm" or "xgboost".
        n_trees: trees of each.
        learning_rate: of each tree.

    Raises:
        MissingExtraError: the library is not installed.

    Source: Friedman, Greedy Function Approximation: A Gradient Boosting Machine, Annals of
    Statistics 29, 2001; Ke et al., LightGBM, NeurIPS 2017; Chen and Guestrin, XGBoost, KDD 2016,
    arXiv 1603.02754.
    """

    library: Literal["gradient_boosting", "lightgbm", "xgboost"] = "gradient_boosting"
    n_trees: int = 150
    learning_rate: float = 0.06

    def check(self) -> None:
        """Refuse before any work if the library is missing."""
        self._new(0)

    def fit(self, table: Table, targets: Matrix, *, seed: int) -> FittedBoosting:
        """See `archwright.predictors.tables.Model`."""
        rows = table.main
        rng = np.random.default_rng(seed)
        models = []
        for i in range(N_BOOSTS):
            some = rng.permutation(len(rows))[: max(2, round(SHARE * len(rows)))]
            models.append(self._new(seed + i).fit(rows[some], targets[some]))
        return FittedBoosting(self, models, table, targets, seed)

    def _new(self, seed: int) -> Any:
        common = {"n_estimators": self.n_trees, "learning_rate": self.learning_rate}
        seed %= 2**31
        if self.library == "gradient_boosting":
            from sklearn.ensemble import GradientBoostingRegressor

            return GradientBoostingRegressor(
                **common, max_depth=4, subsample=0.8, max_features=0.4, random_state=seed
            )
        why = f"for the predictor {self.library!r}"
        if self.library == "lightgbm":
            return _library("lightgbm", why).LGBMRegressor(
                **common,
                num_leaves=15,
                min_child_samples=4,
                subsample=0.8,
                subsample_freq=1,
                colsample_bytree=0.4,
                random_state=seed,
                n_jobs=1,
                verbose=-1,
            )
        return _library("xgboost", why).XGBRegressor(
            **common,
            max_depth=4,
            subsample=0.8,
            colsample_bynode=0.4,
            random_state=seed,
            n_jobs=1,
            verbosity=0,
        )


def _library(name: str, why: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise MissingExtraError(name, "tabular", why) from error


@dataclass(frozen=True)
class FittedBoosting:
    """Fitted boosted trees."""

    made_by: Boosting
    models: list[Any]
    table: Table
    targets: Matrix
    seed: int

    def predict(self, table: Table) -> tuple[Matrix, Matrix]:
        """See `archwright.predictors.tables.Fitted`."""
        rows = table.main
        each = np.array([model.predict(rows) for model in self.models], dtype=float)
        return each.mean(axis=0), np.maximum(each.std(axis=0), LEAST_DEVIATION)

    def held_out(self) -> tuple[Matrix, Matrix]:
        """See `archwright.predictors.tables.Fitted`: by five folds."""
        return by_folds(self.made_by, self.table, self.targets, seed=self.seed)
