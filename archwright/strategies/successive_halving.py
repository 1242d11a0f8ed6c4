"""Successive halving."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor
from random import Random

from archwright.errors import InputError
from archwright.space import Architecture
from archwright.strategies.base import any_new
from archwright.strategies.brackets import Bracket, Brackets
from archwright.strategies.fidelity import check_arguments, ladder
from archwright.trials import History, Proposal


@dataclass(frozen=True)
class SuccessiveHalving:
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

    >>> from archwright.space import Choice, Space
    >>> from archwright.trials import Objective
    >>> space = Space({"width": Choice(range(20))})
    >>> history = History(space, Objective.of(maximize="accuracy"), full_budget=27)
    >>> SuccessiveHalving().propose(history, Random(0)).budget
    1
    """

    min_budget: float | None = None
    max_budget: float | None = None
    eta: float = 3.0
    n: int | None = None

    def __post_init__(self) -> None:
        check_arguments(self.min_budget, self.max_budget, self.eta)
        if self.n is not None and self.n < 1:
            raise InputError(f"n must be at least 1, got {self.n}")

    def check_budget(self, full: float | None, available: Sequence[float] | None = None) -> None:
        """Refuse a search whose budgets cannot be told: see `ladder`."""
        ladder(self.min_budget, self.max_budget, self.eta, full, available)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""

        def fresh() -> tuple[Architecture, str] | None:
            new = any_new(history, rng)
            return None if new is None else (new, "random")

        return self._brackets(history).propose(history, fresh)

    def budgets(self, history: History) -> tuple[float, ...]:
        """See `MultiFidelity.budgets`."""
        return ladder(
            self.min_budget, self.max_budget, self.eta, history.full_budget, history.budgets
        )

    def entry_budget(self, history: History) -> float:
        """See `MultiFidelity.entry_budget`."""
        return self.budgets(history)[0]

    def resumable(self, history: History) -> set[int]:
        """See `MultiFidelity.resumable`."""
        return self._brackets(history).resumable(history)

    def _brackets(self, history: History) -> Brackets:
        budgets = self.budgets(history)
        size = self.n or max(1, floor(budgets[-1] / budgets[0] + 1e-9))
        return Brackets(self, lambda _: Bracket(size, budgets))
