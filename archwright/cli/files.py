"""Files that a command writes: what cannot be written is noticed before the work."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from archwright.cli.arguments import there
from archwright.cli.guard import need
from archwright.errors import InputError


def check_file(option: str, path: Path | None) -> None:
    """Refuse a folder where a file is to be written; None passes.

    Raises:
        InputError: it is one.

    >>> check_file("--csv", Path("."))
    Traceback (most recent call last):
        ...
    archwright.errors.InputError: --csv: '.' is a folder; name a file
    """
    if path is not None and there(option, path):
        need(not path.is_dir(), f"{option}: {str(path)!r} is a folder; name a file")


def check_writable(file: Path | None, folder: Path | None = None) -> None:
    """Make the folders of what is to be written, and try to write there.

    Raises:
        InputError: it cannot be.
    """
    with writing():
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            if file.is_file():
                file.open("a").close()
            elif not file.exists():
                file.open("x").close()
                file.unlink()
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()


@contextlib.contextmanager
def writing() -> Iterator[None]:
    """Inside, what cannot be written is one sentence.

    >>> with writing():
    ...     Path("/dev/null/a").write_text("")
    Traceback (most recent call last):
        ...
    archwright.errors.InputError: '/dev/null/a' cannot be written: Not a directory; give another \
path
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{error.filename!r} cannot be written: {error.strerror or error}; give another path"
        ) from None
