"""`ofa_mobilenet_v3`: five units of inverted bottlenecks with elastic depth, kernel and expansion.

Source: Han Cai et al., "Once-for-All: Train One Network and Specialize it for Efficient
Deployment", ICLR 2020, arXiv:1908.09791, and its published code; the network is that of Andrew
Howard et al., "Searching for MobileNetV3", ICCV 2019, arXiv:1905.02244.

As published: a 3 x 3 convolution, a fixed bottleneck, five units of 2 to 4 blocks, each with a
kernel of 3, 5 or 7 and an expansion of 3, 4 or 6; ReLU in the first two units, hard swish later;
squeeze-excitation in the second, fourth and fifth; a 1 x 1 convolution to 960 channels, the average
over the image, a hidden layer of 1,280, the classifier. The default architecture is the largest,
with which the published training begins.

Differences from the paper: images smaller than 224 pixels are halved less often, the early strides
being 1; the resolution, elastic there from 128 to 224 pixels, is that of the data; small kernels
are the middle of large ones (the transformation between them is a matter of training, see
`archwright.nn.conv2d`); no dropout before the classifier; in a residual block the last scale starts
at zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

import archwright.nn as aw
from archwright.zoo.blocks import (
    GlobalAverage,
    SqueezeExcite,
    check_share,
    conv_bn,
    narrowed,
    shallower,
)
from archwright.zoo.mobilenet import InvertedBottleneck
from archwright.zoo.proxyless import plain_bottleneck
from archwright.zoo.shapes import check_count, fitted_strides, image_scale

# Channels, stride, squeeze-excitation, hard swish of the units.
_UNITS = (
    (24, 2, False, False),
    (40, 2, True, False),
    (80, 2, False, True),
    (112, 1, True, True),
    (160, 2, True, True),
)
_STEM, _LAST, _HIDDEN = 16, 960, 1280


class OFAMobileNetV3(nn.Module):
    """The network of five units.

    Args:
        input_shape: (channels, height, width); published with (3, 128 to 224, 128 to 224).
        n_outputs: classes, or numbers to predict.
        max_depth: the most blocks in a unit; published: 4. The fewest are two, or one if that is
            the most.
        width_share: of every width that is built, rounded to multiples of 4.
        depth_share: of every unit's blocks that is built, rounded up.

    Decisions: for each unit `depth`; for each block `kernel` and `expansion`: `unit1/depth`,
    `unit1/depth.0/kernel`, ...

    Raises:
        InputError: it is no image of at least 4 x 4 pixels, or a number out of its range.

    >>> space = aw.ModelSpace(OFAMobileNetV3, (3, 224, 224), 1000)
    >>> space.size == (9**2 + 9**3 + 9**4) ** 5  # about 2 * 10^19, as published
    True
    >>> model = space.build(space.default, device="meta")
    >>> sum(p.numel() for p in model.parameters())  # 7.7 M in the paper, for all together
    7664760
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        *,
        max_depth: int = 4,
        width_share: float = 1.0,
        depth_share: float = 1.0,
    ) -> None:
        super().__init__()
        check_share("ofa_mobilenet_v3", "width_share", width_share)
        check_share("ofa_mobilenet_v3", "depth_share", depth_share)
        scale = image_scale("ofa_mobilenet_v3", input_shape)
        check_count("ofa_mobilenet_v3", "n_outputs", n_outputs)
        check_count("ofa_mobilenet_v3", "max_depth", max_depth)
        strides = fitted_strides(scale, (2, *(unit[1] for unit in _UNITS)))
        channels = narrowed(_STEM, width_share)
        self.stem = conv_bn(scale.channels, channels, stride=strides[0], activation=nn.Hardswish)
        self.first = Shortcut(
            plain_bottleneck(channels, channels, stride=1, activation=nn.ReLU),
        )
        units = []
        for i, ((usual, _, gated, swish), stride) in enumerate(
            zip(_UNITS, strides[1:], strict=True)
        ):
            width = narrowed(usual, width_share)
            with aw.scope(f"unit{i + 1}"):
                unit = _unit(channels, width, stride, max_depth, gated=gated, swish=swish)
            units.append(shallower(unit, depth_share))
            channels = width
        self.units = nn.Sequential(*units)
        last, hidden = narrowed(_LAST, width_share), narrowed(_HIDDEN, width_share)
        self.mix = conv_bn(channels, last, kernel=1, activation=nn.Hardswish)
        self.head = nn.Sequential(
            GlobalAverage(),
            nn.Linear(last, hidden, bias=False),
            nn.Hardswish(),
            nn.Linear(hidden, n_outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x height x width` to `batch x n_outputs`."""
        return self.head(self.mix(self.units(self.first(self.stem(x)))))


class Shortcut(nn.Module):
    """`x + branch(x)`.

    Args:
        branch: keeps the shape.

    >>> import torch
    >>> Shortcut(nn.Identity())(torch.ones(1)).item()
    2.0
    """

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x H x W` to the same shape."""
        return x + self.branch(x)


def _unit(
    in_channels: Any, width: Any, stride: int, max_depth: int, *, gated: bool, swish: bool
) -> nn.Module:
    squeeze_excite: Callable[[Any], nn.Module] = (
        SqueezeExcite if gated else lambda channels: nn.Identity()
    )

    def block(i: int) -> nn.Module:
        return InvertedBottleneck(
            in_channels if i == 0 else width,
            width,
            kernel=aw.choice("kernel", [3, 5, 7], default=7),
            expansion=aw.choice("expansion", [3, 4, 6], default=6),
            stride=stride if i == 0 else 1,
            squeeze_excite=squeeze_excite,
            activation=nn.Hardswish if swish else nn.ReLU,
            shortcut=i > 0 or (stride == 1 and in_channels == width),
        )

    return aw.repeat("depth", min(2, max_depth), max_depth, block, default=max_depth)
