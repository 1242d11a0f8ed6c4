"""Brackets of successive halving, read from a history: which are open and what comes next."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import floor
from random import Random
from typing import Literal

from archwright.strategies.base import random_proposal
from archwright.strategies.fidelity import Halving, best_first, promotion
from archwright.trials import History, Proposal, Trial


@dataclass(frozen=True)
class Bracket:
    """One round of successive halving.

    Attributes:
        size: how many architectures begin.
        budgets: of its rungs, in ascending order.

    >>> [Bracket(27, (1, 3, 9, 27)).n_at(rung) for rung in range(4)]
    [27, 9, 3, 1]
    """

    size: int
    budgets: tuple[float, ...]

    def n_at(self, rung: int) -> int:
        """How many reach a rung: so many that every rung costs about the same."""
        return max(1, floor(self.size * self.budgets[0] / self.budgets[rung] + 1e-9))


@dataclass
class _Read:
    """What was read of a history's trials so far; those of closed brackets are left out."""

    n_read: int = 0
    n_closed: int = 0
    entrants: dict[int, Trial] = field(default_factory=dict)
    followers: dict[int, Trial] = field(default_factory=dict)

    def update(self, history: History) -> None:
        for trial in history.trials[self.n_read :]:
            if trial.continues is not None:
                self.followers[trial.continues] = trial
            elif trial.state != "infeasible":
                self.entrants[trial.number] = trial
        self.n_read = len(history.trials)


Step = tuple[Literal["enter", "promote", "wait", "closed"], Trial | None, float]


@dataclass(frozen=True)
class Brackets:
    """Fills bracket after bracket with new architectures, and halves each when it is full.

    Everything follows from the trials: those that continue no other are the entrants, and their
    order tells their bracket (what broke a limit before any training is none). While a rung waits
    for trials that still run, a later bracket goes on.

    Attributes:
        owner: the strategy; the key of the cache in ``history.memory``.
        bracket: the bracket of each index, from 0.
    """

    owner: object
    bracket: Callable[[int], Bracket]

    def propose(self, history: History, fresh: Callable[[], Proposal | None]) -> Proposal | None:
        """The next proposal; None when nothing is left, or all that is left has to wait.

        Args:
            history: the trials so far.
            fresh: proposes a new architecture, or None when there is none left.
        """
        found = self._next(history)
        if found.proposal is not None:
            return found.proposal
        new = fresh()
        if new is not None:
            return replace(new, budget=found.budget)
        closing = self._next(history, closing=True).proposal
        return closing or (None if history.running else leftover(history, self._all_budgets()))

    def entry_budget(self, history: History) -> float:
        """The smallest budget of the bracket that the next new architecture belongs to."""
        return self._next(history, entering=True).budget

    def resumable(self, history: History) -> set[int]:
        """Trials that are still in the running for promotion."""
        read, followers = self._read(history)
        found: set[int] = set()
        for bracket, level in self._open(history, read):
            rung = 0
            while level and rung + 1 < len(bracket.budgets):
                best = best_first(history, level)[: bracket.n_at(rung + 1)]
                level = []
                for trial in best:
                    after = _after(history, trial, bracket.budgets[rung + 1], followers)
                    if after is None or after.state == "running":
                        found.add(trial.number)
                    if after is not None:
                        level.append(after)
                rung += 1
        return found

    def _all_budgets(self) -> tuple[float, ...]:
        return self.bracket(0).budgets

    def _read(self, history: History) -> tuple[_Read, dict[int, Trial]]:
        read: _Read = history.memory.setdefault((Brackets, self.owner), _Read())
        read.update(history)
        running = {t.continues: t for t in history.running.values() if t.continues is not None}
        return read, {**read.followers, **running} if running else read.followers

    def _open(self, history: History, read: _Read) -> list[tuple[Bracket, list[Trial]]]:
        """The brackets that are not closed with their entrants, the last of them not full."""
        entrants = [t for t in history.running.values() if t.continues is None]
        entrants += read.entrants.values()
        entrants.sort(key=lambda t: t.number)
        found, index, start = [], read.n_closed, 0
        while True:
            bracket = self.bracket(index)
            members = entrants[start : start + bracket.size]
            found.append((bracket, members))
            if len(members) < bracket.size:
                return found
            index, start = index + 1, start + len(members)

    def _next(self, history: History, *, closing: bool = False, entering: bool = False) -> _Found:
        read, followers = self._read(history)
        first = True
        for bracket, members in self._open(history, read):
            full = len(members) == bracket.size
            what, trial, budget = self._step(history, bracket, members, followers, full or closing)
            if what == "enter":
                return _Found(None, budget)
            if what == "promote" and not entering:
                assert trial is not None
                return _Found(promotion(trial, budget), budget)
            # In order: what an earlier bracket still waits for may turn out to break a limit.
            first = first and what == "closed" and full
            if first:
                read.n_closed += 1
                for member in members:
                    del read.entrants[member.number]
        return _Found(None, 0.0)

    def _step(
        self,
        history: History,
        bracket: Bracket,
        members: list[Trial],
        followers: dict[int, Trial],
        full: bool,
    ) -> Step:
        if not full:
            return "enter", None, bracket.budgets[0]
        level = members
        for rung, budget in enumerate(bracket.budgets[1:], start=1):
            if any(t.state == "running" for t in level):
                return "wait", None, 0.0
            best = best_first(history, level)[: bracket.n_at(rung)]
            level = []
            for trial in best:
                after = _after(history, trial, budget, followers)
                if after is None:
                    return "promote", trial, budget
                level.append(after)
        waits = any(t.state == "running" for t in level)
        return "wait" if waits else "closed", None, 0.0


@dataclass(frozen=True)
class InBrackets(Halving):
    """A strategy that fills `Brackets`: which ones, and with what, is left to those below."""

    def bracket(self, history: History, index: int) -> Bracket:
        """The bracket of an index, from 0."""
        raise NotImplementedError

    def fresh(self, history: History, rng: Random) -> Proposal | None:
        """A new architecture, or None when there is none left; its budget does not matter."""
        return random_proposal(history, rng)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        return self._brackets(history).propose(history, lambda: self.fresh(history, rng))

    def entry_budget(self, history: History) -> float:
        """See `MultiFidelity.entry_budget`."""
        return self._brackets(history).entry_budget(history)

    def resumable(self, history: History) -> set[int]:
        """See `MultiFidelity.resumable`."""
        return self._brackets(history).resumable(history)

    def _brackets(self, history: History) -> Brackets:
        return Brackets(self, lambda index: self.bracket(history, index))


def _after(
    history: History, trial: Trial, budget: float, followers: dict[int, Trial]
) -> Trial | None:
    """The trial that stands for an architecture at the next budget; itself where it had that."""
    after = followers.get(trial.number)
    return trial if after is None and history.level(trial.budget) >= budget else after


@dataclass(frozen=True)
class _Found:
    proposal: Proposal | None
    budget: float


def leftover(history: History, budgets: tuple[float, ...]) -> Proposal | None:
    """When no new architecture is left: the best not yet continued, of the largest budget first."""
    followed = {t.continues for t in history.trials if t.continues is not None}
    for budget, larger in reversed(list(pairwise(budgets))):
        level = [t for t in history.complete if t.budget == budget and t.number not in followed]
        for trial in best_first(history, level):
            if history.reached(trial.architecture) < larger:
                return promotion(trial, larger)
    return None
