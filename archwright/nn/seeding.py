"""Random numbers for initialising modules, without touching the process's global state."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int | None) -> Iterator[None]:
    """Torch's generators (CPU, and CUDA once it is in use) forked, seeded, and restored after.

    Args:
        seed: what to seed with; None leaves everything as it is.

    >>> before = torch.random.get_rng_state()
    >>> with seeded(3):
    ...     a = torch.rand(2)
    >>> with seeded(3):
    ...     b = torch.rand(2)
    >>> bool((a == b).all()), bool((before == torch.random.get_rng_state()).all())
    (True, True)
    """
    if seed is None:
        yield
        return
    # Asking CUDA for its state would start it, which a process that only builds must not do.
    on_cuda = torch.cuda.is_available() and torch.cuda.is_initialized()
    devices = list(range(torch.cuda.device_count())) if on_cuda else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if on_cuda:
            torch.cuda.manual_seed_all(seed)
        yield
