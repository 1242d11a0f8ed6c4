"""Elastic values: numbers that are decided per architecture, and arithmetic on them.

While a constructor is traced or read for a supernet, a choice answers an `Elastic`. It knows
its possible values, hence its greatest one (the width of a supernet's weights), and what it
is now while an architecture is active.
"""

from __future__ import annotations

import itertools
import math
import operator
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextvars import ContextVar
from types import FrameType
from typing import TYPE_CHECKING, Any

from archwright.errors import SpaceError
from archwright.space import Domain, Real

if TYPE_CHECKING:
    from archwright.nn.mixture import Mixing

# Up to this many combinations of values a bound is found by trying them all, which is exact;
# beyond, by interval arithmetic, which may be wider than needed but never too narrow.
_MOST_COMBINATIONS = 2048

# The error that torch's argument parser swallows when it asks an elastic value for its number
# (it answers with a TypeError of its own); the reading of a constructor picks it up here.
swallowed: ContextVar[list[SpaceError] | None] = ContextVar("swallowed", default=None)

_TWINS = {
    "Conv1d": "conv1d",
    "Conv2d": "conv2d",
    "ConvTranspose2d": "conv_transpose2d",
    "Linear": "linear",
    "BatchNorm1d": "batch_norm1d",
    "BatchNorm2d": "batch_norm2d",
    "LayerNorm": "layer_norm",
    "GroupNorm": "group_norm",
    "RMSNorm": "rms_norm",
    "Embedding": "embedding",
    "MultiheadAttention": "attention",
    "LSTM": "lstm",
    "GRU": "gru",
    "Dropout": "dropout",
}
# Torch functions that make a tensor of a given shape.
_FILLED = ("empty", "zeros", "ones", "full", "rand", "randn")


class Active:
    """Which architecture a supernet computes at the moment (None: none).

    One object is shared by a supernet, its modules and their elastic values. While a mixture is
    computed, `mixture` is what answers for the decisions in it, and `values` holds every decision
    that is live.
    """

    __slots__ = ("mixture", "values", "version")

    def __init__(self) -> None:
        self.values: Mapping[str, Any] | None = None
        self.mixture: Mixing | None = None
        self.version = 0

    def switch(
        self, values: Mapping[str, Any] | None, mixture: Mixing | None = None
    ) -> Mapping[str, Any] | None:
        """Make `values` (and a mixture) the active ones and answer the values that were."""
        before, self.values = self.values, values
        self.mixture = mixture
        self.version += 1
        return before


IDLE = Active()


class Elastic:
    """A number (or string) that each architecture decides for itself.

    Arithmetic (`+ - * / // % **`, `abs`, `round`, `math.ceil`, `math.floor`, `aw.divisible`,
    `aw.maximum`, `aw.minimum`) gives elastic values again. Its own value is known only inside
    `with supernet.active(arch):`; asking for it before (`if`, `int()`, `range()`, comparing)
    is a `SpaceError` that names the choice and the line.
    """

    __slots__ = ("_active", "_args", "_cached", "_function", "_span", "_symbol", "_version")

    # Whether it counts channels that lie at other places for other values (what is joined), so
    # that the first ones of the greatest number do not stand for a smaller number.
    _places_vary = False

    def __init__(
        self,
        active: Active,
        function: Callable[..., Any] | None,
        args: tuple[Any, ...],
        symbol: str,
    ) -> None:
        self._active = active
        self._function = function
        self._args = args
        self._symbol = symbol
        self._version = -1
        self._cached: Any = None
        self._span: tuple[Any, Any] | None = None

    # -- what it is now -------------------------------------------------------------------

    def _now(self) -> Any:
        """The value under the active architecture."""
        active = self._active
        if active.version != self._version:
            if active.values is None:
                raise _inactive(self)
            if active.mixture is not None:
                active.mixture.refuse(self)
            self._cached = self._evaluate(active.values)
            self._version = active.version
        return self._cached

    def _evaluate(self, values: Mapping[str, Any]) -> Any:
        assert self._function is not None
        return self._function(
            *[arg._evaluate(values) if isinstance(arg, Elastic) else arg for arg in self._args]
        )

    def _leaves(self) -> Iterator[Leaf]:
        for arg in self._args:
            if isinstance(arg, Elastic):
                yield from arg._leaves()

    def _needed(self, values: Mapping[str, Any]) -> Iterator[Leaf]:
        """The decisions that its value depends on, given what is live."""
        for arg in self._args:
            if isinstance(arg, Elastic):
                yield from arg._needed(values)

    def _parts(self) -> Iterator[Elastic]:
        """Itself and the elastic values that it is made of."""
        yield self
        for arg in self._args:
            if isinstance(arg, Elastic):
                yield from arg._parts()

    def _is_live(self, values: Mapping[str, Any]) -> bool:
        """Whether an architecture decides all that is needed."""
        return all(arg._is_live(values) for arg in self._args if isinstance(arg, Elastic))

    def _follows_depth(self) -> bool:
        """Whether it depends on which decisions are live, not only on their values."""
        return any(arg._follows_depth() for arg in self._args if isinstance(arg, Elastic))

    def _bounds(self) -> tuple[Any, Any]:
        """The least and the greatest value over all architectures."""
        if self._span is None:
            self._span = self._find_bounds()
        return self._span

    def _find_bounds(self) -> tuple[Any, Any]:
        leaves = {leaf.path: leaf for leaf in self._leaves()}
        n = math.prod(leaf.domain.size for leaf in leaves.values())
        try:
            if n <= _MOST_COMBINATIONS and not self._follows_depth():
                found = [self._evaluate(values) for values in _combinations(list(leaves.values()))]
            else:
                assert self._function is not None
                ends = [arg._bounds() if isinstance(arg, Elastic) else (arg,) for arg in self._args]
                found = _at_ends(self._function, ends)
            return min(found), max(found)
        except (TypeError, ZeroDivisionError, ValueError) as error:
            raise SpaceError(
                f"{describe(self)}: its greatest value is needed for the widest weights, but "
                f"computing it gives {type(error).__name__}: {error}"
            ) from error

    # -- arithmetic -----------------------------------------------------------------------

    def _combine(self, function: Callable[..., Any], args: tuple[Any, ...], symbol: str) -> Any:
        # In a forward pass the numbers are known, and plain ones are what torch wants.
        if self._active.values is not None:
            return function(*[now(arg) for arg in args])
        for arg in args:
            if not isinstance(arg, Elastic | int | float):
                return NotImplemented
        if len(args) == 2 and args[0] is args[1] and function in _OF_ITSELF:
            # Bounds need not be exact, and would make the weights of a depthwise convolution,
            # channels // groups, needlessly large.
            return _OF_ITSELF[function]
        return Elastic(self._active, function, args, symbol)

    def __add__(self, other: Any) -> Any:
        return self._combine(operator.add, (self, other), "+")

    def __radd__(self, other: Any) -> Any:
        return self._combine(operator.add, (other, self), "+")

    def __sub__(self, other: Any) -> Any:
        return self._combine(operator.sub, (self, other), "-")

    def __rsub__(self, other: Any) -> Any:
        return self._combine(operator.sub, (other, self), "-")

    def __mul__(self, other: Any) -> Any:
        return self._combine(operator.mul, (self, other), "*")

    def __rmul__(self, other: Any) -> Any:
        return self._combine(operator.mul, (other, self), "*")

    def __truediv__(self, other: Any) -> Any:
        return self._combine(operator.truediv, (self, other), "/")

    def __rtruediv__(self, other: Any) -> Any:
        return self._combine(operator.truediv, (other, self), "/")

    def __floordiv__(self, other: Any) -> Any:
        return self._combine(operator.floordiv, (self, other), "//")

    def __rfloordiv__(self, other: Any) -> Any:
        return self._combine(operator.floordiv, (other, self), "//")

    def __mod__(self, other: Any) -> Any:
        return self._combine(operator.mod, (self, other), "%")

    def __rmod__(self, other: Any) -> Any:
        return self._combine(operator.mod, (other, self), "%")

    def __pow__(self, other: Any) -> Any:
        return self._combine(operator.pow, (self, other), "**")

    def __rpow__(self, other: Any) -> Any:
        return self._combine(operator.pow, (other, self), "**")

    def __neg__(self) -> Any:
        return self._combine(operator.neg, (self,), "-")

    def __pos__(self) -> Any:
        return self

    def __abs__(self) -> Any:
        return self._combine(abs, (self,), "abs")

    def __round__(self, n_digits: int | None = None) -> Any:
        return self._combine(round, (self,) if n_digits is None else (self, n_digits), "round")

    def __ceil__(self) -> Any:
        return self._combine(math.ceil, (self,), "ceil")

    def __floor__(self) -> Any:
        return self._combine(math.floor, (self,), "floor")

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        # `tensor * self.scale` in a user's forward: the number is known there.
        name = func.__name__
        kwargs = {key: _for_torch(value, name) for key, value in (kwargs or {}).items()}
        return func(*[_for_torch(arg, name) for arg in args], **kwargs)

    # -- what needs the number itself -----------------------------------------------------

    def __bool__(self) -> bool:
        return bool(self._number("branches on"))

    def __eq__(self, other: object) -> Any:
        return True if other is self else self._number("compares") == now(other)

    def __ne__(self, other: object) -> Any:
        return False if other is self else self._number("compares") != now(other)

    def __lt__(self, other: Any) -> Any:
        return self._number("compares") < now(other)

    def __le__(self, other: Any) -> Any:
        return self._number("compares") <= now(other)

    def __gt__(self, other: Any) -> Any:
        return self._number("compares") > now(other)

    def __ge__(self, other: Any) -> Any:
        return self._number("compares") >= now(other)

    def __hash__(self) -> int:
        return hash(self._number("looks up"))

    def __int__(self) -> int:
        return int(self._number("takes the number of"))

    def __float__(self) -> float:
        return float(self._number("takes the number of"))

    def __index__(self) -> int:
        return operator.index(self._number("takes the number of"))

    def __iter__(self) -> Iterator[Any]:
        return iter(self._number("iterates over"))

    def __len__(self) -> int:
        return len(self._number("takes the length of"))

    def _number(self, what: str) -> Any:
        if self._active.values is None:
            raise _unknown_yet(self, what)
        return self._now()

    def __str__(self) -> str:
        return _expression(self)

    def __format__(self, spec: str) -> str:
        return format(self._now(), spec) if spec and self._active.values is not None else str(self)

    def __repr__(self) -> str:
        return f"<elastic {_expression(self)}>"


def _at_ends(function: Callable[..., Any], ends: list[tuple[Any, ...]]) -> list[Any]:
    """Values that enclose those of a function whose arguments lie between the given ends.

    A function that rises or falls in each argument takes its extremes at the corners; the
    exceptions are mended here.
    """
    if function in (operator.mod, operator.floordiv, operator.truediv):
        if min(ends[1]) <= 0 <= max(ends[1]):
            raise ZeroDivisionError("the divisor can be 0")
        if function is operator.mod:
            # The rest is nearer to 0 than the divisor, and has its sign.
            whole = all(isinstance(end, int) for end in (*ends[0], *ends[1]))
            return [0, *(end - (1 if whole and end > 0 else 0) for end in ends[1])]
    found = [function(*corner) for corner in itertools.product(*ends)]
    if function in (abs, operator.pow) and min(ends[0]) < 0:
        found += [0, -max(map(abs, found)), max(map(abs, found))]
    return found


_OF_ITSELF: dict[Callable[..., Any], int] = {
    operator.floordiv: 1,
    operator.mod: 0,
    operator.sub: 0,
}


class Leaf(Elastic):
    """The elastic value of one decision."""

    __slots__ = ("domain", "origin", "path")

    def __init__(self, active: Active, path: str, domain: Domain, origin: str) -> None:
        super().__init__(active, None, (), path)
        self.path = path
        self.domain = domain
        self.origin = origin

    def _evaluate(self, values: Mapping[str, Any]) -> Any:
        try:
            return values[self.path]
        except KeyError:
            raise SpaceError(
                f"{describe(self)} is not live in the active architecture, but is used outside "
                "the layer, repeat or cell that declares it; aw.last([...]) answers the last "
                "of several values that is live"
            ) from None

    def _leaves(self) -> Iterator[Leaf]:
        yield self

    def _needed(self, values: Mapping[str, Any]) -> Iterator[Leaf]:
        yield self

    def _is_live(self, values: Mapping[str, Any]) -> bool:
        return self.path in values

    def _find_bounds(self) -> tuple[Any, Any]:
        domain = self.domain
        if isinstance(domain, Real):
            return domain.low, domain.high
        values: Any = list(domain.values())
        if not all(isinstance(value, int | float) for value in values):
            raise SpaceError(
                f"{describe(self)}: a number is needed here, but its values are "
                f"{domain.describe()}; choose between modules with aw.layer(name, {{...}})"
            )
        return min(values), max(values)


def _for_torch(value: Any, name: str) -> Any:
    if isinstance(value, Elastic):
        if value._active.values is None:
            raise _unknown_yet(value, "takes the number of", name)
        return value._now()
    if type(value) in (tuple, list):
        return type(value)([_for_torch(item, name) for item in value])
    return value


def now(value: Any) -> Any:
    """The number behind an elastic value while an architecture is active; others as they are."""
    if isinstance(value, Elastic):
        return value._now()
    if type(value) is tuple:
        return tuple([now(item) for item in value])
    return value


def widest(value: Any) -> Any:
    """The greatest value over all architectures; plain values as they are."""
    return value._bounds()[1] if isinstance(value, Elastic) else value


def narrowest(value: Any) -> Any:
    """The least value over all architectures; plain values as they are."""
    return value._bounds()[0] if isinstance(value, Elastic) else value


def is_elastic(*values: Any) -> bool:
    """Whether one of the values, or an item of one that is a tuple, is elastic."""
    for value in values:
        if isinstance(value, Elastic) or (type(value) is tuple and is_elastic(*value)):
            return True
    return False


def active_of(*values: Any) -> Active:
    """What the elastic ones among the values belong to."""
    for value in values:
        if isinstance(value, Elastic):
            return value._active
        if type(value) is tuple and is_elastic(*value):
            return active_of(*value)
    raise TypeError("none of the values is elastic")


def combine(function: Callable[..., Any], *args: Any, symbol: str = "") -> Any:
    """`function(*args)`, elastic when one of the arguments is.

    Args:
        function: a pure function at module level (a supernet is pickled with it).
        *args: its arguments, plain or elastic.
        symbol: how it is called in messages (left out: the function's name).
    """
    if not is_elastic(*args):
        return function(*args)
    active = active_of(*args)
    if active.values is not None:
        return function(*[now(arg) for arg in args])
    return Elastic(active, function, args, symbol or function.__name__.strip("_"))


def maximum(*values: Any) -> Any:
    """The greatest of some numbers, elastic when one of them is (`max` would compare them).

    >>> maximum(3, 8)
    8
    """
    return combine(max, *values, symbol="maximum")


def minimum(*values: Any) -> Any:
    """The least of some numbers, elastic when one of them is (`min` would compare them).

    >>> minimum(3, 8)
    3
    """
    return combine(min, *values, symbol="minimum")


def divisible(x: Any, by: int = 8) -> Any:
    """The multiple of `by` that is nearest to `x`, at least `by` and not below 0.9 `x`.

    How MobileNets round their widths. Source: the reference code of Mark Sandler et al.,
    "MobileNetV2: Inverted Residuals and Linear Bottlenecks", CVPR 2018, arXiv:1801.04381.

    Args:
        x: a number, plain or elastic.
        by: the divisor.

    >>> divisible(37), divisible(3), divisible(12, 4)
    (40, 8, 12)
    """
    if not isinstance(by, int) or by < 1:
        raise SpaceError(f"divisible: by must be a whole number of at least 1, got {by!r}")
    return combine(_divisible, x, by, symbol="divisible")


def _divisible(x: float, by: int) -> int:
    rounded = max(by, int(x + by / 2) // by * by)
    return rounded if rounded >= 0.9 * x else rounded + by


class _Last(Elastic):
    """The last of several values whose decisions are live."""

    __slots__ = ()

    def _evaluate(self, values: Mapping[str, Any]) -> Any:
        for arg in reversed(self._args):
            if not isinstance(arg, Elastic):
                return arg
            if arg._is_live(values):
                return arg._evaluate(values)
        raise SpaceError(f"{describe(self)}: none of the values is live")

    def _needed(self, values: Mapping[str, Any]) -> Iterator[Leaf]:
        for arg in reversed(self._args):
            if not isinstance(arg, Elastic):
                return
            if arg._is_live(values):
                yield from arg._needed(values)
                return

    def _is_live(self, values: Mapping[str, Any]) -> bool:
        return any(not isinstance(arg, Elastic) or arg._is_live(values) for arg in self._args)

    def _follows_depth(self) -> bool:
        return True

    def _find_bounds(self) -> tuple[Any, Any]:
        return min(map(narrowest, self._args)), max(map(widest, self._args))


def last(values: Sequence[Any]) -> Any:
    """The last of some values that belongs to the architecture.

    The items of a `repeat` may each choose a width; which of them comes last, and so is what
    the next layer receives, depends on how many items there are.

    Args:
        values: plain or elastic numbers, in the order in which they were made.

    >>> import archwright.nn as aw
    >>> from torch import nn
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         widths = [3]
    ...
    ...         def block(i):
    ...             widths.append(aw.choice("width", [8, 16]))
    ...             return aw.linear(widths[-2], widths[-1])
    ...
    ...         self.body = aw.repeat("depth", 1, 3, block)
    ...         self.head = aw.linear(aw.last(widths), 10)
    >>> aw.ModelSpace(Net).size
    14
    """
    if not values:
        raise SpaceError("last: got an empty list, expected at least one value")
    if not is_elastic(*values):
        return values[-1]
    return _Last(active_of(*values), None, tuple(values), "last")


# -- messages -----------------------------------------------------------------------------


def describe(value: Elastic) -> str:
    """How messages call an elastic value: its expression, its choices and their origin."""
    leaves = {leaf.path: leaf for leaf in value._leaves()}
    places = ", ".join(
        f"{leaf.path!r} ({leaf.origin})" if leaf.origin else repr(leaf.path)
        for leaf in leaves.values()
    )
    text = _expression(value)
    return f"the choice {places}" if text in leaves else f"`{text}` of the choice {places}"


def _expression(value: Any) -> str:
    if not isinstance(value, Elastic):
        return str(value)
    if isinstance(value, Leaf):
        return value.path
    inner = [
        f"({_expression(arg)})" if _is_infix(arg) and _is_infix(value) else _expression(arg)
        for arg in value._args
    ]
    if _is_infix(value):
        return f"{inner[0]} {value._symbol} {inner[1]}"
    return f"{value._symbol}({', '.join(inner)})"


def _is_infix(value: Any) -> bool:
    return isinstance(value, Elastic) and len(value._args) == 2 and not value._symbol.isalpha()


def caller() -> tuple[str, str]:
    """The torch layer or function nearest to the user's code on the stack, and "file.py:12"."""
    frame = sys._getframe(1)
    name = ""
    while frame is not None:
        if is_torch(frame):
            if frame.f_code.co_name != "__torch_function__":
                name = torch_name(frame)
        elif not is_ours(frame):
            return name, place(frame)
        frame = frame.f_back  # type: ignore[assignment]
    return name, ""


def is_torch(frame: FrameType) -> bool:
    """Whether a frame runs torch's code."""
    module = frame.f_globals.get("__name__", "")
    return bool(module == "torch" or module.startswith("torch."))


def is_ours(frame: FrameType) -> bool:
    """Whether a frame runs the language's code (a doctest in it is the user's)."""
    module = frame.f_globals.get("__name__", "")
    return module.startswith(("archwright.nn", "archwright.space")) and not (
        frame.f_code.co_filename.startswith("<doctest")
    )


def place(frame: FrameType) -> str:
    """Where a frame is, as "file.py:12"."""
    return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"


def torch_name(frame: FrameType) -> str:
    """The torch layer whose constructor a frame runs, or the torch function."""
    if frame.f_code.co_name != "__init__":
        return frame.f_code.co_name
    # The constructor may be inherited: nn.Dropout's is that of _DropoutNd.
    owner = frame.f_locals.get("self")
    for cls in type(owner).__mro__:
        if cls.__module__.startswith("torch."):
            return cls.__name__
    return frame.f_code.co_qualname.split(".")[0]


def plain_layer_message(name: str, value: Elastic, place: str) -> str:
    """What to say when a plain torch layer received an elastic value."""
    at = f" at {place}" if place else ""
    if name in _TWINS:
        mend = f"write aw.{_TWINS[name]}(...) instead"
    elif name in _FILLED:
        mend = "write aw.parameter(*shape, init=...) for a parameter of elastic shape"
    else:
        mend = 'write aw.layer("name", {...}) with one option for each value instead'
    return (
        f"torch's {name} received {describe(value)}{at}: torch needs a plain number, which is "
        f"not known while the space is being read; {mend}"
    )


_LAYER = "Choose between modules with aw.layer(name, {...})"
_NUMBER = "Take the greater or smaller of numbers with aw.maximum and aw.minimum"
_MEND = {
    "branches on": _LAYER,
    "compares": f"{_LAYER}. {_NUMBER}",
    "looks up": _LAYER,
    "takes the number of": "Repeat modules with aw.repeat(name, low, high, factory). Compute whole "
    "numbers with + - * // % and aw.divisible, without int() and range()",
    "takes the length of": _LAYER,
    "iterates over": _LAYER,
}


def _unknown_yet(value: Elastic, what: str, function: str = "") -> SpaceError:
    box = swallowed.get()
    if box is None:
        return _inactive(value)
    name, where = caller()
    name = name or function
    if name:
        error = SpaceError(plain_layer_message(name, value, where))
    else:
        error = SpaceError(
            f"the constructor {what} {describe(value)} at {where}, but its value is not known "
            f"while the space is being read. {_MEND[what]}; or let this space branch: "
            "aw.ModelSpace(..., dynamic=True)"
        )
    box.append(error)
    return error


def _inactive(value: Elastic) -> SpaceError:
    return SpaceError(
        f"{describe(value)} has no value: no architecture is active; call the supernet inside "
        "`with supernet.active(arch):`"
    )


def _combinations(leaves: list[Leaf]) -> Iterator[dict[str, Any]]:
    paths = [leaf.path for leaf in leaves]
    for values in itertools.product(*[tuple(leaf.domain.values()) for leaf in leaves]):
        yield dict(zip(paths, values, strict=True))
