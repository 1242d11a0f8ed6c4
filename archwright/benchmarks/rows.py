"""Where a benchmark's numbers come from: `Source`, and `Rows`, the one that looks them up."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from archwright.space import Architecture, Space

if TYPE_CHECKING:
    import numpy.typing as npt

Key = Callable[[Architecture], Hashable]
Column: TypeAlias = "Sequence[float] | npt.NDArray[Any]"


class Source(Protocol):
    """What is known of the architectures of a space. Called in worker processes; never changed."""

    def place(self, architecture: Architecture) -> Any:
        """A handle for the other methods; None where nothing is known of the architecture."""
        ...

    def metrics(self, place: Any, level: int) -> dict[str, float]:
        """Metric -> value at the `level`-th of the benchmark's budgets."""
        ...

    def seconds(self, place: Any, level: int) -> float | None:
        """Simulated seconds of training up to that budget; None where they are not known."""
        ...

    def test(self, place: Any) -> float | None:
        """The value on test data at the largest budget; None where there is none."""
        ...

    def places(self) -> Iterator[Any] | None:
        """Every handle; None where they cannot be listed."""
        ...


class Rows:
    """Numbers in columns, one row for each canonical form.

    Args:
        key: architecture -> what `index` knows it by.
        index: key -> number of the row.
        metrics: for each budget, metric -> column.
        seconds: for each budget the column of simulated seconds, or None.
        test: the column of values on test data, or None.
    """

    def __init__(
        self,
        key: Key,
        index: Mapping[Any, int],
        metrics: Sequence[Mapping[str, Column]],
        *,
        seconds: Sequence[Column] | None = None,
        test: Column | None = None,
    ) -> None:
        self.key = key
        self.index = index
        self._metrics = [{name: _floats(column) for name, column in m.items()} for m in metrics]
        self._seconds = None if seconds is None else [_floats(column) for column in seconds]
        self._test = None if test is None else _floats(test)

    def place(self, architecture: Architecture) -> int | None:
        """See `Source.place`."""
        return self.index.get(self.key(architecture))

    def metrics(self, place: int, level: int) -> dict[str, float]:
        """See `Source.metrics`."""
        return {name: column[place] for name, column in self._metrics[level].items()}

    def seconds(self, place: int, level: int) -> float | None:
        """See `Source.seconds`."""
        return None if self._seconds is None else self._seconds[level][place]

    def test(self, place: int) -> float | None:
        """See `Source.test`."""
        return None if self._test is None else self._test[place]

    def places(self) -> Iterator[int]:
        """See `Source.places`."""
        return iter(self.index.values())

    def __len__(self) -> int:
        return len(self.index)


class Canonical:
    """The canonical form of a space as a key (that can be pickled).

    >>> from archwright.space import choice
    >>> space = Space({"a": choice([1, 2])})
    >>> Canonical(space)(space.default)
    Architecture(a=1)
    """

    def __init__(self, space: Space) -> None:
        self.space = space

    def __call__(self, architecture: Architecture) -> Architecture:
        """The canonical form."""
        return self.space.canonical(architecture)


class Listed:
    """Whether a source knows an architecture, as a function (that can be pickled)."""

    def __init__(self, source: Source) -> None:
        self.source = source

    def __call__(self, architecture: Architecture) -> bool:
        """Whether there is a row."""
        return self.source.place(architecture) is not None


def _floats(column: Column) -> list[float]:
    return [float(v) for v in column]
