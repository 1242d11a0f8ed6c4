"""`chain_cnn`: a sequence of layers, each with its own operation.

Source: the layer-wise space of Bowen Baker et al., "Designing Neural Network Architectures using
Reinforcement Learning" (MetaQNN), ICLR 2017, arXiv:1611.02167, and of the chain networks in
Barret Zoph, Quoc V. Le, "Neural Architecture Search with Reinforcement Learning", ICLR 2017,
arXiv:1611.01578.

Differences from the papers: depthwise separable convolutions are among the operations (François
Chollet, "Xception", CVPR 2017, arXiv:1610.02357); each convolution is followed by batch
normalisation and ReLU; the image is averaged before one linear layer instead of fully connected
ones; pooling is 3 x 3 with stride 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

import archwright.nn as aw
from archwright.zoo.blocks import conv_bn, image_head
from archwright.zoo.shapes import ImageScale, around, check_count, image_scale


class ChainCNN(nn.Module):
    """A chain of convolutions and poolings.

    Args:
        input_shape: (channels, height, width) of the images.
        n_outputs: classes, or numbers to predict.
        max_layers: the most layers of the chain; left out, by the image's size.

    Decisions: `layers` (their number); for each layer `op` ("conv", "separable", "max_pool",
    "avg_pool") and for convolutions `filters`, `kernel` and `stride`; `dropout`.

    Raises:
        InputError: it is no image of at least 4 x 4 pixels, or a number below 1.

    >>> import torch
    >>> net = ChainCNN((1, 28, 28), 10)  # the default network
    >>> net(torch.zeros(2, 1, 28, 28)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self, input_shape: Sequence[int], n_outputs: int, *, max_layers: int | None = None
    ) -> None:
        super().__init__()
        scale = image_scale("chain_cnn", input_shape)
        check_count("chain_cnn", "n_outputs", n_outputs)
        usual = _usual_layers(scale)
        if max_layers is None:
            max_layers = len(usual) + 4
        check_count("chain_cnn", "max_layers", max_layers)
        self.stem = _stem(scale)
        # All channels so far; of those of an operation that was not chosen none is live.
        widths: list[Any] = [scale.channels if scale.stem_stride == 1 else scale.widths()[0]]
        self.layers = aw.repeat(
            "layers",
            min(2, max_layers),
            max_layers,
            lambda i: _layer(widths, *usual[min(i, len(usual) - 1)], scale=scale),
            default=min(len(usual), max_layers),
        )
        self.head = image_head(
            aw.last(widths), n_outputs, dropout=aw.choice("dropout", [0.0, 0.1, 0.2, 0.3])
        )

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x height x width` to `batch x n_outputs`."""
        return self.head(self.layers(self.stem(x)))


def _stem(scale: ImageScale) -> nn.Module:
    """Shrinks large images; small ones go to the first layer as they are."""
    if scale.stem_stride == 1:
        return nn.Identity()
    stem = conv_bn(scale.channels, scale.widths()[0], stride=2, activation=nn.ReLU)
    if scale.stem_stride == 4:
        stem.append(nn.MaxPool2d(3, 2, 1))
    return stem


def _usual_layers(scale: ImageScale) -> list[tuple[str, int, int]]:
    """(operation, filters, stride) of the default network: two convolutions a stage."""
    layers: list[tuple[str, int, int]] = []
    if scale.stem_stride == 1 and scale.strides[0] > 1:
        # At full size only a few channels: there the convolutions cost most.
        layers.append(("conv", scale.widths()[0] // 2, 1))
    for width, stride in zip(scale.widths(), scale.strides, strict=True):
        layers += [("conv", width, stride), ("conv", width, 1)]
    return layers


def _layer(
    widths: list[Any], op: str, filters: int, stride: int, *, scale: ImageScale
) -> nn.Module:
    in_channels = aw.last(widths)
    return aw.layer(
        "op",
        {
            "conv": lambda: _convolution(
                widths, in_channels, filters, stride, scale, separable=False
            ),
            "separable": lambda: _convolution(
                widths, in_channels, filters, stride, scale, separable=True
            ),
            "max_pool": lambda: nn.MaxPool2d(3, 2, 1),
            "avg_pool": lambda: nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        },
        default=op,
    )


def _convolution(
    widths: list[Any],
    in_channels: Any,
    filters: int,
    stride: int,
    scale: ImageScale,
    *,
    separable: bool,
) -> nn.Module:
    factors = (0.5, 1, 2, 4) if scale.is_small else (0.5, 1, 2, 4, 8)
    values = sorted({*around(scale.widths()[0], *factors), filters})
    out_channels = aw.choice("filters", values, default=filters)
    kernel = aw.choice("kernel", [3, 5] if scale.is_small else [3, 5, 7])
    strides = aw.choice("stride", [1, 2], default=stride)
    widths.append(out_channels)
    if not separable:
        return conv_bn(in_channels, out_channels, kernel=kernel, stride=strides, activation=nn.ReLU)
    return nn.Sequential(
        *conv_bn(in_channels, in_channels, kernel=kernel, stride=strides, groups=in_channels),
        *conv_bn(in_channels, out_channels, kernel=1, activation=nn.ReLU),
    )
