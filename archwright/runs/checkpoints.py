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
        if history.level(trial.budget, trial.fidelity) < largest:
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


def in_full(history: History) -> float:
    """What the trials so far cost, in evaluations in full; a continued one costs the difference."""
    full = history.full_budget
    # Where nothing says what full is, every evaluation counts as one.
    shares = {
        t.number: (1.0 if full is None or t.budget is None else t.budget / full)
        * (1.0 if t.fidelity is None else t.fidelity.cost)
        for t in history.trials
    }
    total = 0.0
    for trial in history.trials:
        if trial.state != "infeasible":
            total += shares[trial.number]
            if trial.continues is not None and full is not None:
                total -= shares.get(trial.continues, 0.0)
    return total


def seconds_in_full(history: History, trial: Trial) -> float:
    """What it takes to evaluate a trial's architecture in full and anew, by what it took so far."""
    by_number = {t.number: t for t in history.trials}
    seconds, one = trial.seconds, trial
    while one.continues is not None and one.continues in by_number:
        one = by_number[one.continues]
        seconds += one.seconds
    if trial.fidelity is not None:
        seconds /= trial.fidelity.cost
    full, reached = history.level(None), history.level(trial.budget)
    return seconds if full == reached else seconds * full / reached
