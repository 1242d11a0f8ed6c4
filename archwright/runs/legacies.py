"""Where trials leave their weights for those that are changed copies of them."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from archwright.trials import History, Trial

N_BEST = 32
N_LATEST = 64
"""Whose weights are kept: evolution draws parents from its latest (20 by default, 100 in the
paper), local search and pools of mutations from the best."""


class Legacies:
    """One folder a trial, named by its number.

    Args:
        folder: the folder of them all.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def places(self, history: History, trial: Trial) -> dict[str, Any]:
        """The arguments of `Candidate` that say whose weights to take and where to leave its own.

        Whose weights may be taken follows from the history alone, not from what happens to lie in
        the folder: so a search that was killed before a sweep goes on as if it had not been.
        """
        places: dict[str, Any] = {"legacy": str(self._of(trial.number))}
        if trial.parent is not None:
            earlier = next((t for t in history.trials if t.number == trial.parent), None)
            if earlier is not None and earlier.state == "complete":
                places["parent"] = {
                    "architecture": earlier.architecture,
                    "number": earlier.number,
                    "seed": earlier.seed,
                    "fidelity": earlier.fidelity,
                    "legacy": str(self._of(earlier.number))
                    if earlier.number in _kept(history)
                    else None,
                }
        return places

    def sweep(self, history: History, waiting: Iterable[Trial] = ()) -> None:
        """Remove the weights that are not likely to be asked for.

        Args:
            history: finished and running trials.
            waiting: trials that are about to start again.
        """
        if not self._folder.is_dir():
            return
        there = {int(p.name): p for p in self._folder.iterdir() if p.name.isdigit()}
        if len(there) <= N_LATEST:
            return
        at_work = [*history.running.values(), *waiting]
        needed = _kept(history) | {t.number for t in at_work}
        needed |= {t.parent for t in at_work if t.parent is not None}
        for number, path in there.items():
            if number not in needed:
                shutil.rmtree(path, ignore_errors=True)

    def _of(self, number: int) -> Path:
        return self._folder / f"{number:05d}"


def _kept(history: History) -> set[int]:
    """Numbers of the finished trials whose weights are kept."""
    latest = history.complete[-N_LATEST:]
    return {t.number for t in (*latest, *history.ranking[:N_BEST])}
