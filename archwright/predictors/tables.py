"""What a model of a predictor reads, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from archwright.space import Architecture

Matrix: TypeAlias = npt.NDArray[np.float64]

N_FOLDS = 5
# Of these it is the common scale of a group that matters: a rare column must not be blown up.
SCALED_TOGETHER = ("one_hot", "outside", "wl", "paths", "adjacency")
# Parts of a view of the whole that other groups give better, where there are others.
BY_DECISION = ("one_hot", "wl")


@dataclass(frozen=True)
class Table:
    """Architectures and their features.

    Attributes:
        architectures: n architectures.
        groups: name -> features, n x n_features.

    >>> table = Table([], {"one_hot": np.ones((0, 2)), "graph": np.zeros((0, 3))})
    >>> table.main.shape, table.all.shape
    ((0, 3), (0, 5))
    """

    architectures: Sequence[Architecture]
    groups: Mapping[str, Matrix]

    @property
    def main(self) -> Matrix:
        """All columns but those of ``one_hot`` and ``wl``; all if there are no others."""
        some = [rows for name, rows in self.groups.items() if name not in BY_DECISION]
        return np.concatenate(some, axis=1) if some and len(self.groups) > 1 else self.all

    @property
    def n_main_groups(self) -> int:
        """Of how many groups `main` has columns."""
        return sum(n not in BY_DECISION for n in self.groups) or len(self.groups)

    @property
    def all(self) -> Matrix:
        """All columns."""
        if not self.groups:
            return np.zeros((len(self.architectures), 0))
        return np.concatenate(list(self.groups.values()), axis=1)

    def take(self, rows: npt.NDArray[np.intp]) -> Table:
        """Some of the architectures."""
        listed = [self.architectures[i] for i in rows]
        return Table(listed, {name: matrix[rows] for name, matrix in self.groups.items()})


class Fitted(Protocol):
    """A model that has seen architectures and their targets."""

    def predict(self, table: Table) -> tuple[Matrix, Matrix]:
        """Mean and standard deviation, n each, on the scale of the targets."""

    def held_out(self) -> tuple[Matrix, Matrix]:
        """The same for the architectures it has seen, each as if it had not seen it."""


class Model(Protocol):
    """What can be fitted; frozen, so that fitting leaves no trace."""

    def fit(self, table: Table, targets: Matrix, *, seed: int) -> Fitted:
        """Fit to architectures and targets, which are about standard normal.

        Args:
            table: n architectures and their features.
            targets: n numbers.
            seed: of whatever is random.
        """


@dataclass(frozen=True)
class Scaling:
    """Centres and scales the features, so that random architectures are about 1 apart in a group.

    Attributes:
        parts: for each group the columns that vary, their means and what to divide them by.
    """

    parts: Mapping[str, tuple[npt.NDArray[np.intp], Matrix, Matrix]]

    @classmethod
    def of(cls, groups: Mapping[str, Matrix]) -> Scaling:
        """The scaling that some architectures give."""
        parts = {}
        for name, rows in groups.items():
            spread = rows.std(axis=0)
            kept = np.flatnonzero(spread > 1e-9)
            if not len(kept):
                continue
            divisor = spread[kept] * np.sqrt(2 * len(kept))
            if name in SCALED_TOGETHER:
                divisor = np.full(len(kept), np.sqrt(2 * (spread[kept] ** 2).sum()))
            parts[name] = (kept, rows[:, kept].mean(axis=0), divisor)
        return cls(parts)

    def of_groups(self, groups: Mapping[str, Matrix]) -> dict[str, Matrix]:
        """The scaled features."""
        return {
            name: (groups[name][:, kept] - mean) / divisor
            for name, (kept, mean, divisor) in self.parts.items()
        }


def by_folds(model: Any, table: Table, targets: Matrix, *, seed: int) -> tuple[Matrix, Matrix]:
    """Predictions of each architecture by a model that was fitted to others (five folds).

    Args:
        model: a `Model`.
        table: the architectures.
        targets: their targets.
        seed: of the folds and of the model.
    """
    n = len(targets)
    fold = np.random.default_rng(seed).permutation(n) % min(N_FOLDS, n)
    mean, deviation = np.zeros(n), np.zeros(n)
    for i in range(fold.max() + 1):
        out = np.flatnonzero(fold == i)
        kept = np.flatnonzero(fold != i)
        fitted = model.fit(table.take(kept), targets[kept], seed=seed)
        mean[out], deviation[out] = fitted.predict(table.take(out))
    return mean, deviation
