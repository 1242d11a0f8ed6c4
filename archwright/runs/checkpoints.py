"""Where trials leave their state of training, and when it is thrown away."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from archwright.strategies.fidelity import MultiFidelity
from archwright.trials import History, Trial


class Checkpoints:
    """One folder a trial, named by its number.

    Args:
        folder: the folder of them all.
        strategy: says which trials it may continue.
    """

    def __init__(self, folder: Path, strategy: MultiFidelity) -> None:
        self._folder = folder
        self._strategy = strategy

    def places(self, history: History, trial: Trial) -> dict[str, Any]:
        """The arguments of `Candidate` that say where to go on from and where to leave state."""
        largest = self._strategy.budgets(history)[-1]
        places: dict[str, Any] = {}
        if history.level(trial.budget) < largest:
            places["checkpoint"] = str(self._of(trial.number))
        if trial.continues is not None:
            earlier = next((t for t in history.trials if t.number == trial.continues), None)
            places["previous"] = str(self._of(trial.continues))
            places["previous_budget"] = None if earlier is None else earlier.budget
        return places

    def sweep(self, history: History, waiting: Iterable[Trial] = ()) -> None:
        """Remove the checkpoints that no trial will go on from.

        Args:
            history: finished and running trials.
            waiting: trials that are about to start again.
        """
        if not self._folder.is_dir():
            return
        there = {int(p.name): p for p in self._folder.iterdir() if p.name.isdigit()}
        if not there:
            return
        at_work = [*history.running.values(), *waiting]
        needed = self._strategy.resumable(history)
        needed |= {t.number for t in at_work}
        needed |= {t.continues for t in at_work if t.continues is not None}
        for number, path in there.items():
            if number not in needed:
                shutil.rmtree(path, ignore_errors=True)

    def _of(self, number: int) -> Path:
        return self._folder / f"{number:05d}"
