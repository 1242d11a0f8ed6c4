"""The card at the end of a search: as plain text, and for a terminal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

from archwright.report import facts
from archwright.trials import Result

if TYPE_CHECKING:
    from rich.panel import Panel

_STYLES = {"ahead": "green", "even": "yellow", "behind": "red", "unknown": "dim"}


def summary_text(result: Result, *, width: int = 92) -> str:
    """The summary of a search as plain text, one label a paragraph.

    Args:
        result: the result.
        width: characters to wrap at.

    >>> from archwright.space import Choice, Space
    >>> from archwright.trials import History, Objective, Trial
    >>> space = Space({"width": Choice((16, 32))})
    >>> trial = Trial(0, space.default, metrics={"accuracy": 0.5})
    >>> print(summary_text(Result(History(space, Objective.of(maximize="accuracy"), [trial]))))
    ... # doctest: +ELLIPSIS
    Network              a space of your own ... (1 decision)
    ...
    """
    rows = facts.summary(result)
    indent = max(len(name) for name, _ in rows) + 2
    return "\n".join(
        textwrap.fill(
            text,
            width,
            initial_indent=name.ljust(indent),
            subsequent_indent=" " * indent,
            break_on_hyphens=False,
            break_long_words=False,
        )
        for name, text in rows
    )


def summary_card(result: Result) -> Panel:
    """The same for a terminal, as something that `rich.print` draws."""
    from rich import box
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    verdict = facts.verdict(result)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0), expand=True)
    table.add_column(style="dim", no_wrap=True)
    table.add_column(ratio=1, overflow="fold")
    for name, text in facts.summary(result):
        style = ""
        if name == "Baselines":
            style = _STYLES[verdict.kind]
        elif name.startswith("Test ") or name == "Found":
            style = "bold"
        elif name == "Not tried":
            style = "dim"
        table.add_row(name, Text(text, style=style))
    # Text, not markup: a data set may well be called "[red]".
    return Panel(table, title=Text(facts.subject(result)), title_align="left", box=box.ROUNDED)
