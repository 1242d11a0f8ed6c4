"""Where a network's blocks end, for proxies that look at one block after the other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from archwright.hardware.tracing import tensors_in
from archwright.proxies.probe import Probe

#: Fewer blocks than this are no chain to speak of; then layers are taken for blocks.
_FEW = 3


def blocks(model: nn.Module) -> list[nn.Module]:
    """The modules that the network applies one after the other, outermost first.

    Children with parameters; containers of modules that have children themselves are opened. So a
    stem (a `Sequential` of a convolution and a norm) is one block, and a stack of cells as many as
    cells. A network that is a plain chain of layers has its layers for blocks.

    >>> cells = [nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU()) for _ in range(3)]
    >>> len(blocks(nn.Sequential(nn.Conv2d(1, 4, 1), nn.Sequential(*cells), nn.Flatten())))
    4
    """
    found = list(_opened(model, outermost=True))
    if len(found) < _FEW:
        layers = [
            m
            for m in model.modules()
            if any(p is not None and p.dim() > 1 for p in m._parameters.values())
        ]
        if len(layers) > len(found):
            return layers
    return found


def _opened(module: nn.Module, *, outermost: bool = False) -> Iterator[nn.Module]:
    container = isinstance(module, (nn.Sequential, nn.ModuleList))
    nested = any(True for child in module.children() for _ in child.children())
    if outermost or (container and nested) or isinstance(module, nn.ModuleList):
        for child in module.children():
            yield from _opened(child)
    elif any(True for _ in module.parameters()):
        yield module


@contextmanager
def block_outputs(probe: Probe, kept: list[torch.Tensor]) -> Iterator[None]:
    """Inside, a forward pass leaves in `kept` what each block put out, in order."""

    def hook(module: nn.Module, given: object, result: object) -> None:
        for tensor in tensors_in(result):
            if tensor.is_floating_point() and tensor.dim() > 1:
                kept.append(tensor)
                return

    handles = [block.register_forward_hook(hook) for block in blocks(probe.model)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
