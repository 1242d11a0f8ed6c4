"""Successive halving."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor

from archwright.errors import InputError
from archwright.strategies.brackets import Bracket, InBrackets
from archwright.trials import History


@dataclass(frozen=True)
class SuccessiveHalving(InBrackets):
    """Many architectures with a small budget, and more for the best part of them, rung by rung.

    Random architectures are evaluated with the smallest budget; the best one in `eta` goes on to
    `eta` times as much, and so on up to the largest. Then the next round begins.

    Args:
        min_budget: the smallest budget, in the evaluator's unit (epochs for training); None: up to
            three steps below the largest.
        max_budget: the largest; None: an evaluation in full.
        eta: factor between budgets, and so one in how many goes on.
        n: architectures that begin a round; None: as many as leave one at the largest budget.

    Raises:
        InputError: an argument is out of range.

    Source: Jamieson and Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter
    Optimization, AISTATS 2016, arXiv 1502.07943.

    Differences from the paper: one in `eta` goes on instead of one in two (as in Li et al., 2018);
    rounds are repeated; while a rung waits for running evaluations the next round begins; when
    the space is exhausted the best of what was not promoted goes on.

    >>> from random import Random
    >>> from archwright.space import Choice, Space
    >>> from archwright.trials import Objective
    >>> space = Space({"width": Choice(range(20))})
    >>> history = History(space, Objective.of(maximize="accuracy"), full_budget=27)
    >>> SuccessiveHalving().propose(history, Random(0)).budget
    1
    """

    n: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.n is not None and self.n < 1:
            raise InputError(f"n must be at least 1, got {self.n}")

    def bracket(self, history: History, index: int) -> Bracket:
        """The same for every index."""
        budgets = self.budgets(history)
        return Bracket(self.n or max(1, floor(budgets[-1] / budgets[0] + 1e-9)), budgets)
