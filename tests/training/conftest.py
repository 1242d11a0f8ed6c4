from __future__ import annotations

import pytest
import torch

from archwright.tasks import Task


def make_task(n: int = 240, *, kind: str = "classification", seed: int = 0) -> Task:
    """Four numbers a row; what is asked is easy to learn."""
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 4, generator=rng)
    if kind == "classification":
        y = (x[:, 0] + x[:, 1] > 0).long()
    elif kind == "multilabel":
        y = torch.stack([x[:, 0] > 0, x[:, 1] > 0, x[:, 0] > x[:, 1]], dim=1).long()
    else:
        y = 3 + 2 * x[:, 0] - x[:, 1] + 0.1 * torch.randn(n, generator=rng)
    return Task.from_arrays(x.numpy(), y.numpy(), kind=kind, test=0.2, seed=seed)


def make_image_task(n: int = 120, seed: int = 0) -> Task:
    """Bright top or bright bottom, 8 x 8."""
    rng = torch.Generator().manual_seed(seed)
    y = torch.arange(n) % 2
    x = torch.randint(0, 100, (n, 1, 8, 8), generator=rng)
    x[y == 1, :, :4] += 100
    x[y == 0, :, 4:] += 100
    return Task.from_arrays(x.to(torch.uint8).numpy(), y.numpy(), test=0.2, seed=seed)


@pytest.fixture(scope="session")
def task() -> Task:
    return make_task()


@pytest.fixture(scope="session")
def image_task() -> Task:
    return make_image_task()
