"""Kernel densities over the decisions of any space, conditional ones included."""

from __future__ import annotations

import math
from collections.abc import Sequence
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.predictors.memo import Remembered
from archwright.space import Architecture, Choice, Decision, Domain, Integer, Real, Space
from archwright.space.domains import Value
from archwright.strategies.vectors import grow, position, value_at

Numbers = npt.NDArray[np.float64]

_ABSENT = -1.0


class Codes:
    """Architectures as rows of numbers: an option's number, or a place between 0 and 1.

    What is not live is -1 and counts as a value of its own.

    Args:
        space: a space whose decisions are known beforehand.

    >>> from archwright.space import choice, integer
    >>> codes = Codes(Space({"op": choice(["conv", "pool"]), "depth": integer(1, 5)}))
    >>> codes([codes.space.check({"op": "pool", "depth": 2})]).tolist()
    [[1.0, 0.25]]
    """

    def __init__(self, space: Space) -> None:
        self.space = space
        self.domains = [space.decision(path).domain for path in space.paths]
        self.ordered = np.array([isinstance(d, Integer | Real) for d in self.domains], dtype=bool)
        roots = {decision.path for decision in space.decisions}
        sizes = [1.0 if isinstance(d, Integer | Real) else float(d.size) for d in self.domains]
        self.n_values = np.array(
            [n + (path not in roots) for n, path in zip(sizes, space.paths, strict=True)]
        )
        self._known = Remembered(self._row)

    def __call__(self, architectures: Sequence[Architecture]) -> Numbers:
        """Shape (n, n_decisions)."""
        return np.array([self._known[a] for a in architectures]).reshape(-1, len(self.domains))

    def _row(self, architecture: Architecture) -> list[float]:
        return [
            _code(domain, architecture[path]) if path in architecture else _ABSENT
            for path, domain in zip(self.space.paths, self.domains, strict=True)
        ]


def _code(domain: Domain, value: Any) -> float:
    if isinstance(domain, Integer | Real):
        return position(domain, value)
    if isinstance(domain, Choice):
        return float(domain.index(value))
    return float(sum(1 << i for i in value))  # a subset: its bits as one number


class Density:
    """A mean of product kernels, one for each observation.

    For values without order the kernel of Aitchison and Aitken (Multivariate binary
    discrimination by the kernel method, Biometrika 63(3), 1976), for numbers a Gaussian.

    Args:
        codes: of the space.
        architectures: the observations.
        min_width: the narrowest kernel.
    """

    def __init__(
        self, codes: Codes, architectures: Sequence[Architecture], min_width: float
    ) -> None:
        self._codes = codes
        self._rows = codes(architectures)
        n, d = self._rows.shape
        shrink = n ** (-1.0 / (4 + d))  # Scott's rule
        spread = np.empty(d)
        for j in range(d):
            column = self._rows[:, j]
            live = column[column != _ABSENT]
            if codes.ordered[j]:
                spread[j] = live.std() if len(live) else 0.0
            else:
                _, counts = np.unique(column, return_counts=True)
                spread[j] = 1.0 - float(((counts / n) ** 2).sum())
        widest = np.where(codes.ordered, 1.0, 1.0 - 1.0 / codes.n_values)
        self.widths: Numbers = np.minimum(np.maximum(spread * shrink, min_width), widest)

    def log(self, architectures: Sequence[Architecture]) -> Numbers:
        """Its logarithm, shape (n,)."""
        rows = self._codes(architectures)
        total = np.zeros((len(rows), len(self._rows)))
        for j in range(rows.shape[1]):
            a, b = rows[:, j, None], self._rows[None, :, j]
            h = float(self.widths[j])
            others = max(float(self._codes.n_values[j]) - 1.0, 1.0)
            equal = a == b
            kernel = np.where(equal, math.log(max(1.0 - h, 1e-12)), math.log(h / others))
            if self._codes.ordered[j]:
                both = (a != _ABSENT) & (b != _ABSENT)
                gauss = -0.5 * ((a - b) / h) ** 2 - math.log(h * math.sqrt(2 * math.pi))
                kernel = np.where(both, gauss, kernel)
            total += kernel
        most = total.max(axis=1)
        mean: Numbers = most + np.log(np.exp(total - most[:, None]).mean(axis=1))
        return mean


def draw_near(
    codes: Codes, centre: Architecture, widths: Numbers, factor: float, rng: Random
) -> Architecture | None:
    """One draw from the kernel around an observation; None where it breaks an edge limit.

    Decisions that become live are drawn at random.
    """
    width_of = dict(zip(codes.space.paths, widths, strict=True))

    def value(decision: Decision) -> Value:
        domain = decision.domain
        if decision.path not in centre:
            return domain.sample(rng)
        own: Any = centre[decision.path]
        width = factor * float(width_of[decision.path])
        if isinstance(domain, Integer | Real):
            return _moved(domain, position(domain, own), width, rng)
        if domain.size > 1 and rng.random() < width:
            own = domain.other(own, rng)
        return own

    made = grow(codes.space, value)
    return codes.space.check(made) if codes.space.contains(made) else None


def _moved(domain: Integer | Real, place: float, width: float, rng: Random) -> Value:
    for _ in range(10):
        moved = rng.gauss(place, width)
        if 0.0 <= moved <= 1.0:
            return value_at(domain, moved)
    return value_at(domain, min(max(moved, 0.0), 1.0))
