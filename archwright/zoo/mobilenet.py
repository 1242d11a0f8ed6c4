"""`mobilenet`: stages of inverted bottlenecks with elastic depth, kernel, expansion and width.

Sources: Mark Sandler et al., "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018,
arXiv:1801.04381; Andrew Howard et al., "Searching for MobileNetV3", ICCV 2019, arXiv:1905.02244;
the space is that of Han Cai et al., "Once-for-All: Train One Network and Specialize it for
Efficient Deployment", ICLR 2020, arXiv:1908.09791 (depth of each stage, kernel and expansion of
each block).

Differences from the papers: the number of stages, their strides and their widths follow from the
image's size instead of from ImageNet's 224, and so do the kernels and expansions: images of a few
pixels get {3, 5} and {2, 3, 4} instead of {3, 5, 7} and {3, 4, 6}; the width of each stage and the
squeeze-excitation of each block are decided, too; the head has no hidden layer between the average
and the classifier.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

import archwright.nn as aw
from archwright.zoo.blocks import (
    ACTIVATIONS,
    SqueezeExcite,
    check_share,
    conv_bn,
    image_head,
    narrowed,
    shallower,
    start_as_identity,
)
from archwright.zoo.shapes import around, check_count, image_scale


class InvertedBottleneck(nn.Module):
    """Widening 1 x 1, depthwise k x k, squeeze-excitation, narrowing 1 x 1; and the shortcut.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: size of the depthwise kernel.
        expansion: channels inside for each channel of the input.
        stride: of the depthwise convolution.
        squeeze_excite: makes what weighs the inner channels, given their number.
        activation: makes an activation.
        shortcut: whether the input is added; the shape must then stay.

    >>> import torch
    >>> block = InvertedBottleneck(
    ...     8,
    ...     8,
    ...     kernel=3,
    ...     expansion=4,
    ...     stride=1,
    ...     squeeze_excite=SqueezeExcite,
    ...     activation=nn.ReLU,
    ...     shortcut=True,
    ... )
    >>> block(torch.zeros(2, 8, 4, 4)).shape
    torch.Size([2, 8, 4, 4])
    """

    def __init__(
        self,
        in_channels: Any,
        out_channels: Any,
        *,
        kernel: Any,
        expansion: Any,
        stride: int,
        squeeze_excite: Callable[[Any], nn.Module],
        activation: Callable[[], nn.Module],
        shortcut: bool,
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.widen = conv_bn(in_channels, inner, kernel=1, activation=activation)
        self.depthwise = conv_bn(
            inner, inner, kernel=kernel, stride=stride, groups=inner, activation=activation
        )
        self.squeeze_excite = squeeze_excite(inner)
        self.narrow = conv_bn(inner, out_channels, kernel=1)
        self.shortcut = shortcut
        if shortcut:
            start_as_identity(self.narrow)

    def forward(self, x: Tensor) -> Tensor:
        """`batch x in_channels x H x W` to `batch x out_channels x H/stride x W/stride`."""
        y = self.narrow(self.squeeze_excite(self.depthwise(self.widen(x))))
        return x + y if self.shortcut else y


class MobileNet(nn.Module):
    """A network of inverted bottlenecks.

    Args:
        input_shape: (channels, height, width) of the images.
        n_outputs: classes, or numbers to predict.
        max_depth: the most blocks in a stage, from 1.
        width_share: of every decided width that is built, rounded to multiples of 4.
        depth_share: of every stage's blocks that is built, rounded up.

    Decisions: `activation`, `stem/width`; for each stage `width` and `depth`; for each block
    `kernel`, `expansion` and `se`; `head/width`, `dropout`.

    Raises:
        InputError: it is no image of at least 4 x 4 pixels, or a number below 1.

    >>> import torch
    >>> net = MobileNet((3, 32, 32), 10)  # the default network
    >>> net(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
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
        check_share("mobilenet", "width_share", width_share)
        check_share("mobilenet", "depth_share", depth_share)
        scale = image_scale("mobilenet", input_shape)
        check_count("mobilenet", "n_outputs", n_outputs)
        check_count("mobilenet", "max_depth", max_depth)
        base = scale.widths()[0]
        with aw.scope("stem"):
            chosen = aw.choice("width", around(base, 0.5, 1, 1.5), default=base)
            channels = narrowed(chosen, width_share)
        self.stem = conv_bn(
            scale.channels, channels, stride=min(2, scale.stem_stride), activation=_activation
        )
        strides = scale.strides
        if scale.stem_stride == 4:  # the second halving of the stem is the first stage's
            strides = (2, *strides[1:])
        stages = []
        for i, (stride, usual) in enumerate(zip(strides, scale.widths(), strict=True)):
            with aw.scope(f"stage{i + 1}"):
                chosen = aw.choice("width", around(usual, 0.5, 0.75, 1, 1.25), default=usual)
                width = narrowed(chosen, width_share)
                stages.append(
                    shallower(
                        _stage(
                            channels,
                            width,
                            stride,
                            max_depth,
                            small=scale.is_small,
                            late=2 * i >= len(strides),
                        ),
                        depth_share,
                    )
                )
                channels = width
        self.stages = nn.Sequential(*stages)
        usual = 2 * scale.widths()[-1]
        with aw.scope("head"):
            chosen = aw.choice("width", [usual // 2, usual, 2 * usual], default=usual)
            width = narrowed(chosen, width_share)
        self.mix = conv_bn(channels, width, kernel=1, activation=_activation)
        self.head = image_head(width, n_outputs, dropout=aw.choice("dropout", [0.0, 0.1, 0.2, 0.3]))

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x height x width` to `batch x n_outputs`."""
        return self.head(self.mix(self.stages(self.stem(x))))


def _activation() -> nn.Module:
    names = ("relu", "hardswish")
    return aw.layer("/activation", {name: ACTIVATIONS[name] for name in names}, shared=True)


def _stage(
    in_channels: Any, width: Any, stride: int, max_depth: int, *, small: bool, late: bool
) -> nn.Module:
    # The last stages gain most from squeeze-excitation, and there it costs least.
    default = "yes" if late else "no"
    kernels, expansions = ([3, 5], [2, 3, 4]) if small else ([3, 5, 7], [3, 4, 6])

    def squeeze_excite(channels: Any) -> nn.Module:
        return aw.layer(
            "se",
            {"no": nn.Identity, "yes": lambda: SqueezeExcite(channels)},
            default=default,
        )

    def block(i: int) -> nn.Module:
        return InvertedBottleneck(
            in_channels if i == 0 else width,
            width,
            kernel=aw.choice("kernel", kernels),
            expansion=aw.choice("expansion", expansions, default=3),
            stride=stride if i == 0 else 1,
            squeeze_excite=squeeze_excite,
            activation=_activation,
            shortcut=i > 0,
        )

    return aw.repeat("depth", 1, max_depth, block, default=min(2, max_depth))
