"""Hyperband."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from archwright.strategies.brackets import Bracket, InBrackets
from archwright.trials import History


@dataclass(frozen=True)
class Hyperband(InBrackets):
    """Successive halving with one bracket for each smallest budget, from bold to cautious.

    The first bracket begins with many architectures and the smallest budget, the last trains a few
    in full, so that no harm is done where results with a small budget mislead.

    Args:
        min_budget: the smallest budget, in the evaluator's unit (epochs for training); None: up to
            three steps below the largest.
        max_budget: the largest; None: an evaluation in full.
        eta: factor between budgets, and one in how many goes on.

    Raises:
        InputError: an argument is out of range.

    Source: Li, Jamieson, DeSalvo, Rostamizadeh and Talwalkar, Hyperband: A Novel Bandit-Based
    Approach to Hyperparameter Optimization, JMLR 18(185), 2018, arXiv 1603.06560.

    Differences from the paper: while a rung waits for running evaluations the next bracket begins
    (as in HpBandSter); when the space is exhausted the best of what was not promoted goes on.

    >>> from archwright.space import Choice, Space
    >>> from archwright.trials import Objective
    >>> space = Space({"width": Choice(range(20))})
    >>> history = History(space, Objective.of(maximize="accuracy"), full_budget=81)
    >>> [Hyperband(min_budget=1).bracket(history, i).size for i in range(5)]
    [81, 34, 15, 8, 5]
    """

    def bracket(self, history: History, index: int) -> Bracket:
        """The bracket of an index, from 0; they repeat."""
        budgets = self.budgets(history)
        most = len(budgets) - 1
        s = most - index % (most + 1)
        size = ceil((most + 1) / (s + 1) * budgets[-1] / budgets[most - s] - 1e-9)
        return Bracket(size, budgets[most - s :])
