"""A small convolutional space with every kind of decision, and images that it can learn."""

from __future__ import annotations

import torch
from torch import nn

import archwright.nn as aw
from archwright.tasks import Task


class Block(nn.Module):
    def __init__(self, channels, i):
        super().__init__()
        inner = channels * aw.choice("expansion", [1, 2])
        self.body = nn.Sequential(
            aw.conv2d(channels, inner, kernel=aw.choice("kernel", [1, 3]), bias=False),
            aw.batch_norm2d(inner),
            aw.layer("act", {"relu": nn.ReLU, "silu": nn.SiLU}),
            aw.conv2d(inner, channels, kernel=1),
        )

    def forward(self, x):
        return x + self.body(x)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = aw.choice("width", [2, 4, 6])
        self.stem = aw.conv2d(1, width, kernel=3)
        self.blocks = aw.repeat("depth", 1, 2, lambda i: Block(width, i))
        self.drop = aw.dropout(aw.real("dropout", 0.0, 0.1))
        self.head = aw.linear(width, 3)

    def forward(self, x):
        return self.head(self.drop(self.blocks(self.stem(x)).mean((2, 3))))


def space():
    return aw.ModelSpace(Net)


def task(n=90):
    rng = torch.Generator().manual_seed(0)
    y = torch.arange(n) % 3
    x = 0.3 * torch.randn(n, 1, 6, 6, generator=rng) + y[:, None, None, None] - 1
    return Task.from_arrays(x.numpy(), y.numpy())
