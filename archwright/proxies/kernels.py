"""Kernels that can be differentiated twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def twice_differentiable(model: nn.Module) -> Iterator[None]:
    """Inside, recurrent layers and attention avoid kernels without a second derivative."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    recurrent = any(isinstance(m, nn.RNNBase) for m in model.modules())
    cpu, gpu = torch._C._get_mkldnn_enabled(), torch.backends.cudnn.enabled
    try:
        if recurrent:  # only then: convolutions are several times faster with them
            torch._C._set_mkldnn_enabled(False)
            torch._C._set_cudnn_enabled(False)
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        if recurrent:
            torch._C._set_mkldnn_enabled(cpu)
            torch._C._set_cudnn_enabled(gpu)
