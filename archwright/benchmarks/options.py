"""Strategies by name, by "name:option=value", or as objects; and what to call them in tables."""

from __future__ import annotations

import dataclasses
import inspect
import math
from collections.abc import Iterable, Mapping
from typing import Any

from archwright.errors import InputError, unknown_name
from archwright.strategies import STRATEGIES, Strategy, as_strategy, name_of

RANDOM = "random"
_KINDS: dict[str, tuple[str, tuple[type, ...]]] = {
    "int": ("a whole number", (int,)),
    "float": ("a number", (int, float)),
    "bool": ("true or false", (bool,)),
    "None": ("none", (type(None),)),
}


def parse(text: str) -> Strategy:
    """The strategy that a text describes: a name, then options, separated by colons.

    Raises:
        UnknownNameError: no strategy has that name.
        InputError: an option that it does not have, or a value that it does not take.

    >>> parse("evolution:population=50:sample=25").sample
    25
    """
    name, options = options_of("strategy", text)
    if name not in STRATEGIES:
        raise unknown_name("strategy", name, STRATEGIES)
    make = STRATEGIES[name]
    if not options:
        return make()
    known = _options(make)
    for option in options:
        if option not in known:
            raise unknown_name(f"option of {name}", option, known)
    _check_values(name, make, options)
    try:
        return make(**options)
    except InputError as error:
        raise InputError(f"strategy {text!r}: {error}") from None
    except (TypeError, ValueError) as error:
        raise InputError(f"strategy {text!r} cannot be made: {error}") from None


def _check_values(name: str, make: Any, options: Mapping[str, Any]) -> None:
    """Refuse values that an option cannot be, by the types of a strategy's fields."""
    types = {}
    if dataclasses.is_dataclass(make):
        types = {field.name: str(field.type) for field in dataclasses.fields(make)}
    for option, value in options.items():
        kinds = [kind.strip() for kind in types.get(option, "").split("|")]
        taken = [text for kind, (text, _) in _KINDS.items() if kind in kinds]
        right = any(isinstance(value, of) for kind, (_, of) in _KINDS.items() if kind in kinds)
        if isinstance(value, bool):
            right = "bool" in kinds
        infinite = isinstance(value, float) and not math.isfinite(value)
        if infinite or (taken and len(taken) == len(kinds) and not right):
            words = f"; it takes {' or '.join(taken)}" if taken else ""
            raise InputError(f"option {option} of {name} cannot be {value!r}{words}")


def options_of(kind: str, text: str) -> tuple[str, dict[str, Any]]:
    """The name and the options in a text such as "evolution:population=50".

    Raises:
        InputError: what follows a colon is no name=value, or gives an option twice.

    >>> options_of("benchmark", "hwnasbench:device=raspi4:limit=5.5")
    ('hwnasbench', {'device': 'raspi4', 'limit': 5.5})
    """
    name, *given = [part.strip() for part in text.split(":")]
    options: dict[str, Any] = {}
    for part in given:
        option, equals, value = part.partition("=")
        option = option.strip()
        if not equals or not option:
            raise InputError(
                f"{kind} {text!r}: after the name come options as name=value, separated by "
                f"colons, got {part!r}"
            )
        if option in options:
            raise InputError(f"{kind} {text!r}: {option} is given twice")
        options[option] = _value(value.strip())
    return name, options


def label(strategy: Strategy) -> str:
    """What a strategy is called: its name, and the options that are not the default.

    >>> label(parse("evolution:population=50"))
    'evolution:population=50'
    """
    name = name_of(strategy)
    if not dataclasses.is_dataclass(strategy):
        return name
    changed = []
    for field in dataclasses.fields(strategy):
        value = getattr(strategy, field.name)
        usual = field.default
        if field.default_factory is not dataclasses.MISSING:
            usual = field.default_factory()
        if field.init and usual is not dataclasses.MISSING and value != usual:
            changed.append(f"{field.name}={value}")
    return ":".join([name, *changed])


def labelled(
    given: str | Strategy | Iterable[str | Strategy] | Mapping[str, str | Strategy],
) -> dict[str, Strategy]:
    """Label -> strategy; random search first where it is not among those given.

    Raises:
        InputError: none is given, one is no strategy, or two have the same label.
    """
    if isinstance(given, str):
        given = [part for part in given.split(",") if part.strip()]
    elif isinstance(given, Strategy):
        given = [given]
    found: dict[str, Strategy] = {}
    if isinstance(given, Mapping):
        found = {str(k): _strategy(v) for k, v in given.items()}
    elif isinstance(given, Iterable):
        for one in given:
            strategy = _strategy(one)
            # A text is its own label, so that a table says what was asked for.
            name = ":".join(p.strip() for p in one.split(":")) if isinstance(one, str) else ""
            name = name or label(strategy)
            if name in found:
                raise InputError(
                    f"two strategies are called {name!r}; name them by a mapping, "
                    'strategies={"mine": ..., "other": ...}'
                )
            found[name] = strategy
    else:
        raise InputError(
            "strategies must be names or objects, in a list or a mapping label -> strategy, got "
            f"{given!r}"
        )
    if not found:
        raise InputError("strategies: give at least one, such as random or evolution")
    if RANDOM not in found:
        found = {RANDOM: as_strategy(RANDOM), **found}
    return found


def _strategy(given: Any) -> Strategy:
    return parse(given) if isinstance(given, str) else as_strategy(given)


def _options(make: Any) -> list[str]:
    try:
        return [
            p.name
            for p in inspect.signature(make).parameters.values()
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        ]
    except (TypeError, ValueError):
        return []


def _value(text: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    if text.lower() in words:
        return words[text.lower()]
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
