"""What makes two calls the same search, so that their trials may stand in one record."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Mapping
from functools import partial
from types import CodeType, FunctionType, MethodType
from typing import Any

from archwright.runs.record import space_dict
from archwright.space import Space
from archwright.strategies import Strategy
from archwright.trials import Fidelity, Objective

_OURS = ("archwright", "torch", "builtins")


def identity_of(
    *,
    space: Space,
    evaluator: Any,
    objective: Objective,
    strategy: Strategy,
    seed: int,
    stopping: Any = None,
    fidelity: Fidelity | None = None,
) -> dict[str, Any]:
    """The parts of a call that its trials depend on, as plain JSON values."""
    recipe = getattr(evaluator, "recipe", None)
    task = getattr(evaluator, "task", None)
    known = space_dict(space) is not None
    identity = {
        "seed": seed,
        "strategy": _described(strategy),
        "stopping": None if stopping is None else _described(stopping),
        "fidelity": None if fidelity is None else fidelity.to_dict(),
        "goals": [[goal.metric, goal.maximize] for goal in objective.goals],
        "limits": sorted(str(limit) for limit in objective.limits),
        "space": space.fingerprint if known else None,
        "data": getattr(task, "fingerprint", None),
        "training": None
        if recipe is None
        else {
            **recipe.to_dict(),
            "rows": getattr(evaluator, "n_rows", None),
            "inherit": getattr(evaluator, "inherit", None),
            "teacher": _teacher_of(evaluator),
            "weights": getattr(evaluator, "weights_hash", None),
        },
        "evaluator": code_of(evaluator) if recipe is None else None,
        "networks": code_of(getattr(space, "factory", None)),
    }
    # As it will be read back, tuples as lists.
    plain: dict[str, Any] = json.loads(json.dumps(identity))
    return plain


def _teacher_of(evaluator: Any) -> str | None:
    """A teacher's file or kind; its weights are the caller's own care."""
    teacher = getattr(evaluator, "teacher", None)
    return None if teacher is None else str(teacher)


def differences(kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """In words, what keeps two calls from sharing one record; empty when nothing does."""
    found = []
    for name in ("seed", "strategy", "stopping", "fidelity", "goals", "limits"):
        if kept.get(name) != wanted.get(name):
            was, now = _words(kept.get(name)), _words(wanted.get(name))
            found.append(f"its {name} was {was}, this call's is {now}")
    # A dynamic space has no fingerprint to compare.
    if None not in (kept.get("space"), wanted["space"]) and kept["space"] != wanted["space"]:
        found.append("its space had other decisions or other values")
    if kept.get("data") != wanted["data"]:
        found.append("its data were others (other rows, columns, target, split or preparation)")
    return found + _training_differences(kept.get("training"), wanted["training"])


def _training_differences(
    kept: Mapping[str, Any] | None, wanted: Mapping[str, Any] | None
) -> list[str]:
    if kept is None or wanted is None:
        if kept is wanted:
            return []
        return ["it trained networks" if wanted is None else "it trained no networks"]
    return [
        f"its training had {name}={kept.get(name)}, now it is {wanted[name]}"
        for name in wanted
        if kept.get(name) != wanted[name]
    ]


def code_changes(kept: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Which of the user's own code has changed since the record began, as a sentence each."""
    found = []
    for name, what in (("evaluator", "the evaluator's code"), ("networks", "the networks' code")):
        was, now = kept.get(name), wanted[name]
        if was and now and was.split(":")[0] == now.split(":")[0] and was != now:
            found.append(
                f"{what} has changed since this run began: trials made before and after stand in "
                "one record; choose another folder if they are not to be compared"
            )
    return found


def code_of(given: Any) -> str | None:
    """Python's version and a hash of an object's own code; None where there is none to read.

    Comments, docstrings, names of files and line numbers do not count.

    >>> def mine(candidate):
    ...     return 1
    >>> mine.__module__ = "my_search"
    >>> code_of(mine)[:2], code_of(len)
    ('3.', None)
    """
    parts = sorted(_code_parts(given))
    if not parts:
        return None
    text = "\n".join(parts)
    version = ".".join(map(str, sys.version_info[:2]))
    return f"{version}:{hashlib.blake2b(text.encode(), digest_size=16).hexdigest()}"


def _code_parts(given: Any) -> list[str]:
    if given is None:
        return []
    if isinstance(given, partial):
        return _code_parts(given.func)
    if isinstance(given, MethodType):
        return _code_parts(given.__func__)
    if isinstance(given, FunctionType):
        own = (given.__module__ or "").split(".")[0] not in _OURS
        return [_code_text(given.__code__, given.__doc__)] if own else []
    kind = given if isinstance(given, type) else type(given)
    parts = []
    for each in kind.__mro__:
        if each.__module__.split(".")[0] in _OURS:
            continue
        for name, value in vars(each).items():
            function = getattr(value, "__func__", getattr(value, "fget", value))
            if isinstance(function, FunctionType):
                parts.append(
                    f"{each.__qualname__}.{name} {_code_text(function.__code__, function.__doc__)}"
                )
    return parts


def _code_text(code: CodeType, doc: str | None = None) -> str:
    constants = []
    for value in code.co_consts:
        if doc is not None and value == doc:
            continue
        if isinstance(value, CodeType):
            constants.append(_code_text(value))
        elif isinstance(value, frozenset):  # its order differs between processes
            constants.append(repr(sorted(map(repr, value))))
        else:
            constants.append(repr(value))
    return f"{code.co_code.hex()} {code.co_names} {code.co_varnames} {constants}"


def _described(strategy: Strategy) -> str:
    text = repr(strategy)
    if " at 0x" not in text:
        return text
    # Python's own description, with an address that no other process has.
    values = {k: v for k, v in sorted(getattr(strategy, "__dict__", {}).items()) if _plain(v)}
    arguments = ", ".join(f"{k}={v!r}" for k, v in values.items())
    return f"{type(strategy).__qualname__}({arguments})"


def _plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _words(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
