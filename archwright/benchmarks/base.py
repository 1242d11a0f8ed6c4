"""`Benchmark`: a problem whose answers are known, so that strategies can be compared on it."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from archwright.benchmarks.rows import Source
from archwright.errors import InputError
from archwright.evaluators import Candidate
from archwright.space import Architecture, Space
from archwright.trials import Fidelity, Objective, hypervolume, pareto_front


@dataclass(frozen=True, slots=True)
class Reading:
    """The answer to one query.

    Attributes:
        metrics: what the strategy is told.
        level: number of the budget at which it was read.
        seconds: simulated seconds of training up to that budget, or None.
    """

    metrics: dict[str, float]
    level: int
    seconds: float | None


class Benchmark:
    """A space, what is known of its architectures, and what is to be found.

    It is an evaluator, too: ``aw.search(benchmark.space, benchmark)`` searches it like anything
    else.

    Queries: a strategy asks for an architecture, at a budget where there are several. A budget
    between two of the table's is answered at the next larger, and charged so. Canonical duplicates
    are one architecture: all answer the same, and asking for one again is charged like any query.

    Args:
        name: such as "nasbench201".
        space: the search space; only what the source knows.
        source: what is known.
        objective: goals and limits, over validation metrics only.
        dataset: the data set that the numbers are from.
        budgets: the budgets that the source can be read at, ascending, in epochs; the last is a
            training in full. One without a number: (None,).
        optimum: the best value of the primary goal, where the source cannot be listed.
        proven: whether `optimum` is known to be one; else it is the best value ever seen.
        reference: with several goals, the point above which the hypervolume is measured, signed
            so that larger is better; None: a little below the worst value of each goal (see the
            attribute).
        unit: of the primary goal and of the regret, for tables and axes.
        notes: what a reader of a comparison must know, sentences.

    >>> from archwright.benchmarks import synthetic
    >>> benchmark = synthetic("additive")
    >>> benchmark.space.size, benchmark.optimum
    (4096, 1.0)
    """

    isolated = False

    @property
    def fidelities(self) -> frozenset[str]:
        """The kinds of `Fidelity` that it knows: a share of epochs where it has several budgets."""
        return frozenset({"epochs"} if len(self.budgets) > 1 else ())

    def check_fidelity(self, fidelity: Fidelity, space: Space) -> None:
        """Refuse a share of epochs that is none of the budgets.

        Raises:
            InputError: names the shares that there are.
        """
        del space
        self._budget_at(fidelity, None)

    def _budget_at(self, fidelity: Fidelity, budget: float | None) -> float | None:
        """The known budget that a share of another (None: of a training in full) comes to."""
        if fidelity.full:
            return budget
        known = [b for b in self.budgets if b is not None]
        if not known or fidelity.kinds != {"epochs"}:
            raise InputError(
                f"{self.name} has results of given trainings only, not at {fidelity}; leave the "
                "fidelity out" + (", or ask for a share of the epochs" if known else "")
            )
        full = known[-1] if budget is None else budget
        found = next((b for b in known if math.isclose(b, full * fidelity.epochs)), None)
        if found is None:
            shares = ", ".join(f"{b / known[-1]:g} ({b:g})" for b in known[:-1])
            raise InputError(
                f"{self.name} has no results of {full * fidelity.epochs:g} epochs "
                f"({fidelity} of {full:g}); the shares (epochs) that it has: {shares}"
            )
        return found

    def __init__(
        self,
        name: str,
        space: Space,
        source: Source,
        objective: Objective,
        *,
        dataset: str = "",
        budgets: Sequence[float | None] = (None,),
        optimum: float | None = None,
        proven: bool = True,
        reference: Sequence[float] | None = None,
        unit: str = "",
        notes: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.dataset = dataset
        self.space = space
        self.source = source
        self.objective = objective
        self.budgets = tuple(budgets)
        self.proven = proven
        self.unit = unit
        self.notes = tuple(notes)
        self._optimum = optimum
        self._reference = None if reference is None else tuple(reference)

    def __repr__(self) -> str:
        on = f" on {self.dataset}" if self.dataset else ""
        return f"<Benchmark {self.name}{on}: {self.space!r}>"

    # ------------------------------------------------------------------ asking

    def read(self, architecture: Architecture, budget: float | None = None) -> Reading | None:
        """The answer to a query; None where nothing is known of the architecture.

        Args:
            architecture: an architecture of the space.
            budget: epochs; None: a training in full.

        Raises:
            InputError: the budget is beyond the largest.
        """
        place = self.source.place(architecture)
        if place is None:
            return None
        level = len(self.budgets) - 1 if budget is None else self.level_of(budget)
        return Reading(self.source.metrics(place, level), level, self.source.seconds(place, level))

    def level_of(self, budget: float) -> int:
        """The number of the smallest of the budgets that is not below the one asked for.

        Raises:
            InputError: there is none, or the benchmark has no budgets.
        """
        budgets = [b for b in self.budgets if b is not None]
        if not budgets:
            raise InputError(
                f"{self.name} has results of full trainings only, so that a budget ({budget!r}) "
                "cannot be asked for; leave the budget out, or take a benchmark with epochs"
            )
        level = bisect.bisect_left(budgets, budget)
        if level == len(budgets):
            raise InputError(
                f"{self.name}: the largest budget is {budgets[-1]:g} epochs, got {budget!r}"
            )
        return level

    def share(self, level: int) -> float:
        """A budget as a share of a full training."""
        full, part = self.budgets[-1], self.budgets[level]
        return 1.0 if full is None or part is None else part / full

    def evaluate(self, candidate: Candidate) -> dict[str, float]:
        """The metrics of a candidate at its budget, as an evaluator.

        Raises:
            InputError: nothing is known of the architecture, or the budget is too large.
        """
        budget = self._budget_at(candidate.fidelity, candidate.budget)
        reading = self.read(candidate.architecture, budget)
        if reading is None:
            raise InputError(f"{self.name} knows nothing of {candidate.architecture!r}")
        return reading.metrics

    def seconds(self, architecture: Architecture, budget: float | None = None) -> float | None:
        """Simulated seconds of training an architecture up to a budget; None: not known."""
        reading = self.read(architecture, budget)
        return None if reading is None else reading.seconds

    def test(self, architecture: Architecture) -> float | None:
        """The value on test data after a full training; None where there is none.

        For the end of a comparison: no strategy is told.
        """
        place = self.source.place(architecture)
        return None if place is None else self.source.test(place)

    # ------------------------------------------------------------------ what is best

    @cached_property
    def _known(self) -> tuple[list[Any], list[tuple[float, ...]]]:
        """Handles and signed values of everything that keeps the limits, in full trainings."""
        last = len(self.budgets) - 1
        handles, values = [], []
        for place in self.source.places() or ():
            metrics = self.source.metrics(place, last)
            if self.objective.feasible(metrics):
                handles.append(place)
                values.append(self.objective.values(metrics))
        return handles, values

    @cached_property
    def optimum(self) -> float | None:
        """The best validation value of the primary goal after a full training, within the limits.

        Where architectures cannot be listed, what the benchmark was given; None: not known.
        """
        if self._optimum is not None:
            return self._optimum
        _, values = self._known
        if not values:
            return None
        best = max(v[0] for v in values)
        return best if self.objective.primary.maximize else -best

    @cached_property
    def test_optimum(self) -> float | None:
        """The best value on test data; None where there is none."""
        handles, _ = self._known
        values = [v for v in map(self.source.test, handles) if v is not None]
        if not values:
            return None
        return max(values) if self.objective.primary.maximize else min(values)

    @cached_property
    def front(self) -> list[tuple[float, ...]]:
        """With several goals: the values that none dominates, signed so that larger is better."""
        _, values = self._known
        return [values[i] for i in pareto_front(values)]

    @cached_property
    def reference(self) -> tuple[float, ...]:
        """With several goals: the point above which the hypervolume is measured.

        Where none was given, it lies beyond the worst value of each goal by a tenth of the goal's
        range, or by 1 where the range is 0: so the ends of the front have a volume, too.
        """
        if self._reference is not None:
            return self._reference
        _, values = self._known
        return tuple(_below(column) for column in zip(*values, strict=True))

    @cached_property
    def volume(self) -> float:
        """With several goals: the hypervolume of `front`; 0 where nothing keeps the limits.

        Raises:
            InputError: the reference point leaves no volume, or one that is no number.
        """
        if not self.front:
            return 0.0
        if len(self.reference) != len(self.objective.goals):
            raise InputError(
                f"{self.name}: reference={self.reference} must have one number for each of the "
                f"{len(self.objective.goals)} goals"
            )
        volume = hypervolume(self.front, self.reference)
        if not 0 < volume < math.inf:
            raise InputError(
                f"{self.name}: above the reference point {self.reference} the true front has a "
                f"hypervolume of {volume:g}, of which no share can be told; give a reference= that "
                "is worse than the front in every goal (signed so that larger is better), or goals "
                "on other scales"
            )
        return volume

    @property
    def has_seconds(self) -> bool:
        """Whether simulated seconds are known."""
        handle = next(iter(self.source.places() or ()), None)
        if handle is None:
            handle = self.source.place(self.space.default)
        return handle is not None and self.source.seconds(handle, 0) is not None


def _below(values: Sequence[float]) -> float:
    """A little below the smallest; far enough to be told apart from it."""
    low, high = min(values), max(values)
    return low - max((high - low) / 10 or 1.0, 1e-9 * abs(low))
