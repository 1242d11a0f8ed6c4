"""Activation patterns: NASWOT and SWAP.

Sources: Mellor, Turner, Storkey and Crowley, "Neural Architecture Search without Training", ICML
2021, arXiv:2006.04647 (NASWOT); Peng, Song, Fayek, Ciesielski and Chang, "SWAP-NAS: Sample-Wise
Activation Patterns for Ultra-fast NAS", ICLR 2024, arXiv:2403.04161.

A unit of an activation layer is on for a sample if its input is above zero. NASWOT: K[i, j] is the
number of units in which samples i and j agree; the score is log |det K|. SWAP: the number of
different patterns that units make over the samples.

Differences from the papers: every activation function counts, not ReLU alone. SWAP uses the first
64 samples at most, and has no regularisation by size, whose two constants its authors choose for
each space.
"""

from __future__ import annotations

import torch

from archwright.proxies.base import Proxy, Undefined
from archwright.proxies.probe import Probe

NO_ACTIVATION = (
    "no activation function is applied to a tensor with the batch as its first dimension"
)


def naswot(probe: Probe) -> float:
    """Logarithm of the determinant of the agreement between samples."""
    kernel = probe.gathered.kernel
    if kernel is None:
        raise Undefined(NO_ACTIVATION)
    sign, value = torch.linalg.slogdet(kernel)
    if sign.item() <= 0:
        raise Undefined(
            "the samples' patterns of activations are not told apart: the network has too few "
            "units for this batch"
        )
    return float(value.item())


def swap(probe: Probe) -> float:
    """Number of different patterns of units over the samples."""
    codes = probe.gathered.codes
    if not codes:
        raise Undefined(NO_ACTIVATION)
    return float(len(torch.unique(torch.cat(codes))))


PROXIES = (
    Proxy(
        "naswot",
        naswot,
        "networks with activation functions",
        "the shared forward pass",
        "Mellor, Turner, Storkey and Crowley, Neural Architecture Search without Training, ICML "
        "2021, arXiv:2006.04647",
        hears=frozenset({"kernel"}),
    ),
    Proxy(
        "swap",
        swap,
        "networks with activation functions",
        "the shared forward pass",
        "Peng et al., SWAP-NAS: Sample-Wise Activation Patterns for Ultra-fast NAS, ICLR 2024, "
        "arXiv:2403.04161",
        hears=frozenset({"codes"}),
    ),
)
