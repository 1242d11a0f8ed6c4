"""`ofa_resnet`: ResNet-50D with elastic depth, expansion and width.

Source: the ResNet-50 space in the published code of Han Cai et al., "Once-for-All: Train One
Network and Specialize it for Efficient Deployment", ICLR 2020, arXiv:1908.09791; the network is
ResNet-D of Tong He et al., "Bag of Tricks for Image Classification with Convolutional Neural
Networks", CVPR 2019, arXiv:1812.01187.

As published: three 3 x 3 convolutions, the second residual and left out on request, a max pooling;
four stages of 2 to 4, 2 to 4, 4 to 6 and 2 to 4 bottlenecks, each with 0.2, 0.25 or 0.35 times the
stage's channels inside; each stage and both widths of the stem times 0.65, 0.8 or 1; shortcuts that
change the shape are an average pooling and a 1 x 1 convolution. The default is ResNet-50D.

Differences from the published code: images smaller than 224 pixels are halved less often, the early
strides being 1; odd sizes are halved rounding up; the resolution is that of the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

import archwright.nn as aw
from archwright.zoo.blocks import check_share, conv_bn, image_head, narrowed, shallower
from archwright.zoo.ofa_mobilenet_v3 import Shortcut
from archwright.zoo.shapes import check_count, fitted_strides, image_scale

_WIDTHS = (256, 512, 1024, 2048)
_DEPTHS = (2, 2, 4, 2)  # the fewest bottlenecks; ResNet-50 has one more, one, two and one
_RESNET_50 = (3, 4, 6, 3)
_STRIDES = (1, 2, 2, 2)
_STEM = 64
_SHARES = (0.65, 0.8, 1.0)
_EXPANSIONS = (0.2, 0.25, 0.35)


class OFAResNet(nn.Module):
    """The residual network of four stages.

    Args:
        input_shape: (channels, height, width); published with (3, 128 to 224, 128 to 224).
        n_outputs: classes, or numbers to predict.
        max_extra: the most bottlenecks of a stage beyond its 2, 2, 4 and 2; published: 2.
        width_share: of every width that is built, rounded to multiples of 4.
        depth_share: of every stage's bottlenecks that is built, rounded up.

    Decisions: `stem/inner` and `stem/width` (shares), `stem/residual`; for each stage `width`
    (a share) and `depth`; for each bottleneck `expansion`.

    Raises:
        InputError: it is no image of at least 4 x 4 pixels, or a number out of its range.

    >>> space = aw.ModelSpace(OFAResNet, (3, 224, 224), 1000)
    >>> model = space.build(space.default, device="meta")
    >>> sum(p.numel() for p in model.parameters())  # ResNet-50D's
    25576264
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        *,
        max_extra: int = 2,
        width_share: float = 1.0,
        depth_share: float = 1.0,
    ) -> None:
        super().__init__()
        check_share("ofa_resnet", "width_share", width_share)
        check_share("ofa_resnet", "depth_share", depth_share)
        scale = image_scale("ofa_resnet", input_shape)
        check_count("ofa_resnet", "n_outputs", n_outputs)
        check_count("ofa_resnet", "max_extra", max_extra, low=0)
        strides = fitted_strides(scale, (2, 2, *_STRIDES))
        with aw.scope("stem"):
            inner = _width("inner", _STEM // 2, width_share)
            channels = _width("width", _STEM, width_share)
            residual = aw.layer(
                "residual",
                {
                    "yes": lambda: Shortcut(conv_bn(inner, inner, activation=nn.ReLU)),
                    "no": nn.Identity,
                },
            )
        self.stem = nn.Sequential(
            conv_bn(scale.channels, inner, stride=strides[0], activation=nn.ReLU),
            residual,
            conv_bn(inner, channels, activation=nn.ReLU),
            nn.MaxPool2d(3, 2, 1) if strides[1] == 2 else nn.Identity(),
        )
        stages = []
        for i, (usual, stride) in enumerate(zip(_WIDTHS, strides[2:], strict=True)):
            with aw.scope(f"stage{i + 1}"):
                width = _width("width", usual, width_share)
                low = _DEPTHS[i]
                stage = _stage(channels, width, stride, low, low + max_extra, _RESNET_50[i])
            stages.append(shallower(stage, depth_share))
            channels = width
        self.stages = nn.Sequential(*stages)
        self.head = image_head(channels, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x height x width` to `batch x n_outputs`."""
        return self.head(self.stages(self.stem(x)))


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 and the shortcut of ResNet-D.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        expansion: inner channels for each of the output, rounded to multiples of 8.
        stride: of the 3 x 3 convolution.
        projected: whether the shortcut changes the number of channels or the size.

    >>> import torch
    >>> block = Bottleneck(16, 32, expansion=0.25, stride=2, projected=True)
    >>> block(torch.zeros(2, 16, 5, 4)).shape
    torch.Size([2, 32, 3, 2])
    """

    def __init__(
        self, in_channels: Any, out_channels: Any, *, expansion: Any, stride: int, projected: bool
    ) -> None:
        super().__init__()
        inner = aw.divisible(out_channels * expansion, 8)
        self.branch = nn.Sequential(
            conv_bn(in_channels, inner, kernel=1, activation=nn.ReLU),
            conv_bn(inner, inner, stride=stride, activation=nn.ReLU),
            conv_bn(inner, out_channels, kernel=1),
        )
        self.shortcut: nn.Module = nn.Identity()
        if projected:
            pool = [nn.AvgPool2d(2, 2, ceil_mode=True, count_include_pad=False)]
            self.shortcut = nn.Sequential(
                *(pool if stride == 2 else ()), *conv_bn(in_channels, out_channels, kernel=1)
            )
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """`batch x in_channels x H x W` to `batch x out_channels x H/stride x W/stride`."""
        return self.activation(self.shortcut(x) + self.branch(x))


def _width(name: str, usual: int, width_share: float) -> Any:
    share = aw.choice(name, list(_SHARES), default=1.0)
    return narrowed(aw.divisible(usual * share, 8), width_share)


def _stage(
    in_channels: Any, width: Any, stride: int, low: int, high: int, default: int
) -> nn.Module:
    def bottleneck(i: int) -> nn.Module:
        return Bottleneck(
            in_channels if i == 0 else width,
            width,
            expansion=aw.choice("expansion", list(_EXPANSIONS), default=0.25),
            stride=stride if i == 0 else 1,
            projected=i == 0,
        )

    return aw.repeat("depth", low, high, bottleneck, default=min(default, high))
