"""Narrower and shallower copies of a space's networks: the constructor's arguments, scaled."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from archwright.errors import InputError, SpaceError

SCALES = ("width", "depth")
"""What an argument of a constructor may be declared as."""


def check_scaled(
    factory: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    scaled: Mapping[str, str],
) -> dict[str, str]:
    """The declaration, checked: each argument is one of the factory's and holds a number.

    Raises:
        SpaceError: an unknown argument, one that holds no number, or one declared as something
            else than "width" or "depth".
    """
    if not isinstance(scaled, Mapping):
        raise SpaceError(
            "scaled must name constructor arguments, such as scaled={'channels': 'width', "
            f"'cells': 'depth'}}, got {scaled!r}"
        )
    values = _arguments(factory, args, kwargs).arguments if scaled else {}
    for name, what in scaled.items():
        if what not in SCALES:
            raise SpaceError(f"scaled: {name!r} must be 'width' or 'depth', got {what!r}")
        if name not in values:
            has = (
                f"it has {', '.join(values)}"
                if values
                else "it takes none: give it one that holds a width or a depth, such as "
                "def __init__(self, channels=32), or leave scaled out"
            )
            raise SpaceError(f"scaled: {name!r} is no argument of the constructor; {has}")
        if not _is_number(values[name]):
            raise SpaceError(
                f"scaled: the argument {name!r} must hold a number to be scaled, got "
                f"{values[name]!r}"
            )
    return dict(scaled)


def scaled_arguments(
    factory: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: Mapping[str, Any],
    scaled: Mapping[str, str],
    shares: Mapping[str, float],
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The factory's arguments for the smaller copy: whole numbers rounded, from 1.

    Args:
        factory: makes a network.
        args: its positional arguments.
        kwargs: its keyword arguments.
        scaled: argument -> "width" or "depth".
        shares: "width" and "depth" -> share, above 0 and at most 1.

    Raises:
        InputError: no argument is declared for a share below 1, or all are as small as they get.

    >>> def net(classes, channels=16, cells=5): ...
    >>> declared = {"channels": "width", "cells": "depth"}
    >>> scaled_arguments(net, (10,), {}, declared, {"width": 0.5, "depth": 0.4})
    ((10, 8, 2), {})
    """
    bound = _arguments(factory, args, kwargs)
    for what in SCALES:
        share = shares.get(what, 1.0)
        if share == 1:
            continue
        names = [name for name, kind in scaled.items() if kind == what]
        if not names:
            raise InputError(
                f"the space does not say which argument of its constructor is a {what}, so that "
                f"no copy of {what} {100 * share:g} % can be built: declare it, such as "
                f"aw.ModelSpace(Net, ..., scaled={{'my_argument': {what!r}}}), where the decisions "
                "do not depend on that argument; or choose another kind of fidelity"
            )
        before = [bound.arguments[name] for name in names]
        for name, value in zip(names, before, strict=True):
            bound.arguments[name] = _scaled(value, share)
        if before == [bound.arguments[name] for name in names]:
            values = ", ".join(f"{n}={v}" for n, v in zip(names, before, strict=True))
            raise InputError(
                f"{what} {100 * share:g} % changes nothing: {values} stays as it is; choose a "
                "smaller share, or a space with larger networks"
            )
    return bound.args, bound.kwargs


def _arguments(
    factory: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> inspect.BoundArguments:
    try:
        bound = inspect.signature(factory).bind(*args, **kwargs)
    except ValueError:
        raise SpaceError(
            f"scaled: the arguments of {factory!r} cannot be read; give a class or a function "
            "written in Python"
        ) from None
    bound.apply_defaults()
    return bound


def _scaled(value: Any, share: float) -> Any:
    return value * share if isinstance(value, float) else max(1, int(value * share + 0.5))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
