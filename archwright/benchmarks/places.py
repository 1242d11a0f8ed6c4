"""Where the files of published benchmarks lie."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from archwright.errors import DataError

VARIABLE = "ARCHWRIGHT_DATA"
"""Environment variable that names the folder with the benchmarks' files."""


def data_folder() -> Path:
    """The folder that is looked in when no path is given.

    ``$ARCHWRIGHT_DATA`` where it is set, else ``archwright/data`` in the user's cache folder
    (``~/.cache`` or ``$XDG_CACHE_HOME``; ``~/Library/Caches``; ``%LOCALAPPDATA%``).
    """
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    if sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "archwright" / "data"


def find(
    what: str, names: Sequence[str], path: str | os.PathLike[str] | None, *, folder: str = ""
) -> Path:
    """The first file (or folder) of a benchmark that is there.

    Args:
        what: the benchmark, for the message.
        names: file names to look for, the preferred first; `*` stands for anything.
        path: a file, a folder with such a file, or None for `data_folder`.
        folder: subfolder in which such files may lie, also below ``bench``.

    Raises:
        DataError: there is none; the message says where it was looked for.
    """
    if path is not None:
        given = Path(path).expanduser()
        if not given.exists():
            raise DataError(f"{what}: there is no file or folder {str(given)!r}")
        if given.is_file():
            return given
        places = _places(given, folder)
    else:
        given = data_folder()
        places = _places(given, folder)
    for name in names:
        for place in places:
            found = sorted(place.glob(name))
            if found:
                return found[0]
    if path is not None and (any(given.glob("*.pickle.pbz2")) or (given / "meta").exists()):
        return given  # the folder is the benchmark
    raise DataError(
        f"{what}: found none of {', '.join(names)} in {str(given)!r}; give path= (--data on the "
        f"command line) a file or folder, or set {VARIABLE} to the folder with the benchmarks"
    )


def _places(given: Path, folder: str) -> list[Path]:
    def all_of_them() -> Iterator[Path]:
        yield given
        if folder:
            yield given / folder
            yield given / "bench" / folder

    return [place for place in all_of_them() if place.is_dir()]
