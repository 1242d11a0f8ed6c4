"""Quantities as people write them (`50k`, `5ms`, `64KiB`) and the numbers they stand for."""

from __future__ import annotations

import math
import re
from typing import Final

from archwright.errors import InputError

_COUNTS: Final = {"": 1.0, "k": 1e3, "K": 1e3, "M": 1e6, "G": 1e9, "B": 1e9, "T": 1e12, "P": 1e15}
_BYTES: Final = {
    "": 1.0,
    "k": 1e3,
    "m": 1e6,
    "g": 1e9,
    "t": 1e12,
    "ki": 2.0**10,
    "mi": 2.0**20,
    "gi": 2.0**30,
    "ti": 2.0**40,
}
_SECONDS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "μs": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "sec": 1.0,
    "second": 1.0,
    "seconds": 1.0,
    "min": 60.0,
    "minute": 60.0,
    "minutes": 60.0,
    "h": 3600.0,
    "hour": 3600.0,
    "hours": 3600.0,
}
_TIME_BASES: Final = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "seconds": 1.0, "minutes": 60.0}
_NUMBER: Final = re.compile(
    r"\s*(?P<number>[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?P<unit>[^\d\s,].*?)?\s*$"
)
_COUNT_NOUNS: Final = re.compile(
    r"(?:params?|parameters|flops?|macs?|mult-?adds?|samples|trials|layers)$", re.IGNORECASE
)

_EXAMPLES: Final = {
    "bytes": "'1MB', '1.5MB' or '64KiB'",
    "time": "'5ms', '0.2s' or '5'",
    "count": "'50k', '1.5M', '2G' or '5e5'",
}


def unit_of(metric: str | None) -> str:
    """The base unit in which a metric is kept, told by its name.

    Args:
        metric: a metric's name, such as `latency_ms` or `size_bytes`; None when it is not known.

    Returns:
        `"bytes"`, a unit of time (`"ms"`, `"s"`, ...), or `""` for counts and plain numbers.

    Example:
        >>> unit_of("latency_ms"), unit_of("memory_bytes"), unit_of("params")
        ('ms', 'bytes', '')
    """
    last = (metric or "").lower().rsplit("_", 1)[-1]
    if last == "bytes":
        return "bytes"
    if last in _TIME_BASES:
        return "s" if last == "seconds" else last
    return ""


def parse_quantity(text: str | float, metric: str | None = None) -> float:
    """The number that a quantity such as `"50k"`, `"5ms"` or `"64KiB"` stands for.

    Decimal prefixes are powers of 1000 (`k`, `M`, `G`, `T`), binary ones powers of 1024 (`KiB`,
    `MiB`, `GiB`). Numbers pass through unchanged. When the metric is known, its name says in which
    unit the answer is (`latency_ms`: milliseconds, `*_bytes`: bytes, otherwise a plain number),
    and a quantity of another kind is an error.

    Args:
        text: what the user wrote, or a number that is already in the metric's unit.
        metric: the name of the metric that the quantity is about. Without it, sizes are answered
            in bytes and times in milliseconds.

    Returns:
        The value in the base unit of the metric.

    Raises:
        InputError: the text is no quantity, is not finite, or is of another kind than the metric.

    Example:
        >>> parse_quantity("50k"), parse_quantity("1.5M"), parse_quantity("0.9")
        (50000.0, 1500000.0, 0.9)
        >>> parse_quantity("5ms", "latency_ms"), parse_quantity("0.005 s", "latency_ms")
        (5.0, 5.0)
        >>> parse_quantity("1MB", "size_bytes"), parse_quantity("64KiB", "memory_bytes")
        (1000000.0, 65536.0)
        >>> parse_quantity("5ms", "params")
        Traceback (most recent call last):
        ...
        archwright.errors.InputError: params is a count, but '5ms' is a time: write a quantity \
such as '50k', '1.5M', '2G' or '5e5'
    """
    where = f"for {metric}" if metric else ""
    unit = unit_of(metric)
    kind = "bytes" if unit == "bytes" else "time" if unit else "count"
    if isinstance(text, bool) or not isinstance(text, (str, int, float)):
        raise InputError(
            f"expected a quantity {where}".rstrip()
            + f" such as {_EXAMPLES[kind]}, got {text!r} ({type(text).__name__})"
        )
    if not isinstance(text, str):
        return _finite(float(text), repr(text), where)
    match = _NUMBER.match(text)
    if match is None:
        hint = ": write thousands without a comma" if re.search(r"\d,\d", text) else ""
        raise InputError(
            f"{text!r} is not a quantity {where}".rstrip()
            + f"{hint}; expected a number with an optional unit, such as {_EXAMPLES[kind]}"
        )
    number = _finite(float(match["number"].replace("_", "")), repr(text), where)
    suffix = match["unit"] or ""
    if suffix == "%":
        if metric is not None and kind != "count":
            raise _mismatch(metric, kind, text, "percentage")
        return number / 100
    if metric is None:
        return _any_kind(number, suffix, text)
    if kind == "bytes":
        return number * _byte_scale(suffix, text, metric)
    if kind == "time":
        return number * _time_scale(suffix, unit, text, metric)
    return number * _count_scale(suffix, text, metric)


def format_quantity(value: float, metric: str | None = None) -> str:
    """A value as a person reads it, in three significant digits: the inverse of `parse_quantity`.

    Args:
        value: the value in the base unit of its metric.
        metric: the metric's name, which tells the unit.

    Returns:
        A short text that `parse_quantity(text, metric)` reads back to within rounding.

    Example:
        >>> format_quantity(48_213, "params"), format_quantity(1_500_000, "size_bytes")
        ('48.2k', '1.5 MB')
        >>> format_quantity(5.25, "latency_ms"), format_quantity(0.98712, "accuracy")
        ('5.25 ms', '0.9871')
    """
    value = float(value)
    unit = unit_of(metric)
    if not math.isfinite(value):
        return str(value)
    if unit and unit != "bytes":
        return f"{_digits(value)} {unit}"
    size = abs(value)
    if unit == "bytes":
        for limit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
            if size >= limit * 0.9995:
                return f"{_digits(value / limit)} {name}"
        return f"{_digits(value)} B"
    for limit, name in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size >= limit * 0.9995:
            if name == "k" and value == int(value) and size < 10_000:
                return str(int(value))
            return f"{_digits(value / limit)}{name}"
    if value == int(value):
        return str(int(value))
    return f"{value:.4g}"


def _digits(value: float) -> str:
    text = f"{value:.3g}"
    if "e" in text:
        text = f"{value:.0f}" if abs(value) >= 1 else text
    return text


def _finite(value: float, shown: str, where: str) -> float:
    if not math.isfinite(value):
        raise InputError(f"a quantity {where}".rstrip() + f" must be finite, got {shown}")
    return value


def _kind_of(suffix: str) -> str | None:
    """What kind of quantity a suffix names, or None when it names none."""
    if suffix in _SECONDS:
        return "time"
    lower = suffix.lower()
    if lower.endswith(("b", "byte", "bytes")) and suffix != "B":
        return "size in bytes" if _byte_prefix(suffix) is not None else None
    if suffix in _COUNTS or (_COUNT_NOUNS.search(suffix) and _strip_noun(suffix) in _COUNTS):
        return "count"
    return None


def _mismatch(metric: str, kind: str, text: str, other: str) -> InputError:
    noun = {"bytes": "a size in bytes", "time": "a time", "count": "a count"}[kind]
    return InputError(
        f"{metric} is {noun}, but {text!r} is a {other}: write a quantity such as {_EXAMPLES[kind]}"
    )


def _unknown(metric: str | None, kind: str, text: str, suffix: str) -> InputError:
    where = f" for {metric}" if metric else ""
    hint = f" (did you mean {text.strip()[:-1]}M?)" if suffix == "m" and kind == "count" else ""
    return InputError(
        f"unknown unit {suffix!r} in {text!r}{where}{hint}: write a quantity such as "
        f"{_EXAMPLES[kind]}"
    )


def _strip_noun(suffix: str) -> str:
    return _COUNT_NOUNS.sub("", suffix).strip()


def _count_scale(suffix: str, text: str, metric: str | None) -> float:
    bare = suffix if suffix in _COUNTS else _strip_noun(suffix)
    if bare in _COUNTS:
        return _COUNTS[bare]
    other = _kind_of(suffix)
    if other and other != "count" and metric is not None:
        raise _mismatch(metric, "count", text, other)
    raise _unknown(metric, "count", text, suffix)


def _byte_prefix(suffix: str) -> str | None:
    lower = suffix.lower()
    for ending in ("bytes", "byte", "b", ""):
        if lower.endswith(ending):
            prefix = lower.removesuffix(ending).strip()
            if prefix in _BYTES:
                return prefix
    return None


def _byte_scale(suffix: str, text: str, metric: str | None) -> float:
    if suffix in _SECONDS and metric is not None:
        raise _mismatch(metric, "bytes", text, "time")
    prefix = _byte_prefix(suffix)
    if prefix is None:
        raise _unknown(metric, "bytes", text, suffix)
    return _BYTES[prefix]


def _time_scale(suffix: str, unit: str, text: str, metric: str | None) -> float:
    if not suffix:
        return 1.0
    if suffix.lower() in _SECONDS:
        # Dividing by the inverse keeps "0.005 s" exactly 5 ms.
        return _SECONDS[suffix.lower()] / _TIME_BASES[unit]
    other = _kind_of(suffix)
    if other and metric is not None:
        raise _mismatch(metric, "time", text, other)
    raise _unknown(metric, "time", text, suffix)


def _any_kind(number: float, suffix: str, text: str) -> float:
    kind = _kind_of(suffix)
    if kind == "time":
        return number * _time_scale(suffix, "ms", text, None)
    if kind == "size in bytes":
        return number * _byte_scale(suffix, text, None)
    return number * _count_scale(suffix, text, None)
