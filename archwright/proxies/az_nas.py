"""AZ-NAS: expressivity, progressivity and trainability of the blocks.

Source: Lee and Ham, "AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search", CVPR
2024, arXiv:2403.19232. The fourth, complexity, is the FLOPs.

Weights are drawn anew (normal, variance 2 / fan-in). For each block's output, with positions as
samples: the entropy of the normalised eigenvalues of the channels' covariance; expressivity is
their sum, progressivity the smallest increase from one block to the next. Trainability: random
signs g are sent back from a block's output to the output of the block before it, where they arrive
as h; with s the largest singular value of the mean of h g^T, the mean over blocks of -s - 1/s + 2.

Differences from the paper: blocks are found by rule in any module (see `blocks`), those without
positions too; the network's last output is no block. Where a block does away with positions, all
positions of its input are its channels; sizes that do not divide are averaged to sizes that do.
Pairs of blocks without a gradient between them are passed over. A block through which the signs
pass unchanged counts -1e6 where the paper has minus infinity, which is no score.
"""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F

from archwright.proxies.base import Proxy, Undefined
from archwright.proxies.blocks import block_outputs
from archwright.proxies.drawing import drawn_weights
from archwright.proxies.gathering import as_rows, entropy
from archwright.proxies.probe import Probe

#: What stands for minus infinity.
WORST = -1e6


def block_scores(probe: Probe) -> tuple[list[float], list[float]]:
    """Entropies of the blocks' features, and what their gradients score; computed once."""
    known = probe.memory.get("az_nas")
    if known is None:
        known = probe.memory["az_nas"] = _block_scores(probe)
    return known


def _block_scores(probe: Probe) -> tuple[list[float], list[float]]:
    features: list[torch.Tensor] = []
    weights = drawn_weights(probe, "kaiming", stream=5)
    inputs = probe.noise(len(probe.inputs), stream=6)
    with block_outputs(probe, features):
        output = probe.forward(inputs, weights=weights)
    # The answer of the last block is the network's own, and no features.
    answer = output.data_ptr()
    features = [f for f in features if f.shape[0] == len(inputs) and f.data_ptr() != answer]
    entropies = [feature_entropy(f.detach()) for f in features]
    generator = probe.generator(7)
    flows = []
    for i in reversed(range(1, len(features))):
        out, before = features[i], features[i - 1]
        if not out.requires_grad or not before.requires_grad:
            continue
        signs = torch.randint(0, 2, out.shape, generator=generator, dtype=torch.int8)
        signs = (2 * signs - 1).to(out)
        # Kept: a block may lead to later ones past its neighbour, which this graph is part of.
        (back,) = torch.autograd.grad(out, [before], signs, retain_graph=True, allow_unused=True)
        if back is not None:
            value = flow_score(signs, back)
            if value is not None:
                flows.append(value)
    return entropies, flows


def feature_entropy(feature: torch.Tensor) -> float:
    """Entropy of the normalised eigenvalues of the covariance of the channels.

    Args:
        feature: `batch x channels x ...`, or `batch x positions x channels`.
    """
    x = as_rows(feature, last=True)
    x = x - x.mean(0)
    return float(entropy(torch.linalg.eigvalsh((x.T @ x).double()).clamp_min(0)).item())


def flow_score(signs: torch.Tensor, back: torch.Tensor) -> float | None:
    """-s - 1/s + 2 for what random signs become on their way back; None where shapes do not match.

    Args:
        signs: sent from a block's output.
        back: the gradient that arrives at its input.
    """
    if signs.shape == back.shape and torch.equal(signs, back):
        return WORST
    if signs.dim() == 2 and back.dim() > 2:
        back = back.flatten(1)
    elif signs.dim() == 4 and back.dim() == 4 and signs.shape[2:] != back.shape[2:]:
        stride = round(back.shape[2] / signs.shape[2])
        whole = (stride * signs.shape[2], stride * signs.shape[3])
        if stride >= 1:
            if tuple(back.shape[2:]) != whole:  # an edge more or less
                back = F.adaptive_avg_pool2d(back, whole)
            back = F.pixel_unshuffle(back, stride)
    g, h = as_rows(signs, last=True), as_rows(back, last=True)
    if len(g) != len(h):
        return None
    s = torch.linalg.matrix_norm(h.T @ g / len(g), 2).item()
    if not math.isfinite(s):
        return None
    return -s - 1 / (s + 1e-6) + 2


def expressivity(probe: Probe) -> float:
    """Sum of the entropies."""
    return sum(_entropies(probe, 1))


def progressivity(probe: Probe) -> float:
    """Smallest increase of entropy from block to block."""
    found = _entropies(probe, 2)
    return min(b - a for a, b in itertools.pairwise(found))


def trainability(probe: Probe) -> float:
    """Mean of what the gradients between blocks score."""
    _, flows = block_scores(probe)
    if not flows:
        raise Undefined("no gradient passes from one block of it to the one before")
    return max(WORST, sum(flows) / len(flows))


def _entropies(probe: Probe, least: int) -> list[float]:
    entropies, _ = block_scores(probe)
    if len(entropies) < least:
        raise Undefined(f"it has fewer than {least} blocks before its output")
    return entropies


_REFERENCE = (
    "Lee and Ham, AZ-NAS: Assembling Zero-Cost Proxies for Network Architecture Search, CVPR 2024, "
    "arXiv:2403.19232"
)
_PASSES = "a forward pass and a backward pass from block to block, with weights of their own"
PROXIES = tuple(
    Proxy(name, compute, "networks of several blocks", _PASSES, _REFERENCE)
    for name, compute in (
        ("expressivity", expressivity),
        ("progressivity", progressivity),
        ("trainability", trainability),
    )
)
