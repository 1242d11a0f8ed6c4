"""What mixed cells compute of images channel by channel: in C where it was compiled, or in torch.

Images are `batch x channels x height x width` in channels_last order (`is_last`). Nothing here is
differentiated by autograd; `mixed_functions` holds the gradients.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.grad import conv2d_weight

from archwright.nn.native import Geometry, function, pointers


class Window(NamedTuple):
    """The kernel's size, stride, padding and dilation of a depthwise convolution."""

    kernel: int
    stride: int
    padding: int
    dilation: int

    def out(self, size: int) -> int:
        """The size of what comes out."""
        return (size + 2 * self.padding - self.dilation * (self.kernel - 1) - 1) // self.stride + 1


class Line(NamedTuple):
    """A scale and a shift a channel, applied before negative values are cut off."""

    scale: Tensor
    shift: Tensor


class Norm(NamedTuple):
    """What a batch normalisation does to an image.

    Attributes:
        moments: mean and variance (divided by the number), `2 x channels`, double precision.
        inverse: one over the deviation, double precision.
        line: the scale and shift that it amounts to.
        batch: whether the moments are the image's own, so that they depend on it.
    """

    moments: Tensor
    inverse: Tensor
    line: Line
    batch: bool


def last(x: Tensor) -> Tensor:
    """The same image in channels_last order."""
    return x.contiguous(memory_format=torch.channels_last)


def flat(x: Tensor) -> Tensor:
    """A view of an image in channels_last order, `pixels x channels`."""
    return x.permute(0, 2, 3, 1).reshape(-1, x.shape[1])


def empty(like: Tensor, channels: int, height: int, width: int) -> Tensor:
    """An image of other sizes in channels_last order."""
    return torch.empty(
        (len(like), channels, height, width),
        dtype=like.dtype,
        device=like.device,
        memory_format=torch.channels_last,
    )


def _rectified(x: Tensor, line: Line | None) -> Tensor:
    if line is None:
        return x
    return F.relu(x * line.scale[:, None, None] + line.shift[:, None, None])


def _geometry(x: Tensor, y: Sequence[int], window: Window, pad: int, stretch: int) -> Geometry:
    n, c, height, width = x.shape
    return Geometry(
        n, height, width, c, *y, window.kernel, window.dilation, window.stride, pad, stretch,
        0, 0, torch.get_num_threads(),
    )  # fmt: skip


def _call(run: Any, a: Tensor, b: Tensor, out: Tensor, geometry: Geometry, line: Any) -> None:
    geometry.relu = line is not None
    scale, shift = (None, None) if line is None else (t.data_ptr() for t in line)
    if run(
        a.data_ptr(), b.data_ptr(), out.data_ptr(), ctypes.byref(geometry), scale, shift
    ):  # pragma: no cover
        raise MemoryError("a depthwise convolution of one image does not fit in memory")


def depthwise(x: Tensor, weight: Tensor, window: Window, line: Line | None = None) -> Tensor:
    """A depthwise convolution, of `relu(scale * x + shift)` where a line is given."""
    n_channels, sizes = x.shape[1], [window.out(size) for size in x.shape[2:]]
    run = function("depthwise", x, n_channels)
    if run is None:
        return last(
            F.conv2d(
                _rectified(x, line),
                weight,
                None,
                window.stride,
                window.padding,
                window.dilation,
                n_channels,
            )
        )
    y = empty(x, n_channels, *sizes)
    geometry = _geometry(x, sizes, window, window.padding, 1)
    _call(run, x, weight.contiguous(), y, geometry, line)
    return y


def depthwise_input_gradient(
    grad: Tensor, weight: Tensor, window: Window, size: Sequence[int]
) -> Tensor:
    """The gradient of the input, of height and width `size`: a convolution of the gradient.

    Its elements lie `stride` apart, the kernel is turned round.
    """
    kernel, stride, _, dilation = window
    pad = dilation * (kernel - 1) - window.padding
    once = Window(kernel, 1, pad, dilation)
    run = function("depthwise", grad, grad.shape[1])
    if run is not None:
        x = empty(grad, grad.shape[1], *size)
        geometry = _geometry(grad, size, once, pad, stride)
        geometry.flip = 1
        _call(run, grad, weight.contiguous(), x, geometry, None)
        return x
    flipped = weight.flip(2, 3)
    if stride > 1:
        # What a whole stride did not reach is at the right and at the bottom.
        apart = [s + 2 * window.padding - dilation * (kernel - 1) for s in size]
        wide = grad.new_zeros(*grad.shape[:2], *apart)
        wide[:, :, ::stride, ::stride] = grad
        grad = last(wide)
    if pad < 0:
        grad, pad = F.pad(grad, [pad] * 4), 0
    return last(F.conv2d(grad, flipped, None, 1, pad, dilation, grad.shape[1]))


def depthwise_weight_gradient(
    grad: Tensor, x: Tensor, window: Window, line: Line | None = None
) -> Tensor:
    """The gradient of the weights, `channels x 1 x kernel x kernel`.

    In torch a sum for each tap, but for small kernels: torch's own gradient takes 1.3 to 5 times
    as long for kernels of 5 or with dilation (measured on one core).
    """
    kernel, stride, padding, dilation = window
    n_channels = x.shape[1]
    run = function("depthwise_weights", x, n_channels)
    if run is not None:
        found = torch.empty(n_channels, 1, kernel, kernel, dtype=x.dtype)
        geometry = _geometry(x, grad.shape[2:], window, padding, 1)
        _call(run, x, grad, found, geometry, line)
        return found
    x = _rectified(x, line)
    if dilation == 1 and kernel <= 3:
        shape = (n_channels, 1, kernel, kernel)
        return conv2d_weight(x, shape, grad, stride, padding, 1, n_channels)
    x = last(F.pad(x, [padding] * 4))
    rows, columns = (stride * (size - 1) + 1 for size in grad.shape[2:])
    taps = [
        (grad * x[:, :, top : top + rows : stride, left : left + columns : stride]).sum((0, 2, 3))
        for top in range(0, dilation * kernel, dilation)
        for left in range(0, dilation * kernel, dilation)
    ]
    return torch.stack(taps, 1).reshape(n_channels, 1, kernel, kernel)


def statistics(
    x: Tensor,
    *,
    eps: float,
    known: Tensor | None = None,
    line: tuple[Tensor | None, Tensor | None] = (None, None),
    running: tuple[Tensor, Tensor] | None = None,
    share: float = 0.0,
    batch: bool = True,
) -> Norm:
    """What a batch normalisation does to an image; its running statistics learn from it.

    Args:
        x: the image.
        eps: added to the variance.
        known: the moments, where they are known.
        line: scale and shift of the normalisation, or None.
        running: running mean and variance, which are changed; None: nothing is learnt.
        share: how much of them is new.
        batch: see `Norm`.
    """
    n_channels, n = x.shape[1], x.numel() // x.shape[1]
    run = function("statistics", x, n_channels)
    if run is None:
        return _statistics(x, n, eps, known, line, running, share, batch)
    moments = torch.empty(2, n_channels, dtype=torch.float64) if known is None else known
    inverse = torch.empty(n_channels, dtype=torch.float64)
    own = torch.empty(2, n_channels, dtype=x.dtype)
    tensors = (
        x if known is None else None, moments, inverse, own, *line, *(running or (None, None))
    )  # fmt: skip
    run(*[None if t is None else t.data_ptr() for t in tensors], eps, share, n, n_channels)
    return Norm(moments, inverse, Line(own[0], own[1]), batch)


def _statistics(
    x: Tensor, n: int, eps: float, known: Any, line: Any, running: Any, share: float, batch: bool
) -> Norm:
    if known is None:
        # torch.var_mean takes ten times as long in this order.
        known = torch.stack(torch.batch_norm_update_stats(x, None, None, 0.0)).double()
    mean, variance = known
    if running is not None:
        for old, new in zip(running, (mean, variance * (n / (n - 1))), strict=True):
            old.mul_(1.0 - share).add_(new.to(old.dtype), alpha=share)
    inverse = (variance + eps).rsqrt()
    by = inverse if line[0] is None else inverse * line[0]
    to = -mean * by if line[1] is None else line[1] - mean * by
    return Norm(known, inverse, Line(by.to(x.dtype), to.to(x.dtype)), batch)


def weigh(terms: Sequence[Tensor], scale: Tensor, shift: Tensor) -> Tensor:
    """The sum of terms, each times a number a channel: `scale` is `terms x channels`."""
    like = terms[0]
    n_channels = like.shape[1]
    run = function("weigh", like, n_channels)
    if run is None:
        out = last((like * scale[0][:, None, None]).add_(shift[:, None, None]))
        for term, by in zip(terms[1:], scale[1:], strict=True):
            out.addcmul_(term, by[:, None, None])
        return out
    out = empty(like, *like.shape[1:])
    run(
        pointers(list(terms)), out.data_ptr(), scale.data_ptr(), shift.data_ptr(), len(terms),
        out.numel() // n_channels, n_channels, torch.get_num_threads(),
    )  # fmt: skip
    return out


def dots(grad: Tensor, terms: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """For each term and channel the sum of `grad * term`, and each channel's sum of `grad`.

    In double precision, `terms x channels` and `channels`.
    """
    n_channels = grad.shape[1]
    run = function("dots", grad, n_channels)
    if run is None:
        rows = [(grad * term).sum((0, 2, 3)) for term in terms]
        found = torch.stack([*rows, grad.sum((0, 2, 3))]).double()
    else:
        found = torch.zeros(len(terms) + 1, n_channels, dtype=torch.float64)
        run(
            grad.data_ptr(), pointers(list(terms)), found.data_ptr(), len(terms),
            grad.numel() // n_channels, n_channels,
        )  # fmt: skip
    return found[:-1], found[-1]


def blend(grad: Tensor, y: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """`a * grad + b * y + c`, a number a channel each."""
    n_channels = grad.shape[1]
    run = function("blend", grad, n_channels)
    if run is None:
        out = grad * a[:, None, None]
        return out.addcmul_(y, b[:, None, None]).add_(c[:, None, None])
    out = torch.empty_like(grad, memory_format=torch.channels_last)
    run(
        grad.data_ptr(), y.data_ptr(), out.data_ptr(), a.data_ptr(), b.data_ptr(), c.data_ptr(),
        grad.numel() // n_channels, n_channels, torch.get_num_threads(),
    )  # fmt: skip
    return out


def through(grad: Tensor, x: Tensor, norm: Norm) -> tuple[Tensor, Tensor]:
    """Carries the gradient behind a ReLU to the input of the normalisation before, in place.

    Answers each channel's sum of it, behind the normalisation, times what is normalised, and the
    sum of it alone, in double precision.
    """
    n_channels, n = grad.shape[1], grad.numel() // grad.shape[1]
    run = function("through", grad, n_channels)
    if run is not None:
        sums = torch.zeros(2, n_channels, dtype=torch.float64)
        run(
            grad.data_ptr(), x.data_ptr(), norm.line.scale.data_ptr(), norm.moments.data_ptr(),
            norm.inverse.data_ptr(), sums.data_ptr(), int(norm.batch), n, n_channels,
        )  # fmt: skip
        return sums[0], sums[1]
    by, to = norm.line
    grad.masked_fill_(x * by[:, None, None] + to[:, None, None] <= 0, 0.0)
    total = grad.sum((0, 2, 3)).double()
    along = norm.inverse * ((grad * x).sum((0, 2, 3)).double() - norm.moments[0] * total)
    grad.mul_(by[:, None, None])
    if norm.batch:
        turned = -by * norm.inverse * along / n
        shift = -by * total / n - turned * norm.moments[0]
        grad.addcmul_(x, turned.to(x.dtype)[:, None, None])
        grad.add_(shift.to(x.dtype)[:, None, None])
    return along, total
