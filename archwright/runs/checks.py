"""Arguments of a search, checked before any work starts."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any

from archwright.errors import InputError


def positive(name: str, value: Any) -> None:
    """Refuse what is no finite number above 0; None passes.

    Raises:
        InputError: it is not.

    >>> positive("minutes", 0)
    Traceback (most recent call last):
        ...
    archwright.errors.InputError: minutes must be more than 0, got 0
    """
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, Real):  # numpy's numbers are Real, too
        raise InputError(f"{name} must be a number, got {value!r}")
    number = float(value)
    if not math.isfinite(number):
        raise InputError(f"{name} must be finite, got {value!r}")
    if number <= 0:
        raise InputError(f"{name} must be more than 0, got {value!r}")


def check_folder(out: str | Path | None) -> Path | None:
    """The run's folder as a path, made if it is not there.

    Raises:
        InputError: it is a file, or cannot be written to.
    """
    if out is None:
        return None
    try:
        # An evaluator may change the working directory.
        folder = Path(out).absolute()
        if folder.exists() and not folder.is_dir():
            raise InputError(f"out={str(out)!r} is a file; name a folder for the run")
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"the folder {str(out)!r} cannot be made: {reason}; choose another"
        ) from None
    if not os.access(folder, os.W_OK):
        raise InputError(f"the folder {str(out)!r} cannot be written to; choose another")
    return folder


def parse_limits(limits: Mapping[str, Any] | None) -> dict[str, Any]:
    """Limits with their strings read: ``{"params": "50k"}`` becomes ``{"params": 50000.0}``.

    A string is an upper bound; with ">=" before it a lower one. In a pair None is no bound.

    Raises:
        InputError: a limit cannot be read.

    >>> parse_limits({"params": "<=50k", "accuracy": ">=0.8", "depth": (2, None)})
    {'params': 50000.0, 'accuracy': (0.8, inf), 'depth': (2, inf)}
    """
    from archwright.hardware import parse_quantity

    read: dict[str, Any] = {}
    for name, value in (limits or {}).items():
        if isinstance(value, str):
            text = value.strip()
            number = parse_quantity(text.removeprefix("<=").removeprefix(">="), name)
            value = (number, math.inf) if text.startswith(">=") else number
        elif isinstance(value, tuple) and len(value) == 2:
            low, high = value
            value = (-math.inf if low is None else low, math.inf if high is None else high)
        read[name] = value
    return read
