"""Constants as they are written in generated source."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch


class CannotWriteError(Exception):
    """A model, or a part of it, that cannot be written as plain source; the text says why."""


@dataclass(frozen=True)
class Hole:
    """A literal in the source: equal code with other literals becomes one class with arguments.

    Attributes:
        value: what stands there.
        name: how an argument in its place would be called.
    """

    value: Any
    name: str


def literal(value: Any) -> str:
    """A constant as Python source.

    >>> literal((1, 2.5, None)), literal(float("inf")), literal("same")
    ('(1, 2.5, None)', 'float("inf")', '"same"')
    """
    if isinstance(value, bool) or value is None:
        return repr(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else f'float("{value}")'
    if isinstance(value, int):
        return repr(int(value))
    if isinstance(value, str):
        return quoted(value) if value.isprintable() else repr(value)
    if isinstance(value, (torch.dtype, torch.memory_format, torch.layout)):
        return str(value)
    if isinstance(value, torch.device):
        return f'torch.device("{value}")'
    if isinstance(value, (tuple, torch.Size)):
        inner = ", ".join(literal(v) for v in value)
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, list):
        return f"[{', '.join(literal(v) for v in value)}]"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{literal(k)}: {literal(v)}" for k, v in value.items()) + "}"
    if isinstance(value, slice):
        parts = [None if p is None else p for p in (value.start, value.stop, value.step)]
        return f"slice({', '.join(literal(p) for p in parts)})"
    if value is Ellipsis:
        return "..."
    raise CannotWriteError(f"a constant of type {type(value).__name__} in the forward")


def quoted(text: str) -> str:
    """A text in double quotes where it allows them."""
    return f'"{text}"' if '"' not in text and "\\" not in text else repr(text)
