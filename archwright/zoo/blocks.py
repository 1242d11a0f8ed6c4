"""What several spaces are made of: convolution blocks, activations, heads, initialisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

import archwright.nn as aw
from archwright.errors import InputError

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "silu": nn.SiLU,
    "hardswish": nn.Hardswish,
    "gelu": nn.GELU,
}
"""Activations that a space may choose, by name."""


def conv_bn(
    in_channels: Any,
    out_channels: Any,
    *,
    kernel: Any = 3,
    stride: Any = 1,
    groups: Any = 1,
    activation: Callable[[], nn.Module] | None = None,
) -> nn.Sequential:
    """Convolution (no bias), batch normalisation and, where given, an activation.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: odd size of the kernel; the padding keeps the image's size at stride 1.
        stride: stride.
        groups: groups of channels.
        activation: makes the activation behind.

    >>> len(conv_bn(3, 8, activation=nn.ReLU))
    3
    """
    parts = [
        aw.conv2d(
            in_channels, out_channels, kernel=kernel, stride=stride, groups=groups, bias=False
        ),
        aw.batch_norm2d(out_channels),
    ]
    if activation is not None:
        parts.append(activation())
    return nn.Sequential(*parts)


class SqueezeExcite(nn.Module):
    """Weighs each channel by what all channels hold on average over the image.

    Source: Jie Hu et al., "Squeeze-and-Excitation Networks", CVPR 2018, arXiv:1709.01507; the
    hard sigmoid is from Andrew Howard et al., "Searching for MobileNetV3", ICCV 2019,
    arXiv:1905.02244.

    Args:
        channels: channels, plain or elastic.
        reduction: how many times fewer channels there are in between (at least 8 are kept).

    >>> import torch
    >>> SqueezeExcite(16)(torch.zeros(2, 16, 4, 4)).shape
    torch.Size([2, 16, 4, 4])
    """

    def __init__(self, channels: Any, reduction: int = 4) -> None:
        super().__init__()
        inner = aw.divisible(channels // reduction, 8)
        self.squeeze = aw.conv2d(channels, inner, kernel=1)
        self.activation = nn.ReLU(inplace=True)
        self.excite = aw.conv2d(inner, channels, kernel=1)
        self.gate = nn.Hardsigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x H x W` to the same shape."""
        scale = x.mean((2, 3), keepdim=True)
        scale = self.gate(self.excite(self.activation(self.squeeze(scale))))
        return x * scale


class GlobalAverage(nn.Module):
    """The mean over the image: `batch x channels x H x W` to `batch x channels`.

    >>> import torch
    >>> GlobalAverage()(torch.zeros(2, 16, 4, 4)).shape
    torch.Size([2, 16])
    """

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x H x W` to `batch x channels`."""
        return x.mean((2, 3))


class ChannelShuffle(nn.Module):
    """Deals the channels of each group to all groups, in turn.

    Source: Xiangyu Zhang et al., "ShuffleNet", CVPR 2018, arXiv:1707.01083.

    Args:
        groups: groups; the number of channels must be a multiple.

    >>> import torch
    >>> ChannelShuffle(2)(torch.arange(4.0).reshape(1, 4, 1, 1)).flatten().tolist()
    [0.0, 2.0, 1.0, 3.0]
    """

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x H x W` to the same shape."""
        return x.unflatten(1, (self.groups, -1)).transpose(1, 2).flatten(1, 2)

    def extra_repr(self) -> str:
        """The number of groups."""
        return f"groups={self.groups}"


def narrowed(width: Any, share: float) -> Any:
    """A width, plain or elastic, times a share: a multiple of 4; as it is where the share is 1.

    >>> narrowed(24, 0.5), narrowed(10, 1.0)
    (12, 10)
    """
    return width if share == 1 else aw.divisible(width * share, 4)


def shallower(blocks: nn.Module, share: float) -> nn.Module:
    """The first blocks of a row, by a share of their number, rounded up.

    What is not yet a plain row, as while a space is read, is left as it is.

    >>> len(shallower(nn.Sequential(*(nn.Identity() for _ in range(3))), 0.5))
    2
    """
    if share == 1 or type(blocks) is not nn.Sequential:
        return blocks
    return blocks[: math.ceil(len(blocks) * share)]


def check_share(name: str, argument: str, value: Any) -> float:
    """A share above 0 and at most 1.

    Raises:
        InputError: it is none.
    """
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not (number and 0 < value <= 1):
        raise InputError(f"{name}: {argument} must be above 0 and at most 1, got {value!r}")
    return float(value)


def image_head(channels: Any, n_outputs: int, *, dropout: Any = None) -> nn.Sequential:
    """Mean over the image, dropout where it is wanted, and the classifier (or regressor).

    The last layer starts near zero: the first outputs are about equal for all classes, and the
    first steps are not spent on unlearning a random guess.

    Args:
        channels: channels of the input.
        n_outputs: outputs.
        dropout: its probability; None leaves it out.

    >>> import torch
    >>> image_head(16, 10)(torch.ones(2, 16, 4, 4)).shape
    torch.Size([2, 10])
    """
    last = aw.linear(channels, n_outputs)
    nn.init.normal_(last.weight, std=0.01)  # type: ignore[arg-type]
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    parts: list[nn.Module] = [GlobalAverage()]
    if dropout is not None:
        parts.append(aw.dropout(dropout))
    return nn.Sequential(*parts, last)


def start_as_identity(branch: nn.Sequential) -> None:
    """Set the scale of the last normalisation of a residual branch to zero.

    Each block then starts as the identity, which lets high learning rates begin well.
    Source: Priya Goyal et al., "Accurate, Large Minibatch SGD", 2017, arXiv:1706.02677.

    Args:
        branch: ends in a batch normalisation.

    >>> branch = conv_bn(4, 4)
    >>> start_as_identity(branch)
    >>> float(branch[-1].weight.detach().abs().sum())
    0.0
    """
    nn.init.zeros_(branch[-1].weight)  # type: ignore[arg-type]
