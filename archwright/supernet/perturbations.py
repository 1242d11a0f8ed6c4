"""Perturbed strengths in the weights' step (SDARTS)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from archwright.nn.mixture import Mixture
from archwright.supernet.strengths import Strengths

if TYPE_CHECKING:
    from archwright.supernet.method import Method


def perturbed(
    mixture: Mixture,
    strengths: Strengths,
    method: Method,
    loss: Callable[[Mixture], Tensor],
    *,
    progress: float,
) -> Mixture:
    """The mixture with its weights moved, at random or to where the loss is greater.

    Source: Xiangning Chen, Cho-Jui Hsieh, "Stabilizing Differentiable Architecture Search via
    Perturbation-based Regularization" (SDARTS), ICML 2020, arXiv:2002.05283.

    Differences from the paper: the radius grows to `method.perturbation` linearly over the search,
    as in the published code; weights are moved after the softmax, for both kinds.

    Args:
        mixture: of this step.
        strengths: whose decisions are moved.
        method: with the radius and the number of steps.
        loss: of a mixture, with a gradient for its weights.
        progress: 0 to 1.
    """
    radius = method.perturbation * max(progress, 1e-3)
    moved = [p for p in mixture.weights if p in strengths.values]
    offsets = {p: radius * (2.0 * torch.rand_like(mixture.weights[p]) - 1.0) for p in moved}
    for _ in range(method.adversarial):
        tried = {p: offset.detach().requires_grad_() for p, offset in offsets.items()}
        value = loss(_moved(mixture, tried))
        found = torch.autograd.grad(value, list(tried.values()), allow_unused=True)
        step = 2.5 * radius / method.adversarial
        for (path, offset), gradient in zip(tried.items(), found, strict=True):
            if gradient is not None:
                offsets[path] = (offset + step * gradient.sign()).clamp(-radius, radius).detach()
    return _moved(mixture, offsets)


def _moved(mixture: Mixture, offsets: dict[str, Tensor]) -> Mixture:
    weights = {
        path: w + offsets[path] if path in offsets else w for path, w in mixture.weights.items()
    }
    return Mixture(weights, mixture.computed, mixture.values)
