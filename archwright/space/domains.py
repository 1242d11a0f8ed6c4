"""Domains: the sets of values that a decision may take.

A domain is a frozen value that knows its size, its values, how to draw one, which values are
next to one, and how one becomes numbers for a predictor. There are four: `Choice` (named or
listed values), `Integer`, `Real` and `Subset` (which of n things are taken).
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from archwright.errors import SpaceError, nearest

Scalar: TypeAlias = str | int | float | bool | None
Value: TypeAlias = str | int | float | bool | tuple[int, ...] | None


class _Missing:
    """The answer of `normalise` for a value that is not in the domain (None may be in it)."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "MISSING"


MISSING: Any = _Missing()

LARGEST = 1e300
"""Bounds beyond this have distances and scaled values that no float holds."""


def plain(value: Any) -> Any:
    """A NumPy scalar as the Python number it holds; anything else unchanged.

    >>> plain(3)
    3
    """
    if isinstance(value, float) and type(value) is not float:
        return float(value)
    if type(value).__module__ == "numpy" and getattr(value, "ndim", None) == 0:
        return value.item()
    return value


def show(value: Any) -> str:
    """A value as error messages and trees print it: strings bare, the rest as in Python."""
    return value if isinstance(value, str) else repr(value)


def _number(where: str, argument: str, value: Any, *, whole: bool) -> Any:
    value = plain(value)
    kind = "an integer" if whole else "a finite number"
    if isinstance(value, int) and abs(value) > LARGEST:
        digits = len(f"{value:x}") * 6 // 5
        raise SpaceError(
            f"{where}: {argument} must be at most {LARGEST:g} in size, got an integer of about "
            f"{digits} digits"
        )
    fits = isinstance(value, int) if whole else isinstance(value, int | float)
    if (
        not fits
        or isinstance(value, bool)
        or (isinstance(value, float) and not math.isfinite(value))
    ):
        raise SpaceError(f"{where}: {argument} must be {kind}, got {value!r}")
    return value


def _pick(items: Sequence[Any], rng: random.Random) -> Any:
    return items[int(rng.random() * len(items))]


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the listed values: strings, numbers, booleans or None, in the order given.

    Args:
        values: at least one value, none repeated. 1, 1.0 and True are equal in Python and
            count as a repetition.

    Raises:
        SpaceError: empty, repeated, or not a scalar.

    >>> Choice((16, 32, 64)).size
    3
    """

    values_: tuple[Scalar, ...]
    _index: dict[Scalar, int] = field(init=False, repr=False, compare=False)

    def __init__(self, values: Iterable[Scalar]) -> None:
        if isinstance(values, str | bytes) or not isinstance(values, Iterable):
            raise SpaceError(f"choice: values must be a list of values, got {values!r}")
        own = tuple(plain(v) for v in values)
        if not own:
            raise SpaceError("choice: values must hold at least one value, got none")
        index: dict[Scalar, int] = {}
        for i, value in enumerate(own):
            if value is not None and not isinstance(value, str | int | float):
                raise SpaceError(
                    f"choice: each value must be a string, a number, a boolean or None, got "
                    f"{value!r} of type {type(value).__name__}; name it by a string and look "
                    "the object up by that name"
                )
            if isinstance(value, float) and not math.isfinite(value):
                raise SpaceError(f"choice: numbers must be finite, got {value!r}")
            if value in index:
                raise SpaceError(
                    f"choice: values must differ from each other, got {own[index[value]]!r} at "
                    f"position {index[value]} and {value!r} at position {i}"
                )
            index[value] = i
        object.__setattr__(self, "values_", own)
        object.__setattr__(self, "_index", index)

    def __repr__(self) -> str:
        return f"Choice({self.values_!r})"

    def __reduce__(self) -> tuple[type[Choice], tuple[tuple[Scalar, ...]]]:
        return Choice, (self.values_,)

    @property
    def size(self) -> int:
        """The number of values."""
        return len(self.values_)

    @property
    def default(self) -> Scalar:
        """The first value."""
        return self.values_[0]

    def values(self) -> Iterator[Scalar]:
        """The values, in the order given."""
        return iter(self.values_)

    def index(self, value: Scalar) -> int:
        """The position of a value in the list; KeyError where it is not in it."""
        return self._index[value]

    def normalise(self, value: Any) -> Any:
        """The domain's own value that equals the given one, or `MISSING`."""
        value = plain(value)
        try:
            own = self.values_[self._index[value]]
        except (KeyError, TypeError):
            return MISSING
        # True == 1 for Python; a width of True is a mistake all the same.
        return own if isinstance(own, bool) == isinstance(value, bool) else MISSING

    def contains(self, value: Any) -> bool:
        """Whether the value is in the list (True is not 1)."""
        return self.normalise(value) is not MISSING

    def sample(self, rng: random.Random) -> Scalar:
        """One value, each equally likely."""
        return self.values_[int(rng.random() * len(self.values_))]

    sample_uniform = sample

    def other(self, value: Scalar, rng: random.Random) -> Scalar:
        """Another value than the one given, each equally likely."""
        i = int(rng.random() * (len(self.values_) - 1))
        return self.values_[i + (i >= self._index[value])]

    def neighbours(self, value: Scalar) -> tuple[Scalar, ...]:
        """All other values."""
        i = self._index[value]
        return self.values_[:i] + self.values_[i + 1 :]

    def features(self, value: Scalar) -> tuple[float, ...]:
        """One-hot, in the order of the values."""
        i = self._index[value]
        return tuple(1.0 if j == i else 0.0 for j in range(len(self.values_)))

    def feature_names(self, path: str) -> tuple[str, ...]:
        """`path=value` for each value."""
        return tuple(f"{path}={show(v)}" for v in self.values_)

    def closest(self, value: Any) -> Any:
        """The value that resembles a wrong one most, or `MISSING`."""
        return _closest(value, self.values_)

    def narrow(self, to: Domain | Iterable[Any]) -> Choice | None:
        """The values that `to` has too, in this domain's order; None where there are none."""
        kept = _kept(self.values_, to)
        return Choice(kept) if kept else None

    def describe(self) -> str:
        """The values, for a person to read."""
        return " | ".join(show(v) for v in self.values_)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description; `domain_from_dict` reads it."""
        return {"kind": "choice", "values": list(self.values_)}


@dataclass(frozen=True, slots=True)
class Integer:
    """Whole numbers from `low` to `high` (inclusive), `step` apart.

    Args:
        low: smallest value.
        high: no value is greater.
        step: distance between values, at least 1.
        log: draw, scale and step in the logarithm; `low` must then be at least 1.

    >>> list(Integer(2, 9, step=3).values())
    [2, 5, 8]
    """

    low: int
    high: int
    step: int = 1
    log: bool = False

    def __post_init__(self) -> None:
        for argument in ("low", "high", "step"):
            value = _number("integer", argument, getattr(self, argument), whole=True)
            object.__setattr__(self, argument, value)
        if self.low > self.high:
            raise SpaceError(
                f"integer: low must not exceed high, got low={self.low}, high={self.high}"
            )
        if self.step < 1:
            raise SpaceError(f"integer: step must be at least 1, got {self.step}")
        if self.log and self.low < 1:
            raise SpaceError(f"integer: low must be at least 1 with log=True, got {self.low}")

    @property
    def size(self) -> int:
        """The number of values."""
        return (self.high - self.low) // self.step + 1

    @property
    def last(self) -> int:
        """The greatest value (`high`, or less where the steps do not reach it)."""
        return self.low + (self.size - 1) * self.step

    @property
    def default(self) -> int:
        """The smallest value."""
        return self.low

    def values(self) -> Iterator[int]:
        """The values, ascending."""
        return iter(range(self.low, self.high + 1, self.step))

    def _snap(self, x: float) -> int:
        if x >= self.last:  # also infinity
            return self.last
        i = round((x - self.low) / self.step)
        return self.low + min(max(i, 0), self.size - 1) * self.step

    def normalise(self, value: Any) -> Any:
        """The integer that equals the given number, or `MISSING`."""
        value = plain(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            return MISSING
        inside = self.low <= value <= self.high and (value - self.low) % self.step == 0
        return value if inside else MISSING

    def contains(self, value: Any) -> bool:
        """Whether the number is one of the steps between low and high."""
        return self.normalise(value) is not MISSING

    def sample(self, rng: random.Random) -> int:
        """One value: each equally likely, or evenly in the logarithm with `log=True`."""
        if not self.log:
            return self.low + rng.randrange(self.size) * self.step
        a, b = math.log(self.low - 0.5), math.log(self.last + 0.5)
        return self._snap(math.exp(a + (b - a) * rng.random()))

    def sample_uniform(self, rng: random.Random) -> int:
        """One value, each equally likely, also with `log=True`."""
        return self.low + rng.randrange(self.size) * self.step

    def other(self, value: int, rng: random.Random) -> int:
        """Another value than the one given, drawn like `sample`."""
        if not self.log:
            i = rng.randrange(self.size - 1)
            return self.low + (i + (i >= (value - self.low) // self.step)) * self.step
        for _ in range(100):
            drawn = self.sample(rng)
            if drawn != value:
                return drawn
        return _pick(self.neighbours(value), rng)

    def neighbours(self, value: int) -> tuple[int, ...]:
        """One step down and up and, of more than 16 values, an eighth of the range as well.

        The eighth is taken in the logarithm with `log=True`.
        """
        found = {value - self.step, value + self.step}
        if self.size > 16:
            if self.log:
                factor = (self.last / self.low) ** 0.125
                found |= {self._snap(value / factor), self._snap(value * factor)}
            else:
                far = (self.last - self.low) / 8
                found |= {self._snap(value - far), self._snap(value + far)}
        return tuple(sorted(v for v in found if v != value and self.low <= v <= self.last))

    def features(self, value: int) -> tuple[float, ...]:
        """The value scaled to 0..1 (in the logarithm with `log=True`)."""
        return (_scaled(value, self.low, self.last, self.log),)

    def feature_names(self, path: str) -> tuple[str, ...]:
        """The path itself."""
        return (path,)

    def closest(self, value: Any) -> Any:
        """The value nearest to a wrong number, or `MISSING` for what is no number."""
        value = _in_floats(value)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            return MISSING
        return self._snap(value)

    def narrow(self, to: Domain | Iterable[Any]) -> Integer | Choice | None:
        """The values that `to` has too: an Integer where they are evenly spaced, else a Choice."""
        if isinstance(to, Integer) and to.step == 1:
            to = Real(to.low, to.high) if to.low < to.high else (to.low,)
        if isinstance(to, Real):
            first = self.low + max(0, math.ceil((to.low - self.low) / self.step)) * self.step
            if first > min(self.last, to.high):
                return None
            return Integer(first, min(self.last, math.floor(to.high)), self.step, self.log)
        if isinstance(to, Choice | Integer | Subset):
            kept = [v for v in self.values() if to.contains(v)]
        else:
            # Through the given values, not through the domain, which may be huge.
            kept = sorted({v for v in map(self.normalise, to) if v is not MISSING})
        if not kept:
            return None
        steps = {b - a for a, b in itertools.pairwise(kept)}
        if len(steps) > 1:
            return Choice(kept)
        return Integer(kept[0], kept[-1], steps.pop() if steps else self.step, self.log)

    def describe(self) -> str:
        """The range, for a person to read."""
        step = f" step {self.step}" if self.step != 1 else ""
        return f"integer {self.low}..{self.high}{step}{' log' if self.log else ''}"

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description; `domain_from_dict` reads it."""
        return {
            "kind": "integer",
            "low": self.low,
            "high": self.high,
            "step": self.step,
            "log": self.log,
        }


@dataclass(frozen=True, slots=True)
class Real:
    """Real numbers from `low` to `high` (inclusive).

    Args:
        low: smallest value.
        high: greatest value, above `low`.
        log: draw, scale and step in the logarithm; `low` must then be above 0.

    >>> Real(1e-4, 1e-1, log=True).contains(0.01)
    True
    """

    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        for argument in ("low", "high"):
            value = float(_number("real", argument, getattr(self, argument), whole=False))
            object.__setattr__(self, argument, value)
        if not self.low < self.high:
            raise SpaceError(f"real: low must be below high, got low={self.low}, high={self.high}")
        if not math.isfinite(self.high - self.low):
            raise SpaceError(
                f"real: high - low must be finite, got low={self.low}, high={self.high}; for a "
                "range of many magnitudes use log=True from a low above 0"
            )
        if self.log and self.low <= 0:
            raise SpaceError(f"real: low must be above 0 with log=True, got {self.low}")

    @property
    def size(self) -> float:
        """Infinity."""
        return math.inf

    @property
    def default(self) -> float:
        """The middle (the geometric mean with `log=True`)."""
        return self._at(0.5)

    def values(self) -> Iterator[float]:
        """Raises SpaceError: real numbers cannot be listed."""
        raise SpaceError(f"{self!r} has infinitely many values: they cannot be enumerated")

    def _at(self, fraction: float) -> float:
        fraction = min(max(fraction, 0.0), 1.0)
        if self.log:
            a, b = math.log(self.low), math.log(self.high)
            x = math.exp(a + (b - a) * fraction)
        else:
            x = self.low + (self.high - self.low) * fraction
        return min(max(x, self.low), self.high)

    def normalise(self, value: Any) -> Any:
        """The value as a float, or `MISSING`."""
        value = plain(value)
        if isinstance(value, bool) or not isinstance(value, int | float):
            return MISSING
        return float(value) if self.low <= value <= self.high else MISSING

    def contains(self, value: Any) -> bool:
        """Whether the number lies between low and high."""
        return self.normalise(value) is not MISSING

    def sample(self, rng: random.Random) -> float:
        """One number, evenly distributed (in the logarithm with `log=True`)."""
        return self._at(rng.random())

    sample_uniform = sample

    def other(self, value: float, rng: random.Random) -> float:
        """Another number than the one given, drawn like `sample`."""
        for _ in range(100):
            drawn = self.sample(rng)
            if drawn != value:
                return drawn
        return self.high if value == self.low else self.low

    def neighbours(self, value: float) -> tuple[float, ...]:
        """A 32nd and an eighth of the range down and up (in the logarithm with `log=True`)."""
        here = _scaled(value, self.low, self.high, self.log)
        found = {self._at(here + d) for d in (-1 / 8, -1 / 32, 1 / 32, 1 / 8)}
        return tuple(sorted(found - {value}))

    def features(self, value: float) -> tuple[float, ...]:
        """The value scaled to 0..1 (in the logarithm with `log=True`)."""
        return (_scaled(value, self.low, self.high, self.log),)

    def feature_names(self, path: str) -> tuple[str, ...]:
        """The path itself."""
        return (path,)

    def closest(self, value: Any) -> Any:
        """The end of the range nearest to a wrong number, or `MISSING` for what is no number."""
        value = _in_floats(value)
        if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
            return MISSING
        return min(max(float(value), self.low), self.high)

    def narrow(self, to: Domain | Iterable[Any]) -> Real | Choice | None:
        """The part that `to` has too: a Real for a range, a Choice for listed numbers."""
        if isinstance(to, Integer) and to.size > 1 and to.step == 1:
            return self.narrow(tuple(v for v in to.values() if self.contains(v)))
        if isinstance(to, Real):
            low, high = max(self.low, to.low), min(self.high, to.high)
            if low > high:
                return None
            return Real(low, high, self.log) if low < high else Choice((low,))
        given = to.values() if isinstance(to, Choice | Integer | Subset) else to
        kept = dict.fromkeys(v for v in map(self.normalise, given) if v is not MISSING)
        return Choice(kept) if kept else None

    def describe(self) -> str:
        """The range, for a person to read."""
        return f"real {self.low:g}..{self.high:g}{' log' if self.log else ''}"

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description; `domain_from_dict` reads it."""
        return {"kind": "real", "low": self.low, "high": self.high, "log": self.log}


@dataclass(frozen=True, slots=True)
class Subset:
    """Which of n things are taken: a sorted tuple of numbers out of 0..n-1.

    Args:
        n: how many things there are.
        low: fewest that may be taken.
        high: most that may be taken (None: all n).
        allowed: only these subsets (what `Space.restrict` leaves); None: all of fitting size.

    >>> list(Subset(3, 1, 2).values())
    [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
    """

    n: int
    low: int = 0
    high: int | None = None
    allowed: tuple[tuple[int, ...], ...] | None = None
    _table: tuple[tuple[int, ...], ...] | None = field(
        init=False, repr=False, compare=False, default=None
    )

    def __post_init__(self) -> None:
        n = _number("subset", "n", self.n, whole=True)
        low = _number("subset", "low", self.low, whole=True)
        high = n if self.high is None else _number("subset", "high", self.high, whole=True)
        for argument, value in (("n", n), ("low", low), ("high", high)):
            object.__setattr__(self, argument, value)
        if n < 0:
            raise SpaceError(f"subset: n must not be negative, got {n}")
        if not 0 <= low <= high <= n:
            raise SpaceError(
                f"subset: 0 <= low <= high <= n must hold, got low={low}, high={high}, n={n}"
            )
        if self.allowed is None:
            return
        own = sorted({tuple(sorted(v)) for v in self.allowed}, key=lambda v: (len(v), v))
        if not own:
            raise SpaceError("subset: allowed must hold at least one subset, got none")
        for value in own:
            if not self._fits(value):
                raise SpaceError(
                    f"subset: {value!r} in allowed is not {low} to {high} different numbers "
                    f"out of 0..{n - 1}"
                )
        object.__setattr__(self, "allowed", tuple(own))

    def _fits(self, value: tuple[Any, ...]) -> bool:
        return (
            self.low <= len(value) <= self.most
            and all(type(j) is int and 0 <= j < self.n for j in value)
            and all(a < b for a, b in itertools.pairwise(value))
        )

    @property
    def most(self) -> int:
        """`high`, as the number that it stands for."""
        return self.n if self.high is None else self.high

    @property
    def size(self) -> int:
        """The number of subsets."""
        if self.allowed is not None:
            return len(self.allowed)
        return sum(math.comb(self.n, k) for k in range(self.low, self.most + 1))

    @property
    def default(self) -> tuple[int, ...]:
        """The first subset that is not empty, where there is one."""
        if self.allowed is not None:
            return next((v for v in self.allowed if v), self.allowed[0])
        return tuple(range(min(max(self.low, 1), self.most)))

    def values(self) -> Iterator[tuple[int, ...]]:
        """The subsets, smaller ones first, each a sorted tuple."""
        if self.allowed is not None:
            return iter(self.allowed)
        return (
            value
            for k in range(self.low, self.most + 1)
            for value in itertools.combinations(range(self.n), k)
        )

    def containing(self, j: int) -> frozenset[tuple[int, ...]]:
        """The subsets that take thing j: the condition of a branch that hangs on it."""
        return frozenset(v for v in self.values() if j in v)

    def by_length(self) -> dict[int, int]:
        """How many subsets there are of each length."""
        if self.allowed is None:
            return {k: math.comb(self.n, k) for k in range(self.low, self.most + 1)}
        lengths = [len(v) for v in self.allowed]
        return {k: lengths.count(k) for k in sorted(set(lengths))}

    def sample_length(self, k: int, rng: random.Random) -> tuple[int, ...]:
        """One subset of length k, each equally likely."""
        if self.allowed is not None:
            chosen: tuple[int, ...] = _pick([v for v in self.allowed if len(v) == k], rng)
            return chosen
        return tuple(sorted(rng.sample(range(self.n), k)))

    def normalise(self, value: Any) -> Any:
        """The given list or tuple as a sorted tuple, or `MISSING`."""
        if not isinstance(value, Sequence | set | frozenset) or isinstance(value, str | bytes):
            return MISSING
        try:
            own = tuple(sorted(plain(j) for j in value))
        except TypeError:
            return MISSING
        if not self._fits(own) or (self.allowed is not None and own not in self.allowed):
            return MISSING
        return own

    def contains(self, value: Any) -> bool:
        """Whether the value is one of the subsets (in any order)."""
        return self.normalise(value) is not MISSING

    def sample(self, rng: random.Random) -> tuple[int, ...]:
        """One subset, each equally likely."""
        if self.allowed is not None:
            chosen: tuple[int, ...] = _pick(self.allowed, rng)
            return chosen
        r = rng.randrange(self.size)
        for k in range(self.low, self.most + 1):
            r -= math.comb(self.n, k)
            if r < 0:
                break
        return self.sample_length(k, rng)

    sample_uniform = sample

    def other(self, value: tuple[int, ...], rng: random.Random) -> tuple[int, ...]:
        """Another subset than the one given, each equally likely."""
        while True:
            drawn = self.sample(rng)
            if drawn != value:
                return drawn

    def neighbours(self, value: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
        """The subsets with one thing more, one less, or one exchanged for another."""
        taken = set(value)
        others = [j for j in range(self.n) if j not in taken]
        found = {tuple(sorted(taken | {j})) for j in others}
        found |= {tuple(sorted(taken - {i})) for i in value}
        found |= {tuple(sorted((taken - {i}) | {j})) for i in value for j in others}
        own = set(self.allowed) if self.allowed is not None else None
        kept = [v for v in found if self.low <= len(v) <= self.most and (own is None or v in own)]
        return tuple(sorted(kept, key=lambda v: (len(v), v)))

    def features(self, value: tuple[int, ...]) -> tuple[float, ...]:
        """One bit for each of the n things."""
        return tuple(1.0 if j in value else 0.0 for j in range(self.n))

    def feature_names(self, path: str) -> tuple[str, ...]:
        """`path[j]` for each of the n things."""
        return tuple(f"{path}[{j}]" for j in range(self.n))

    def closest(self, value: Any) -> Any:
        """The subset that shares most with a wrong one, or `MISSING` for what is no subset."""
        if not isinstance(value, Sequence | set | frozenset) or isinstance(value, str | bytes):
            return MISSING
        given = {j for j in value if isinstance(j, int)}
        pool = self.values() if self.size <= 10_000 else iter((self.default,))
        return min(pool, key=lambda v: len(given ^ set(v)))

    def narrow(self, to: Domain | Iterable[Any]) -> Subset | None:
        """The subsets that `to` has too; None where there are none."""
        if isinstance(to, Subset) and to.allowed is None and to.n == self.n:
            low, high = max(self.low, to.low), min(self.most, to.most)
            if low > high:
                return None
            if self.allowed is None:
                return Subset(self.n, low, high)
        if isinstance(to, Choice | Integer | Real | Subset):
            kept = [v for v in self.values() if to.contains(v)]
        else:
            kept = [v for v in map(self.normalise, to) if v is not MISSING]
        return Subset(self.n, self.low, self.high, tuple(kept)) if kept else None

    def describe(self) -> str:
        """The rule, for a person to read."""
        if self.allowed is not None:
            return " | ".join(map(repr, self.allowed))
        count = str(self.low) if self.low == self.most else f"{self.low}..{self.most}"
        return f"{count} of {self.n}"

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description; `domain_from_dict` reads it."""
        found: dict[str, Any] = {"kind": "subset", "n": self.n, "low": self.low, "high": self.high}
        if self.allowed is not None:
            found["allowed"] = [list(v) for v in self.allowed]
        return found


Domain: TypeAlias = Choice | Integer | Real | Subset
DOMAINS: dict[str, type[Domain]] = {
    "choice": Choice,
    "integer": Integer,
    "real": Real,
    "subset": Subset,
}


def domain_from_dict(description: Mapping[str, Any]) -> Domain:
    """The domain that `to_dict` described.

    >>> domain_from_dict(Integer(1, 8, log=True).to_dict())
    Integer(low=1, high=8, step=1, log=True)
    """
    fields = dict(description)
    kind = fields.pop("kind", None)
    if kind not in DOMAINS:
        raise SpaceError(f"a domain's kind must be one of {', '.join(DOMAINS)}, got {kind!r}")
    if fields.get("allowed") is not None:
        fields["allowed"] = tuple(tuple(v) for v in fields["allowed"])
    return DOMAINS[kind](**fields)


def choice(values: Iterable[Scalar]) -> Choice:
    """A domain of listed values.

    >>> choice(["relu", "gelu"]).default
    'relu'
    """
    return Choice(values)


def integer(low: int, high: int, *, step: int = 1, log: bool = False) -> Integer:
    """A domain of whole numbers, both ends included.

    >>> integer(1, 4).size
    4
    """
    return Integer(low, high, step, log)


def real(low: float, high: float, *, log: bool = False) -> Real:
    """A domain of real numbers, both ends included.

    >>> round(real(1e-4, 1e-2, log=True).default, 6)
    0.001
    """
    return Real(low, high, log)


def subset(n: int, *, low: int = 0, high: int | None = None) -> Subset:
    """A domain of subsets: `low` to `high` out of `n` things.

    >>> subset(4, low=2, high=2).size
    6
    """
    return Subset(n, low, high)


def _scaled(value: float, low: float, high: float, log: bool) -> float:
    if low == high:
        return 0.0
    if log:
        if math.isinf(high / low):
            return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)


def _in_floats(value: Any) -> Any:
    """An integer beyond `LARGEST` as that bound, which floats can be compared with."""
    if isinstance(value, int) and abs(value) > LARGEST:
        return LARGEST if value > 0 else -LARGEST
    return value


def _kept(values: Iterable[Any], to: Domain | Iterable[Any]) -> list[Any]:
    if isinstance(to, Choice | Integer | Real | Subset):
        return [v for v in values if to.contains(v)]
    # A list may hold 32.0 for 32, but not True for 1.
    given = [plain(v) for v in to]
    return [
        v
        for v in values
        if any(v == g and isinstance(v, bool) == isinstance(g, bool) for g in given)
    ]


def _closest(value: Any, known: Sequence[Any]) -> Any:
    if isinstance(value, str):
        strings = [v for v in known if isinstance(v, str)]
        found = nearest(value, strings)
        if found is not None:
            return found
        try:
            value = float(value)
        except ValueError:
            return MISSING
    value = _in_floats(value)
    if isinstance(value, int | float):
        numbers = [v for v in known if isinstance(v, int | float) and not isinstance(v, bool)]
        if numbers and not isinstance(value, bool) and not math.isnan(value):
            return min(numbers, key=lambda v: abs(_in_floats(v) - value))
    return MISSING
