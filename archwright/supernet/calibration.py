"""Batch norm of sub-networks: statistics of the one that is active, and the others put back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from archwright.nn import Supernet

_FIELDS = ("running_mean", "running_var", "num_batches_tracked")


class Calibration:
    """Recomputes the batch norm statistics of whichever sub-network is active.

    The running statistics of a supernet are a mixture over the architectures that were trained;
    none of them is judged fairly by it. This computes them anew from some training batches, and
    puts the supernet's own back.

    Args:
        supernet: whose modules are calibrated; it must keep them.

    Source: Jiahui Yu, Thomas Huang, "Universally Slimmable Networks and Improved Training
    Techniques", ICCV 2019, arXiv:1903.05134 (post-statistics of batch normalisation).

    >>> import archwright.nn as aw
    >>> def net():
    ...     width = aw.choice("width", [2, 4])
    ...     return nn.Sequential(aw.linear(3, width), aw.batch_norm1d(width))
    >>> supernet = aw.ModelSpace(net).supernet(seed=0).eval()
    >>> x = torch.randn(64, 3, generator=torch.Generator().manual_seed(0)) + 5
    >>> calibration = Calibration(supernet)
    >>> with supernet.active({"width": 2}), calibration.calibrated([x]):
    ...     bool(supernet(x).mean(0).abs().max() < 1e-4)
    True
    """

    def __init__(self, supernet: Supernet) -> None:
        self.supernet = supernet
        self._norms = [
            module
            for module in supernet.modules()
            if isinstance(module, _BatchNorm)
            and module.__dict__.get("track_running_stats", True)
            # Elastic layers answer with slices; the whole tensors are among their buffers.
            and module._buffers.get("running_mean") is not None
        ]
        self._buffers: list[Tensor] = [
            buffer
            for module in self._norms
            for name in _FIELDS
            if (buffer := module._buffers.get(name)) is not None
        ]

    @property
    def needed(self) -> bool:
        """Whether there is any batch norm with running statistics."""
        return bool(self._norms)

    @contextmanager
    def batch_statistics(self) -> Iterator[None]:
        """Inside, batch norm normalises by the batch, and nothing else trains: no dropout.

        What the running statistics learn meanwhile is forgotten.
        """
        modes = [(module, module.training) for module in self.supernet.modules()]
        kept = [buffer.clone() for buffer in self._buffers]
        for module, _ in modes:
            module.__dict__["training"] = False
        for module in self._norms:
            module.__dict__["training"] = True
        try:
            yield
        finally:
            for module, mode in modes:
                module.__dict__["training"] = mode
            _restore(self._buffers, kept)

    @contextmanager
    def calibrated(self, batches: Sequence[Tensor]) -> Iterator[None]:
        """Inside, the active sub-network is in eval mode with statistics of its own.

        Args:
            batches: prepared batches of training rows, on the supernet's device; the statistics
                are their average.
        """
        kept = [buffer.clone() for buffer in self._buffers]
        try:
            if self._norms and batches:
                self._recompute(batches)
            yield
        finally:
            _restore(self._buffers, kept)

    def _recompute(self, batches: Sequence[Tensor]) -> None:
        momenta = [module.momentum for module in self._norms]
        for module in self._norms:
            module._buffers["num_batches_tracked"].zero_()  # type: ignore[union-attr]
            module.__dict__["momentum"] = None  # a plain average over the batches
            module.__dict__["training"] = True
        try:
            with torch.no_grad():
                for batch in batches:
                    self.supernet(batch)
        finally:
            for module, momentum in zip(self._norms, momenta, strict=True):
                module.__dict__["momentum"] = momentum
                module.__dict__["training"] = False


def calibrate(supernet: Supernet, arch: Mapping[str, Any], batches: Sequence[Tensor]) -> nn.Module:
    """The network of one architecture with its own batch norm statistics, in eval mode.

    Args:
        supernet: the supernet; it is left as it was.
        arch: the architecture.
        batches: prepared batches of training rows, on the supernet's device.
    """
    modes = [(module, module.training) for module in supernet.modules()]
    for module, _ in modes:
        module.__dict__["training"] = False
    try:
        with supernet.active(arch), Calibration(supernet).calibrated(batches):
            return supernet.extract(arch)
    finally:
        for module, mode in modes:
            module.__dict__["training"] = mode


def _restore(buffers: list[Tensor], kept: list[Tensor]) -> None:
    if buffers:
        torch._foreach_copy_(buffers, kept)
