"""Architecture: one point of a space, a frozen mapping from path to value."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import ItemsView, Iterator, KeysView, Mapping, ValuesView
from typing import Any

from archwright.errors import ArchitectureError
from archwright.space.domains import Value, plain, show

# One order, no spaces, ASCII: the same text, hence the same id, on every machine.
_encode = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
).encode


class Architecture(Mapping[str, Value]):
    """A frozen mapping from the path of each live decision to its value.

    Two architectures are equal when their values are; the order of the paths and the
    difference between 3 and 3.0 do not matter, that between 1 and True does. Hash and `id` are
    the same in every process, so they may be stored.

    Args:
        values: path -> string, number, boolean, None or a tuple of integers.

    Raises:
        ArchitectureError: a path that is no string, a value of another type, NaN or infinity.

    >>> arch = Architecture({"depth": 2, "op": "conv"})
    >>> arch["op"], len(arch), arch == Architecture({"op": "conv", "depth": 2.0})
    ('conv', 2, True)
    >>> arch | {"depth": 3}
    Architecture(depth=3, op=conv)
    >>> arch.to_json()
    '{"depth":2,"op":"conv"}'
    """

    __slots__ = ("_digest", "_hash", "_home", "_text", "_values")

    _values: dict[str, Value]
    _text: str | None
    _digest: str | None
    _hash: int | None
    # The tables of the space that made or checked it, which need not check it again.
    _home: object

    def __init__(self, values: Mapping[str, Any]) -> None:
        if not isinstance(values, Mapping):
            raise ArchitectureError(
                f"an architecture is a mapping from path to value, got {values!r}"
            )
        self._values = {path: _value(path, value) for path, value in values.items()}
        self._text = self._digest = self._hash = self._home = None

    @classmethod
    def trusted(cls, values: dict[str, Value], *, home: object = None) -> Architecture:
        """An architecture of values known to be good, without checks or copy (hot paths).

        The caller must not change the dict any more. `home` is for `Space` alone.
        """
        made = object.__new__(cls)
        made._values = values
        made._text = made._digest = made._hash = None
        made._home = home
        return made

    def __getitem__(self, path: str) -> Value:
        return self._values[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, path: object) -> bool:
        return path in self._values

    def keys(self) -> KeysView[str]:
        """The paths of the live decisions, in tree order."""
        return self._values.keys()

    def values(self) -> ValuesView[Value]:
        """The values, in tree order."""
        return self._values.values()

    def items(self) -> ItemsView[str, Value]:
        """Pairs of path and value, in tree order."""
        return self._values.items()

    def get(self, path: str, default: Any = None) -> Any:
        """The value of a decision, or `default` where it is not live."""
        return self._values.get(path, default)

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if isinstance(other, Architecture):
            return self.to_json() == other.to_json()
        return NotImplemented

    def __hash__(self) -> int:
        found = self._hash
        if found is None:
            # Not hash(text): Python salts the hashes of strings anew in each process.
            text = self._text or self.to_json()
            digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
            found = self._hash = hash(int.from_bytes(digest, "little"))
        return found

    @property
    def id(self) -> str:
        """32 hexadecimal digits (BLAKE2b of the canonical JSON), equal in every process."""
        found = self._digest
        if found is None:
            found = hashlib.blake2b(self.to_json().encode(), digest_size=16).hexdigest()
            self._digest = found
        return found

    def to_json(self) -> str:
        """Canonical JSON: sorted paths, no spaces, whole numbers without a fraction."""
        text = self._text
        if text is None:
            text = _encode(self._values)
            # Whole floats have ".0" or an exponent in their text; 3.0 must read as 3 does.
            if ".0" in text or "e+" in text:
                text = _encode({path: _whole(value) for path, value in self._values.items()})
            self._text = text
        return text

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """The architecture that `to_json` wrote (also with spaces, or in another order).

        >>> Architecture.from_json('{"inputs": [0, 1]}')["inputs"]
        (0, 1)
        """
        try:
            values = json.loads(text)
        except ValueError as error:
            raise ArchitectureError(f"not an architecture in JSON ({error}): {text!r}") from None
        if not isinstance(values, dict):
            raise ArchitectureError(
                f'an architecture in JSON looks like {{"path": value, ...}}, got {text!r}'
            )
        return cls(values)

    def __or__(self, changes: Mapping[str, Any]) -> Architecture:
        """The same with some values changed or added; `Space.check` says whether it is valid."""
        if not isinstance(changes, Mapping):
            return NotImplemented
        return Architecture({**self._values, **changes})

    def replace(self, changes: Mapping[str, Any] | None = None, **named: Any) -> Architecture:
        """Like `|`; values of paths that are Python names may be given by keyword.

        >>> Architecture({"depth": 2}).replace(depth=3)
        Architecture(depth=3)
        """
        return self | {**(changes or {}), **named}

    def without(self, *paths: str) -> Architecture:
        """The same without some paths.

        >>> Architecture({"depth": 2, "lr": 0.1}).without("lr")
        Architecture(depth=2)
        """
        return Architecture.trusted({p: v for p, v in self._values.items() if p not in paths})

    def __repr__(self) -> str:
        shown: list[str] = []
        length = 0
        for path, value in self._values.items():
            shown.append(f"{path}={show(value)}")
            length += len(shown[-1])
            if length > 160 and len(shown) < len(self._values):
                shown.append(f"... {len(self._values) - len(shown)} more")
                break
        return f"Architecture({', '.join(shown)})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Architecture.trusted, (self._values,)

    def __copy__(self) -> Architecture:
        return self

    def __deepcopy__(self, memo: Any) -> Architecture:
        return self


def _whole(value: Value) -> Value:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _value(path: Any, value: Any) -> Value:
    if not isinstance(path, str):
        raise ArchitectureError(f"an architecture's paths are strings, got {path!r}")
    value = plain(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ArchitectureError(f"{path}: numbers must be finite, got {value!r}")
    if value is None or isinstance(value, str | int | float):
        return value
    if isinstance(value, list | tuple):
        items = tuple(plain(item) for item in value)
        if all(type(item) is int for item in items):
            return items
    raise ArchitectureError(
        f"{path}: a value is a string, a number, a boolean, None or a tuple of integers, got "
        f"{value!r}"
    )
