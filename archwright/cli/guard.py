"""How a command ends: what the user can mend in one sentence and exit code 2, never a traceback."""

from __future__ import annotations

import functools
import os
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import ParamSpec

import typer

from archwright._version import __version__
from archwright.cli.arguments import as_options
from archwright.errors import ArchwrightError, InputError

P = ParamSpec("P")

USAGE = 2
INTERRUPTED = 130
BUG = 1


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Give a command its endings.

    Errors that Archwright raises on purpose (bad input, no feasible architecture, an export that
    failed, a missing extra) are one message on standard error and exit code 2. Ctrl-C is exit code
    130; so is SIGTERM, by which cluster schedulers end a job: a search keeps what there is.
    Anything else is a fault of Archwright: one line, the traceback in a file, exit code 1.
    """

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            with _terminated_tidily():
                command(*args, **kwargs)
        except typer.Exit:
            raise
        except ArchwrightError as error:
            complain(as_options(str(error)))
            raise typer.Exit(USAGE) from None
        except KeyboardInterrupt:
            complain("interrupted", kind="Stopped")
            raise typer.Exit(INTERRUPTED) from None
        except BrokenPipeError:
            # The reader of our output went away (`archwright show run | head`): not our fault,
            # and Python must not complain about it when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None
        except Exception as error:
            folder = kwargs.get("out") or kwargs.get("run")
            where = save_traceback(Path(str(folder)) if folder else None)
            line = str(error).strip().splitlines()[0][:300] if str(error).strip() else ""
            complain(
                f"{type(error).__name__}{': ' if line else ''}{line}\nThis is a bug in Archwright; "
                f"please report it with the traceback in {where}",
                kind="Fault",
            )
            raise typer.Exit(BUG) from None

    return run


@contextmanager
def _terminated_tidily() -> Iterator[None]:
    """Take SIGTERM as Ctrl-C."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def complain(message: str, *, kind: str = "Error") -> None:
    """Write a message to standard error, its first word in red where that is a terminal.

    >>> complain("no such file")  # on standard error
    """
    typer.secho(f"{kind}: ", fg="red", bold=True, err=True, nl=False)
    # What an argument or a file's name holds may be no text (surrogates).
    typer.echo(message.encode("utf-8", "backslashreplace").decode("utf-8"), err=True)


def save_traceback(folder: Path | None) -> Path:
    """Write the traceback being handled to a file in the run's folder, else to a temporary one."""
    text = (
        f"archwright {__version__}, Python {sys.version}\n{datetime.now().astimezone()}\n"
        f"{sys.argv}\n\n{traceback.format_exc()}"
    )
    try:
        if folder is not None and folder.is_dir():
            path = folder / "traceback.txt"
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
            return path
    except (OSError, ValueError):
        pass
    handle, name = tempfile.mkstemp(prefix="archwright-traceback-", suffix=".txt")
    with open(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    return Path(name)


def need(ok: bool, message: str) -> None:
    """Raise an `InputError` unless something holds.

    >>> need(2 > 1, "arithmetic has failed")
    """
    if not ok:
        raise InputError(message)
