"""An Optuna journal file that survives ``kill -9`` at any moment."""

from __future__ import annotations

import json
import os
import shutil
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

_CREATE_STUDY = 0
"""Optuna's code, in a journal, for the line that begins a study."""

_NEEDED = {
    0: ("study_name", "directions"),
    1: ("study_id",),
    2: ("study_id", "user_attr"),
    3: ("study_id", "system_attr"),
    4: ("study_id",),
    5: ("trial_id", "param_name"),
    6: ("trial_id", "state"),
    7: ("trial_id", "step", "intermediate_value"),
    8: ("trial_id", "user_attr"),
    9: ("trial_id", "system_attr"),
    10: (),
}
"""Optuna's codes, and what a line of each must hold."""


class OperatingSystemLock:
    """A lock that the operating system releases when its holder dies.

    Optuna's own journal locks are files that a killed process leaves behind, which blocks the
    next one for half a minute or for ever.

    >>> import tempfile
    >>> lock = OperatingSystemLock(tempfile.mkdtemp() + "/lock")
    >>> lock.acquire()
    True
    >>> lock.release()
    """

    def __init__(self, path: str) -> None:
        self._lock = FileLock(path)

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._lock.acquire()
        return True

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()


class SafeJournalFile(JournalFileBackend):
    """Optuna's journal file with a lock that dies with its holder, whole lines, and batches.

    A process killed in the middle of a write leaves half a line. Nobody was told that this write
    had succeeded, so the half is cut off before the next write; otherwise the next line would
    continue it, and the file could not be read from there on.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._batch: list[dict[str, Any]] | None = None
        self._guard = OperatingSystemLock(f"{path}.lock")
        super().__init__(str(path), lock_obj=self._guard)  # type: ignore[arg-type]
        self._locked(self._cut_torn_line)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write the lines, or keep them for the end of the batch."""
        if self._batch is not None:
            self._batch.extend(logs)
            return
        self._locked(self._cut_torn_line)
        super().append_logs(logs)

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Gather what is written inside, and write it with one lock and one flush to disk."""
        self._batch = []
        try:
            yield
        finally:
            logs, self._batch = self._batch, None
        if logs:
            self.append_logs(logs)

    def _locked(self, action: Any) -> None:
        self._guard.acquire()
        try:
            action()
        finally:
            self._guard.release()

    def _cut_torn_line(self) -> None:
        with self._path.open("rb+") as file:
            end = file.seek(0, os.SEEK_END)
            if end == 0:
                return
            file.seek(end - 1)
            if file.read(1) == b"\n":
                return
            file.seek(0)
            file.truncate(file.read().rfind(b"\n") + 1)


def journal_storage(
    path: str | Path,
) -> tuple[JournalStorage, SafeJournalFile, list[dict[str, Any]]]:
    """The storage over a journal file, made where it is missing, and its back end.

    Of a file with unreadable lines (a disk that lost power leaves such) everything before the
    first of them is used; what stands behind is returned, line by line, since its references to
    trials by position no longer hold. The damaged file is kept beside as ``....damaged``.
    """
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    backend = SafeJournalFile(path)
    try:
        # Optuna passes over an unreadable last line, until the next one is written behind it.
        storage = JournalStorage(backend) if _ends_well(Path(path)) else None
        error = None
    except Exception as raised:
        storage, error = None, raised
    if storage is not None:
        return storage, backend, []
    behind = _cut_damage(Path(path), error)
    backend = SafeJournalFile(path)
    return JournalStorage(backend), backend, behind


def _ends_well(path: Path) -> bool:
    """Whether the last line can be read."""
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        length = 4096
        while True:
            file.seek(max(0, end - length))
            tail = file.read().rstrip(b"\n")
            if b"\n" in tail or length >= end:
                return not tail or _entry(tail[tail.rfind(b"\n") + 1 :]) is not None
            length *= 4


def _cut_damage(path: Path, error: Exception | None) -> list[dict[str, Any]]:
    """Cut the file before its first unreadable line; the readable ones behind it."""
    lines = path.read_bytes().splitlines(keepends=True)
    entries = [_entry(line) for line in lines]
    readable = [entry for entry in entries if entry is not None]
    if len(readable) == len(entries) or not readable:
        raise error or ValueError(f"{path} is no Optuna journal")
    first = entries.index(None)
    kept = path.with_name(path.name + ".damaged")
    shutil.copyfile(path, kept)
    part = path.with_name(path.name + ".part")
    part.write_bytes(b"".join(lines[:first]))
    part.replace(path)
    n_lost = len(entries) - len(readable)
    several = sum(entry["op_code"] == _CREATE_STUDY for entry in readable) > 1
    warnings.warn(
        f"{path} has {n_lost} unreadable line{'s' if n_lost > 1 else ''} from line {first + 1} on; "
        f"the trials {'before it' if several else 'in the others'} are used, and the file as it "
        f"was is kept as {kept.name}",
        stacklevel=5,
    )
    # Lines name a trial by its position alone: with several studies it may be any one's.
    return [] if several else [entry for entry in entries[first:] if entry is not None]


def _entry(line: bytes) -> dict[str, Any] | None:
    """A line of the journal, or None where it cannot be read."""
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    if not isinstance(entry, dict) or entry.get("op_code") not in _NEEDED:
        return None
    return entry if all(key in entry for key in _NEEDED[entry["op_code"]]) else None
