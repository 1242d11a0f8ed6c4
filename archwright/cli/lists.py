"""``archwright spaces`` and ``archwright strategies``."""

from __future__ import annotations

import inspect
from typing import Any

from archwright.cli.guard import guarded


@guarded
def spaces() -> None:
    """List the spaces of networks that can be searched.

    Example:
      archwright search digits --space mobilenet
    """
    from archwright.zoo import SPACES

    rows = []
    for name, entry in sorted(SPACES.items()):
        kinds = ", ".join(entry.modalities)
        rows.append((name, f"{first_line(entry)} (data: {kinds})", cited(name)))
    print_table(rows)


@guarded
def strategies() -> None:
    """List the ways to search.

    Example:
      archwright search digits --strategy random
    """
    from archwright.cli.gradient import METHODS
    from archwright.strategies import STRATEGIES

    rows = [(name, first_line(entry), cited(name)) for name, entry in sorted(STRATEGIES.items())]
    rows += [(name, f"{text} (by gradients)", cited(name)) for name, text in METHODS.items()]
    print_table(rows)


def space_names() -> list[str]:
    """The names of the zoo's spaces."""
    from archwright.zoo import SPACES

    return sorted(SPACES)


def first_line(entry: Any) -> str:
    """What an entry of a table of names is, from its description or docstring.

    >>> first_line(str.upper)
    'Return a copy of the string converted to uppercase.'
    """
    text = getattr(entry, "description", None) or inspect.getdoc(entry) or ""
    return str(text).strip().splitlines()[0] if str(text).strip() else ""


def cited(name: str) -> str:
    """Where a method comes from, in brief.

    >>> cited("evolution")
    'real2019'
    """
    from archwright.report.citations import references

    return ", ".join(reference.key for reference in references(name))


def print_table(rows: list[tuple[str, str, str]]) -> None:
    """Print names, what each is, and what is cited (keys between commas, or "")."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from archwright.report.citations import REFERENCES

    console = Console()
    table = Table(box=None, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, text, _ in rows:
        table.add_row(name, Text(text))
    console.print(table)
    keys = dict.fromkeys(key for _, _, cites in rows for key in cites.split(", ") if key)
    if keys:
        console.print()
        for key in keys:
            console.print(Text(REFERENCES[key].text, style="dim"))
