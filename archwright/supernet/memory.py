"""Memory of a search: estimated beforehand, and less of it by computing parts twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from archwright.nn import Supernet
from archwright.nn.containers import ElasticCell, ElasticLayer
from archwright.nn.mixture import Mixture


def peak_bytes(supernet: Supernet, mixture: Mixture, x: Tensor, *, batch_size: int) -> int:
    """About the most memory that a step of the weights takes, found by one forward pass.

    What a forward pass keeps for the backward one is counted and scaled to the batch; weights,
    gradients and momentum are added. Scratch memory of kernels is not. Batch normalisation is in
    training mode, as in a step; running statistics are put back.

    Args:
        supernet: the supernet.
        mixture: what a step computes.
        x: a few rows, as the network takes them (at least two).
        batch_size: rows of a step.

    >>> import archwright.nn as aw
    >>> supernet = aw.ModelSpace(lambda: aw.linear(8, aw.choice("width", [4, 8]))).supernet()
    >>> mixture = Mixture({"width": torch.tensor([0.5, 0.5])})
    >>> 0 < peak_bytes(supernet, mixture, torch.zeros(2, 8), batch_size=2) < 5000
    True
    """
    kept: dict[int, int] = {}
    own = {p.untyped_storage().data_ptr() for p in supernet.parameters()}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    statistics = {name: value.clone() for name, value in supernet.named_buffers()}
    with (
        supernet.mixed(mixture),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        output = supernet(x)
    del output
    with torch.no_grad():
        for name, value in supernet.named_buffers():
            value.copy_(statistics[name])
    weights = sum(p.numel() * p.element_size() for p in supernet.parameters())
    return int(sum(kept.values()) * batch_size / len(x) + 3 * weights)


@contextmanager
def _replaced(changed: dict[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    for module, forward in changed.items():
        module.__dict__["forward"] = forward
    try:
        yield
    finally:
        for module in changed:
            del module.__dict__["forward"]


@contextmanager
def recomputing(supernet: Supernet) -> Iterator[None]:
    """Inside, outermost layers and cells keep their inputs only, and are computed twice.

    Backward must run inside, too. Running statistics are updated twice a step; nothing of a search
    reads them.

    Source: Tianqi Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016,
    arXiv:1604.06174.
    """
    changed: dict[nn.Module, Callable[..., Any]] = {}

    def visit(module: nn.Module) -> None:
        for child in module.children():
            if isinstance(child, ElasticCell | ElasticLayer):
                changed[child] = _twice(child.forward)
            else:
                visit(child)

    visit(supernet)
    with _replaced(changed):
        yield


def _twice(forward: Callable[..., Any]) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)

    return run


@contextmanager
def partial_channels(supernet: Supernet, share: float) -> Iterator[None]:
    """Inside, a share of the channels passes the operations, the others pass beside them.

    With weights that add up to one this is equation 2 of PC-DARTS: mask * sum of weight *
    operation(mask * x) + (1 - mask) * x. Where an operation halves the image, what passes beside
    is max-pooled; where it changes the number of channels, all pass it. Which channels they are
    is drawn once (from torch's current generator), for each operation's decision.

    Source: Yuhui Xu et al., "PC-DARTS", ICLR 2020, arXiv:1907.05737.

    Differences from the paper: operations are made for all channels, as the space has them, so
    that no memory is saved; a window at a random place instead of shuffling.
    """
    if share >= 1.0:
        yield
        return
    changed: dict[nn.Module, Callable[..., Any]] = {}
    for layer in supernet.modules():
        if isinstance(layer, ElasticLayer):
            start = float(torch.rand(()))
            for option in layer._modules.values():
                if option is not None and not isinstance(option, nn.Identity):
                    changed[option] = _partly(option.forward, share, start)
    from archwright.nn.mixed_cells import reference

    with _replaced(changed), reference():
        yield


def _partly(forward: Callable[..., Any], share: float, start: float) -> Callable[..., Any]:
    def run(*args: Any, **kwargs: Any) -> Any:
        x = args[0]
        if len(args) != 1 or kwargs or not isinstance(x, Tensor) or x.ndim != 4:
            return forward(*args, **kwargs)
        n = x.shape[1]
        taken = (torch.arange(n, device=x.device) - int(start * n)) % n < max(1, round(share * n))
        mask = taken.to(x.dtype)[:, None, None]
        y = forward(x * mask)
        beside = x
        if y.shape[1] == n and y.shape[2] < x.shape[2]:
            beside = F.adaptive_max_pool2d(x, y.shape[2:])
        if beside.shape != y.shape:
            return forward(x)
        return y * mask + beside * (1.0 - mask)

    return run
