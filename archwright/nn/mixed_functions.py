"""The two functions that mixed cells are made of, with gradients of their own.

`convolved`: a depthwise convolution and the 1 x 1 convolution behind it, with the batch
normalisation and ReLU before them where there are any. `added_up`: the weighed sum of what a node
receives, batch normalisations included. Neither keeps what it can compute again from its input.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from archwright.nn import channelwise
from archwright.nn.channelwise import Norm, Window, flat, last


def convolved(
    x: Tensor,
    norm: Norm | None,
    scale: Tensor | None,
    shift: Tensor | None,
    depthwise: Tensor,
    pointwise: Tensor | None,
    window: Window,
) -> Tensor:
    """A depthwise convolution, followed by a 1 x 1 convolution where there is one.

    Args:
        x: `batch x channels x height x width`, in channels_last order.
        norm: of the normalisation before; None: neither it nor ReLU is there.
        scale: of the normalisation, or None.
        shift: of the normalisation, or None.
        depthwise: weights, `channels x 1 x kernel x kernel`.
        pointwise: weights, `out x channels x 1 x 1`, or None.
        window: of the depthwise convolution.
    """
    return _Convolved.apply(x, scale, shift, depthwise, pointwise, norm, window)


def _cast(x: Tensor, like: Tensor) -> Tensor:
    return x.to(like.dtype).contiguous()


class _Convolved(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        scale: Tensor | None,
        shift: Tensor | None,
        depthwise: Tensor,
        pointwise: Tensor | None,
        norm: Norm | None,
        window: Window,
    ) -> Tensor:
        line = None if norm is None else norm.line
        y = channelwise.depthwise(x, depthwise, window, line)
        # Of the numbers a channel no gradient goes back, so they need not be watched.
        ctx.save_for_backward(x, depthwise, pointwise)
        ctx.norm, ctx.window = norm, window
        if pointwise is None:
            return y
        n, _, height, width = y.shape
        z = flat(y) @ pointwise.flatten(1).t()
        return z.reshape(n, height, width, -1).permute(0, 3, 1, 2)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        x, depthwise, pointwise = ctx.saved_tensors
        norm, window = ctx.norm, ctx.window
        line = None if norm is None else norm.line
        needs_x, needs_scale, needs_shift, needs_depthwise, needs_pointwise, _, _ = (
            ctx.needs_input_grad
        )
        grad = last(grad)
        grad_pointwise = grad_depthwise = grad_x = grad_scale = grad_shift = None
        if pointwise is not None:
            n, _, height, width = grad.shape
            weights, out = pointwise.flatten(1), flat(grad)
            if needs_pointwise:
                # Computed again: it is cheap, and would be kept for every operation.
                y = channelwise.depthwise(x, depthwise, window, line)
                grad_pointwise = (out.t() @ flat(y)).reshape(pointwise.shape)
            grad = (out @ weights).reshape(n, height, width, -1).permute(0, 3, 1, 2)
        if needs_depthwise:
            grad_depthwise = channelwise.depthwise_weight_gradient(grad, x, window, line)
        if needs_x or needs_scale or needs_shift:
            grad_x = channelwise.depthwise_input_gradient(grad, depthwise, window, x.shape[2:])
        if norm is not None and grad_x is not None:
            along, total = channelwise.through(grad_x, x, norm)
            grad_scale = along.to(x.dtype) if needs_scale else None
            grad_shift = total.to(x.dtype) if needs_shift else None
        return grad_x, grad_scale, grad_shift, grad_depthwise, grad_pointwise, None, None


def added_up(
    weights: Tensor,
    terms: Sequence[Tensor],
    norms: Sequence[Norm | None],
    scales: Sequence[Tensor | None],
    shifts: Sequence[Tensor | None],
) -> Tensor:
    """The sum of weight times term; terms with a norm are normalised first.

    Args:
        weights: one number a term.
        terms: images of one shape in channels_last order.
        norms: of the terms that are normalised, else None.
        scales: of the normalisations, or None.
        shifts: of the normalisations, or None.
    """
    return _AddedUp.apply(weights, tuple(norms), *terms, *scales, *shifts)


class _AddedUp(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, norms: tuple[Norm | None, ...], *tensors: Any) -> Tensor:
        n = len(norms)
        terms, scales, shifts = tensors[:n], tensors[n : 2 * n], tensors[2 * n :]
        n_channels = terms[0].shape[1]
        zero = torch.zeros(n_channels, dtype=torch.float64)
        one = torch.ones_like(zero)
        mean = torch.stack([zero if norm is None else norm.moments[0] for norm in norms])
        inverse = torch.stack([one if norm is None else norm.inverse for norm in norms])
        scale = torch.stack([one if s is None else s.double() for s in scales])
        shift = torch.stack([zero if s is None else s.double() for s in shifts])
        # What it multiplies each term by.
        by = weights.double()[:, None] * scale * inverse
        to = weights.double() @ shift - (by * mean).sum(0)
        out = channelwise.weigh(terms, _cast(by, terms[0]), _cast(to, terms[0]))
        ctx.norms = norms
        needs = ctx.needs_input_grad
        # Of what is merely multiplied the values are needed for the weight's gradient only.
        ctx.kept = [k for k in range(n) if norms[k] is not None or needs[0]]
        ctx.save_for_backward(weights, mean, inverse, scale, shift, *[terms[k] for k in ctx.kept])
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Any:
        weights, mean, inverse, scale, shift, *kept = ctx.saved_tensors
        norms, needs, n = ctx.norms, ctx.needs_input_grad, len(ctx.norms)
        grad = last(grad)
        n_pixels = grad.numel() // grad.shape[1]
        found, total = channelwise.dots(grad, kept)
        along = torch.zeros_like(mean)
        along[ctx.kept] = found
        along = inverse * (along - mean * total)
        weight = weights.double()[:, None]
        by = weight * scale * inverse
        grad_weights = None
        if needs[0]:
            grad_weights = (scale * along + shift * total).sum(1).to(weights.dtype)
        batch = torch.tensor([norm is not None and norm.batch for norm in norms])[:, None]
        b = torch.where(batch, -by * inverse * along / n_pixels, 0.0)
        c = torch.where(batch, -by * total / n_pixels - b * mean, 0.0)
        a, b, c = (_cast(t, grad) for t in (by, b, c))
        values = dict(zip(ctx.kept, kept, strict=True))
        grads: list[Any] = [None] * (3 * n)
        for k, norm in enumerate(norms):
            if needs[2 + k]:
                if norm is not None and norm.batch:
                    grads[k] = channelwise.blend(grad, values[k], a[k], b[k], c[k])
                else:
                    grads[k] = grad * a[k][:, None, None]
            if needs[2 + n + k]:
                grads[n + k] = (weight[k] * along[k]).to(grad.dtype)
            if needs[2 + 2 * n + k]:
                grads[2 * n + k] = (weight[k] * total).to(grad.dtype)
        return grad_weights, None, *grads
