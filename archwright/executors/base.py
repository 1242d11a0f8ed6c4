"""What an executor is, and the one that runs everything where it stands."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor as FuturesExecutor
from concurrent.futures import Future
from typing import Any, Protocol


class Executor(Protocol):
    """Runs evaluations. Called by the search's own process only, by one thread.

    Attributes:
        n_workers: how many evaluations run at once.
    """

    n_workers: int

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """Start a call; it is only made while fewer than `n_workers` are running."""
        ...

    def kill(self, future: Future[Any]) -> bool:
        """Stop a running call at once. False where that cannot be done."""
        ...

    def close(self) -> None:
        """Stop everything and give back what is held."""
        ...


class InProcess:
    """Runs each call at once in this process; the null implementation.

    A crash of the interpreter ends the search, and a hang cannot be stopped.

    >>> InProcess().submit(max, 1, 2).result()
    2
    """

    n_workers = 1

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """See `Executor.submit`."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def kill(self, future: Future[Any]) -> bool:
        """See `Executor.kill`."""
        return False

    def close(self) -> None:
        """See `Executor.close`."""


class Adapted:
    """Any ``concurrent.futures.Executor``: a thread pool, Dask's or Ray's client, ...

    Args:
        executor: the executor; closing the search does not shut it down.
        n_workers: how many evaluations to keep running in it.
    """

    def __init__(self, executor: FuturesExecutor, *, n_workers: int = 1) -> None:
        self._executor = executor
        self.n_workers = n_workers

    def submit(self, function: Callable[..., Any], *args: Any) -> Future[Any]:
        """See `Executor.submit`."""
        return self._executor.submit(function, *args)

    def kill(self, future: Future[Any]) -> bool:
        """See `Executor.kill`: only a call that has not begun can be stopped."""
        return future.cancel()

    def close(self) -> None:
        """See `Executor.close`."""
