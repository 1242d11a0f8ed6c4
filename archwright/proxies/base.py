"""What a zero-cost proxy is: a number of an untrained network, or the reason why it has none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from archwright.errors import InputError

if TYPE_CHECKING:
    from archwright.proxies.probe import Probe


class Undefined(InputError):
    """A proxy has no value on this network; the message is the reason, and follows "because"."""


@dataclass(frozen=True)
class Proxy:
    """One proxy.

    Attributes:
        name: how it is asked for.
        compute: its value from what the passes over a network showed.
        defined_on: what networks have a value.
        passes: which passes it needs. What "the shared pass" gives is computed once for all.
        reference: authors, title, venue, year, arXiv id; "" for plain sizes.
        data: looks at inputs (random ones by default), not at weights alone.
        labels: needs labels (random ones by default).
        hears: what the shared forward pass must listen to for it.
        larger_is_better: whether a larger value promises the better network.
    """

    name: str
    compute: Callable[[Probe], float]
    defined_on: str
    passes: str
    reference: str = ""
    data: bool = True
    labels: bool = False
    hears: frozenset[str] = frozenset()
    larger_is_better: bool = True


class Scores(Mapping[str, float]):
    """Proxy -> value, and why the others have none.

    A mapping of those that have a value, all finite; asking for one of the others raises an error
    with the reason.

    Attributes:
        undefined: proxy -> "not defined here, because ...".
        seconds: proxy -> wall-clock seconds spent on it alone. What several share counts for the
            first of them.

    >>> scores = Scores({"params": 12.0}, {"naswot": "not defined here, because ..."})
    >>> dict(scores), list(scores.undefined)
    ({'params': 12.0}, ['naswot'])
    """

    def __init__(
        self,
        values: Mapping[str, float],
        undefined: Mapping[str, str] | None = None,
        seconds: Mapping[str, float] | None = None,
    ) -> None:
        self._values = dict(values)
        self.undefined = dict(undefined or {})
        self.seconds = dict(seconds or {})

    def __getitem__(self, name: str) -> float:
        if name in self.undefined:
            raise KeyError(f"{name} is {self.undefined[name]}")
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        missing = f", undefined={self.undefined!r}" if self.undefined else ""
        return f"Scores({self._values!r}{missing})"
