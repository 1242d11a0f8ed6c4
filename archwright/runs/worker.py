"""What travels to worker processes: the evaluator once, then one trial at a time."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cloudpickle
import psutil

from archwright.errors import InputError
from archwright.evaluators import Candidate, EvaluatorLike, Outcome, run_evaluation
from archwright.space import Space
from archwright.trials import Trial

_PREFIX = ".archwright-"
FULL = {"budget": None, "fidelity": None}
"""What the record of a trial says of an evaluation in full."""
_loaded: dict[str, tuple[Space, Any]] = {}


def warm_up() -> None:
    """Import what training needs, so that the first trial does not wait for it."""
    # Torch's optimisers import it at their first step: more than a second.
    import torch._dynamo  # noqa: F401

    import archwright.evaluators.train  # noqa: F401


class Job:
    """A picklable call that evaluates one trial in a worker process.

    The space and the evaluator, which may hold much data, are written to one file and read once
    by each worker, instead of travelling with every trial.

    Args:
        space: the space.
        evaluator: the evaluator or function.
        folder: where to put the file; None: among the system's temporary files.

    Raises:
        InputError: they cannot be sent to another process.
    """

    def __init__(
        self, space: Space, evaluator: EvaluatorLike, *, folder: Path | None = None
    ) -> None:
        _remove_orphans(folder)
        prefix = f"{_PREFIX}{os.getpid()}-"
        handle, self.path = tempfile.mkstemp(prefix=prefix, suffix=".pkl", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                cloudpickle.dump((space, evaluator), file, protocol=5)
        except Exception as error:
            self.close()
            raise InputError(
                f"the space or the evaluator cannot be sent to a worker process: {error}. Define "
                "them without open files, locks or lambdas over such, or run with workers=0"
            ) from error

    def close(self) -> None:
        """Remove the file."""
        Path(self.path).unlink(missing_ok=True)

    def __call__(
        self,
        trial: Mapping[str, Any],
        metric: str,
        device: str,
        n_threads: int | None,
        folder: str | None,
        more: Mapping[str, Any] | None = None,
    ) -> Outcome:
        """Evaluate one trial; runs in the worker. `more`: further arguments of `Candidate`."""
        evaluator, candidate = self._candidate(trial, device, n_threads, folder, **(more or {}))
        try:
            return run_evaluation(evaluator, candidate, metric)
        except KeyboardInterrupt:  # the evaluator's own: workers do not get the user's
            return Outcome("failed", error="KeyboardInterrupt: raised by the evaluator")

    def final(
        self,
        trial: Mapping[str, Any],
        device: str,
        n_threads: int | None,
        seconds: float | None,
    ) -> Any:
        """Train a trial's architecture anew and test it; runs in the worker."""
        # In full, whatever the trial's own budget was.
        evaluator, candidate = self._candidate({**trial, **FULL}, device, n_threads, None)
        return evaluator.final(candidate, seconds=seconds)

    def _candidate(
        self,
        trial: Mapping[str, Any],
        device: str,
        n_threads: int | None,
        folder: str | None,
        **more: Any,
    ) -> tuple[Any, Candidate]:
        space, evaluator = self.load()
        record = Trial.from_dict(trial)
        candidate = Candidate(
            space,
            record.architecture,
            number=record.number,
            seed=record.seed,
            budget=record.budget,
            fidelity=record.fidelity,
            device=device,
            n_threads=n_threads,
            folder=folder,
            **more,
        )
        return evaluator, candidate

    def load(self) -> tuple[Space, Any]:
        """The space and the evaluator, read once in each process."""
        if self.path not in _loaded:
            _loaded.clear()
            with open(self.path, "rb") as file:
                _loaded[self.path] = cloudpickle.load(file)
        return _loaded[self.path]


def _remove_orphans(folder: Path | None) -> None:
    """Remove the files of processes that were killed before they could."""
    for path in Path(folder or tempfile.gettempdir()).glob(f"{_PREFIX}*-*.pkl"):
        owner = path.name[len(_PREFIX) :].split("-")[0]
        with contextlib.suppress(OSError):
            if owner.isdigit() and not psutil.pid_exists(int(owner)):
                path.unlink()
