"""`shufflenet_v2_spos`: twenty choice blocks of ShuffleNetV2, four candidates each.

Source: Zichao Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform Sampling",
ECCV 2020, arXiv:1904.00420, and its published code; the blocks are those of Ningning Ma et al.,
"ShuffleNet V2", ECCV 2018, arXiv:1807.11164.

As published: a 3 x 3 convolution, stages of 4, 4, 8 and 4 choice blocks, a 1 x 1 convolution, the
average over the image, dropout, a classifier without bias. A block splits the channels into those
at even and those at odd places; the even ones pass through, the odd ones through a depthwise kernel
of 3, 5 or 7 between two 1 x 1 convolutions, or through "xception", three separable convolutions in
a row. The first block of a stage halves the image, and both its branches see all channels.

Differences from the paper: the channels of each block, which it searches in a second experiment,
are fixed at the usual number; images smaller than 224 pixels are halved less often: the early
strides are 1, in the stages as in the stem.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

import archwright.nn as aw
from archwright.zoo.blocks import GlobalAverage, check_share, conv_bn, narrowed, shallower
from archwright.zoo.shapes import check_count, fitted_strides, image_scale

SPOS_OPS = ("shuffle_3x3", "shuffle_5x5", "shuffle_7x7", "xception")
"""The four candidates, in the published order."""

_STAGES = ((64, 4), (160, 4), (320, 8), (640, 4))  # channels, blocks
_STEM, _LAST = 16, 1024

SPOS_FOUND = {
    f"stage{i}/block{j}": SPOS_OPS[int(number)]
    for i, numbers in enumerate(("0031", "1100", "20211020", "2132"), start=1)
    for j, number in enumerate(numbers, start=1)
}
"""The network that the published code trains anew as the result of its search."""


class ShuffleNetV2SPOS(nn.Module):
    """The chain of choice blocks.

    Args:
        input_shape: (channels, height, width); published with (3, 224, 224).
        n_outputs: classes, or numbers to predict.
        max_blocks: the most blocks in a stage; published: 8.
        width_share: of every width that is built, rounded to multiples of 4.
        depth_share: of every stage's blocks that is built, rounded up.

    Decisions: `stage1/block1` to `stage4/block4`.

    Raises:
        InputError: it is no image of at least 4 x 4 pixels, or a number out of its range.

    >>> space = aw.ModelSpace(ShuffleNetV2SPOS, (3, 224, 224), 1000)
    >>> space.size == 4**20  # as published
    True
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        *,
        max_blocks: int = 8,
        width_share: float = 1.0,
        depth_share: float = 1.0,
    ) -> None:
        super().__init__()
        check_share("shufflenet_v2_spos", "width_share", width_share)
        check_share("shufflenet_v2_spos", "depth_share", depth_share)
        scale = image_scale("shufflenet_v2_spos", input_shape)
        check_count("shufflenet_v2_spos", "n_outputs", n_outputs)
        check_count("shufflenet_v2_spos", "max_blocks", max_blocks)
        strides = fitted_strides(scale, (2,) * (1 + len(_STAGES)))
        channels = narrowed(_STEM, width_share)
        self.stem = conv_bn(scale.channels, channels, stride=strides[0], activation=nn.ReLU)
        stages = []
        for i, ((usual, n), stride) in enumerate(zip(_STAGES, strides[1:], strict=True)):
            # The first block adds its new channels to those that it receives.
            width = max(narrowed(usual, width_share), channels + 4)
            with aw.scope(f"stage{i + 1}"):
                rows = [
                    _layer(j, width if j else channels, width, stride)
                    for j in range(min(n, max_blocks))
                ]
            stages.append(shallower(nn.Sequential(*rows), depth_share))
            channels = width
        self.stages = nn.Sequential(*stages)
        last = narrowed(_LAST, width_share)
        self.mix = conv_bn(channels, last, kernel=1, activation=nn.ReLU)
        self.head = nn.Sequential(
            GlobalAverage(), nn.Dropout(0.1), nn.Linear(last, n_outputs, bias=False)
        )
        nn.init.normal_(self.head[-1].weight, std=0.01)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x height x width` to `batch x n_outputs`."""
        return self.head(self.mix(self.stages(self.stem(x))))


class ShuffleBlock(nn.Module):
    """One candidate: two branches, joined.

    Args:
        branch: what the channels at odd places go through.
        projection: what all channels go through beside the branch, which then sees all of them,
            too. None: the channels at even places pass through as they are.

    >>> ShuffleBlock(nn.Identity(), None)(torch.arange(4.0).reshape(1, 4, 1, 1)).flatten().tolist()
    [0.0, 2.0, 1.0, 3.0]
    """

    def __init__(self, branch: nn.Module, projection: nn.Module | None) -> None:
        super().__init__()
        self.branch = branch
        self.projection = projection

    def forward(self, x: Tensor) -> Tensor:
        """`batch x in_channels x H x W` to `batch x out_channels x H/stride x W/stride`."""
        if self.projection is not None:
            return torch.cat([self.projection(x), self.branch(x)], 1)
        return torch.cat([x[:, ::2], self.branch(x[:, 1::2])], 1)


def _layer(j: int, in_channels: int, width: int, stride: int) -> nn.Module:
    first = j == 0
    inputs = in_channels if first else in_channels // 2
    outputs = width - inputs

    def block(op: str) -> Callable[[], nn.Module]:
        kernel = 3 if op == "xception" else int(op[-1])
        make = _xception if op == "xception" else _shuffle

        def candidate() -> nn.Module:
            projection = None
            if first:
                projection = nn.Sequential(
                    conv_bn(inputs, inputs, kernel=kernel, stride=stride, groups=inputs),
                    conv_bn(inputs, inputs, kernel=1, activation=nn.ReLU),
                )
            branch = make(inputs, width // 2, outputs, kernel, stride if first else 1)
            return ShuffleBlock(branch, projection)

        return candidate

    return aw.layer(f"block{j + 1}", {op: block(op) for op in SPOS_OPS})


def _shuffle(inputs: int, inner: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        conv_bn(inputs, inner, kernel=1, activation=nn.ReLU),
        conv_bn(inner, inner, kernel=kernel, stride=stride, groups=inner),
        conv_bn(inner, outputs, kernel=1, activation=nn.ReLU),
    )


def _xception(inputs: int, inner: int, outputs: int, kernel: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        conv_bn(inputs, inputs, kernel=kernel, stride=stride, groups=inputs),
        conv_bn(inputs, inner, kernel=1, activation=nn.ReLU),
        conv_bn(inner, inner, kernel=kernel, groups=inner),
        conv_bn(inner, inner, kernel=1, activation=nn.ReLU),
        conv_bn(inner, inner, kernel=kernel, groups=inner),
        conv_bn(inner, outputs, kernel=1, activation=nn.ReLU),
    )
