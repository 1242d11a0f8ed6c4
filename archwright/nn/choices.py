"""The words of the language: choice, integer, real, layer, repeat and scope."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, overload

from torch import nn

from archwright.errors import SpaceError
from archwright.nn.reading import ORDINARY, UNSET, current
from archwright.space import Choice, Integer, Real

Scalar = Any


@overload
def choice(name: Iterable[Scalar]) -> Choice: ...
@overload
def choice(
    name: str, values: Iterable[Scalar], *, default: Scalar = ..., shared: bool = ...
) -> Any: ...
def choice(
    name: str | Iterable[Scalar],
    values: Iterable[Scalar] | None = None,
    *,
    default: Scalar = UNSET,
    shared: bool = False,
) -> Any:
    """One of several numbers or strings.

    With a name it declares a decision of the constructor that is running and answers its
    value: the default when the class is called by hand, an architecture's value in
    `space.build`, an elastic value while a space or supernet is made. Without a name,
    `choice([...])` is a domain for `aw.Space({...})`.

    Args:
        name: the decision's name; its path is the scopes around it and the name. "/name" puts
            it at the top, out of all scopes.
        values: what may be chosen: numbers, strings, booleans, None.
        default: the value of the default architecture; left out, the first.
        shared: whether the same decision may be declared several times.

    Raises:
        SpaceError: no values, or (when the space is traced) a path that is taken.

    >>> choice("width", [16, 32, 64], default=32)
    32
    >>> choice([16, 32])
    Choice((16, 32))
    """
    if values is None:
        if isinstance(name, str):
            raise SpaceError(
                f"choice({name!r}) has no values; write choice({name!r}, [value, ...]) in a "
                "constructor, or choice([value, ...]) for a domain"
            )
        _refuse_nameless("choice", "[value, ...]")
        return Choice(name)
    return (current.get() or ORDINARY).decide(
        name,  # type: ignore[arg-type]
        lambda: Choice(values),
        default,
        shared,
    )


def _refuse_nameless(function: str, arguments: str) -> None:
    """A domain is of no use while a constructor is read."""
    if current.get() is not None:
        raise SpaceError(
            f"{function}({arguments}) in a constructor needs a name: write "
            f'{function}("name", {arguments})'
        )


@overload
def integer(name: int, low: int, *, step: int = ..., log: bool = ...) -> Integer: ...
@overload
def integer(
    name: str,
    low: int,
    high: int,
    *,
    step: int = ...,
    log: bool = ...,
    default: int = ...,
    shared: bool = ...,
) -> Any: ...
def integer(
    name: str | int,
    low: int,
    high: int | None = None,
    *,
    step: int = 1,
    log: bool = False,
    default: Any = UNSET,
    shared: bool = False,
) -> Any:
    """A whole number between two bounds, both included.

    `integer("width", 8, 64)` declares a decision as `choice` does; `integer(8, 64)` is a
    domain for `aw.Space({...})`.

    Args:
        name: the decision's name.
        low: the least value.
        high: the greatest value.
        step: distance of the values.
        log: whether it is drawn in the logarithm.
        default: the value of the default architecture; left out, `low`.
        shared: whether the same decision may be declared several times.

    >>> integer("width", 8, 64, step=8)
    8
    >>> integer(1, 4).size
    4
    """
    if not isinstance(name, str):
        if high is not None:
            raise SpaceError(
                f"integer({name!r}, {low!r}, {high!r}): the first of three arguments must be a "
                'name; write integer("name", low, high), or integer(low, high) for a domain'
            )
        return Integer(name, low, step=step, log=log)
    if high is None:
        raise SpaceError(f"integer({name!r}, {low!r}) lacks the greatest value, its third argument")
    return (current.get() or ORDINARY).decide(
        name, lambda: Integer(low, high, step=step, log=log), default, shared
    )


@overload
def real(name: float, low: float, *, log: bool = ...) -> Real: ...
@overload
def real(
    name: str, low: float, high: float, *, log: bool = ..., default: float = ..., shared: bool = ...
) -> Any: ...
def real(
    name: str | float,
    low: float,
    high: float | None = None,
    *,
    log: bool = False,
    default: Any = UNSET,
    shared: bool = False,
) -> Any:
    """A real number between two bounds.

    `real("dropout", 0.0, 0.5)` declares a decision as `choice` does; `real(0.0, 0.5)` is a
    domain for `aw.Space({...})`.

    Args:
        name: the decision's name.
        low: the least value.
        high: the greatest value.
        log: whether it is drawn in the logarithm.
        default: the value of the default architecture; left out, the domain's.
        shared: whether the same decision may be declared several times.

    >>> real("dropout", 0.0, 0.5, default=0.1)
    0.1
    >>> real(1e-4, 1e-1, log=True).log
    True
    """
    if not isinstance(name, str):
        if high is not None:
            raise SpaceError(
                f"real({name!r}, {low!r}, {high!r}): the first of three arguments must be a "
                'name; write real("name", low, high), or real(low, high) for a domain'
            )
        return Real(name, low, log=log)
    if high is None:
        raise SpaceError(f"real({name!r}, {low!r}) lacks the greatest value, its third argument")
    return (current.get() or ORDINARY).decide(
        name, lambda: Real(low, high, log=log), default, shared
    )


def layer(
    name: str,
    options: Mapping[Scalar, Callable[[], nn.Module]],
    *,
    default: Scalar = UNSET,
    shared: bool = False,
) -> nn.Module:
    """One of several modules.

    In a built network it is the chosen module itself. Decisions inside an option are live only
    when the option is chosen; their paths begin with `name=option/`.

    Args:
        name: the decision's name.
        options: option -> a module class or a function that makes the module.
        default: the option of the default architecture; left out, the first.
        shared: whether the same decision may be declared several times; then the decisions
            inside are shared, too (the weights are not).

    Raises:
        SpaceError: no options, or one that is not a function that makes a module.

    >>> layer("act", {"relu": nn.ReLU, "leaky": lambda: nn.LeakyReLU(0.1)})
    ReLU()
    """
    if not isinstance(options, Mapping) or not options:
        raise SpaceError(
            f"layer {name!r}: options must be a mapping from option to module class or "
            f"function, with at least one entry, got {options!r}"
        )
    for option, factory in options.items():
        if not callable(factory) or isinstance(factory, nn.Module):
            raise SpaceError(
                f"layer {name!r}: option {option!r} must be a module class or a function that "
                f"makes the module, got {type(factory).__name__}; write `lambda: ...` around it"
            )
    return (current.get() or ORDINARY).layer(name, options, default, shared)


def repeat(
    name: str,
    low: int,
    high: int,
    factory: Callable[[int], nn.Module],
    *,
    default: Any = UNSET,
    shared: bool = False,
    as_list: bool = False,
) -> nn.Module:
    """Between `low` and `high` modules in a row.

    In a built network it is an `nn.Sequential` (or `nn.ModuleList`) of as many as the
    architecture has. Decisions inside item i are live only when there are more than i items;
    their paths begin with `name.i/`.

    Args:
        name: the decision's name (the number of items).
        low: the least number of items, from 0.
        high: the greatest number.
        factory: makes item i, for i from 0.
        default: the number in the default architecture; left out, `low`.
        shared: whether the same decision may be declared several times; then the decisions
            inside are shared, too (the weights are not).
        as_list: an `nn.ModuleList` instead, to be iterated over in your `forward`.

    Raises:
        SpaceError: bounds that are no whole numbers, or a factory that makes no module.

    >>> repeat("depth", 2, 4, lambda i: nn.Linear(8, 8))
    Sequential(
      (0): Linear(in_features=8, out_features=8, bias=True)
      (1): Linear(in_features=8, out_features=8, bias=True)
    )
    """
    for argument, value, least in (("low", low, 0), ("high", high, low)):
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise SpaceError(
                f"repeat {name!r}: {argument} must be a whole number of at least {least}, got "
                f"{value!r}"
            )
    if not callable(factory) or isinstance(factory, nn.Module):
        raise SpaceError(
            f"repeat {name!r}: factory must be a function of the item's index that makes a "
            f"module, got {type(factory).__name__}"
        )
    return (current.get() or ORDINARY).repeat(name, low, high, factory, default, shared, as_list)


def scope(name: str, *, shared: bool = False) -> AbstractContextManager[None]:
    """A prefix for the paths of the decisions inside.

    Args:
        name: the prefix, without "/"; "/name" begins at the top again.
        shared: whether the scope may be entered several times; then the decisions inside are
            shared (the weights are not).

    >>> with scope("encoder"):
    ...     width = choice("width", [16, 32])  # its path: encoder/width
    """
    if not isinstance(name, str) or not name.removeprefix("/"):
        raise SpaceError(f"scope: the name must be a non-empty string, got {name!r}")
    return (current.get() or ORDINARY).scope(name, shared)
