"""Asynchronous successive halving (ASHA)."""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass, field
from random import Random

from archwright.strategies.base import any_new
from archwright.strategies.brackets import leftover
from archwright.strategies.fidelity import Halving, best_first, place, promotion
from archwright.trials import History, Proposal, Trial


@dataclass(frozen=True)
class ASHA(Halving):
    """Successive halving that never waits: what belongs to the best of its rung so far goes on.

    Whenever a worker is free, the highest rung is looked for that holds an architecture among its
    best one in `eta` which has not gone on yet; it goes on. Where there is none, a new random
    architecture begins with the smallest budget.

    Args:
        min_budget: the smallest budget, in the evaluator's unit (epochs for training); None: up to
            three steps below the largest.
        max_budget: the largest; None: an evaluation in full.
        eta: factor between budgets, and one in how many goes on.

    Raises:
        InputError: an argument is out of range.

    Source: Li, Jamieson, Rostamizadeh, Gonina, Ben-tzur, Hardt, Recht and Talwalkar, A System for
    Massively Parallel Hyperparameter Tuning, MLSys 2020, arXiv 1810.05934 (algorithm 2).

    Differences from the paper: checkpoints are kept of the best two in `eta` of a rung only (one
    promoted later than that is trained anew); when the space is exhausted the best of what was not
    promoted goes on.

    >>> from archwright.space import Choice, Space
    >>> from archwright.trials import Objective
    >>> space = Space({"width": Choice(range(20))})
    >>> history = History(space, Objective.of(maximize="accuracy"), full_budget=9)
    >>> for number in range(3):
    ...     first = ASHA().propose(history, Random(number))
    ...     score = {"accuracy": 0.1 * number}
    ...     history.add(Trial(number, first.architecture, metrics=score, budget=first.budget))
    >>> promoted = ASHA().propose(history, Random(3))
    >>> first.budget, promoted.budget, promoted.continues
    (1, 3, 2)
    """

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        budgets = self.budgets(history)
        read = self._read(history, budgets)
        running = {t.continues for t in history.running.values()}
        for rung in reversed(range(len(budgets) - 1)):
            level = read.rungs[rung]
            n_best = int(level.n * budgets[rung] / budgets[rung + 1] + 1e-9)
            for trial in level.best(history, n_best):
                if trial.number not in read.continued and trial.number not in running:
                    return promotion(trial, budgets[rung + 1])
        new = any_new(history, rng)
        if new is not None:
            return Proposal(new, budgets[0], origin="random")
        return None if history.running else leftover(history, budgets)

    def entry_budget(self, history: History) -> float:
        """See `MultiFidelity.entry_budget`."""
        return self.budgets(history)[0]

    def resumable(self, history: History) -> set[int]:
        """See `MultiFidelity.resumable`."""
        budgets = self.budgets(history)
        read = self._read(history, budgets)
        found: set[int] = set()
        for level, here, after in zip(read.rungs, budgets, budgets[1:], strict=False):
            best = level.best(history, int(2 * level.n * here / after) + 1)
            found |= {t.number for t in best if t.number not in read.continued}
        return found

    def _read(self, history: History, budgets: tuple[float, ...]) -> _Rungs:
        n_rungs = len(budgets)
        read: _Rungs = history.memory.setdefault(self, _Rungs([_Rung() for _ in range(n_rungs)]))
        for trial in history.trials[read.n_read :]:
            if trial.continues is not None:
                read.continued.add(trial.continues)
            elif trial.state == "infeasible":
                continue
            rung = bisect_right(budgets, history.level(trial.budget)) - 1
            read.rungs[max(rung, 0)].add(history, trial)
        read.n_read = len(history.trials)
        return read


@dataclass
class _Rung:
    """The finished trials of one budget."""

    n: int = 0
    trials: list[Trial] = field(default_factory=list)
    n_sorted: int = 0

    def add(self, history: History, trial: Trial) -> None:
        self.n += 1
        if trial.state != "complete" or not history.objective.feasible(trial.metrics):
            return
        if history.objective.single:
            insort(self.trials, trial, key=lambda t: place(history, t))
            self.n_sorted += 1
        else:
            self.trials.append(trial)

    def best(self, history: History, n: int) -> list[Trial]:
        if self.n_sorted != len(self.trials):
            # With several objectives one more may change the place of all.
            self.trials = best_first(history, self.trials)
            self.n_sorted = len(self.trials)
        return self.trials[:n]


@dataclass
class _Rungs:
    """What was read of the trials so far."""

    rungs: list[_Rung]
    n_read: int = 0
    continued: set[int] = field(default_factory=set)
