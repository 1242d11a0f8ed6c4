"""One ranking from several proxies, over a population of networks.

Sources: Lee and Ham, "AZ-NAS", CVPR 2024, arXiv:2403.19232 (the non-linear ranking, here
"non_linear"); Tybl and Neumann, VKDNW, CVPR 2025, arXiv:2502.04975 (with other proxies).

Let r be a network's place by one proxy among N, counted from the worst (1) to the best (N), equal
ones sharing their mean. "rank_sum": mean of r / N. "log_rank": minus the mean of log((N + 1 - r) /
N), by which the best few stand out. "non_linear": mean of log(r / N), by which a network that is
bad by any proxy falls behind. Larger is better in all three.

Differences from the papers: means instead of sums, so that a proxy without a value for a network
can be left out of it - it then counts as the worst, for "log_rank" and the others alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from archwright.errors import InputError, unknown_name
from archwright.proxies.registry import PROXIES, resolve, upward

Table = Sequence[Mapping[str, float]]
Array = npt.NDArray[np.float64]

HOWS: Final = ("non_linear", "rank_sum", "log_rank")
"""Ways to make one ranking of several, none of which is fitted."""


class Ranking:
    """Places networks within a population of reference.

    Args:
        population: the scores of some networks, as `score` gives them.
        names: proxies or groups; by default all that any of the networks has.
        how: one of `HOWS`.
        weights: proxy -> how much it counts, where that is not once.

    Raises:
        InputError: the population is empty, no network has one of the proxies, or a weight is not
            a positive number or that of a proxy which is not ranked by.
        UnknownNameError: a name or way is not known.

    >>> population = [{"params": 10.0, "naswot": 3.0}, {"params": 20.0, "naswot": 1.0}]
    >>> ranking = Ranking(population, how="rank_sum")
    >>> [float(ranking(scores)) for scores in population]
    [0.75, 0.75]
    """

    def __init__(
        self,
        population: Table,
        names: str | Iterable[str] | None = None,
        *,
        how: str = "non_linear",
        weights: Mapping[str, float] | None = None,
    ) -> None:
        if how not in HOWS:
            raise unknown_name("way to rank", how, HOWS)
        self.how = how
        self.names = names_in(population, names)
        self.weights = dict.fromkeys(self.names, 1.0) | dict(weights or {})
        for name, weight in self.weights.items():
            if name not in self.names or not 0 < weight < math.inf:
                raise InputError(
                    f"weights must be positive numbers of {', '.join(self.names)}; got "
                    f"{name!r}: {weight!r}"
                )
        self._known = {n: np.sort(_column(population, n, keep=False)) for n in self.names}
        for name, known in self._known.items():
            if not len(known):
                raise InputError(f"none of the {len(population)} networks has a value of {name!r}")
        self._n = len(population)

    def __call__(self, scores: Mapping[str, float]) -> float:
        """Where a network stands; larger is better."""
        return float(self.all([scores])[0])

    def all(self, table: Table) -> Array:
        """Where each of some networks stands."""
        total = np.zeros(len(table))
        for name in self.names:
            share = self.places(name, _column(table, name)) / self._n
            if self.how == "rank_sum":
                value = share
            elif self.how == "log_rank":
                value = -np.log(1 + 1 / self._n - share)
            else:
                value = np.log(share)
            total += self.weights[name] * value
        return total / sum(self.weights.values())

    def places(self, name: str, values: Array) -> Array:
        """Places from the worst; between 1 and the population's size, what is missing at 1."""
        known = self._known[name]
        below = np.searchsorted(known, values, side="left")
        upto = np.searchsorted(known, values, side="right")
        n_missing = self._n - len(known)
        # For one of the population itself: the mean of the places of those that are equal.
        places = n_missing + np.where(upto > below, (below + upto + 1) / 2, below + 0.5)
        places = np.where(np.isnan(values), (1 + max(1, n_missing)) / 2, places)
        return np.clip(places, 1, self._n)


def aggregate(
    population: Table,
    names: str | Iterable[str] | None = None,
    *,
    how: str = "non_linear",
    weights: Mapping[str, float] | None = None,
) -> list[float]:
    """One number for each network of a population, from its places by several proxies.

    Args:
        population: the scores of the networks, as `score` gives them.
        names: proxies or groups; by default all that any of the networks has.
        how: one of `HOWS`.
        weights: proxy -> how much it counts, where that is not once.

    Returns:
        A number for each, larger is better.

    Raises:
        InputError: the population is empty, no network has one of the proxies, or a weight is not
            a positive number or that of a proxy which is not ranked by.
        UnknownNameError: a name or way is not known.

    >>> aggregate([{"params": 1.0}, {"params": 3.0}, {"params": 2.0}], how="rank_sum")
    [0.3333333333333333, 1.0, 0.6666666666666666]
    """
    return Ranking(population, names, how=how, weights=weights).all(population).tolist()


class Fitted:
    """A combination of proxies fitted to measured values.

    Each proxy is replaced by its quantile among the networks that were fitted, and a missing value
    by 0; what is predicted is the value's rank, so that one wild value does no harm.

    Args:
        names: proxies or groups; by default all that the networks have.
        model: "ridge" or "gbdt" (gradient boosting), both scikit-learn's.
        seed: of gradient boosting.

    Raises:
        UnknownNameError: the model or a name is not known.

    >>> table = [{"params": float(i), "naswot": float(-i % 7)} for i in range(20)]
    >>> fitted = Fitted(["params", "naswot"]).fit(table, list(range(20)))
    >>> bool(fitted.predict([table[15]])[0] > fitted.predict([table[3]])[0])
    True
    """

    MODELS: Final = ("ridge", "gbdt")

    def __init__(
        self, names: str | Iterable[str] | None = None, *, model: str = "ridge", seed: int = 0
    ) -> None:
        if model not in self.MODELS:
            raise unknown_name("model", model, self.MODELS)
        self.model = model
        self.seed = seed
        self._asked = None if names is None else resolve(names)
        self._ranking: Ranking | None = None
        self._fitted: Any = None

    def fit(self, table: Table, values: Sequence[float]) -> Fitted:
        """Learn from the scores of networks and what was measured of them (larger is better).

        Raises:
            InputError: fewer than three networks, other lengths, or values that are not finite.
        """
        y = np.asarray(values, dtype=float)
        if len(table) != len(y) or len(y) < 3 or not np.isfinite(y).all():
            raise InputError(
                f"fit takes the scores of at least 3 networks and one finite value for each, got "
                f"{len(table)} and {len(y)}"
            )
        from scipy.stats import rankdata

        self._ranking = Ranking(table, self._asked, how="rank_sum")
        if self.model == "ridge":
            from sklearn.linear_model import RidgeCV

            self._fitted = RidgeCV(alphas=np.logspace(-3, 3, 13))
        else:
            from sklearn.ensemble import GradientBoostingRegressor

            self._fitted = GradientBoostingRegressor(
                n_estimators=200, max_depth=3, learning_rate=0.05, subsample=0.8,
                random_state=self.seed,
            )  # fmt: skip
        self._fitted.fit(self._features(table), rankdata(y) / len(y))
        return self

    def predict(self, table: Table) -> list[float]:
        """For each network the predicted share of the fitted ones that are no better.

        Raises:
            InputError: it was not fitted.
        """
        if self._ranking is None:
            raise InputError("call fit(table, values) before predict")
        predicted: list[float] = self._fitted.predict(self._features(table)).tolist()
        return predicted

    def _features(self, table: Table) -> Array:
        assert self._ranking is not None
        columns = []
        for name in self._ranking.names:
            values = _column(table, name)
            share = self._ranking.places(name, values) / self._ranking._n
            share[np.isnan(values)] = 0
            columns += [share, np.log(share + 0.5 / self._ranking._n)]
        return np.stack(columns, axis=1)


def names_in(population: Table, names: str | Iterable[str] | None) -> list[str]:
    """The proxies to rank by.

    Raises:
        InputError: there is no network, or none has a proxy.
    """
    if not len(population):
        raise InputError("the population is empty; give the scores of at least one network")
    if names is not None:
        return resolve(names)
    found = dict.fromkeys(name for scores in population for name in scores if name in PROXIES)
    if not found:
        raise InputError(f"none of the {len(population)} networks has a score of a known proxy")
    return list(found)


def _column(table: Table, name: str, *, keep: bool = True) -> Array:
    """Values by which larger is better; what is missing is NaN, or left out."""
    values = np.array([upward(scores, name) for scores in table])
    return values if keep else values[~np.isnan(values)]
