"""Running a constructor without memory: on the meta device, without initial values."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_FILLS = frozenset(
    [getattr(nn.init, name) for name in dir(nn.init) if name.endswith("_") and name[0] != "_"]
    + [
        getattr(Tensor, name)
        for name in (
            *("normal_", "uniform_", "zero_", "fill_", "exponential_", "bernoulli_", "random_"),
            *("log_normal_", "cauchy_", "geometric_", "copy_", "mul_", "add_", "div_", "clamp_"),
        )
    ]
)


class _WithoutFilling(TorchFunctionMode):
    """Skips what fills a meta tensor: there is nothing to fill.

    Not only to save time: on meta, torch's `normal_` imports its compiler, which takes seconds.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _FILLS:
            filled = args[0] if args else kwargs.get("tensor")
            if isinstance(filled, Tensor) and filled.is_meta:
                return filled
        return func(*args, **kwargs)


@contextmanager
def sketching() -> Iterator[None]:
    """Inside, tensors are made on the meta device and not filled.

    >>> with sketching():
    ...     layer = nn.Linear(10**6, 10**6)
    >>> layer.weight.device
    device(type='meta')
    """
    with torch.device("meta"), _WithoutFilling():
        yield
