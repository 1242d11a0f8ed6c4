"""The architecture's gradient one step of the weights ahead (second-order DARTS)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from archwright.supernet.bilevel import Bilevel


def unrolled_gradient(
    search: Bilevel,
    batch: tuple[Tensor, Tensor],
    training: tuple[Tensor, Tensor],
    progress: float,
    lr: float,
) -> tuple[Tensor, list[Tensor]]:
    """The loss on held-out rows after one step of the weights, and its gradient.

    1. w' = w - lr * (momentum and the gradient of the training loss)
    2. the gradients of the held-out loss at w', by the strengths and by w'
    3. less lr times a Hessian-vector product: finite differences of the strengths' gradient of
       the training loss at w +- epsilon * (the gradient by w')

    The weights are as before afterwards.

    Source: Hanxiao Liu et al., "DARTS", ICLR 2019, arXiv:1806.09055, equations 7 and 8.

    Args:
        search: the search.
        batch: held-out rows.
        training: the rows of the weights' next step.
        progress: 0 to 1.
        lr: the weights' step size.
    """
    weights, tensors = search.weights, search.strengths.tensors()
    method = search.method
    mixture, log = search._mixture(progress, "architecture")
    before = [w.detach().clone() for w in weights]
    with search.supernet.mixed(mixture):
        loss = search._loss(training)
        found = torch.autograd.grad(loss, weights, allow_unused=True)
    with torch.no_grad():
        for w, gradient in zip(weights, found, strict=True):
            if gradient is None:
                continue
            velocity = search.optimizer.state.get(w, {}).get("momentum_buffer")
            step = gradient + method.weight_decay * w
            if velocity is not None:
                step = step + method.momentum * velocity
            w.sub_(lr * step)
    try:
        with search.supernet.mixed(mixture):
            loss = search._loss(batch)
            total = search._with_score(loss, log)
            found = torch.autograd.grad(
                total, [*tensors, *weights], allow_unused=True, retain_graph=True
            )
        ahead = [
            torch.zeros_like(t) if g is None else g for t, g in zip(tensors, found, strict=False)
        ]
        vector = [
            torch.zeros_like(w) if g is None else g
            for w, g in zip(weights, found[len(tensors) :], strict=True)
        ]
        size = torch.sqrt(
            sum((v.square().sum() for v in vector), torch.zeros((), device=loss.device))
        )
        epsilon = 0.01 / float(size.clamp_min(1e-12))
        sides = []
        for sign in (1.0, -1.0):
            with torch.no_grad():
                for w, start, v in zip(weights, before, vector, strict=True):
                    w.copy_(start + sign * epsilon * v)
            search._freeze(True)
            try:
                with search.supernet.mixed(mixture):
                    again = search._loss(training)
                    if not again.requires_grad:
                        sides.append([torch.zeros_like(t) for t in tensors])
                        continue
                    g = torch.autograd.grad(again, tensors, allow_unused=True, retain_graph=True)
                sides.append(
                    [
                        torch.zeros_like(t) if x is None else x
                        for t, x in zip(tensors, g, strict=True)
                    ]
                )
            finally:
                search._freeze(False)
    finally:
        with torch.no_grad():
            for w, start in zip(weights, before, strict=True):
                w.copy_(start)
    gradients = [
        a - lr * (plus - minus) / (2.0 * epsilon)
        for a, plus, minus in zip(ahead, *sides, strict=True)
    ]
    return loss, gradients
