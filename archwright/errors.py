"""The tree of errors: every message says what was expected, what came and what to do.

`InputError` and its kinds are the user's to mend (the command line answers them with exit
code 2 and no traceback); `TrialFailure` and its kinds are recorded on a trial and never end a
search.
"""

from __future__ import annotations

import difflib
import operator
from collections.abc import Iterable
from typing import Any


class ArchwrightError(Exception):
    """Base of every error that Archwright raises on purpose."""


class InputError(ArchwrightError, ValueError):
    """Something the user gave cannot be used; the message says how to mend it."""


class SpaceError(InputError):
    """A search space is not well formed: a duplicate path, an empty domain, a branching choice."""


class ArchitectureError(InputError):
    """An architecture does not belong to its space: an unknown path or value."""


class DataError(InputError):
    """Data cannot be used as given: wrong shape, missing labels, an unreadable file."""


class UnknownNameError(InputError):
    """A name (strategy, space, metric, ...) is not among the known ones."""


class LedgerError(InputError):
    """A run's record cannot be read, or belongs to another search."""


class InfeasibleError(ArchwrightError):
    """No architecture within the limits was found.

    Attributes:
        closest: the trial that came nearest to the limits, or None when nothing was tried.
    """

    def __init__(self, message: str, *, closest: Any = None) -> None:
        super().__init__(message)
        self.closest = closest


class ExportError(ArchwrightError):
    """An exported file could not be written, or disagrees with the model it came from."""


class MissingExtraError(ArchwrightError, ImportError):
    """An optional dependency is not installed.

    >>> str(MissingExtraError("onnxruntime", "export", "to check an exported ONNX file"))
    "onnxruntime is needed to check an exported ONNX file: pip install 'archwright[export]'"
    """

    def __init__(self, package: str, extra: str, why: str) -> None:
        super().__init__(f"{package} is needed {why}: pip install 'archwright[{extra}]'")
        self.package = package
        self.extra = extra
        self.why = why

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str, str]]:
        return type(self), (self.package, self.extra, self.why)


class TrialFailure(ArchwrightError):
    """One evaluation failed; it is recorded on its trial and the search goes on."""


class OutOfMemory(TrialFailure):
    """A candidate did not fit into memory, even with the smallest batch tried."""


class TimeLimitExceeded(TrialFailure):
    """A candidate overran its time and was stopped."""


class WorkerDied(TrialFailure):
    """The process that evaluated a candidate died (killed, segmentation fault, out of memory)."""


class NotFinite(TrialFailure):
    """A loss or metric became NaN or infinite."""


def whole_number(name: str, value: Any, *, least: int = 1) -> int:
    """A seed or a count as Python's int; NumPy's integers pass, floats and booleans do not.

    Raises:
        InputError: it is no whole number, or below `least`.

    >>> whole_number("seed", "1", least=0)
    Traceback (most recent call last):
        ...
    archwright.errors.InputError: seed must be a whole number of at least 0, got '1'
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}")
    return number


def nearest(given: str, known: Iterable[str]) -> str | None:
    """The known name that resembles `given` most, or None when none does.

    >>> nearest("evolutoin", ["random", "evolution"])
    'evolution'
    """
    known = list(known)
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(str(given).lower(), list(by_lower), n=1, cutoff=0.5)
    return by_lower[close[0]] if close else None


def unknown_name(kind: str, given: object, known: Iterable[str]) -> UnknownNameError:
    """The error for a name that is not known: lists the known ones and the nearest.

    >>> print(unknown_name("strategy", "evolutoin", ["random", "evolution"]))
    unknown strategy 'evolutoin': did you mean 'evolution'? Known: evolution, random
    """
    names = sorted(known)
    close = nearest(str(given), names)
    hint = f": did you mean {close!r}? Known: " if close else ". Known: "
    shown = repr(given) if len(repr(given)) <= 100 else f"{repr(given)[:90]}..."
    return UnknownNameError(f"unknown {kind} {shown}{hint}{', '.join(names)}")
