"""The command line's front door: the commands, and nothing heavy before one of them runs."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from typing import Annotated

import typer

from archwright._version import __version__
from archwright.cli.bench import bench
from archwright.cli.fidelity import fidelity
from archwright.cli.lists import spaces, strategies
from archwright.cli.predict import predict
from archwright.cli.proxies import proxies
from archwright.cli.results import export, report, show
from archwright.cli.searching import resume, search

HELP = """Neural architecture search: from data to a trained, measured and exported network.

Start here:
  archwright search digits --limit params=50k --minutes 3
  archwright search cars.csv --target price
  archwright search photos/ --limit latency_ms=5ms

A search leaves a folder with a report, the exported network and its figures:
  archwright show runs/digits-1
  archwright predict runs/digits-1/export new_data.csv --out predictions.csv

Every command explains itself: archwright search --help
"""


def help_text(text: str) -> str:
    r"""A docstring as help: paragraphs flow, a list under a line that ends in ":" keeps its lines.

    >>> print(help_text("Flows\nover lines.\n\nExamples:\n  one\n  two").replace("\b", "<b>"))
    Flows over lines.
    <BLANKLINE>
    <b>
    Examples:
      one
      two
    """
    paragraphs = []
    for paragraph in inspect.cleandoc(text).split("\n\n"):
        head, *rest = paragraph.strip("\n").split("\n")
        if head.endswith(":") and rest and all(line.startswith("  ") for line in rest):
            paragraphs.append("\n".join(["\b", head, *rest]))
        else:
            paragraphs.append(" ".join([head, *rest]))
    return "\n\n".join(paragraphs)


app = typer.Typer(
    help=help_text(HELP),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"archwright {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_version, is_eager=True),
    ] = False,
) -> None:
    pass


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(f"archwright {__version__}")


def _add(panel: str, *commands: Callable[..., None]) -> None:
    for command in commands:
        app.command(help=help_text(command.__doc__ or ""), rich_help_panel=panel)(command)


_add("Search", search, resume)
_add("Results", show, report, export, predict)
_add("Research", bench, proxies, fidelity)
_add("What there is", spaces, strategies)


def main() -> None:
    """Run the command line (the entry point of the ``archwright`` script)."""
    # Before torch reads it; why: see executors.processes.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    app(prog_name="archwright")
