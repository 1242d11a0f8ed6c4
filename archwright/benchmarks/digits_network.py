"""The networks of digits-cells, in the language of model spaces."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

import archwright.nn as aw

WIDTH = 8
"""Channels of every node."""
GROUPS = 2
"""Groups of the convolutions: with one, three full convolutions would simply win."""


class DigitsCell(nn.Module):
    """A cell of three nodes between a stem and a linear classifier, for 8 x 8 grey images.

    The stem (a 3 x 3 convolution with stride 2, batch normalisation) makes 8 channels of 4 x 4.
    Each node adds up one or two of what comes before it and works on the sum; what no node takes
    is concatenated, averaged over the image and classified. Operations with weights are ReLU,
    convolution without bias, batch normalisation.

    Decisions: `cell/2/inputs` and `cell/3/inputs` (0 is the stem), `cell/1/op` to `cell/3/op`,
    and below them the kernel of a convolution (`cell/1/op=conv/kernel`) or a separable one, and
    the kind of a pooling (`cell/1/op=pool/kind`).

    >>> aw.ModelSpace(DigitsCell).size
    6174
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(1, WIDTH, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(WIDTH)
        )
        self.cell = aw.cell(
            "cell",
            OPERATIONS,
            nodes=3,
            select=(1, 2),
            op_on="node",
            output="loose",
            identity="skip",
        )
        n_outputs: Any = self.cell.n_outputs
        self.head = nn.Sequential(
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            aw.linear(n_outputs * WIDTH, 10),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`batch x 1 x 8 x 8` to `batch x 10`."""
        return self.head(self.cell(self.stem(x)))


def _conv() -> nn.Module:
    kernel = aw.choice("kernel", [1, 3])
    return nn.Sequential(
        nn.ReLU(),
        aw.conv2d(WIDTH, WIDTH, kernel=kernel, groups=GROUPS, bias=False),
        nn.BatchNorm2d(WIDTH),
    )


def _separable() -> nn.Module:
    kernel = aw.choice("kernel", [3, 5])
    return nn.Sequential(
        nn.ReLU(),
        aw.conv2d(WIDTH, WIDTH, kernel=kernel, groups=WIDTH, bias=False),
        nn.Conv2d(WIDTH, WIDTH, 1, bias=False),
        nn.BatchNorm2d(WIDTH),
    )


def _pool() -> nn.Module:
    return aw.layer(
        "kind",
        {
            "max": lambda: nn.MaxPool2d(3, 1, 1),
            "avg": lambda: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
        },
    )


OPERATIONS: dict[str, Callable[[], nn.Module] | None] = {
    "conv": _conv,
    "separable": _separable,
    "pool": _pool,
    "skip": None,
}
"""What a node may do."""
