"""What operations do to jets, in closed form: products, linear ones, ReLU, normalisation.

>>> x = Jet.of(torch.tensor([3.0]), torch.ones(1), torch.ones(1))
>>> (x * x * x).by_st  # the second derivative of x**3
tensor([18.])
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from archwright.proxies.jets import (
    COMPOSED,
    RULES,
    Jet,
    NoFormulaError,
    Part,
    named,
    parts_of,
    value_of,
)


def _sum(*terms: Part) -> Part:
    known = [x for x in terms if x is not None]
    if not known:
        return None
    total = known[0]
    for i, x in enumerate(known[1:]):
        total = total.add_(x) if i and total.shape == x.shape else total + x
    return total


__all__ = ["Jet", "NoFormulaError"]


def _linear_in_first(func: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
    if not isinstance(x, Jet) or any(isinstance(a, Jet) for a in (*args, *kwargs.values())):
        return NotImplemented
    every: list[Any] = [
        None if p is None else func(p, *args, **kwargs) for p in (x.value, *parts_of(x))
    ]
    if isinstance(every[0], torch.Tensor):
        return Jet.of(*every)
    n = len(every[0])
    each: list[list[Any]] = [[None if p is None else p[i] for p in every] for i in range(n)]
    return tuple(Jet.of(*parts) for parts in each)


def _pad(func: Any, x: Any, pad: Any, mode: str = "constant", value: float | None = None) -> Any:
    return NotImplemented if value else _linear_in_first(func, x, pad, mode)


def _joined(func: Any, tensors: Any, *args: Any, **kwargs: Any) -> Any:
    if not all(isinstance(x, torch.Tensor) for x in tensors):
        return NotImplemented
    values = [value_of(x) for x in tensors]
    parts: list[Part] = []
    for each in zip(*(parts_of(x) for x in tensors), strict=True):
        if all(p is None for p in each):
            parts.append(None)
            continue
        full = [torch.zeros_like(v) if p is None else p for v, p in zip(values, each, strict=True)]
        parts.append(func(full, *args, **kwargs))
    return Jet.of(func(values, *args, **kwargs), *parts)


def _added(sign: int, write: bool) -> Callable[..., Any]:
    def rule(func: Any, a: Any, b: Any, **kwargs: Any) -> Any:
        if kwargs:
            return NotImplemented
        value = func(value_of(a), value_of(b))
        parts: list[Part] = []
        for p, q in zip(parts_of(a), parts_of(b), strict=True):
            if p is not None and q is not None:
                both = p.add_(q, alpha=sign) if write else torch.add(p, q, alpha=sign)
                parts.append(both)
            elif p is None and q is None:
                parts.append(None)
            elif q is None:
                parts.append(p if p is None or write else p.expand(value.shape).clone())
            else:
                q = q if sign > 0 else -q
                # A copy where what stands in it may be written to later.
                parts.append(q.expand(value.shape).clone())
        return _written(a, value, parts) if write else Jet.of(value, *parts)

    return rule


def _written(x: Any, value: torch.Tensor, parts: list[Part]) -> Any:
    """The jet `x`, which was written to."""
    if not isinstance(x, Jet):
        raise NoFormulaError("a jet is written into a plain tensor")
    new = any(q is not None and p is None for p, q in zip(parts_of(x), parts, strict=True))
    if new and x.value._base is not None:  # who sees the same memory would miss what was zero
        raise NoFormulaError("a view is written to")
    x.value, (x.by_s, x.by_t, x.by_st) = value, parts
    return x


def _product(
    op: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], a: Any, b: Any, bias: Any = None
) -> Jet:
    """Of anything that is linear in each of two."""
    x, w = value_of(a), value_of(b)
    x_s, x_t, x_st = parts_of(a)
    w_s, w_t, w_st = parts_of(b)

    def of(p: Part, q: Part) -> Part:
        return None if p is None or q is None else op(p, q)

    pure = op(x, w)
    # Where the weight moves along itself, products with it are shared.
    itself = w_t is w
    s = _sum(of(x_s, w), of(x, w_s))
    own = pure if itself else of(x, w_t)
    t = _sum(of(x_t, w), own)
    if t is pure:  # what is written to one of them must not show in the other
        t = pure.clone()
    if itself:
        st = _sum(of(_sum(x_st, x_s), w), of(x_t, w_s), of(x, w_st))
    else:
        st = _sum(of(x_st, w), of(x_s, w_t), of(x_t, w_s), of(x, w_st))
    return Jet.of(pure if bias is None else pure + bias, s, t, st)


def _multiplied(func: Any, a: Any, b: Any, **kwargs: Any) -> Any:
    return NotImplemented if kwargs else _product(func, a, b)


def _linear(func: Any, x: Any, weight: Any, bias: Any = None) -> Any:
    return NotImplemented if isinstance(bias, Jet) else _product(F.linear, x, weight, bias)


def _convolution(func: Any, x: Any, weight: Any, bias: Any = None, *args: Any, **kw: Any) -> Any:
    if isinstance(bias, Jet):
        return NotImplemented
    if bias is not None:
        bias = bias.reshape(-1, *(1,) * (value_of(weight).dim() - 2))
    return _product(lambda a, w: func(a, w, None, *args, **kw), x, weight, bias)


def _relu(func: Any, x: Any, inplace: bool = False) -> Any:
    write = inplace or func.__name__.endswith("_")
    result = x.value.relu()
    through = torch.ops.aten.threshold_backward
    parts = [None if p is None else through(p, result, 0) for p in parts_of(x)]
    if not write:
        return Jet.of(result, *parts)
    x.value.copy_(result)
    for p, q in zip(parts_of(x), parts, strict=True):
        if p is not None and q is not None:
            p.copy_(q)
    return x


def _detached(func: Any, x: Any, *args: Any, **kwargs: Any) -> Any:
    return func(x.value, *args, **kwargs)


def _batch_norm(
    func: Any, x: Any, weight: Part, bias: Part, mean: Part, var: Part, training: bool,
    momentum: float, eps: float, fast: bool,
) -> Any:  # fmt: skip
    """With the batch's own statistics; v is the variance and i = 1 / sqrt(v + eps)."""
    given = (weight, bias)
    if not training or not isinstance(x, Jet) or any(isinstance(p, Jet) for p in given):
        return NotImplemented
    n = x.value.numel() // x.value.shape[1]
    y, center, i = torch.native_batch_norm(x.value, weight, bias, None, None, True, momentum, eps)
    wide = (1, -1, *(1,) * (x.value.dim() - 2))
    c = x.value - center.reshape(wide)
    scale = torch.ones_like(i) if weight is None else weight

    def over(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return _dot(a, b) / n

    def put(*terms: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
        """The sum of tensors times numbers of the channels, less its mean where it has one."""
        total: torch.Tensor | None = None
        for tensor, factor in terms:
            f = (factor * scale).reshape(wide)
            total = tensor * f if total is None else total.addcmul_(tensor, f)
        assert total is not None
        return total

    parts = parts_of(x)
    level = [None if p is None else p - _mean(p).reshape(wide) for p in parts]
    d_s, d_t, d_st = level
    v = [None if p is None else 2 * over(c, p) for p in (d_s, d_t)]
    slope = -0.5 * i**3
    i_s, i_t = (None if p is None else slope * p for p in v)
    s = None if d_s is None or i_s is None else put((d_s, i), (c, i_s))
    t = None if d_t is None or i_t is None else put((d_t, i), (c, i_t))
    terms, i_st = [], None
    if d_st is not None:
        terms.append((d_st, i))
        i_st = slope * 2 * over(c, d_st)
    if d_s is not None and d_t is not None and i_s is not None and i_t is not None:
        terms += [(d_s, i_t), (d_t, i_s)]
        # i_s i_t carries the product of the variances' derivatives: 3/4 i^5 v_s v_t
        i_st = _sum(i_st, slope * 2 * over(d_s, d_t), 3 * i_s * i_t / i)
    if i_st is not None:
        terms.append((c, i_st))
    return Jet.of(y, s, t, put(*terms) if terms else None)


def _layer_norm(
    x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    """Step by step, as torch's formula of its kernel holds the statistics for constant."""
    axes = tuple(range(-len(normalized_shape), 0))
    c = x - x.mean(axes, keepdim=True)
    y = c * ((c * c).mean(axes, keepdim=True) + eps).rsqrt()
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def _mean(x: torch.Tensor) -> torch.Tensor:
    return x.mean((0, *range(2, x.dim())))


def _dot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    if a.dim() == 2:
        return (a * b).sum(0)
    return torch.linalg.vecdot(a.flatten(2), b.flatten(2)).sum(0)


RULES.update({
    **dict.fromkeys(
        named(
            "view", "reshape", "flatten", "permute", "transpose", "movedim", "mean", "sum",
            "contiguous", "clone", "squeeze", "unsqueeze", "unflatten", "expand", "chunk", "split",
            "narrow", "select", "neg", "__getitem__", "__neg__", "t", "avg_pool1d", "avg_pool2d",
            "adaptive_avg_pool1d", "adaptive_avg_pool2d",
        ),
        _linear_in_first,
    ),
    F.pad: _pad,
    **dict.fromkeys(named("cat", "concat", "stack"), _joined),
    **dict.fromkeys(named("add", "__add__", "__radd__"), _added(1, False)),
    **dict.fromkeys(named("sub", "__sub__"), _added(-1, False)),
    **dict.fromkeys(named("add_", "__iadd__"), _added(1, True)),
    **dict.fromkeys(named("mul", "__mul__", "__rmul__", "matmul", "bmm", "mm"), _multiplied),
    torch.Tensor.__matmul__: _multiplied,
    F.linear: _linear,
    torch.conv1d: _convolution,
    torch.conv2d: _convolution,
    torch.conv3d: _convolution,
    **dict.fromkeys(named("relu", "relu_"), _relu),
    torch.batch_norm: _batch_norm,
    **dict.fromkeys(named("detach"), _detached),
})  # fmt: skip
COMPOSED[F.layer_norm] = _layer_norm
