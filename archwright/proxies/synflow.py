"""SynFlow: the flow of ones through a network of positive weights.

Source: Tanaka, Kunin, Yamins and Ganguli, "Pruning neural networks without any data by iteratively
conserving synaptic flow", NeurIPS 2020, arXiv:2006.05467; for whole networks Abdelfattah et al.,
ICLR 2021.

The weights are replaced by their absolute values |W|, the input is all ones, and R is the sum of
the outputs: the score is log(sum |W| dR/d|W|) over the layers' weights. Normalisations pass their
input on, as in Abdelfattah et al.; double precision, since R may be beyond single.

Differences from the paper: the logarithm, as in the published scores of NAS-Bench-Suite-Zero, which
changes no order. A network that takes whole numbers gets the first sample of the batch.
"""

from __future__ import annotations

import math

import torch

from archwright.proxies.base import Proxy, Undefined
from archwright.proxies.probe import Probe


def synflow(probe: Probe) -> float:
    """One forward and one backward pass of one sample."""
    chosen = probe.matrices()
    positive = [
        t.detach().abs().double().requires_grad_() if t.is_floating_point() else t
        for t in probe.weights.tensors
    ]
    x = probe.inputs[:1]
    if x.is_floating_point():
        x = torch.ones_like(x, dtype=torch.float64)
    buffers = [
        (module, name, buffer)
        for module in probe.model.modules()
        for name, buffer in module._buffers.items()
        if buffer is not None and buffer.is_floating_point()
    ]
    try:
        for module, name, buffer in buffers:
            module._buffers[name] = buffer.double()
        flow = probe.forward(x, weights=positive, norms="none").sum()
        by = [positive[i] for i in chosen]
        gradients = probe.gradient(flow, by)
    finally:
        for module, name, buffer in buffers:
            module._buffers[name] = buffer
    total = sum(
        (w.detach() * g).sum().item() for w, g in zip(by, gradients, strict=True) if g is not None
    )
    if not math.isfinite(total):
        raise Undefined("the flow through it is beyond double precision")
    if total <= 0:
        raise Undefined("no positive flow reaches its output")
    return math.log(total)


PROXIES = (
    Proxy(
        "synflow",
        synflow,
        "networks with a path of weights to the output",
        "a forward and a backward pass of one sample of its own",
        "Tanaka, Kunin, Yamins and Ganguli, Pruning neural networks without any data by "
        "iteratively conserving synaptic flow, NeurIPS 2020, arXiv:2006.05467",
        data=False,
    ),
)
