"""`fbnet`: a chain of 22 layers, each one of nine blocks.

Source: Bichen Wu et al., "FBNet: Hardware-Aware Efficient ConvNet Design via Differentiable Neural
Architecture Search", CVPR 2019, arXiv:1812.03443.

As published (tables 1 and 2): a 3 x 3 convolution, seven stages of 1, 4, 4, 4, 4, 4 and 1 layers, a
1 x 1 convolution, the average over the image, the classifier. A block is an inverted bottleneck
with a kernel of 3 or 5 and an expansion of 1, 3 or 6; with expansion 1 there are also blocks whose
1 x 1 convolutions have two groups, with a channel shuffle behind the first. "skip" passes the input
on; where a stage widens or halves, it is a 1 x 1 convolution, as in the published code.

Differences from the paper: images smaller than 224 pixels are halved less often, the early strides
being 1; the last convolution has 1,984 channels, as in the published code of FBNet-B and -C; in a
residual block the last scale starts at zero.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor, nn

import archwright.nn as aw
from archwright.zoo.blocks import (
    ChannelShuffle,
    check_share,
    conv_bn,
    image_head,
    narrowed,
    shallower,
    start_as_identity,
)
from archwright.zoo.shapes import check_count, fitted_strides, image_scale

# Kernel, expansion, groups.
_BLOCKS = {
    "k3_e1": (3, 1, 1),
    "k3_e1_g2": (3, 1, 2),
    "k3_e3": (3, 3, 1),
    "k3_e6": (3, 6, 1),
    "k5_e1": (5, 1, 1),
    "k5_e1_g2": (5, 1, 2),
    "k5_e3": (5, 3, 1),
    "k5_e6": (5, 6, 1),
}
FBNET_OPS = (*_BLOCKS, "skip")
"""The nine blocks, in the published order."""

# Channels, layers, stride.
_STAGES = (
    (16, 1, 1),
    (24, 4, 2),
    (32, 4, 2),
    (64, 4, 2),
    (112, 4, 1),
    (184, 4, 2),
    (352, 1, 1),
)
_STEM, _LAST = 16, 1984

FBNET_C = {
    f"stage{i}/layer{j}": op
    for i, ops in enumerate(
        (
            ("k3_e1",),
            ("k3_e6", "skip", "k3_e1", "k3_e1"),
            ("k5_e6", "k5_e3", "k5_e6", "k3_e6"),
            ("k5_e6", "k5_e3", "k5_e6", "k5_e6"),
            ("k5_e6", "k5_e6", "k5_e6", "k5_e3"),
            ("k5_e6", "k5_e6", "k5_e6", "k5_e6"),
            ("k3_e6",),
        ),
        start=1,
    )
    for j, op in enumerate(ops, start=1)
}
"""The largest network that the paper found."""


class FBNet(nn.Module):
    """The chain of layers.

    Args:
        input_shape: (channels, height, width); published with (3, 224, 224).
        n_outputs: classes, or numbers to predict.
        layers: layers in stages 2 to 6; published: 4.
        width_share: of every width that is built, rounded to multiples of 4.
        depth_share: of every stage's layers that is built, rounded up.

    Decisions: `stage1/layer1`, `stage2/layer1` to `stage6/layer4`, `stage7/layer1`.

    Raises:
        InputError: it is no image of at least 4 x 4 pixels, or a number out of its range.

    >>> space = aw.ModelSpace(FBNet, (3, 224, 224), 1000)
    >>> space.size == 9**22  # about 10^21, as published
    True
    >>> model = space.build(FBNET_C, device="meta")
    >>> sum(p.numel() for p in model.parameters())  # 5.5 M in the paper
    5572200
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        *,
        layers: int = 4,
        width_share: float = 1.0,
        depth_share: float = 1.0,
    ) -> None:
        super().__init__()
        check_share("fbnet", "width_share", width_share)
        check_share("fbnet", "depth_share", depth_share)
        scale = image_scale("fbnet", input_shape)
        check_count("fbnet", "n_outputs", n_outputs)
        check_count("fbnet", "layers", layers)
        strides = fitted_strides(scale, (2, *(stride for _, _, stride in _STAGES)))
        channels = narrowed(_STEM, width_share)
        self.stem = conv_bn(scale.channels, channels, stride=strides[0], activation=nn.ReLU)
        stages = []
        for i, ((usual, n, _), stride) in enumerate(zip(_STAGES, strides[1:], strict=True)):
            width = narrowed(usual, width_share)
            with aw.scope(f"stage{i + 1}"):
                rows = [
                    _layer(j, width if j else channels, width, 1 if j else stride)
                    for j in range(layers if n > 1 else 1)
                ]
            stages.append(shallower(nn.Sequential(*rows), depth_share))
            channels = width
        self.stages = nn.Sequential(*stages)
        last = narrowed(_LAST, width_share)
        self.mix = conv_bn(channels, last, kernel=1, activation=nn.ReLU)
        self.head = image_head(last, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x height x width` to `batch x n_outputs`."""
        return self.head(self.mix(self.stages(self.stem(x))))


class FBNetBlock(nn.Module):
    """Widening 1 x 1, channel shuffle, depthwise k x k, narrowing 1 x 1; and the shortcut.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: size of the depthwise kernel.
        expansion: channels inside for each channel of the input.
        groups: of the 1 x 1 convolutions.
        stride: of the depthwise convolution.

    >>> import torch
    >>> block = FBNetBlock(8, 16, kernel=3, expansion=1, groups=2, stride=2)
    >>> block(torch.zeros(2, 8, 4, 4)).shape
    torch.Size([2, 16, 2, 2])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        expansion: int,
        groups: int,
        stride: int,
    ) -> None:
        super().__init__()
        inner = in_channels * expansion
        self.widen = conv_bn(in_channels, inner, kernel=1, groups=groups, activation=nn.ReLU)
        self.shuffle = ChannelShuffle(groups) if groups > 1 else nn.Identity()
        self.depthwise = conv_bn(
            inner, inner, kernel=kernel, stride=stride, groups=inner, activation=nn.ReLU
        )
        self.narrow = conv_bn(inner, out_channels, kernel=1, groups=groups)
        self.shortcut = stride == 1 and in_channels == out_channels
        if self.shortcut:
            start_as_identity(self.narrow)

    def forward(self, x: Tensor) -> Tensor:
        """`batch x in_channels x H x W` to `batch x out_channels x H/stride x W/stride`."""
        y = self.narrow(self.depthwise(self.shuffle(self.widen(x))))
        return x + y if self.shortcut else y


def _layer(j: int, in_channels: Any, width: Any, stride: int) -> nn.Module:
    def block(kernel: int, expansion: int, groups: int) -> Callable[[], nn.Module]:
        return lambda: FBNetBlock(
            in_channels, width, kernel=kernel, expansion=expansion, groups=groups, stride=stride
        )

    def skip() -> nn.Module:
        if stride == 1 and in_channels == width:
            return nn.Identity()
        return conv_bn(in_channels, width, kernel=1, stride=stride, activation=nn.ReLU)

    options = {name: block(*values) for name, values in _BLOCKS.items()}
    return aw.layer(f"layer{j + 1}", {**options, "skip": skip}, default="k3_e3")
