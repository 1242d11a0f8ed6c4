"""Weights drawn anew for the proxies that prescribe how, without touching the network's own."""

from __future__ import annotations

import math

import torch
from torch import nn

from archwright.proxies.holding import is_norm
from archwright.proxies.probe import Probe


def drawn_weights(probe: Probe, how: str, *, stream: int) -> list[torch.Tensor]:
    """Values for `probe.weights.tensors`; they require a gradient.

    Weight matrices and kernels are drawn from a normal distribution: of variance 1 ("normal") or
    2 / fan-in ("kaiming", He et al., ICCV 2015). Biases are 0, and normalisations have weight 1
    and bias 0. What belongs to neither (position embeddings, scales of layers) stays as it is.

    Args:
        probe: the probe.
        how: "normal" or "kaiming".
        stream: tells what is drawn for one proxy from what is drawn for another.
    """
    generator = probe.generator(stream)
    drawn = []
    matrices = set(probe.weights.matrices())
    for i, tensor in enumerate(probe.weights.tensors):
        module, attribute = probe.weights.owners[i]
        if i in matrices and not isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
            new = torch.randn(tensor.shape, generator=generator)
            if how == "kaiming":
                new *= math.sqrt(2 / max(1, fan_in(tensor, module)))
            value = new.to(tensor)
        elif is_norm(module):
            value = torch.zeros_like(tensor) if "bias" in attribute else torch.ones_like(tensor)
        elif tensor.dim() <= 1 and attribute.startswith(("bias", "in_proj_bias")):
            value = torch.zeros_like(tensor)
        else:
            value = tensor.detach().clone()
        drawn.append(value.requires_grad_(tensor.requires_grad))
    return drawn


def fan_in(weight: torch.Tensor, module: nn.Module) -> int:
    """How many values each output of a layer is a sum of.

    >>> conv = nn.Conv2d(8, 4, 3)
    >>> fan_in(conv.weight, conv)
    72
    """
    if isinstance(module, nn.modules.conv._ConvTransposeNd):
        return weight[0, 0].numel() * weight.shape[0] // module.groups
    return weight[0].numel()
