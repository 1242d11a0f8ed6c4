"""What a ledger is, and the one that keeps nothing."""

from __future__ import annotations

from typing import Any, Protocol

from archwright.trials import Trial


class Ledger(Protocol):
    """Where trials are kept. Called by the search's own process only, by one thread.

    What `finish` has returned from is never lost, whatever is killed afterwards.
    """

    def load(self) -> tuple[list[Trial], list[Trial]]:
        """The finished trials in the order they finished, and those that were left running."""
        ...

    def start(self, trial: Trial) -> None:
        """Keep that a trial has begun."""
        ...

    def finish(self, trial: Trial) -> None:
        """Keep a finished trial whole."""
        ...

    def keep(self, name: str, value: Any) -> Any:
        """Keep a JSON value beside the trials; what was kept first under that name, else None."""
        ...

    def find(self, name: str) -> Any:
        """The JSON value that was kept under a name, or None."""
        ...


class KeptValues:
    """JSON values kept beside the trials of a `Ledger`, for ``history.kept``.

    Args:
        ledger: where they are kept.

    >>> kept = KeptValues(MemoryLedger())
    >>> kept["pool"] = [1, 2]
    >>> kept.get("pool"), kept.get("other")
    ([1, 2], None)
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._known: dict[str, Any] = {}

    def get(self, name: str) -> Any:
        """The value under a name, or None."""
        if name not in self._known:
            found = self._ledger.find(name)
            if found is None:
                return None
            self._known[name] = found
        return self._known[name]

    def __setitem__(self, name: str, value: Any) -> None:
        self._known[name] = value
        self._ledger.keep(name, value)


class MemoryLedger:
    """Keeps nothing beyond the process; the null implementation.

    >>> MemoryLedger().load()
    ([], [])
    """

    def load(self) -> tuple[list[Trial], list[Trial]]:
        """See `Ledger.load`: always empty."""
        return [], []

    def start(self, trial: Trial) -> None:
        """See `Ledger.start`."""

    def finish(self, trial: Trial) -> None:
        """See `Ledger.finish`."""

    def keep(self, name: str, value: Any) -> Any:
        """See `Ledger.keep`: never anything."""
        return None

    def find(self, name: str) -> Any:
        """See `Ledger.find`: never anything."""
        return None
