"""How a network is run for a moment: in eval mode, and on so many threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

from archwright.errors import whole_number


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Inside the context the network is in eval mode and records no gradients.

    Each module's own mode is put back afterwards, so that layers frozen on purpose stay so.

    >>> model = nn.Dropout()
    >>> with evaluating(model):
    ...     model.training
    False
    >>> model.training
    True
    """
    changed = [module for module in model.modules() if module.training]
    for module in changed:
        module.__dict__["training"] = False  # Module.__setattr__ costs 4 microseconds
    try:
        with torch.no_grad():
            yield
    finally:
        for module in changed:
            module.__dict__["training"] = True


@contextmanager
def threads(n_threads: int | None) -> Iterator[None]:
    """Inside the context torch computes with `n_threads` CPU threads; None leaves them alone.

    >>> before = torch.get_num_threads()
    >>> with threads(1):
    ...     torch.get_num_threads()
    1
    >>> torch.get_num_threads() == before
    True
    """
    before = torch.get_num_threads()
    wanted = before if n_threads is None else whole_number("n_threads", n_threads)
    if wanted != before:
        torch.set_num_threads(wanted)
    try:
        yield
    finally:
        if wanted != before:
            torch.set_num_threads(before)
