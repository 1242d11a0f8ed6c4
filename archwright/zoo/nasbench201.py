"""`nasbench201`: the published cell space, 15,625 cells in a fixed network.

Source: Xuanyi Dong, Yi Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural
Architecture Search", ICLR 2020, arXiv:2001.00326; with sizes as well: Xuanyi Dong et al.,
"NATS-Bench", TPAMI 2021, arXiv:2009.00437.

As published: a 3 x 3 convolution to C channels; three stages of N cells with C, 2C and 4C
channels; between them a residual block that halves the image; batch normalisation, ReLU, global
average, linear. A cell has four nodes, each the sum of what five operations make of all nodes
before it. Operations are ReLU, convolution without bias, batch normalisation with scale and shift.

Differences from the paper: in a cell, what does not reach the output or receives nothing is not
built, so cells with such edges have fewer parameters than the published count. The published code
keeps them: what does not reach the output has no effect, and what receives nothing adds at most a
constant to each channel, the shift of its batch normalisation. Odd sizes, which the paper does not
have, are halved rounding up.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

import archwright.nn as aw
from archwright.zoo.blocks import GlobalAverage
from archwright.zoo.shapes import check_count, check_image_shape

NASBENCH201_OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The five operations, in the published order."""


class NASBench201(nn.Module):
    """The network around a NAS-Bench-201 cell.

    Args:
        input_shape: (channels, height, width); published with (3, 32, 32).
        n_outputs: classes; 10 for CIFAR-10.
        C: channels of the first stage.
        N: cells in each stage.

    Decisions: `cell/0-1`, `cell/0-2`, `cell/1-2`, `cell/0-3`, `cell/1-3`, `cell/2-3`, the
    operation on each edge. All cells of a network are the same.

    Raises:
        InputError: it is no image of at least 4 x 4 pixels, or a number below 1.

    >>> space = aw.ModelSpace(NASBench201, (3, 32, 32), 10)
    >>> space.size
    15625
    >>> model = space.build({path: "nor_conv_3x3" for path in space.paths})
    >>> sum(p.numel() for p in model.parameters())  # 1.531546 M in the published table
    1531546
    """

    def __init__(
        self,
        input_shape: Sequence[int] = (3, 32, 32),
        n_outputs: int = 10,
        *,
        C: int = 16,
        N: int = 5,
    ) -> None:
        super().__init__()
        channels, height, width = check_image_shape("nasbench201", input_shape)
        check_count("nasbench201", "n_outputs", n_outputs)
        check_count("nasbench201", "C", C)
        check_count("nasbench201", "N", N)
        self.stem = nn.Sequential(
            nn.Conv2d(channels, C, 3, padding=1, bias=False), nn.BatchNorm2d(C)
        )
        cells: list[nn.Module] = []
        for stage in range(3):
            if stage:
                odd = height % 2 + width % 2 > 0
                cells.append(Reduction(C * 2 ** (stage - 1), C * 2**stage, odd=odd))
                height, width = -(-height // 2), -(-width // 2)
            cells.extend(_cell(C * 2**stage) for _ in range(N))
        self.cells = nn.Sequential(*cells)
        self.head = nn.Sequential(
            nn.BatchNorm2d(4 * C), nn.ReLU(), GlobalAverage(), nn.Linear(4 * C, n_outputs)
        )

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x height x width` to `batch x n_outputs`."""
        return self.head(self.cells(self.stem(x)))


def nasbench201_space(
    input_shape: Sequence[int] = (3, 32, 32),
    n_outputs: int = 10,
    *,
    channels: int = 16,
    n_cells: int = 5,
) -> aw.ModelSpace:
    """The space of `NASBench201` networks; by default those of the paper, for CIFAR-10.

    Args:
        input_shape: (channels, height, width) of the images.
        n_outputs: classes.
        channels: channels of the first stage (C).
        n_cells: cells in each stage (N).

    >>> nasbench201_space((1, 8, 8), n_cells=1).size
    15625
    """
    space = aw.ModelSpace(
        NASBench201,
        input_shape,
        n_outputs,
        C=channels,
        N=n_cells,
        scaled={"C": "width", "N": "depth"},
    )
    space.name = "nasbench201"
    return space


def _cell(width: int) -> nn.Module:
    return aw.cell(
        "cell",
        {
            "none": None,
            "skip_connect": None,
            "nor_conv_1x1": lambda: relu_conv_bn(width, width, kernel=1),
            "nor_conv_3x3": lambda: relu_conv_bn(width, width, kernel=3),
            "avg_pool_3x3": lambda: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
        },
        nodes=3,
        zero="none",
        identity="skip_connect",
        default="nor_conv_3x3",
        rule="text",
        shared=True,
    )


def relu_conv_bn(
    in_channels: int, out_channels: int, *, kernel: int, stride: int = 1
) -> nn.Sequential:
    """ReLU, convolution without bias, batch normalisation: the published order.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: odd size of the kernel.
        stride: stride.

    >>> [type(part).__name__ for part in relu_conv_bn(4, 8, kernel=3)]
    ['ReLU', 'Conv2d', 'BatchNorm2d']
    """
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(out_channels),
    )


class Reduction(nn.Module):
    """The fixed residual block that halves the image and doubles the channels.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        odd: whether the image's height or width is odd, and halving it must round up.

    >>> import torch
    >>> Reduction(4, 8)(torch.zeros(2, 4, 6, 6)).shape
    torch.Size([2, 8, 3, 3])
    """

    def __init__(self, in_channels: int, out_channels: int, *, odd: bool = False) -> None:
        super().__init__()
        self.conv_a = relu_conv_bn(in_channels, out_channels, kernel=3, stride=2)
        self.conv_b = relu_conv_bn(out_channels, out_channels, kernel=3)
        self.downsample = nn.Sequential(
            nn.AvgPool2d(2, 2, ceil_mode=odd),
            nn.Conv2d(in_channels, out_channels, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`batch x in_channels x H x W` to `batch x out_channels x H/2 x W/2`."""
        return self.downsample(x) + self.conv_b(self.conv_a(x))
