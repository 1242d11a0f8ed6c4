"""GraSP: what removing weights does to the gradient flow.

Source: Wang, Zhang and Grosse, "Picking Winning Tickets Before Training by Preserving Gradient
Flow", ICLR 2020, arXiv:2002.07376; for whole networks Abdelfattah et al., ICLR 2021.

With W the weights of the layers, g the gradient of the loss by them and H its Hessian, the score is
-sum W (H g).

Differences from the paper: one batch and one forward pass, the product H g being the gradient of
g . stop(g); the temperature of the softmax is 1, as in Abdelfattah et al.
"""

from __future__ import annotations

import torch

from archwright.proxies.base import Proxy, Undefined
from archwright.proxies.kernels import twice_differentiable
from archwright.proxies.probe import Probe


def grasp(probe: Probe) -> float:
    """One forward pass, one backward pass, and one through both."""
    chosen = probe.matrices()
    by = [probe.weights.tensors[i] for i in chosen]
    with twice_differentiable(probe.model):
        output = probe.forward(probe.inputs, twice=True)
        loss = probe.loss(output, probe.labels_for(output))
        first = probe.gradient(loss, by, create_graph=True)
        used = [(w, g) for w, g in zip(by, first, strict=True) if g is not None]
        flow = sum(((g * g.detach()).sum() for _, g in used), loss.new_zeros(()))
        if not used or not flow.requires_grad:
            raise Undefined("the gradient of its loss does not depend on its weights")
        second = torch.autograd.grad(flow, [w for w, _ in used], allow_unused=True)
    total = 0.0
    for (w, _), hg in zip(used, second, strict=True):
        if hg is not None:
            total -= (w.detach() * hg).sum().item()
    return total


PROXIES = (
    Proxy(
        "grasp",
        grasp,
        "networks that can be differentiated twice",
        "a forward pass and two backward passes of its own",
        "Wang, Zhang and Grosse, Picking Winning Tickets Before Training by Preserving Gradient "
        "Flow, ICLR 2020, arXiv:2002.07376",
        labels=True,
    ),
)
