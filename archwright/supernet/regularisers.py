"""Regularisers of the strengths, and changes of the weights, of the published methods."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from archwright.supernet.relaxations import Dirichlet, Relaxation
from archwright.supernet.strengths import Strengths


@dataclass(frozen=True)
class Beta:
    """The log-sum-exp of the strengths of each decision, with a weight that grows (beta-DARTS).

    Args:
        most: weight at the end; it begins at 0.
    """

    most: float = 50.0

    def __call__(self, strengths: Strengths, relaxation: Relaxation, progress: float) -> Tensor:
        """See `Regulariser`."""
        logs = [
            strengths.of_values(path).logsumexp(0)
            for path, one in strengths.decisions.items()
            if path in strengths.values and one.mixed
        ]
        return self.most * progress * torch.stack(logs).mean() if logs else torch.zeros(())


@dataclass(frozen=True)
class NearUniform:
    """The distance of Dirichlet concentrations from ones (DrNAS).

    Args:
        weight: of the distance.
    """

    weight: float = 1e-3

    def __call__(self, strengths: Strengths, relaxation: Relaxation, progress: float) -> Tensor:
        """See `Regulariser`."""
        concentration = getattr(relaxation, "concentration", Dirichlet().concentration)
        squares = [
            (concentration(value) - 1.0).square().sum()
            for path, value in strengths.values.items()
            if strengths.decisions[path].mixed
        ]
        total = torch.stack(squares).sum() if squares else torch.zeros(())
        return self.weight * (total + 1e-12).sqrt()


@dataclass(frozen=True)
class ZeroOne:
    """Pushes sigmoids towards 0 or 1 (FairDARTS).

    Args:
        weight: of the mean squared distance from one half, which is to be great.
    """

    weight: float = 10.0

    def __call__(self, strengths: Strengths, relaxation: Relaxation, progress: float) -> Tensor:
        """See `Regulariser`."""
        found = [
            (value.sigmoid() - 0.5).square()
            for path, value in strengths.values.items()
            if strengths.decisions[path].mixed and strengths.decisions[path].is_operation
        ]
        return -self.weight * torch.cat(found).mean() if found else torch.zeros(())


@dataclass(frozen=True)
class AuxiliarySkip:
    """A skip connection beside each edge, with a weight that falls to zero (DARTS-).

    Args:
        first: its weight at the beginning.
    """

    first: float = 1.0

    def __call__(
        self, path: str, weights: Tensor, strengths: Strengths, *, progress: float, phase: str
    ) -> Tensor:
        """See `Change`."""
        skips = strengths.decisions[path].skips if path in strengths.decisions else ()
        if not skips:
            return weights
        more = torch.zeros_like(weights)
        more[skips[0]] = self.first * (1.0 - progress)
        return weights + more


@dataclass(frozen=True)
class SkipDropout:
    """Leaves pass-through operations out by chance, ever more rarely (P-DARTS).

    Args:
        first: the probability at the beginning.
    """

    first: float = 0.3

    def __call__(
        self, path: str, weights: Tensor, strengths: Strengths, *, progress: float, phase: str
    ) -> Tensor:
        """See `Change`."""
        skips = strengths.decisions[path].skips if path in strengths.decisions else ()
        p = self.first * (1.0 - progress)
        if not skips or p <= 0:
            return weights
        kept = float(torch.rand(()) >= p) / (1.0 - p)
        factor = torch.ones_like(weights)
        factor[list(skips)] = kept
        return weights * factor
