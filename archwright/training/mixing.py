"""Mixup and CutMix: training on blends of two rows of the same batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Mixed:
    """A blended batch: row `i` is made of row `i` and of row `n - 1 - i` of the batch it came from.

    Attributes:
        x: batch x ..., the blended inputs.
        share: how much of its own row each holds, between 0 and 1; the loss is
            `share * loss(outputs, y) + (1 - share) * loss(outputs, y.flip(0))`.
    """

    x: Tensor
    share: float


def _beta(alpha: float, generator: torch.Generator) -> float:
    # torch's Beta takes no generator: two gamma variables by way of Marsaglia and Tsang would do,
    # but Johnk's method is shorter, exact, and quick for the alpha <= 1 that is used here.
    while True:
        u, v = torch.rand(2, generator=generator, dtype=torch.float64).tolist()
        a, b = u ** (1.0 / alpha), v ** (1.0 / alpha)
        if 0.0 < a + b <= 1.0:
            return a / (a + b)


def mixup(x: Tensor, alpha: float, generator: torch.Generator) -> Mixed:
    """Blend each row with its partner, by a share drawn from Beta(alpha, alpha).

    Args:
        x: batch x ..., floating point.
        alpha: 0 < alpha <= 1; small values blend little.
        generator: a CPU generator.

    Source: Zhang, Cisse, Dauphin and Lopez-Paz, "mixup: Beyond Empirical Risk Minimization", ICLR
    2018, arXiv:1710.09412.

    Differences from the paper: the partner is the row at the mirrored place, which is as random as
    any other in a shuffled batch and saves drawing a permutation.

    >>> mixed = mixup(torch.eye(2), 0.2, torch.Generator().manual_seed(0))
    >>> torch.allclose(mixed.x.sum(dim=1), torch.ones(2))
    True
    """
    share = _beta(alpha, generator)
    return Mixed(torch.lerp(x.flip(0), x, share), share)


def cutmix(x: Tensor, alpha: float, generator: torch.Generator) -> Mixed:
    """Paste a rectangle of each image's partner into it.

    Args:
        x: batch x channels x height x width.
        alpha: 0 < alpha <= 1; the rectangle's share of the area is drawn from Beta(alpha, alpha).
        generator: a CPU generator.

    Source: Yun et al., "CutMix: Regularization Strategy to Train Strong Classifiers with
    Localizable Features", ICCV 2019, arXiv:1905.04899.

    Differences from the paper: as in `mixup`, the partner is the row at the mirrored place.

    >>> mixed = cutmix(torch.randn(4, 1, 8, 8), 1.0, torch.Generator().manual_seed(0))
    >>> mixed.x.shape, 0.0 <= mixed.share <= 1.0
    (torch.Size([4, 1, 8, 8]), True)
    """
    height, width = x.shape[-2:]
    side = (1.0 - _beta(alpha, generator)) ** 0.5
    cy, cx = torch.rand(2, generator=generator).tolist()
    top, bottom = _interval(cy * height, side * height, height)
    left, right = _interval(cx * width, side * width, width)
    pasted = x.clone()
    pasted[..., top:bottom, left:right] = x.flip(0)[..., top:bottom, left:right]
    return Mixed(pasted, 1.0 - (bottom - top) * (right - left) / (height * width))


def _interval(centre: float, length: float, size: int) -> tuple[int, int]:
    low = max(0, round(centre - length / 2))
    return low, max(low, min(size, round(centre + length / 2)))
