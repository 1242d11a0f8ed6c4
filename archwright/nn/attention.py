"""Multi-head attention whose heads, head width and model width may be elastic."""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import Tensor, fx, nn

from archwright.errors import SpaceError
from archwright.nn.carriers import carrier
from archwright.nn.dense import ElasticLinear, linear
from archwright.nn.elastic import Active, active_of, is_elastic, now, widest
from archwright.nn.twin import leading, whole


def attention(
    dim: Any,
    heads: Any,
    *,
    head_dim: Any = None,
    context_dim: Any = None,
    causal: bool = False,
    bias: Any = True,
) -> nn.Module:
    """Multi-head attention, `batch x length x dim` to the same shape.

    Call it as `attention(x)` or `attention(x, mask)`; with `context_dim` given it attends to
    another sequence, `attention(x, context)` or `attention(x, context, mask)`. The mask is what
    `scaled_dot_product_attention` takes: booleans (True: attend) or numbers to add, of a shape
    that broadcasts to `batch x heads x length x context length`.

    Given plain numbers it is a `torch.fx.GraphModule` (plain torch) of four `nn.Linear` - `query`,
    `key`, `value` and `output` - around torch's scaled dot-product attention. It is not
    `nn.MultiheadAttention`, whose heads must have the width `dim / heads`.

    Args:
        dim: width of the model (the last dimension).
        heads: number of heads.
        head_dim: width of each head; left out, `dim // heads` (`heads` must divide `dim`). When
            given, a supernet's smaller architectures use the first heads, and of each the first
            part, which keeps heads apart.
        context_dim: width of the sequence attended to; left out, it is `x` itself.
        causal: whether each place attends only to those up to itself (then no mask is taken).
        bias: whether the linear layers have one.

    Raises:
        SpaceError: heads that do not divide the width.

    Source: Ashish Vaswani et al., "Attention Is All You Need", NeurIPS 2017, arXiv:1706.03762.

    Differences from the paper: no dropout on the attention's weights.

    >>> import torch
    >>> attention(16, 4)(torch.zeros(2, 5, 16)).shape
    torch.Size([2, 5, 16])
    """
    inner = dim if head_dim is None else heads * head_dim
    cross = context_dim is not None
    context = context_dim if cross else dim
    if head_dim is None:
        _check_divides(dim, heads)
    if is_elastic(dim, heads, head_dim, context_dim, bias):
        return ElasticAttention(dim, heads, head_dim, inner, context, cross, causal, bias)
    modules = {
        "query": linear(dim, inner, bias=bias),
        "key": linear(context, inner, bias=bias),
        "value": linear(context, inner, bias=bias),
        "output": linear(inner, dim, bias=bias),
    }

    def draw(graph: fx.Graph) -> None:
        x = graph.placeholder("x")
        source = graph.placeholder("context") if cross else x
        options: dict[str, Any] = {"is_causal": True}
        if not causal:
            options = {"attn_mask": graph.placeholder("mask", default_value=None)}
        split = []
        for name, of in (("query", x), ("key", source), ("value", source)):
            found = graph.call_module(name, (of,))
            found = graph.call_method("unflatten", (found, -1, (heads, inner // heads)))
            split.append(graph.call_method("transpose", (found, -3, -2)))
        mixed = graph.call_function(F.scaled_dot_product_attention, tuple(split), options)
        mixed = graph.call_method("transpose", (mixed, -3, -2))
        joined = graph.call_method("flatten", (mixed, -2))
        graph.output(graph.call_module("output", (joined,)))

    return carrier(("attention", heads, inner // heads, cross, causal), draw, modules)


def _check_divides(dim: Any, heads: Any) -> None:
    rest = dim % heads
    most = widest(rest)
    if isinstance(most, int) and most and not is_elastic(rest):
        raise SpaceError(
            f"aw.attention: heads must divide dim, got dim={dim} and heads={heads}; give head_dim "
            "for heads of another width"
        )


class ElasticAttention(nn.Module):
    """The elastic form of `attention`: the same four linear layers, elastic."""

    def __init__(
        self,
        dim: Any,
        heads: Any,
        head_dim: Any,
        inner: Any,
        context: Any,
        cross: bool,
        causal: bool,
        bias: Any,
    ) -> None:
        super().__init__()
        self._active: Active = active_of(dim, heads, head_dim, context, bias)
        self._heads = heads
        self._cross = cross
        self._causal = causal
        whole("attention", "heads", heads)
        if head_dim is None:
            self.query = linear(dim, inner, bias=bias)
            self.key = linear(context, inner, bias=bias)
            self.value = linear(context, inner, bias=bias)
            self.output = linear(inner, dim, bias=bias)
        else:
            self.query = _to_heads(dim, heads, head_dim, bias)
            self.key = _to_heads(context, heads, head_dim, bias)
            self.value = _to_heads(context, heads, head_dim, bias)
            self.output = _from_heads(heads, head_dim, dim, bias)

    def forward(self, x: Tensor, *rest: Any, **named: Any) -> Tensor:
        """What the active architecture attends to."""
        if self._active.values is None:
            raise SpaceError(
                "no architecture is active: call the supernet inside `with supernet.active(arch):`"
            )
        names = (("context",) if self._cross else ()) + (() if self._causal else ("mask",))
        given = {**dict(zip(names, rest, strict=False)), **named}
        if len(rest) > len(names) or not set(given) <= set(names):
            raise TypeError(f"attention takes x, {', '.join(names)}; got {rest} and {named}")
        source = given["context"] if self._cross else x
        heads = now(self._heads)
        query, key, value = (
            layer(of).unflatten(-1, (heads, -1)).transpose(-3, -2)
            for layer, of in ((self.query, x), (self.key, source), (self.value, source))
        )
        options: Any = {"is_causal": True} if self._causal else {"attn_mask": given.get("mask")}
        mixed = F.scaled_dot_product_attention(query, key, value, **options)
        return self.output(mixed.transpose(-3, -2).flatten(-2))


def _to_heads(dim: Any, heads: Any, head_dim: Any, bias: Any) -> nn.Module:
    if not is_elastic(heads, head_dim):
        return linear(dim, heads * head_dim, bias=bias)
    return ElasticToHeads(dim, heads, head_dim, bias)


def _from_heads(heads: Any, head_dim: Any, dim: Any, bias: Any) -> nn.Module:
    if not is_elastic(heads, head_dim):
        return linear(heads * head_dim, dim, bias=bias)
    return ElasticFromHeads(heads, head_dim, dim, bias)


class ElasticToHeads(ElasticLinear):
    """A linear layer whose output is divided into heads: of each, the first part is used."""

    def __init__(self, dim: Any, heads: Any, head_dim: Any, bias: Any) -> None:
        self._divide(heads, head_dim)
        super().__init__(dim, heads * head_dim, bias, full_out=self._full[0] * self._full[1])

    def _divide(self, heads: Any, head_dim: Any) -> None:
        # Set past nn.Module, whose constructor has not run yet.
        self.__dict__["_full"] = (
            whole("attention", "heads", heads),
            whole("attention", "head_dim", head_dim),
        )
        self.__dict__["_live"] = (heads, head_dim)

    def _cut(self, name: str, full: Tensor) -> Tensor | None:
        if name == "bias" and not now(self._has_bias):
            return None
        parts = leading(full.unflatten(0, self._full), *now(self._live)).flatten(0, 1)
        return parts if name == "bias" else parts[:, : self.in_features]


class ElasticFromHeads(ElasticToHeads):
    """A linear layer whose input is divided into heads: of each, the first part is used."""

    def __init__(self, heads: Any, head_dim: Any, dim: Any, bias: Any) -> None:
        self._divide(heads, head_dim)
        ElasticLinear.__init__(
            self, heads * head_dim, dim, bias, full_in=self._full[0] * self._full[1]
        )

    def _cut(self, name: str, full: Tensor) -> Tensor | None:
        if name == "bias":
            return ElasticLinear._cut(self, name, full)
        rows = leading(full, self.out_features).unflatten(1, self._full)
        heads, head_dim = now(self._live)
        return rows[:, :heads, :head_dim].flatten(1)
