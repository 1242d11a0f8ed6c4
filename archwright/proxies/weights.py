"""Norms of weights and gradients: l2_norm, grad_norm, plain, SNIP.

Sources: Abdelfattah, Mehrotra, Dudziak and Lane, "Zero-Cost Proxies for Lightweight NAS", ICLR
2021, arXiv:2101.08134 (grad_norm, l2_norm, plain and the use of SNIP for whole networks);
Lee, Ajanthan and Torr, "SNIP: Single-shot Network Pruning based on Connection Sensitivity", ICLR
2019, arXiv:1810.02340; Mozer and Smolensky, "Skeletonization", NeurIPS 1988 (plain).

With W the weights of a layer and g the gradient of the mean loss of a batch by them, summed over
the layers: l2_norm = |W|, grad_norm = |g|, plain = sum(W g), SNIP = sum |W g|.

Differences from the papers: layers are all that have weight matrices or kernels (attention and
recurrent ones too), not linear and 2-D convolution layers alone; dropout is off.
"""

from __future__ import annotations

import torch

from archwright.proxies.base import Proxy
from archwright.proxies.probe import Probe

_ABDELFATTAH = (
    "Abdelfattah, Mehrotra, Dudziak and Lane, Zero-Cost Proxies for Lightweight NAS, ICLR 2021, "
    "arXiv:2101.08134"
)
_SHARED = "the shared forward pass and the loss's backward pass"
_WHERE = "networks with weights and a gradient"


def l2_norm(probe: Probe) -> float:
    """Sum of the norms of the layers' weights."""
    return sum(probe.weights.tensors[i].detach().norm().item() for i in probe.matrices())


def grad_norm(probe: Probe) -> float:
    """Sum of the norms of the layers' gradients."""
    return sum(probe.loss_gradients[i].norm().item() for i in probe.matrices())


def plain(probe: Probe) -> float:
    """Sum of weight times gradient."""
    return sum(_products(probe, i).sum().item() for i in probe.matrices())


def snip(probe: Probe) -> float:
    """Sum of the absolute values of weight times gradient."""
    return sum(_products(probe, i).abs().sum().item() for i in probe.matrices())


def _products(probe: Probe, i: int) -> torch.Tensor:
    return probe.weights.tensors[i].detach() * probe.loss_gradients[i]


_LOSS = frozenset({"loss gradient"})
PROXIES = (
    Proxy("l2_norm", l2_norm, "networks with weights", "none", _ABDELFATTAH, data=False),
    Proxy("grad_norm", grad_norm, _WHERE, _SHARED, _ABDELFATTAH, labels=True, hears=_LOSS),
    Proxy("plain", plain, _WHERE, _SHARED, _ABDELFATTAH, labels=True, hears=_LOSS),
    Proxy(
        "snip",
        snip,
        _WHERE,
        _SHARED,
        "Lee, Ajanthan and Torr, SNIP: Single-shot Network Pruning based on Connection "
        "Sensitivity, ICLR 2019, arXiv:1810.02340",
        labels=True,
        hears=_LOSS,
    ),
)
