"""Arguments of the commands, checked before anything heavy is imported or read."""

from __future__ import annotations

import errno
import math
import os
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from archwright.errors import InputError, nearest, unknown_name

DEFAULT_MINUTES = 5.0

_LIMIT = re.compile(
    r"\s*(?P<name>[A-Za-z_][\w-]*)\s*(?P<sign><=|>=|==|=|<|>|≤|≥)\s*(?P<value>.+?)\s*$"
)


def parse_limits(given: Iterable[str]) -> dict[str, tuple[float, float]]:
    """Limits as they are written on the command line.

    ``name=VALUE`` and ``name<=VALUE`` are upper bounds, ``name>=VALUE`` is a lower one; both on
    one metric make an interval.

    Args:
        given: such as ``["params=50k", "accuracy>=0.9"]``.

    Returns:
        Metric -> (lowest, highest), in the metric's unit.

    Raises:
        InputError: one of them cannot be read, or contradicts another.

    >>> parse_limits(["params=50k", "latency_ms<=5ms", "latency_ms>=1ms"])
    {'params': (-inf, 50000.0), 'latency_ms': (1.0, 5.0)}
    """
    limits: dict[str, tuple[float, float]] = {}
    parts = [split_limit(text) for text in given]
    if not parts:
        return limits
    # Behind the cheap checks: the units' home also measures networks, and brings torch.
    from archwright.hardware import parse_quantity

    for name, sign, text in parts:
        value = parse_quantity(text, name)
        low, high = limits.get(name, (-math.inf, math.inf))
        known = low if sign == ">=" else high
        if math.isfinite(known):
            raise InputError(
                f"--limit names {name} {sign.replace('<=', '=')} twice; give one bound"
            )
        low, high = (value, high) if sign == ">=" else (low, value)
        if low > high:
            raise InputError(f"--limit on {name} is impossible: {low:g} is above {high:g}")
        limits[name] = (low, high)
    return limits


def split_limit(text: str) -> tuple[str, str, str]:
    """The metric, "<=" or ">=", and the value of a limit.

    Raises:
        InputError: it is not of the form NAME=VALUE.

    >>> split_limit("params = 50k"), split_limit("accuracy>=0.9")
    (('params', '<=', '50k'), ('accuracy', '>=', '0.9'))
    """
    match = _LIMIT.match(text)
    if match is None:
        raise InputError(
            f"--limit takes NAME=VALUE, such as params=50k, latency_ms=5ms or 'accuracy>=0.9'; "
            f"got {text!r}"
        )
    sign = match["sign"]
    if sign in ("<", ">", "=="):
        raise InputError(
            f"--limit {text!r}: write = or <= for an upper bound and >= for a lower one; both "
            "bounds are inclusive"
        )
    return match["name"].replace("-", "_"), ">=" if sign in (">=", "≥") else "<=", match["value"]


def check_count(option: str, value: int | None, *, least: int = 1) -> None:
    """Refuse a number below `least`; None passes.

    >>> check_count("--trials", 0)
    Traceback (most recent call last):
        ...
    archwright.errors.InputError: --trials must be at least 1, got 0
    """
    if value is not None and value < least:
        raise InputError(f"{option} must be at least {least}, got {value}")


def check_minutes(value: float | None, option: str = "--minutes") -> None:
    """Refuse a time that is no positive, finite number; None passes.

    >>> check_minutes(float("nan"))
    Traceback (most recent call last):
        ...
    archwright.errors.InputError: --minutes must be a number above 0, such as 5 or 0.5; got nan
    """
    if value is not None and not (math.isfinite(value) and value > 0):
        raise InputError(f"{option} must be a number above 0, such as 5 or 0.5; got {value:g}")


def check_metrics(option: str, names: Iterable[str]) -> None:
    """Refuse names of metrics that cannot be written or read again.

    >>> check_metrics("--maximize", [" "])
    Traceback (most recent call last):
        ...
    archwright.errors.InputError: --maximize takes the name of a metric, such as accuracy; got ' '
    """
    for name in names:
        if not (name.strip() and name.isprintable()):
            raise InputError(f"{option} takes the name of a metric, such as accuracy; got {name!r}")


def there(option: str, path: Path) -> bool:
    """Whether there is such a file or folder.

    Raises:
        InputError: no path can be so written (too long, or with characters that paths lack).

    >>> there("--out", Path("x" * 300))
    Traceback (most recent call last):
        ...
    archwright.errors.InputError: --out: 'xxxxxxxxxxxxxxxxxxxx...' is no path: File name too long
    """
    shown = str(path) if len(str(path)) <= 200 else f"{str(path)[:20]}..."
    try:
        if "\0" in str(path):
            raise ValueError("it holds a null character")
        if any(len(os.fsencode(part)) > 255 for part in path.parts):  # the limit of file systems
            raise ValueError(os.strerror(errno.ENAMETOOLONG))
        return path.exists()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{option}: {shown!r} is no path: {reason}") from None


def check_name(kind: str, given: str, known: Iterable[str]) -> None:
    """Refuse a name that is not known; the message lists the known and the nearest.

    Raises:
        UnknownNameError: see above.
    """
    known = list(known)
    if given not in known:
        raise unknown_name(kind, given, known)


def check_data(given: str, option: str = "DATA") -> None:
    """Refuse a path that does not exist; what may be a known data set's name passes.

    >>> check_data("no/such.csv")
    Traceback (most recent call last):
        ...
    archwright.errors.InputError: DATA: there is no file or folder 'no/such.csv'
    """
    if not given.strip():
        raise InputError(f"{option} is empty; name a file, a folder of images or a data set")
    path = Path(given)
    if there(option, path):
        if path.is_file() and path.stat().st_size == 0:
            raise InputError(f"{option}: the file {given!r} is empty")
        return
    if path.suffix or len(path.parts) > 1:
        beside = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
        close = nearest(path.name, beside)
        hint = f"; did you mean {str(path.parent / close)!r}?" if close else ""
        raise InputError(f"{option}: there is no file or folder {given!r}{hint}")


def check_out(out: Path | None, option: str = "--out") -> None:
    """Refuse an output folder that is a file.

    Raises:
        InputError: it is.
    """
    if out is None:
        return
    for place in (out, *out.parents):
        if there(option, place):
            if not place.is_dir():
                raise InputError(f"{option} {str(out)!r}: {str(place)!r} is a file; name a folder")
            return


def parse_size(text: str | None) -> int | tuple[int, int] | None:
    """A side, or height and width, of images.

    Raises:
        InputError: it is neither.

    >>> parse_size("32"), parse_size("48x64")
    (32, (48, 64))
    """
    if text is None:
        return None
    match = re.fullmatch(r"\s*(\d{1,6})\s*(?:x\s*(\d{1,6})\s*)?", text.casefold())
    if match is None:
        raise InputError(
            f"--size takes a side or HEIGHTxWIDTH in pixels, such as 32 or 48x64; got {text!r}"
        )
    height = int(match[1])
    return height if match[2] is None else (height, int(match[2]))


def parse_columns(given: Iterable[str]) -> dict[str, str]:
    """What columns are to be taken as.

    Raises:
        InputError: it is not of the form NAME=KIND, or names a column twice.

    >>> parse_columns(["zip=categorical", "a=b=drop"])
    {'zip': 'categorical', 'a=b': 'drop'}
    """
    kinds: dict[str, str] = {}
    for text in given:
        name, sign, kind = text.rpartition("=")
        if not sign or not name.strip() or not kind.strip():
            raise InputError(
                f"--column takes NAME=KIND, such as zip=categorical or note=drop; got {text!r}"
            )
        if name in kinds:
            raise InputError(f"--column names {name!r} twice; say once what to take it as")
        kinds[name] = kind.strip()
    return kinds


def as_options(message: str) -> str:
    """The advice of an error in words of the command line instead of Python's.

    >>> as_options("take it as categories with columns={'my zip': 'categorical'}")
    "take it as categories with --column 'my zip=categorical'"
    >>> as_options("or leave those rows out with drop_missing_labels=True")
    'or leave those rows out with --drop-missing-labels'
    """
    message = _COLUMN_ADVICE.sub(
        lambda found: f"--column {shlex.quote(f'{found[2]}={found[4]}')}", message
    )
    message = message.replace("columns={...}", "--column NAME=KIND")
    message = re.sub(r"\b(kind|metric)='([a-z_0-9]+)'", r"--\1 \2", message)
    return re.sub(
        r"\b(drop_missing_labels|skip_unreadable)=True",
        lambda found: "--" + found[1].replace("_", "-"),
        message,
    )


_COLUMN_ADVICE = re.compile(r"columns=\{(['\"])(.*?)\1: (['\"])([a-z]+)\3\}")


def new_folder(data: str, base: Path = Path("runs")) -> Path:
    """The first free folder ``runs/<data>-<n>``.

    >>> new_folder("some/where/my cars.csv", Path("nowhere"))
    PosixPath('nowhere/my-cars-1')
    """
    stem = Path(data).name.split(".")[0] or Path(data).resolve().name
    name = re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "run"
    n = 1
    while (base / f"{name}-{n}").exists():
        n += 1
    return base / f"{name}-{n}"


def reproduce(data: str, options: Mapping[str, object]) -> str:
    """The command that makes a run again, its defaults spelled out.

    Args:
        data: the DATA argument.
        options: option's name -> value; None and False are left out, True is a flag, a sequence
            repeats the option.

    >>> reproduce("my cars.csv", {"target": "price", "limit": ["params=50k"], "quiet": False})
    "archwright search 'my cars.csv' --target price --limit params=50k"
    """
    words = ["archwright", "search", data]
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        if value is None or value is False:
            continue
        if value is True:
            words.append(flag)
        elif isinstance(value, Sequence) and not isinstance(value, str):
            for item in value:
                words += [flag, str(item)]
        else:
            words += [flag, f"{value:g}" if isinstance(value, float) else str(value)]
    return shlex.join(words)
