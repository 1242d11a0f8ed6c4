"""`proxyless`: a chain of 21 layers, each an inverted bottleneck of six kinds or nothing.

Source: Han Cai, Ligeng Zhu, Song Han, "ProxylessNAS: Direct Neural Architecture Search on Target
Task and Hardware", ICLR 2019, arXiv:1812.00332, and its published code.

As published: a 3 x 3 convolution, a fixed bottleneck without expansion, five stages of four layers
and a last layer; each layer has a kernel of 3, 5 or 7 and an expansion of 3 or 6, and all but the
first of a stage may be zero, which leaves the shortcut alone and so decides the depth; ReLU6; a
1 x 1 convolution, the average over the image, the classifier.

Differences from the paper: images smaller than 224 pixels are halved less often, the early strides
being 1; in a residual block the last scale starts at zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

import archwright.nn as aw
from archwright.errors import InputError
from archwright.zoo.blocks import check_share, conv_bn, image_head, narrowed, shallower
from archwright.zoo.mobilenet import InvertedBottleneck
from archwright.zoo.shapes import check_count, fitted_strides, image_scale

PROXYLESS_OPS = tuple(f"{k}x{k}_MBConv{e}" for k in (3, 5, 7) for e in (3, 6))
"""The six bottlenecks, named as published; "zero" is the seventh option."""

WIDTHS = (32, 16, 24, 40, 80, 96, 192, 320, 1280)
# Of the stem, the fixed bottleneck and the six stages.
_STRIDES = (2, 1, 2, 2, 2, 1, 2, 1)


def _found(*stages: str) -> dict[str, str]:
    """An architecture from "kernel expansion" of each layer, "-" for zero."""
    return {
        f"stage{i}/layer{j}": "zero" if layer == "-" else f"{layer[0]}x{layer[0]}_MBConv{layer[1]}"
        for i, stage in enumerate(stages, start=1)
        for j, layer in enumerate(stage.split(), start=1)
    }


PROXYLESS_MOBILE = _found(
    "53 33 - -", "73 33 53 53", "76 53 53 53", "56 53 53 53", "76 76 73 73", "76"
)
"""The network that the paper found for a mobile phone, of `PROXYLESS_MOBILE_WIDTHS`."""
PROXYLESS_MOBILE_WIDTHS = (32, 16, 32, 40, 80, 96, 192, 320, 1280)
"""The widths of the published network for a mobile phone."""

PROXYLESS_CPU = _found(
    "36 33 33 33", "36 33 33 53", "36 - - 33", "56 33 33 33", "56 53 53 33", "56"
)
"""The network that the paper found for a CPU, of `PROXYLESS_CPU_WIDTHS`."""
PROXYLESS_CPU_WIDTHS = (40, 24, 32, 48, 88, 104, 216, 360, 1432)
"""The widths of the published network for a CPU."""

PROXYLESS_GPU = _found("53 - - -", "73 - - 33", "76 - - 53", "56 - 33 53", "76 76 76 56", "76")
"""The network that the paper found for a GPU, of `PROXYLESS_GPU_WIDTHS`."""
PROXYLESS_GPU_WIDTHS = (40, 24, 32, 56, 112, 128, 256, 432, 1728)
"""The widths of the published network for a GPU."""


class Proxyless(nn.Module):
    """The chain of layers.

    Args:
        input_shape: (channels, height, width); published with (3, 224, 224).
        n_outputs: classes, or numbers to predict.
        widths: channels of the stem, the fixed bottleneck, the six stages and the last
            convolution.
        layers: layers in each of the first five stages; published: 4.
        width_share: of every width that is built, rounded to multiples of 4.
        depth_share: of every stage's layers that is built, rounded up.

    Decisions: `stage1/layer1` to `stage5/layer4` and `stage6/layer1`.

    Raises:
        InputError: it is no image of at least 4 x 4 pixels, or a number out of its range.

    >>> space = aw.ModelSpace(Proxyless, (3, 224, 224), 1000, widths=PROXYLESS_MOBILE_WIDTHS)
    >>> space.size == 6**6 * 7**15
    True
    >>> model = space.build(PROXYLESS_MOBILE, device="meta")
    >>> sum(p.numel() for p in model.parameters())  # as published
    4080512
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        *,
        widths: Sequence[int] = WIDTHS,
        layers: int = 4,
        width_share: float = 1.0,
        depth_share: float = 1.0,
    ) -> None:
        super().__init__()
        check_share("proxyless", "width_share", width_share)
        check_share("proxyless", "depth_share", depth_share)
        scale = image_scale("proxyless", input_shape)
        check_count("proxyless", "n_outputs", n_outputs)
        check_count("proxyless", "layers", layers)
        if len(tuple(widths)) != len(WIDTHS):
            raise InputError(
                f"proxyless: widths must be {len(WIDTHS)} numbers, such as {WIDTHS}, got {widths!r}"
            )
        for width in widths:
            check_count("proxyless", "widths", width)
        stem, first, *stage_widths, last = (narrowed(width, width_share) for width in widths)
        strides = fitted_strides(scale, _STRIDES)
        self.stem = nn.Sequential(
            conv_bn(scale.channels, stem, stride=strides[0], activation=nn.ReLU6),
            plain_bottleneck(stem, first, stride=strides[1], activation=nn.ReLU6),
        )
        channels = first
        stages = []
        for i, (width, stride) in enumerate(zip(stage_widths, strides[2:], strict=True)):
            with aw.scope(f"stage{i + 1}"):
                n = layers if i < 5 else 1
                rows = [_layer(j, channels if j == 0 else width, width, stride) for j in range(n)]
            stages.append(shallower(nn.Sequential(*rows), depth_share))
            channels = width
        self.stages = nn.Sequential(*stages)
        self.mix = conv_bn(channels, last, kernel=1, activation=nn.ReLU6)
        self.head = image_head(last, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x height x width` to `batch x n_outputs`."""
        return self.head(self.mix(self.stages(self.stem(x))))


def plain_bottleneck(
    in_channels: Any, out_channels: Any, *, stride: int, activation: Callable[[], nn.Module]
) -> nn.Sequential:
    """The first block of these chains: 3 x 3 depthwise, then 1 x 1, without expansion.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        stride: of the depthwise convolution.
        activation: makes the activation between the two.

    >>> len(plain_bottleneck(8, 4, stride=1, activation=nn.ReLU))
    2
    """
    return nn.Sequential(
        conv_bn(in_channels, in_channels, stride=stride, groups=in_channels, activation=activation),
        conv_bn(in_channels, out_channels, kernel=1),
    )


def _layer(j: int, in_channels: Any, width: Any, stride: int) -> nn.Module:
    def bottleneck(kernel: int, expansion: int) -> Callable[[], nn.Module]:
        return lambda: InvertedBottleneck(
            in_channels,
            width,
            kernel=kernel,
            expansion=expansion,
            stride=stride if j == 0 else 1,
            squeeze_excite=lambda channels: nn.Identity(),
            activation=nn.ReLU6,
            shortcut=j > 0,
        )

    options: dict[str, Callable[[], nn.Module]] = {
        name: bottleneck(int(name[0]), int(name[-1])) for name in PROXYLESS_OPS
    }
    if j > 0:
        options["zero"] = nn.Identity
    return aw.layer(f"layer{j + 1}", options)
