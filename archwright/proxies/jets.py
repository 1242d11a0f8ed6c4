"""Second mixed derivatives in one forward pass, without a graph.

A `Jet` is a tensor y(s, t) of two numbers near (0, 0), known by its value and its derivatives by s,
by t and by both. Operations on jets give jets: products, linear operations, ReLU and batch
normalisation in closed form, everything else by torch's forward mode, twice. What cannot be
computed so raises `NoFormulaError`.

See Griewank and Walther, "Evaluating Derivatives", 2nd edition, SIAM 2008, chapters 3 and 13.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

Part = torch.Tensor | None


class NoFormulaError(Exception):
    """An operation has no derivatives of this kind."""


class Jet(torch.Tensor):
    """A tensor with its derivatives; None stands for zeros.

    Attributes:
        value: y(0, 0), a plain tensor.
        by_s: dy/ds.
        by_t: dy/dt.
        by_st: d2y/ds dt.
    """

    value: torch.Tensor
    by_s: Part
    by_t: Part
    by_st: Part

    @staticmethod
    def of(value: torch.Tensor, by_s: Part = None, by_t: Part = None, by_st: Part = None) -> Jet:
        """A jet of a value and its derivatives.

        >>> Jet.of(torch.ones(2)).shape
        torch.Size([2])
        """
        jet: Jet = torch.Tensor._make_subclass(Jet, value)
        jet.value, jet.by_s, jet.by_t, jet.by_st = value, by_s, by_t, by_st
        return jet

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """One operation; see `torch.Tensor.__torch_function__`."""
        kwargs = kwargs or {}
        if func in COMPOSED and torch.is_grad_enabled():
            return COMPOSED[func](*args, **kwargs)
        with torch._C.DisableTorchFunctionSubclass():
            if not torch.is_grad_enabled():  # autograd holds for constant what is done here
                return func(*values_of(args), **values_of(kwargs))
            rule = RULES.get(func)
            found = NotImplemented if rule is None else rule(func, *args, **kwargs)
            return _generic(func, args, kwargs) if found is NotImplemented else found


def values_of(tree: Any) -> Any:
    """Arguments with the values of jets in their place."""
    return tree_map(lambda x: x.value if isinstance(x, Jet) else x, tree)


def parts_of(x: Any) -> tuple[Part, Part, Part]:
    """The derivatives of anything; None for what is no jet."""
    return (x.by_s, x.by_t, x.by_st) if isinstance(x, Jet) else (None, None, None)


def value_of(x: Any) -> Any:
    """The value of a jet; anything else itself."""
    return x.value if isinstance(x, Jet) else x


# --- rules: func and its arguments -> a jet, or NotImplemented for `_generic`

Rule = Callable[..., Any]
RULES: Final[dict[Any, Rule]] = {}  # filled by `jet_rules`
#: Rules made of operations on jets.
COMPOSED: Final[dict[Any, Rule]] = {}


def named(*names: str) -> list[Any]:
    """The functions and methods of torch that go by these names."""
    homes = (torch, torch.Tensor, F)
    return [getattr(home, n) for n in names for home in homes if hasattr(home, n)]


_TRANSPOSES: Final = tuple(getattr(x, "__get__") for x in (torch.Tensor.T, torch.Tensor.mT))  # noqa: B009
# Where torch's forward mode in itself is right: tests compare each with two backward passes. Of
# others it is not known: that of layer and instance normalisation is silently wrong (torch 2.13).
_TWICE: Final = frozenset(
    named(
        "gelu", "silu", "hardswish", "hardtanh", "relu6", "leaky_relu", "elu", "selu", "celu",
        "softplus", "mish", "logsigmoid", "tanhshrink", "softsign", "prelu", "sigmoid", "tanh",
        "exp", "square", "sin", "cos", "erf", "log", "sqrt", "rsqrt", "abs", "clamp", "pow",
        "__pow__", "div", "__truediv__", "__rtruediv__", "__rdiv__", "rsub", "__rsub__", "softmax",
        "log_softmax", "cross_entropy", "nll_loss", "mse_loss", "binary_cross_entropy_with_logits",
        "max_pool1d", "max_pool2d", "adaptive_max_pool2d", "group_norm", "rms_norm", "amax",
        "var", "std", "einsum", "interpolate", "addmm", "baddbmm", "where", "conv_transpose2d",
        "logsumexp", "scaled_dot_product_attention", "multi_head_attention_forward", "sub", "add",
        "mul", "matmul", "__mul__", "__add__", "__radd__", "cumsum",
    )
) | {*_TRANSPOSES}  # fmt: skip


def _generic(func: Any, args: Any, kwargs: Any) -> Any:
    """Torch's forward mode, in itself."""
    name = getattr(func, "__name__", "")
    writes = name in ("__setitem__", "set_data", "requires_grad_", "__set__", "register_hook")
    in_place = name.endswith("_") and not name.endswith("__")
    if writes or in_place or kwargs.get("inplace") or "out" in kwargs:
        raise NoFormulaError(f"{name} writes to what it is given")
    result = func(*values_of(args), **values_of(kwargs))
    flat, spec = tree_flatten((args, kwargs))
    at = [i for i, x in enumerate(flat) if isinstance(x, Jet) and x.is_floating_point()]
    differentiable = [
        x for x in tree_flatten(result)[0] if isinstance(x, torch.Tensor) and x.is_floating_point()
    ]
    if not at or not differentiable:
        return result
    if name == "__get__" and func not in _TRANSPOSES:
        return result  # .data and the like, which are constants to autograd too
    if func not in _TWICE:
        raise NoFormulaError(f"{name} has no second derivative here that was checked")

    def call(*given: torch.Tensor) -> Any:
        full = [value_of(x) for x in flat]
        for i, x in zip(at, given, strict=True):
            full[i] = x
        arguments, named = tree_unflatten(full, spec)
        found = func(*arguments, **named)
        return found[0] if alone else found

    # Attention gives (output, None) where its weights are not asked for.
    alone = isinstance(result, tuple) and len(result) == 2 and result[1] is None
    n = len(at)
    value = tuple(flat[i].value for i in at)
    s, t, st = (
        tuple(torch.zeros_like(v) if p is None else p for v, p in zip(value, parts, strict=True))
        for parts in zip(*(parts_of(flat[i]) for i in at), strict=True)
    )

    def once(*both: torch.Tensor) -> Any:
        return torch.func.jvp(call, both[:n], both[n:])

    try:
        with warnings.catch_warnings():  # torch warns of its own use of torch.jit, once
            warnings.simplefilter("ignore", DeprecationWarning)
            both: Any = torch.func.jvp(once, (*value, *s), (*t, *st))
            (y, y_s), (y_t, y_st) = both
    except Exception as error:  # torch raises what it likes where a formula is missing
        raise NoFormulaError(f"{name}: {error}") from error
    parts = [tree_flatten(x)[0] for x in (y, y_s, y_t, y_st)]
    outer = tree_flatten(y)[1]
    made = [
        Jet.of(*each) if each[0].is_floating_point() else each[0]
        for each in zip(*parts, strict=True)
    ]
    return (made[0], None) if alone else tree_unflatten(made, outer)
