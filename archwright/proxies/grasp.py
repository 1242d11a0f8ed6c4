"""GraSP: what removing weights does to the gradient flow.

Source: Wang, Zhang and Grosse, "Picking Winning Tickets Before Training by Preserving Gradient
Flow", ICLR 2020, arXiv:2002.07376; for whole networks Abdelfattah et al., ICLR 2021.

With W the weights of the layers, g the gradient of the loss by them and H its Hessian, the score is
-sum W (H g).

Differences from the paper: one batch, and the temperature of the softmax is 1, as in Abdelfattah et
al. The sum is the number g' H W = d2/ds dt L(W + s g + t W), which one forward pass of jets
computes without the vector H g (see `jets`). Where an operation of the network cannot be computed
so, or the derivatives that come with it are not those of the backward pass, H g is computed as the
gradient of g . stop(g).
"""

from __future__ import annotations

import torch

from archwright.proxies.base import Proxy, Undefined
from archwright.proxies.jet_rules import Jet
from archwright.proxies.kernels import twice_differentiable
from archwright.proxies.probe import Probe

#: How far the first derivatives of jets may be from those of the backward pass.
TOLERANCE = 1e-3


def grasp(probe: Probe) -> float:
    """The shared pass's gradient and one forward pass of jets, or two backward passes."""
    found = by_jets(probe)
    return by_two_backward_passes(probe) if found is None else found


def by_jets(probe: Probe) -> float | None:
    """The score from the gradient of the shared pass; None where it cannot be had this way."""
    gradients = probe.loss_gradients
    plain = [tensor.detach() for tensor in probe.weights.tensors]
    chosen = probe.matrices()
    worn = list(plain)
    for i in chosen:
        worn[i] = Jet.of(plain[i], gradients[i].detach(), plain[i])
    try:
        with twice_differentiable(probe.model):
            output = probe.forward(probe.inputs, weights=worn, twice=True)
    except (MemoryError, torch.OutOfMemoryError):
        raise
    except Exception:  # what a network does with jets is its own; it did run with tensors
        return None
    if not isinstance(output, Jet) or output.by_s is None or output.by_t is None:
        return None
    by_s, by_t, by_st = _through_loss(probe, output.value, output.by_s, output.by_t, output.by_st)
    # What was lost on the way - a gradient of the user's own, a kernel that does not know jets -
    # shows in the first derivatives, which are known: |g|^2 along g, and g . W along W.
    along_g = sum(gradients[i].double().square().sum().item() for i in chosen)
    along_w = sum((gradients[i] * plain[i]).double().sum().item() for i in chosen)
    size = sum(plain[i].double().square().sum().item() for i in chosen)
    if abs(by_s - along_g) > TOLERANCE * along_g:
        return None
    if abs(by_t - along_w) > TOLERANCE * (along_g * size) ** 0.5:
        return None
    return -by_st


def _through_loss(
    probe: Probe, value: torch.Tensor, s: torch.Tensor, t: torch.Tensor, st: torch.Tensor | None
) -> tuple[float, float, float]:
    """Derivatives of the loss by s, t and both, from those of the output: two backward passes."""
    output = value.detach().requires_grad_()
    loss = probe.loss(output, probe.labels_for(output))
    (first,) = torch.autograd.grad(loss, output, create_graph=True)
    along = (first * s).sum()
    mixed = 0.0
    if along.requires_grad:
        second = torch.autograd.grad(along, output, materialize_grads=True)[0]
        mixed = (second * t).sum().item()
    if st is not None:
        mixed += (first * st).sum().item()
    return along.item(), (first * t).sum().item(), mixed


def by_two_backward_passes(probe: Probe) -> float:
    """The score by a forward pass, a backward pass, and one through both."""
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
        "the shared forward pass, the loss's backward pass and a forward pass of derivatives",
        "Wang, Zhang and Grosse, Picking Winning Tickets Before Training by Preserving Gradient "
        "Flow, ICLR 2020, arXiv:2002.07376",
        labels=True,
        hears=frozenset({"loss gradient"}),
    ),
)
