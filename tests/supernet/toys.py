"""A toy space with every kind of relaxable decision, and toy data."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn

import archwright as aw


class Toy(nn.Module):
    """Width, kernel, depth, layers with a nested decision, inputs, and one that cannot be mixed."""

    def __init__(self) -> None:
        super().__init__()
        width = aw.choice("width", [2, 4])
        self.stem = nn.Sequential(
            aw.conv2d(1, width, kernel=aw.choice("kernel", [1, 3])),
            aw.batch_norm2d(width),
            nn.ReLU(),
        )
        self.body = aw.repeat("depth", 1, 2, lambda i: self.layer(width))
        self.take = aw.inputs("take", 2, (1, 2))
        self.pool = aw.conv2d(width, 3, kernel=3, stride=aw.choice("stride", [1, 2]))

    def layer(self, width: Any) -> nn.Module:
        return aw.layer(
            "op",
            {
                "conv": lambda: nn.Sequential(
                    aw.conv2d(width, width, kernel=aw.choice("kernel", [1, 3])),
                    aw.batch_norm2d(width),
                ),
                "skip": nn.Identity,
            },
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        return self.pool(self.take([x, self.body(x)])).mean((2, 3))


def data(n: int = 48, shape: tuple[int, ...] = (1, 6, 6), seed: int = 0) -> aw.Task:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, *shape)).astype("float32")
    return aw.Task.from_arrays(x, (x.mean((1, 2, 3)) > 0).astype(int) + (x[:, 0, 0, 0] > 1))


SPACE = aw.ModelSpace(Toy)
TASK = data()
