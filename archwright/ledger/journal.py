"""An Optuna journal file that survives ``kill -9`` at any moment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend


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


def journal_storage(path: str | Path) -> tuple[JournalStorage, SafeJournalFile]:
    """The storage over a journal file, made where it is missing, and its back end."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    backend = SafeJournalFile(path)
    return JournalStorage(backend), backend
