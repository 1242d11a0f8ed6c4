"""Generations of a multi-objective population, sorted into fronts: what NSGA-II and III share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from archwright.strategies.population import violation
from archwright.strategies.sorting import non_dominated_ranks
from archwright.trials import History, Trial


@dataclass(slots=True)
class Candidate:
    """One that lives or would live on.

    Attributes:
        trial: its trial.
        values: its goals, larger is better; () where it breaks a limit.
        excess: by how much it breaks the limits.
        rank: its front.
        room: what the strategy ranks those of one front by, larger is better.
    """

    trial: Trial
    values: tuple[float, ...]
    excess: float
    rank: int = 0
    room: float = 0.0


Survivors = Callable[[list[list[Candidate]], int], list[Candidate]]
"""Fronts, best first, and how many may live -> those that do."""


class Generations:
    """The population after the trials read so far.

    A generation is the next `n_children` trials that finish and say something: those that
    completed and those that broke a limit. It follows from the order of finishing alone, whatever
    order the trials were started in.

    Attributes:
        alive: the members, as `survivors` ordered them.
        full: whether the first generation is complete.
        n_read: how many trials of the history were read.
    """

    def __init__(self, size: int, n_children: int, survivors: Survivors) -> None:
        self.alive: list[Candidate] = []
        self.full = False
        self.n_read = 0
        self._size = size
        self._n_children = n_children
        self._survivors = survivors
        self._young: list[Candidate] = []

    def read(self, history: History, trial: Trial) -> None:
        """Take in a finished trial, and choose the members anew where it ends a generation."""
        excess = violation(history.objective, trial)
        if excess is None:
            return
        values = () if excess else history.objective.values(trial.metrics)
        self._young.append(Candidate(trial, values, excess))
        if len(self._young) == (self._n_children if self.full else self._size):
            fronts = sorted_fronts(self.alive + self._young, n_at_least=self._size)
            self.alive = self._survivors(fronts, self._size)
            self._young = []
            self.full = True


def sorted_fronts(candidates: list[Candidate], *, n_at_least: int) -> list[list[Candidate]]:
    """The candidates in fronts, best first, each in the order given.

    Those that keep the limits come first, sorted by dominance; then those that break them, one
    front for each excess.

    Args:
        candidates: what to sort.
        n_at_least: fronts are left out once so many candidates stand before them.
    """
    fronts: list[list[Candidate]] = []
    good = [c for c in candidates if not c.excess]
    ranks = non_dominated_ranks([c.values for c in good])
    for candidate, rank in zip(good, ranks, strict=True):
        while len(fronts) <= rank:
            fronts.append([])
        candidate.rank = rank
        fronts[rank].append(candidate)
    bad = sorted((c for c in candidates if c.excess), key=lambda c: c.excess)
    last = None
    for candidate in bad:
        if candidate.excess != last:
            fronts.append([])
            last = candidate.excess
        candidate.rank = len(fronts) - 1
        fronts[-1].append(candidate)
    kept, n = 0, 0
    while kept < len(fronts) and n < n_at_least:
        n += len(fronts[kept])
        kept += 1
    return fronts[:kept]
