"""Progress of a search: one live line in a terminal, a few plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TextIO

from archwright.report.numbers import amount, duration, split_unit

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

_PHASES = {
    "plan": "preparing",
    "search": "searching",
    "random": "random search",
    "final": "final training",
    "export": "exporting",
    "done": "done",
}


class Progress:
    """Receives the events of a search; use as a context manager around the call.

    An event is a mapping: ``phase`` ("plan", "search", "random", "final", "export", "done"),
    ``done``, ``total`` (or None), ``elapsed`` and ``remaining`` (seconds, or None), ``best`` (or
    None), ``metric``, ``front``, ``failed``, ``infeasible``, ``rate`` (trials a minute),
    ``message`` (or None). Keys that are missing count as unknown.

    This one shows nothing (``--quiet``), and remembers the last event.
    """

    def __init__(self) -> None:
        self.last: dict[str, Any] = {}

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Take an event; called from the search's own thread, a few times a second at most."""
        phase = event.get("phase")
        if phase in ("search", "random"):
            self.last = dict(event)
        else:
            # Later phases do not count trials; what the search reached stays in sight.
            self.last = {**self.last, **{k: v for k, v in event.items() if v not in (None, 0, 0.0)}}
            self.last["phase"] = phase
            self.last["message"] = event.get("message")
            self.last["remaining"] = event.get("remaining")
        self.show()

    def show(self) -> None:
        """Show the last event."""

    def say(self, text: str) -> None:
        """Write a line that stays."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the display."""


class PlainProgress(Progress):
    """A line at each new phase, each new best after a while, and now and then in between.

    Args:
        stream: where to write; standard error by default.
        every_seconds: at most one line in so many seconds within a phase.
    """

    def __init__(self, stream: TextIO | None = None, *, every_seconds: float = 30.0) -> None:
        super().__init__()
        self.stream = sys.stderr if stream is None else stream
        self.every_seconds = every_seconds
        self._phase: object = None
        self._shown = -1e9

    def say(self, text: str) -> None:
        """Write a line that stays."""
        print(text, file=self.stream, flush=True)

    def show(self) -> None:
        """Write a line when it is time for one."""
        now = time.monotonic()
        new = self.last.get("phase") != self._phase
        if not new and now - self._shown < self.every_seconds:
            return
        self._phase, self._shown = self.last.get("phase"), now
        print(line(self.last), file=self.stream, flush=True)


class RichProgress(Progress):
    """One line in a terminal that is drawn anew: a bar, best, front, rate, remaining time.

    Args:
        console: where to draw; standard error by default.
    """

    def __init__(self, console: Console | None = None) -> None:
        super().__init__()
        if console is None:
            from rich.console import Console

            console = Console(stderr=True)
        self.console = console
        self._live: Live | None = None
        self._received = time.monotonic()

    def __enter__(self) -> Self:
        from rich.live import Live

        self._live = Live(
            get_renderable=self._draw, console=self.console, refresh_per_second=5, transient=True
        )
        self._live.start()
        return self

    def say(self, text: str) -> None:
        """Write a line that stays, above the one that is drawn anew."""
        from rich.text import Text

        self.console.print(Text(text))

    def show(self) -> None:
        """Remember when it came: the clock runs on between events."""
        self._received = time.monotonic()

    def close(self) -> None:
        """Remove the line."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self) -> RenderableType:
        from rich.progress_bar import ProgressBar
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        event = dict(self.last)
        since = time.monotonic() - self._received
        if event.get("elapsed") is not None:
            event["elapsed"] += since
        if event.get("remaining") is not None:
            event["remaining"] = max(0.0, event["remaining"] - since)
        grid = Table.grid(padding=(0, 1))
        name = phase_name(event)
        grid.add_column(no_wrap=True, min_width=len(name))
        grid.add_column(no_wrap=True, width=14, min_width=14)
        grid.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        share = fraction(event)
        bar: Any = Spinner("dots") if share is None else ProgressBar(100.0, 100.0 * share, width=14)
        grid.add_row(Text(name, style="bold"), bar, Text(details(event)))
        return grid


def phase_name(event: Mapping[str, Any]) -> str:
    """What is being done.

    >>> phase_name({"phase": "final"})
    'final training'
    """
    phase = str(event.get("phase", "plan"))
    return _PHASES.get(phase, phase)


def fraction(event: Mapping[str, Any]) -> float | None:
    """How much of the run is done, 0 to 1; None when nobody knows.

    >>> fraction({"done": 5, "total": 20}), fraction({"elapsed": 30.0, "remaining": 30.0})
    (0.25, 0.5)
    """
    shares = []
    total = event.get("total")
    if total and event.get("phase") in (None, "search", "random"):
        shares.append(min(1.0, float(event.get("done") or 0) / float(total)))
    elapsed, remaining = event.get("elapsed"), event.get("remaining")
    if elapsed is not None and remaining is not None and elapsed + remaining > 0:
        shares.append(elapsed / (elapsed + remaining))
    return max(shares) if shares else None


def details(event: Mapping[str, Any]) -> str:
    """The figures of an event in one line.

    >>> details(
    ...     {
    ...         "phase": "search",
    ...         "done": 42,
    ...         "total": 100,
    ...         "best": 0.98714,
    ...         "front": 5,
    ...         "metric": "accuracy",
    ...         "rate": 12.34,
    ...         "failed": 2,
    ...         "remaining": 80.0,
    ...     }
    ... )
    '1 min 20 s left, 42/100 trials, best accuracy 0.9871, front 5, 12 a minute, 2 failed'
    """
    parts = []
    searching = event.get("phase") in ("search", "random")
    done, total = event.get("done"), event.get("total")
    # The remaining time first: a narrow terminal cuts the line at its end.
    remaining = event.get("remaining")
    if remaining is not None and event.get("phase") != "done":
        parts.append(f"{duration(round(remaining))} left")
    elif event.get("elapsed"):
        parts.append(f"{duration(round(event['elapsed']))} so far")
    if event.get("message"):
        parts.append(str(event["message"]))
    if searching and done is not None:
        noun = "trial" if done == 1 and not total else "trials"
        parts.append(f"{done:,}/{total:,} {noun}" if total else f"{done:,} {noun}")
    best = event.get("best")
    if best is not None:
        metric = str(event.get("metric", "metric"))
        parts.append(f"best {split_unit(metric)[0]} {amount(metric, best)}")
    if (event.get("front") or 0) > 1:
        parts.append(f"front {event['front']}")
    if searching and event.get("rate"):
        parts.append(f"{event['rate']:.2g} a minute")
    if event.get("failed"):
        parts.append(f"{event['failed']:,} failed")
    if searching and event.get("infeasible"):
        parts.append(f"{event['infeasible']:,} outside the limits")
    return ", ".join(parts)


def line(event: Mapping[str, Any]) -> str:
    """An event as one plain line.

    >>> line({"phase": "final", "message": "training the winner", "remaining": 61})
    'final training: 1 min 1 s left, training the winner'
    """
    text = details(event)
    return f"{phase_name(event)}: {text}" if text else phase_name(event)


def reporter(*, quiet: bool = False) -> Progress:
    """What suits where the command runs: nothing, a live line, or a few plain lines."""
    if quiet:
        return Progress()
    return RichProgress() if sys.stderr.isatty() else PlainProgress()
