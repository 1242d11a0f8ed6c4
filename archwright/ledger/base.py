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
