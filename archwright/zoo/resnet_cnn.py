"""`resnet_cnn`: stages of residual blocks, sized for small budgets on a CPU.

Sources: Kaiming He et al., "Deep Residual Learning for Image Recognition", CVPR 2016,
arXiv:1512.03385; the shape of the default network, a narrow stem, one widening convolution a
stage and few residual blocks, follows David Page's ResNet-9 (the DAWNBench entry described in
"How to Train Your ResNet", 2018); design spaces of this kind are studied by Ilija Radosavovic et
al., "Designing Network Design Spaces", CVPR 2020, arXiv:2003.13678.

Differences from the papers: each stage begins with one convolution that widens and halves (no
projection shortcuts), so that a stage may hold no residual block at all; the kind of halving is a
choice; basic, bottleneck and inverted blocks stand side by side. The last scale of a residual
branch starts at one: at zero, 7 epochs of Fashion-MNIST's 6,000 images gave 0.8 points less.

Why it is what `suggest` answers for images: at equal CPU time plain 3 x 3 convolutions of 16 to 64
channels beat depthwise ones, which move as much memory for fewer additions.
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
)
from archwright.zoo.shapes import around, check_count, image_scale


class Residual(nn.Module):
    """`activation(x + branch(x))`.

    Args:
        branch: keeps the shape; its last module is a batch normalisation.
        activation: what comes behind the sum.
    """

    def __init__(self, branch: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.branch = branch
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x H x W` to the same shape."""
        return self.activation(x + self.branch(x))


class ResNetCNN(nn.Module):
    """A convolutional network of stages of residual blocks.

    Args:
        input_shape: (channels, height, width) of the images.
        n_outputs: classes, or numbers to predict.
        max_blocks: the most residual blocks in a stage.
        width_share: of every decided width that is built, rounded to multiples of 4.
        depth_share: of every stage's residual blocks that is built, rounded up.

    Decisions: `activation`, `stem/width`; for each stage `width`, `halve` (how the image is
    halved: a strided convolution, max pooling behind or before the convolution), `block` and inside
    it `depth` (their number), `kernel`, `expansion`, and `se` (behind the blocks); `dropout`.

    Raises:
        InputError: it is no image of at least 4 x 4 pixels, or no number of outputs.

    >>> import torch
    >>> net = ResNetCNN((1, 8, 8), 10)  # the default network
    >>> net(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        *,
        max_blocks: int = 3,
        width_share: float = 1.0,
        depth_share: float = 1.0,
    ) -> None:
        super().__init__()
        check_share("resnet_cnn", "width_share", width_share)
        check_share("resnet_cnn", "depth_share", depth_share)
        scale = image_scale("resnet_cnn", input_shape)
        check_count("resnet_cnn", "n_outputs", n_outputs)
        check_count("resnet_cnn", "max_blocks", max_blocks)
        base = scale.widths()[0] if scale.strides[0] == 1 else scale.base // 2
        with aw.scope("stem"):
            chosen = aw.choice("width", around(base, 0.5, 1, 2), default=base)
            channels = narrowed(chosen, width_share)
            self.stem = nn.Sequential(
                *conv_bn(
                    scale.channels,
                    channels,
                    stride=min(2, scale.stem_stride),
                    activation=_activation,
                )
            )
            if scale.stem_stride == 4:
                self.stem.append(nn.MaxPool2d(3, 2, 1))
        stages = []
        factors = (0.5, 0.75, 1, 1.25) if scale.is_small else (0.5, 0.75, 1, 1.5, 2)
        for i, (stride, usual) in enumerate(zip(scale.strides, scale.widths(), strict=True)):
            with aw.scope(f"stage{i + 1}"):
                chosen = aw.choice("width", around(usual, *factors), default=usual)
                width = narrowed(chosen, width_share)
                default = _default_block(i, scale.n_stages)
                stages.append(_stage(channels, width, stride, max_blocks, default, depth_share))
                channels = width
        self.stages = nn.Sequential(*stages)
        self.head = image_head(
            channels, n_outputs, dropout=aw.choice("dropout", [0.0, 0.1, 0.2, 0.3])
        )

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x height x width` to `batch x n_outputs`."""
        return self.head(self.stages(self.stem(x)))


def _activation() -> nn.Module:
    names = ("relu", "silu")
    return aw.layer("/activation", {name: ACTIVATIONS[name] for name in names}, shared=True)


def _default_block(i: int, n_stages: int) -> str:
    # One block early and one late, none between: ResNet-9's pattern.
    return "basic" if i in (0, n_stages - 1) else "none"


def _stage(
    in_channels: Any, width: Any, stride: int, max_blocks: int, default: str, share: float
) -> nn.Sequential:
    widen = _halving(in_channels, width) if stride > 1 else _widening(in_channels, width)

    def blocks(branch: Callable[[], nn.Sequential]) -> nn.Module:
        row = aw.repeat("depth", 1, max_blocks, lambda i: Residual(branch(), _activation()))
        return shallower(row, share)

    def basic() -> nn.Module:
        kernel = aw.choice("kernel", [3, 5])
        return blocks(lambda: _basic(width, kernel))

    def bottleneck() -> nn.Module:
        kernel = aw.choice("kernel", [3, 5])
        return blocks(lambda: _bottleneck(width, kernel))

    def inverted() -> nn.Module:
        kernel, expansion = aw.choice("kernel", [3, 5]), aw.choice("expansion", [2, 4])
        return blocks(lambda: _inverted(width, kernel, expansion))

    body = aw.layer(
        "block",
        {"none": nn.Identity, "basic": basic, "bottleneck": bottleneck, "inverted": inverted},
        default=default,
    )
    gate = aw.layer("se", {"no": nn.Identity, "yes": lambda: SqueezeExcite(width)})
    return nn.Sequential(widen, body, gate)


def _widening(in_channels: Any, width: Any) -> nn.Module:
    return conv_bn(in_channels, width, activation=_activation)


def _halving(in_channels: Any, width: Any) -> nn.Module:
    return aw.layer(
        "halve",
        {
            "stride": lambda: conv_bn(in_channels, width, stride=2, activation=_activation),
            "pool_after": lambda: nn.Sequential(
                *conv_bn(in_channels, width, activation=_activation), nn.MaxPool2d(2)
            ),
            "pool_before": lambda: nn.Sequential(
                nn.MaxPool2d(2), *conv_bn(in_channels, width, activation=_activation)
            ),
        },
        default="pool_before",
    )


def _basic(width: Any, kernel: Any) -> nn.Sequential:
    return nn.Sequential(
        *conv_bn(width, width, kernel=kernel, activation=_activation),
        *conv_bn(width, width, kernel=kernel),
    )


def _bottleneck(width: Any, kernel: Any) -> nn.Sequential:
    inner = aw.divisible(width // 2, 8)
    return nn.Sequential(
        *conv_bn(width, inner, kernel=1, activation=_activation),
        *conv_bn(inner, inner, kernel=kernel, activation=_activation),
        *conv_bn(inner, width, kernel=1),
    )


def _inverted(width: Any, kernel: Any, expansion: Any) -> nn.Sequential:
    inner = width * expansion
    return nn.Sequential(
        *conv_bn(width, inner, kernel=1, activation=_activation),
        *conv_bn(inner, inner, kernel=kernel, groups=inner, activation=_activation),
        *conv_bn(inner, width, kernel=1),
    )
