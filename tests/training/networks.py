from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from archwright.nn import seeded


def linear(n_outputs: int = 2, seed: int = 0) -> nn.Module:
    with seeded(seed):
        return nn.Linear(4, n_outputs)


def perceptron(n_outputs: int = 2, seed: int = 0, dropout: float = 0.1) -> nn.Module:
    with seeded(seed):
        return nn.Sequential(
            nn.Linear(4, 16),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(16, n_outputs),
        )


def small_cnn(seed: int = 0) -> nn.Module:
    with seeded(seed):
        return nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1, bias=False),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(64, 2),
        )


class Watched(nn.Module):
    """A network that calls `before(x)` ahead of every forward pass."""

    def __init__(self, network: nn.Module, before: Callable[[Tensor], None]) -> None:
        super().__init__()
        self.network = network
        self.before = before

    def forward(self, x: Tensor) -> Tensor:
        self.before(x)
        return self.network(x)


def equal(a: nn.Module, b: nn.Module) -> bool:
    left, right = a.state_dict(), b.state_dict()
    return list(left) == list(right) and all(torch.equal(left[k], right[k]) for k in left)
