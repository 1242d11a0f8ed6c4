"""Where in the user's code something was written, for error messages."""

from __future__ import annotations

import os
import sys

# The zoo is a user of the language like any other, so only these count as the library itself.
_INSIDE = ("archwright.space", "archwright.nn")


def user_origin() -> str:
    """File and line of the nearest caller outside the space language, as "file.py:12".

    Empty where there is none (everything on the stack is the library's own).

    >>> from archwright.space import Space, choice
    >>> ":" in Space({"width": choice([16, 32])}).decision("width").origin
    True
    """
    frame = sys._getframe(1)
    while frame is not None:
        name = frame.f_globals.get("__name__", "")
        inside = any(name == own or name.startswith(own + ".") for own in _INSIDE)
        # A doctest inside the library is user code, too.
        if not inside or frame.f_code.co_filename.startswith("<doctest"):
            return f"{os.path.basename(frame.f_code.co_filename)}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return ""
