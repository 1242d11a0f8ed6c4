"""Local search: climb to a better neighbour until there is none, then start elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace
from random import Random

from archwright.space import Architecture
from archwright.strategies.base import random_proposal, remembered
from archwright.strategies.pareto_local import ParetoLocalSearch, one_new
from archwright.trials import History, Proposal, Trial

_SEVERAL = ParetoLocalSearch()


@dataclass(frozen=True)
class LocalSearch:
    """Hill climbing with restarts.

    From a random start, the neighbours of the best architecture of this climb (those that differ
    in one decision) are evaluated in random order; the climb moves on as soon as one is better,
    and starts anew when all are known. With several objectives it is `ParetoLocalSearch`.

    Source: White, Nolen and Savani, Exploring the Loss Landscape in Neural Architecture Search,
    UAI 2021, arXiv 2005.02960.

    Differences from the paper: the climb moves on at the first better neighbour (the paper's
    "query until lower" variant), and never evaluates a canonical duplicate.

    >>> from archwright.space import Choice, Space
    >>> from archwright.trials import Objective
    >>> space = Space({"width": Choice((16, 32, 64))})
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> history.add(Trial(0, space.default, metrics={"accuracy": 0.5}, origin="start"))
    >>> LocalSearch().propose(history, Random(0)).parent
    0
    """

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        if not history.objective.single:
            return _SEVERAL.propose(history, rng)
        climb = remembered(history, self, _Climb)
        climb.follow(history)
        if climb.best is not None:
            neighbour = one_new(history, climb.neighbours(history), rng)
            if neighbour is not None:
                return Proposal(neighbour, origin="neighbour", parent=climb.best.number)
        proposal = random_proposal(history, rng)
        if proposal and all(trial.origin != "start" for trial in history.running.values()):
            return replace(proposal, origin="start")
        return proposal


class _Climb:
    """Where the present climb stands: a cache that the history's trials determine."""

    def __init__(self) -> None:
        self.best: Trial | None = None
        self._n_read = 0
        self._members: set[int] = set()
        self._neighbours: list[Architecture] | None = None

    def follow(self, history: History) -> None:
        """Read the trials that finished since the last call."""
        for trial in history.complete[self._n_read :]:
            if self.best is None or trial.origin in ("start", "default"):
                self._members = {trial.number}
                self._move(trial)
            elif trial.parent in self._members:
                self._members.add(trial.number)
                score = history.objective.score
                if score(trial.metrics) > score(self.best.metrics):
                    self._move(trial)
        self._n_read = len(history.complete)

    def neighbours(self, history: History) -> list[Architecture]:
        if self._neighbours is None:
            assert self.best is not None
            self._neighbours = history.space.neighbours(self.best.architecture)
        return self._neighbours

    def _move(self, trial: Trial) -> None:
        self.best, self._neighbours = trial, None
