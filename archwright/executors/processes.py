"""Worker processes that can be killed and replaced one by one."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from joblib.externals.loky import ProcessPoolExecutor

from archwright.errors import InputError

LONGEST_START = 120.0
"""Seconds after which a process that has not come up counts as broken."""


class Processes:
    """`n_workers` processes, each a pool of its own, so that one death is one failure.

    A worker that dies (``kill -9``, a segmentation fault, the system's out-of-memory killer)
    fails the call that it was running and is replaced; the others do not notice. Workers end by
    themselves when the process that started them is gone.

    Args:
        n_workers: how many processes.
        n_threads: threads that numerical libraries may use in each.
        prepare: called first in each new process, such as slow imports; a call's time begins
            after it.

    Raises:
        InputError: `n_workers` or `n_threads` is below 1.
    """

    def __init__(
        self,
        n_workers: int = 1,
        *,
        n_threads: int = 1,
        prepare: Callable[[], Any] | None = None,
    ) -> None:
        for name, value in (("n_workers", n_workers), ("n_threads", n_threads)):
            if value < 1:
                raise InputError(f"{name} must be at least 1, got {value}")
        self.n_workers = n_workers
        self.n_threads = n_threads
        self._prepare = prepare or _nothing
        self._pools: list[ProcessPoolExecutor | None] = [None] * n_workers
        self._prepared: list[Future[Any] | None] = [None] * n_workers
        self._calls: list[Future[Any] | None] = [None] * n_workers

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """See `Executor.submit`."""
        slot = next((i for i, call in enumerate(self._calls) if call is None or call.done()), None)
        if slot is None:
            raise RuntimeError(f"all {self.n_workers} workers are busy")
        current = self._pools[slot]
        if current is not None and not all(p.is_alive() for p in current._processes.values()):
            # Killed between two calls; the pool may not have noticed yet.
            self._drop(slot)
        for attempt in (1, 2):
            pool = self._pool(slot)
            try:
                prepared = self._prepared[slot]
                if prepared is not None:
                    prepared.result(timeout=LONGEST_START)
                future: Future[Any] = pool.submit(function, *args)
                break
            except Exception:
                # The pool broke while it was idle: its process was killed between two calls.
                self._drop(slot)
                if attempt == 2:
                    raise
        self._calls[slot] = future
        return future

    def start(self) -> list[Future[Any]]:
        """Start all processes now, side by side; the futures of their preparation."""
        for slot in range(self.n_workers):
            self._pool(slot)
        return [prepared for prepared in self._prepared if prepared is not None]

    def kill(self, future: Future[Any]) -> bool:
        """See `Executor.kill`."""
        for slot, call in enumerate(self._calls):
            if call is future:
                self._drop(slot)
                return True
        return False

    def pids(self) -> list[int]:
        """Process ids of the workers that are alive."""
        return [pid for pool in self._pools if pool is not None for pid in list(pool._processes)]

    def close(self) -> None:
        """See `Executor.close`."""
        for slot in range(self.n_workers):
            self._drop(slot)

    def _pool(self, slot: int) -> ProcessPoolExecutor:
        pool = self._pools[slot]
        if pool is None:
            pool = self._pools[slot] = self._new_pool()
            self._prepared[slot] = pool.submit(self._prepare)
        return pool

    def _new_pool(self) -> ProcessPoolExecutor:
        threads = str(self.n_threads)
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        environment = dict.fromkeys(names, threads)
        # Threads that wait by spinning take the cores from each other where something else runs
        # too: a training of two threads then took twenty times as long.
        environment["OMP_WAIT_POLICY"] = os.environ.get("OMP_WAIT_POLICY", "PASSIVE")
        return ProcessPoolExecutor(
            max_workers=1,
            timeout=None,
            initializer=_begin_worker,
            initargs=(os.getpid(),),
            env=environment,
        )

    def _drop(self, slot: int) -> None:
        pool, self._pools[slot], self._calls[slot] = self._pools[slot], None, None
        self._prepared[slot] = None
        if pool is None:
            return
        for process in list(pool._processes.values()):
            with contextlib.suppress(OSError, ValueError):
                os.kill(process.pid, signal.SIGKILL)
        with contextlib.suppress(Exception):
            pool.shutdown(wait=False, kill_workers=True)


def _nothing() -> None:
    """What a process is prepared by when nothing else was asked for."""


def _begin_worker(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The system's out-of-memory killer should take a worker, never the search.
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        file.write("500")
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)
