"""Telling a user's function how a search gets on."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

Progress = Callable[[dict[str, Any]], None]


def harmless(progress: Progress) -> Progress:
    """The function, called no more once it has failed: telling must not end a search.

    >>> calls = []
    >>> harmless(calls.append)({"done": 1})
    >>> calls
    [{'done': 1}]
    """
    broken = False

    def tell(event: dict[str, Any]) -> None:
        nonlocal broken
        if broken:
            return
        try:
            progress(event)
        except Exception as error:
            broken = True
            warnings.warn(
                f"the progress function failed and is called no more: {type(error).__name__}: "
                f"{error}",
                stacklevel=2,
            )

    return tell
