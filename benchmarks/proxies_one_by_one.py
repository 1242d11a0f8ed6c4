"""Thirteen proxies in the manner of the published code: one after the other, each for itself.

The yardstick of `python benchmarks/proxies.py --cost`. Every proxy gets a deep copy of the network
and passes of its own, as in the code of Abdelfattah et al. (ICLR 2021) and NAS-Bench-Suite-Zero
(Krishnakumar et al., NeurIPS 2022), which nothing here is taken from; the two are slower still,
since they collect garbage after each.
"""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from archwright.hardware.counting import costs

Tensor = torch.Tensor


def _layers(net: nn.Module) -> list[nn.Module]:
    return [m for m in net.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]


def _backward(net: nn.Module, x: Tensor, y: Tensor) -> None:
    net.zero_grad()
    F.cross_entropy(net(x), y).backward()


def params(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Number of parameters."""
    return float(sum(p.numel() for p in net.parameters()))


def flops(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """FLOPs."""
    return float(costs(net, tuple(x.shape[1:]), names=["flops"])["flops"])


def l2_norm(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Norms of weights."""
    return sum(m.weight.norm().item() for m in _layers(net))


def grad_norm(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Norms of gradients."""
    _backward(net, x, y)
    return sum(m.weight.grad.norm().item() for m in _layers(net))


def plain(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Weight times gradient."""
    _backward(net, x, y)
    return sum((m.weight.grad * m.weight).sum().item() for m in _layers(net))


def snip(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Weight times gradient, absolute."""
    _backward(net, x, y)
    return sum((m.weight.grad * m.weight).abs().sum().item() for m in _layers(net))


def fisher(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Activation times gradient, squared."""
    total = 0.0

    def forward(module: nn.Module, given: object, output: Tensor) -> None:
        kept = output.detach()

        def backward(gradient: Tensor) -> None:
            nonlocal total
            product = kept * gradient
            product = product.sum((2, 3)) if product.dim() == 4 else product
            total += (product.pow(2).mean(0) / 2).sum().item() * module.weight[0].numel()

        output.register_hook(backward)

    for m in _layers(net):
        m.register_forward_hook(forward)
    _backward(net, x, y)
    return total


def _jacobian(net: nn.Module, x: Tensor) -> np.ndarray:
    net.zero_grad()
    x = x.clone().requires_grad_()
    output = net(x)
    output.backward(torch.ones_like(output))
    assert x.grad is not None
    return x.grad.flatten(1).numpy()


def jacov(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Spectrum of the correlations of input gradients."""
    values = np.linalg.eigvalsh(np.corrcoef(_jacobian(net, x))) + 1e-5
    return float(-np.sum(np.log(values) + 1 / values))


def epe_nas(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Correlations of input gradients within classes."""
    rows, total = _jacobian(net, x), 0.0
    for label in y.unique().tolist():
        part = np.atleast_2d(np.corrcoef(rows[y.numpy() == label]))
        total += abs(np.log(np.abs(part) + 1e-5).sum())
    return float(total)


def naswot(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Agreement of activation patterns."""
    kernel = np.zeros((len(x), len(x)))

    def forward(module: nn.Module, given: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal kernel
        on = (given[0].flatten(1) > 0).float()
        kernel = kernel + (on @ on.T).numpy() + ((1 - on) @ (1 - on.T)).numpy()

    for m in net.modules():
        if isinstance(m, nn.ReLU):
            m.inplace = False
            m.register_forward_hook(forward)
    with torch.no_grad():  # the published code makes a backward pass besides, for nothing
        net(x)
    return float(np.linalg.slogdet(kernel)[1])


def grasp(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Hessian times gradient: two forward passes, one backward pass through the other."""
    by = [m.weight for m in _layers(net)]
    first = torch.autograd.grad(F.cross_entropy(net(x), y), by, allow_unused=True)
    loss = F.cross_entropy(net(x), y)
    again = torch.autograd.grad(loss, by, create_graph=True, allow_unused=True)
    flow = sum((a * g).sum() for a, g in zip(again, first, strict=True) if g is not None)
    flow.backward()
    return -sum((w * w.grad).sum().item() for w in by if w.grad is not None)


def synflow(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Flow of ones through absolute weights, without normalisation."""
    with torch.no_grad():
        for p in net.parameters():
            p.abs_()
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d):
            m.forward = lambda given: given
    net.double()
    net(torch.ones_like(x[:1], dtype=torch.float64)).sum().backward()
    return sum((m.weight * m.weight.grad).abs().sum().item() for m in _layers(net))


def zen(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Change of the last maps, standard normal weights."""
    last: list[Tensor] = []
    for m in net.modules():
        if isinstance(m, (nn.Conv2d, nn.Linear)):
            nn.init.normal_(m.weight)
        if isinstance(m, nn.BatchNorm2d):
            m.register_forward_hook(lambda m, given, output: last.append(output))
    with torch.no_grad():
        one = torch.randn_like(x)
        net(one)
        a = last[-1]
        net(one + 0.01 * torch.randn_like(x))
        change = (a - last[-1]).abs().sum((1, 2, 3)).mean().log().item()
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    return change + sum(0.5 * m.running_var.mean().log().item() for m in norms)


THIRTEEN: dict[str, Callable[[nn.Module, Tensor, Tensor], float]] = {
    f.__name__: f
    for f in (
        params, flops, l2_norm, grad_norm, plain, snip, fisher, jacov, epe_nas, naswot, grasp,
        synflow, zen,
    )
}  # fmt: skip


def one_by_one(net: nn.Module, x: Tensor, y: Tensor) -> dict[str, float]:
    """All thirteen."""
    return {name: compute(copy.deepcopy(net), x, y) for name, compute in THIRTEEN.items()}
