"""Convolutions whose channels, kernel, stride, dilation and groups may be elastic."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from archwright.errors import SpaceError
from archwright.nn.elastic import (
    Elastic,
    active_of,
    is_elastic,
    maximum,
    minimum,
    now,
    widest,
)
from archwright.nn.mixture import Mixing
from archwright.nn.twin import Twin, centred, leading, whole

# A number of pixels per axis: one for all axes, or a tuple with one per axis.
Size = Any


def conv1d(
    in_channels: Any,
    out_channels: Any,
    *,
    kernel: Size,
    stride: Size = 1,
    padding: Size | None = None,
    dilation: Size = 1,
    groups: Any = 1,
    bias: Any = True,
) -> nn.Module:
    """A 1-d convolution, `batch x in_channels x length` to `batch x out_channels x length'`.

    Every argument may be elastic. Given plain numbers it is `torch.nn.Conv1d`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: size of the kernel. In a supernet smaller kernels are the middle of the
            greatest one.
        stride: stride.
        padding: zeros on each side; left out, `dilation * (kernel - 1) // 2`, which keeps the
            length for odd kernels at stride 1.
        dilation: distance of the kernel's elements.
        groups: groups of channels; `groups=in_channels` is depthwise.
        bias: whether there is a bias.

    Raises:
        SpaceError: an elastic size that can be a fraction or less than 1.

    >>> conv1d(4, 8, kernel=3)
    Conv1d(4, 8, kernel_size=(3,), stride=(1,), padding=(1,))
    """
    return _convolution(
        nn.Conv1d, ElasticConv1d, 1, in_channels, out_channels, kernel, stride, padding, dilation,
        groups, bias,
    )  # fmt: skip


def conv2d(
    in_channels: Any,
    out_channels: Any,
    *,
    kernel: Size,
    stride: Size = 1,
    padding: Size | None = None,
    dilation: Size = 1,
    groups: Any = 1,
    bias: Any = True,
) -> nn.Module:
    """A 2-d convolution, `batch x in_channels x H x W` to `batch x out_channels x H' x W'`.

    Every argument may be elastic. Given plain numbers it is `torch.nn.Conv2d`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: size of the kernel, one number or (height, width). In a supernet smaller
            kernels are the middle of the greatest one, as in Once-for-All (Han Cai et al.,
            ICLR 2020, arXiv:1908.09791).
        stride: stride, one number or (height, width).
        padding: zeros on each side; left out, `dilation * (kernel - 1) // 2`, which keeps the
            size for odd kernels at stride 1.
        dilation: distance of the kernel's elements.
        groups: groups of channels; `groups=in_channels` is depthwise.
        bias: whether there is a bias.

    Raises:
        SpaceError: an elastic size that can be a fraction or less than 1.

    Differences from the paper: kernels are cropped only; no transformation matrix is learnt.

    >>> conv2d(3, 16, kernel=5, stride=2)
    Conv2d(3, 16, kernel_size=(5, 5), stride=(2, 2), padding=(2, 2))
    """
    return _convolution(
        nn.Conv2d, ElasticConv2d, 2, in_channels, out_channels, kernel, stride, padding, dilation,
        groups, bias,
    )  # fmt: skip


def conv_transpose2d(
    in_channels: Any,
    out_channels: Any,
    *,
    kernel: Size,
    stride: Size = 1,
    padding: Size | None = None,
    output_padding: Size | None = None,
    dilation: Size = 1,
    groups: Any = 1,
    bias: Any = True,
) -> nn.Module:
    """A transposed convolution, `batch x in_channels x H x W` to `batch x out_channels x H' x W'`.

    Every argument may be elastic. Given plain numbers it is `torch.nn.ConvTranspose2d`.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel: size of the kernel, one number or (height, width).
        stride: how many times the output is larger, one number or (height, width).
        padding: what is taken off each side; with `output_padding` left out too, such that
            the output is exactly `stride` times the input (one less where the kernel is even
            and the stride 1).
        output_padding: what is added on one side (left out: see `padding`; 0 when `padding`
            is given).
        dilation: distance of the kernel's elements.
        groups: groups of channels; `groups=in_channels` is depthwise.
        bias: whether there is a bias.

    Raises:
        SpaceError: an elastic size that can be a fraction or less than 1.

    >>> conv_transpose2d(8, 4, kernel=3, stride=2)(torch.zeros(1, 8, 5, 5)).shape
    torch.Size([1, 4, 10, 10])
    """
    kernels, strides = _each("kernel", kernel, 2), _each("stride", stride, 2)
    dilations = _each("dilation", dilation, 2)
    if padding is None and output_padding is None:
        # out = (in - 1) * stride - 2 * padding + reach + output_padding = in * stride
        surplus = [d * (k - 1) + 1 - s for k, s, d in zip(kernels, strides, dilations, strict=True)]
        paddings = tuple(maximum(0, (x + 1) // 2) for x in surplus)
        # Torch wants it less than stride or dilation, so an even kernel at stride 1 loses a pixel.
        output_paddings = tuple(
            minimum(2 * p - x, maximum(s, d) - 1)
            for p, x, s, d in zip(paddings, surplus, strides, dilations, strict=True)
        )
    else:
        paddings = _each("padding", 0 if padding is None else padding, 2)
        output_paddings = _each(
            "output_padding", 0 if output_padding is None else output_padding, 2
        )
    arguments = (in_channels, out_channels, kernels, strides, paddings, output_paddings, dilations)
    if is_elastic(*arguments, groups, bias):
        return ElasticConvTranspose2d(*arguments, groups, bias)
    return nn.ConvTranspose2d(
        in_channels, out_channels, kernels, strides, paddings, output_paddings, groups, bias,
        dilations,
    )  # fmt: skip


def _each(argument: str, size: Size, n: int) -> tuple[Any, ...]:
    """One size per axis."""
    if not isinstance(size, tuple | list):
        return (size,) * n
    if len(size) != n:
        raise SpaceError(
            f"aw.conv: {argument} must be one number or {n} of them, one per axis, got {size!r}"
        )
    return tuple(size)


def _convolution(
    plain: Any,
    twin: Any,
    n: int,
    in_channels: Any,
    out_channels: Any,
    kernel: Size,
    stride: Size,
    padding: Size | None,
    dilation: Size,
    groups: Any,
    bias: Any,
) -> nn.Module:
    kernels, dilations = _each("kernel", kernel, n), _each("dilation", dilation, n)
    if padding is None:
        paddings = tuple([d * (k - 1) // 2 for k, d in zip(kernels, dilations, strict=True)])
    else:
        paddings = _each("padding", padding, n)
    arguments = (
        in_channels,
        out_channels,
        kernels,
        _each("stride", stride, n),
        paddings,
        dilations,
        groups,
    )
    if is_elastic(*arguments, bias):
        return twin(*arguments, bias)
    return plain(*arguments, bias)


class _Convolution(Twin):
    """What the elastic convolutions share: weights are `out x in/groups x kernel`.

    In a mixture the greatest computed kernel and channels are used; the channels read and the
    places of the kernel have the weights of all sizes that reach them.
    """

    _sizes = frozenset({"in_channels", "out_channels", "kernel_size", "padding", "groups"})

    def _set_up(
        self, plain: Any, in_channels: Any, out_channels: Any, kernel: Any, stride: Any,
        padding: Any, dilation: Any, groups: Any, bias: Any,
    ) -> None:  # fmt: skip
        name = plain.__name__.lower()
        # Depthwise: x // x is 1, which the bounds of a long expression would not show.
        per_group = 1 if groups is in_channels else in_channels // groups
        # One group of the greatest size gives the weight its shape and its initial values.
        plain.__init__(
            self,
            whole(name, "in_channels // groups", per_group),
            whole(name, "out_channels", out_channels),
            tuple(whole(name, "kernel", k) for k in kernel),
            bias=bool(widest(bias)),
        )
        for argument, sizes in (("stride", stride), ("dilation", dilation)):
            for size in sizes:
                whole(name, argument, size)
        for size in padding:
            whole(name, "padding", size, low=0)
        self._has_bias = bias
        self._per_group = per_group
        self._become_elastic(
            active_of(in_channels, out_channels, kernel, stride, padding, dilation, groups, bias),
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel,
            stride=stride,
            padding=padding,
            dilation=dilation,
            groups=groups,
        )

    def _cut(self, name: str, full: Tensor) -> Tensor | None:
        if name == "bias":
            return leading(full, self.out_channels) if now(self._has_bias) else None
        mixing = self._active.mixture
        if mixing is not None:
            return self._mixed_weight(full, mixing)
        part = leading(full, self.out_channels, now(self._per_group))
        # Where smaller kernels are learnt from larger ones (archwright.supernet.kernels).
        transform: Any = self._modules.get("kernel_transform")
        if transform is not None and name == "weight":
            return transform.resize(part, tuple(self.kernel_size))
        return centred(part, 2, self.kernel_size)

    def _mixed_weight(self, full: Tensor, mixing: Mixing) -> Tensor:
        numbers = self._numbers
        groups, n_read = numbers.get("groups"), 1
        mask = None
        if groups is None:
            mask = mixing.mask(numbers.get("in_channels"))
            if mask is not None and self.groups != 1:
                mixing.refuse(numbers["in_channels"])
            n_read = mixing.size(self._per_group)
        elif groups is not numbers.get("in_channels") or groups is not numbers.get("out_channels"):
            # Only where each channel is by itself do narrower layers read the first channels.
            for value in (groups, numbers.get("in_channels"), numbers.get("out_channels")):
                now(value)
            n_read = now(self._per_group)
        weight = centred(leading(full, self.out_channels, n_read), 2, self.kernel_size)
        if mask is not None:
            weight = weight * mask.reshape(1, -1, *[1] * (weight.ndim - 2))
        places = self._places(mixing)
        return weight if places is None else weight * places

    def _places(self, mixing: Mixing) -> Tensor | None:
        """The weights of a kernel's places: of all kernels that reach them; None: not mixed."""
        kernel: Any = self._numbers.get("kernel_size", self.kernel_size)
        padding: Any = self._numbers.get("padding", self.padding)
        if not is_elastic(kernel):
            now(padding)
            return None
        both = self.__dict__.get("_surround")
        if both is None:
            both = Elastic(self._active, _together, (*kernel, *padding), "")
            self.__dict__["_surround"] = both
        found, weights = mixing.combinations(both)
        if weights is None:
            return None
        n = len(kernel)
        greatest = max(found, key=lambda sizes: sizes[:n])
        for sizes in found:
            for axis in range(n):
                less = greatest[axis] - sizes[axis]
                if (
                    less < 0
                    or less % 2
                    or 2 * (greatest[n + axis] - sizes[n + axis]) != (self.dilation[axis] * less)
                ):
                    # Only kernels with one middle are parts of the greatest.
                    mixing.refuse(both)
        total = weights
        for axis in range(n):
            held = torch.tensor([sizes[axis] for sizes in found], device=weights.device)
            places = torch.arange(greatest[axis], device=weights.device)
            reached = (2 * places - (greatest[axis] - 1)).abs() < held[:, None]
            total = total[..., None] * reached.reshape(-1, *[1] * axis, greatest[axis])
        return total.sum(0)


def _together(*numbers: int) -> tuple[int, ...]:
    return numbers


class ElasticConv1d(_Convolution, nn.Conv1d):
    """The elastic twin of `torch.nn.Conv1d`."""

    def __init__(self, *arguments: Any) -> None:
        self._set_up(nn.Conv1d, *arguments)


class ElasticConv2d(_Convolution, nn.Conv2d):
    """The elastic twin of `torch.nn.Conv2d`."""

    def __init__(self, *arguments: Any) -> None:
        self._set_up(nn.Conv2d, *arguments)


class ElasticConvTranspose2d(Twin, nn.ConvTranspose2d):
    """The elastic twin of `torch.nn.ConvTranspose2d`: weights are `in x out/groups x kernel`."""

    def __init__(
        self, in_channels: Any, out_channels: Any, kernel: Any, stride: Any, padding: Any,
        output_padding: Any, dilation: Any, groups: Any, bias: Any,
    ) -> None:  # fmt: skip
        name = "conv_transpose2d"
        per_group = out_channels // groups
        nn.ConvTranspose2d.__init__(
            self,
            whole(name, "in_channels", in_channels),
            whole(name, "out_channels // groups", per_group),
            tuple(whole(name, "kernel", k) for k in kernel),
            bias=bool(widest(bias)),
        )
        if self.bias is not None:
            bound = float(self.weight[0].numel()) ** -0.5
            n_out = whole(name, "out_channels", out_channels)
            self.bias = nn.Parameter(torch.empty(n_out).uniform_(-bound, bound))
        self._has_bias = bias
        self._per_group = per_group
        self._become_elastic(
            active_of(
                in_channels, out_channels, kernel, stride, padding, output_padding, dilation,
                groups, bias,
            ),
            in_channels=in_channels,
            out_channels=out_channels,
            kernel_size=kernel,
            stride=stride,
            padding=padding,
            output_padding=output_padding,
            dilation=dilation,
            groups=groups,
        )  # fmt: skip

    def _cut(self, name: str, full: Tensor) -> Tensor | None:
        if name == "bias":
            return leading(full, self.out_channels) if now(self._has_bias) else None
        return centred(leading(full, self.in_channels, now(self._per_group)), 2, self.kernel_size)
