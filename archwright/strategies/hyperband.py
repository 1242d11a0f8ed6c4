"""Hyperband."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil
from random import Random

from archwright.space import Architecture
from archwright.strategies.base import any_new
from archwright.strategies.brackets import Bracket, Brackets
from archwright.strategies.fidelity import check_arguments, ladder
from archwright.trials import History, Proposal


@dataclass(frozen=True)
class Hyperband:
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

    min_budget: float | None = None
    max_budget: float | None = None
    eta: float = 3.0

    def __post_init__(self) -> None:
        check_arguments(self.min_budget, self.max_budget, self.eta)

    def check_budget(self, full: float | None, available: Sequence[float] | None = None) -> None:
        """Refuse a search whose budgets cannot be told: see `ladder`."""
        ladder(self.min_budget, self.max_budget, self.eta, full, available)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""

        def fresh() -> tuple[Architecture, str] | None:
            new = any_new(history, rng)
            return None if new is None else (new, "random")

        return self.propose_with(history, fresh)

    def propose_with(
        self, history: History, fresh: Callable[[], tuple[Architecture, str] | None]
    ) -> Proposal | None:
        """The next proposal, with new architectures and their origin from `fresh`."""
        return self._brackets(history).propose(history, fresh)

    def bracket(self, history: History, index: int) -> Bracket:
        """The bracket of an index, from 0; they repeat."""
        budgets = self.budgets(history)
        most = len(budgets) - 1
        s = most - index % (most + 1)
        size = ceil((most + 1) / (s + 1) * budgets[-1] / budgets[most - s] - 1e-9)
        return Bracket(size, budgets[most - s :])

    def budgets(self, history: History) -> tuple[float, ...]:
        """See `MultiFidelity.budgets`."""
        return ladder(
            self.min_budget, self.max_budget, self.eta, history.full_budget, history.budgets
        )

    def entry_budget(self, history: History) -> float:
        """See `MultiFidelity.entry_budget`."""
        return self._brackets(history).entry_budget(history)

    def resumable(self, history: History) -> set[int]:
        """See `MultiFidelity.resumable`."""
        return self._brackets(history).resumable(history)

    def _brackets(self, history: History) -> Brackets:
        return Brackets(self, lambda index: self.bracket(history, index))
