"""`History`: the finished and running trials of a search, in the order that they finished."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from archwright.errors import InputError
from archwright.space import Architecture, Space
from archwright.trials.fidelity import IN_FULL, Fidelity
from archwright.trials.objective import Objective
from archwright.trials.pareto import pareto_front
from archwright.trials.trial import Trial


class Kept(Protocol):
    """JSON values kept under names: a dictionary, or what writes them into a ledger."""

    def get(self, name: str, /) -> Any:
        """The value under a name, or None."""
        ...

    def __setitem__(self, name: str, value: Any, /) -> None: ...


_ALL = IN_FULL.shares
_UNKNOWN = 1e300
"""Stands for a full budget that the evaluator does not tell, where a share of it is compared."""


class History:
    """What a strategy sees: everything it proposes follows from here.

    Appending is cheap and nothing is recomputed from the start, so that a strategy which reads
    the newest trials costs the same at trial 100 and at trial 100,000.

    Attributes:
        space: the search space.
        objective: the goals and limits.
        trials: every finished trial (failed, infeasible and pruned ones too), in the order in
            which they finished.
        complete: those of them that are complete and keep all limits.
        scores: the primary goal of each of `complete`, larger is better.
        running: number -> trial, for those that have started and not finished.
        seen: canonical form of every architecture that was started.
        full_budget: what an evaluation in full costs, in the evaluator's unit (epochs, ...); None
            where the evaluator does not say.
        budgets: the budgets that the evaluator can be asked for, ascending; None: any.

    Trials may have different budgets and fidelities. Their metrics are not comparable, so `best`,
    `ranking` and `front` put the highest `level_of` reached first; in `complete` and `scores` they
    stand together.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32))})
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> history.add(Trial(0, space.default, metrics={"accuracy": 0.5}))
    >>> len(history), history.best.number
    (1, 0)
    """

    def __init__(
        self,
        space: Space,
        objective: Objective,
        trials: Iterable[Trial] = (),
        *,
        full_budget: float | None = None,
        budgets: Sequence[float] | None = None,
    ) -> None:
        self.space = space
        self.objective = objective
        self.full_budget = full_budget
        self.budgets = None if budgets is None else tuple(budgets)
        self.trials: list[Trial] = []
        self.complete: list[Trial] = []
        self.scores: list[float] = []
        self.running: dict[int, Trial] = {}
        self.seen: set[Architecture] = set()
        self.memory: dict[Any, Any] = {}
        """Room for strategies' caches; holds nothing that the trials do not determine."""
        self.kept: Kept = {}
        """JSON values that the trials determine but that were dear to compute: beside the trials
        in a search's ledger, so that a resumed search finds them."""
        self.costs: Callable[[Architecture], Mapping[str, float]] | None = None
        """What goals and limits name of an architecture's costs, computed without training; None
        where nothing is known."""
        self._next = 0
        self._best: int | None = None
        self._best_level: tuple[float, tuple[float, ...]] = (-math.inf, ())
        self._given: set[tuple[float | None, Fidelity | None]] = set()
        self._reached: dict[Architecture, float] = {}
        for trial in trials:
            self.add(trial)

    def __len__(self) -> int:
        return len(self.trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self.trials)

    @property
    def next_number(self) -> int:
        """The number that the next trial gets."""
        return self._next

    def start(self, trial: Trial) -> None:
        """Record that a trial has begun."""
        self.running[trial.number] = trial
        self._see(trial)
        self._next = max(self._next, trial.number + 1)

    def add(self, trial: Trial) -> None:
        """Record a finished trial.

        Raises:
            InputError: the trial has not finished.
        """
        if trial.state == "running":
            raise InputError(f"trial {trial.number} has not finished; record it with start()")
        if self.running.pop(trial.number, None) is None:
            self._see(trial)
            self._next = max(self._next, trial.number + 1)
        self.trials.append(trial)
        if trial.state == "complete" and self.objective.feasible(trial.metrics):
            score = self.objective.score(trial.metrics)
            level = self.level_of(trial)
            if level > self._best_level or (
                level == self._best_level
                and self._best is not None
                and score >= self.scores[self._best]
                and self._rank(trial) > self._rank(self.complete[self._best])
            ):
                self._best, self._best_level = len(self.complete), level
            self._given.add((trial.budget, trial.fidelity))
            self.complete.append(trial)
            self.scores.append(score)

    def is_new(self, architecture: Architecture) -> bool:
        """Whether neither it nor a canonical duplicate of it was started before."""
        return self.space.canonical(architecture) not in self.seen

    def level(self, budget: float | None, fidelity: Fidelity | None = None) -> float:
        """A budget as a number that can be compared: None, which is in full, is the largest.

        That of a fidelity is the budget times its estimated `cost`; where what an evaluation in
        full costs is unknown, it is above every budget and below one in full.

        >>> from archwright.space import Choice, Space
        >>> space = Space({"width": Choice((16, 32))})
        >>> history = History(space, Objective.of(maximize="accuracy"), full_budget=9)
        >>> history.level(3), history.level(None)
        (3, 9)
        >>> history.level(3, Fidelity(data=0.5)), history.level(None, Fidelity(data=0.5))
        (1.5, 4.5)
        """
        if fidelity is not None:
            full = _UNKNOWN if self.full_budget is None else self.full_budget
            return (full if budget is None else budget) * fidelity.cost
        if budget is not None:
            return budget
        return math.inf if self.full_budget is None else self.full_budget

    def level_of(self, trial: Trial) -> tuple[float, tuple[float, ...]]:
        """What a trial was given: only those with an equal one may be compared by their metrics.

        The larger one is nearer to an evaluation in full: the budget times the fidelity's cost,
        and of equals the one with the larger shares, in the order of `Fidelity.shares`.
        """
        fidelity = trial.fidelity
        if fidelity is None:
            return self.level(trial.budget), _ALL
        return self.level(trial.budget, fidelity), fidelity.shares

    def reached(self, architecture: Architecture) -> float:
        """The largest `level` with which it, or a canonical duplicate of it, was started.

        Minus infinity for a new one.
        """
        key = self.space.canonical(architecture)
        if key in self._reached:
            return self._reached[key]
        return self.level(None) if key in self.seen else -math.inf

    @property
    def best(self) -> Trial | None:
        """The complete, feasible trial with the best primary goal, of the highest level reached.

        Of equals the one that is better in the next goal, then the one with the smallest metric
        "loss", where they have one, then the earliest.
        """
        return None if self._best is None else self.complete[self._best]

    @property
    def ranking(self) -> list[Trial]:
        """The complete, feasible trials, in the order in which `best` would take them."""
        return sorted(self.complete, key=lambda t: (self.level_of(t), self._rank(t)), reverse=True)

    @property
    def front(self) -> list[Trial]:
        """The trials that none dominates, best primary goal first.

        Of the complete, feasible trials of the highest level reached: the largest budget, and the
        fidelity nearest to a full evaluation.
        """
        trials = self.complete
        if len(self._given) > 1:
            trials = [t for t in trials if self.level_of(t) == self._best_level]
        return [trials[i] for i in pareto_front([self.objective.values(t.metrics) for t in trials])]

    @property
    def closest(self) -> Trial | None:
        """The trial whose metrics come nearest to the limits, or None."""
        tried = [t for t in self.trials if t.metrics and t.state in ("complete", "infeasible")]
        return min(tried, key=lambda t: self.objective.violation(t.metrics), default=None)

    def _see(self, trial: Trial) -> None:
        key = self.space.canonical(trial.architecture)
        if trial.budget is not None or trial.fidelity is not None or self._reached:
            known = self._reached.get(key, self.level(None) if key in self.seen else -math.inf)
            self._reached[key] = max(known, self.level(trial.budget, trial.fidelity))
        self.seen.add(key)

    def _rank(self, trial: Trial) -> tuple[float, ...]:
        return (*self.objective.values(trial.metrics), -trial.metrics.get("loss", 0.0))
