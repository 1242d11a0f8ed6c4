"""The incumbent of a run: the best by validation so far, and how far it is from the optimum."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Protocol

from archwright.benchmarks.base import Benchmark
from archwright.space import Architecture
from archwright.trials import Trial, dominates, hypervolume


@dataclass(frozen=True, slots=True)
class Step:
    """One change of the incumbent.

    Attributes:
        query: full trainings asked for when it was found, rounded up.
        seconds: simulated seconds until then.
        value: what it is judged by: its validation value after a full training, or with several
            goals the hypervolume of the front.
        regret: how far that is from the optimum; with several goals, the share of the true
            front's hypervolume that is missing. None: the optimum is not known.
        trial: number of the trial.
        architecture: what it is.
        test: its value on test data, or None.
        test_regret: how far that is from the best value on test data, or None.
    """

    query: int
    seconds: float
    value: float
    regret: float | None
    trial: int
    architecture: Architecture
    test: float | None = None
    test_regret: float | None = None


class Tracker(Protocol):
    """Follows the incumbent through a run."""

    optimum_at: int | None

    def add(self, trial: Trial, level: int, spent: float, seconds: float) -> None:
        """Take notice of a finished trial."""
        ...

    def finished(self) -> tuple[Step, ...]:
        """The steps, with values on test data."""
        ...


def tracker_of(benchmark: Benchmark) -> Tracker:
    """A new tracker that suits the number of goals."""
    return _Single(benchmark) if benchmark.objective.single else _Several(benchmark)


class _Single:
    """The best at the largest budget read so far."""

    def __init__(self, benchmark: Benchmark) -> None:
        self.benchmark = benchmark
        self.objective = benchmark.objective
        self.last = len(benchmark.budgets) - 1
        self.sign = 1.0 if self.objective.primary.maximize else -1.0
        best = benchmark.optimum
        self.optimum = None if best is None else self.sign * best
        self.level = -1
        self.score = -math.inf
        self.steps: list[Step] = []
        self.optimum_at: int | None = None

    def add(self, trial: Trial, level: int, spent: float, seconds: float) -> None:
        score = self.objective.score(trial.metrics)
        better = score > self.score if level == self.level else level > self.level
        if not better or not self.objective.feasible(trial.metrics):
            return
        self.level, self.score = level, score
        full = score
        if level < self.last:
            reading = self.benchmark.read(trial.architecture)
            assert reading is not None
            full = self.objective.score(reading.metrics)
        query = math.ceil(spent - 1e-9)
        regret = None if self.optimum is None else self.optimum - full
        found = trial.number, trial.architecture
        self.steps.append(Step(query, seconds, self.sign * full, regret, *found))
        proven = self.benchmark.proven and self.optimum_at is None
        if proven and level == self.last and regret is not None and regret <= 0:
            self.optimum_at = query

    def finished(self) -> tuple[Step, ...]:
        best = self.benchmark.test_optimum
        found = []
        for step in self.steps:
            test = self.benchmark.test(step.architecture)
            regret = None if test is None or best is None else self.sign * (best - test)
            found.append(replace(step, test=test, test_regret=regret))
        return tuple(found)


class _Several:
    """The front of full trainings, by the hypervolume that it lacks."""

    def __init__(self, benchmark: Benchmark) -> None:
        self.benchmark = benchmark
        self.volume = benchmark.volume
        self.last = len(benchmark.budgets) - 1
        self.front: list[tuple[float, ...]] = []
        self.steps: list[Step] = []
        self.optimum_at: int | None = None

    def add(self, trial: Trial, level: int, spent: float, seconds: float) -> None:
        objective = self.benchmark.objective
        values = objective.values(trial.metrics)
        known = any(values == f or dominates(f, values) for f in self.front)
        if level < self.last or known or not objective.feasible(trial.metrics):
            return
        self.front = [f for f in self.front if not dominates(values, f)] + [values]
        volume = hypervolume(self.front, self.benchmark.reference)
        if self.steps and volume <= self.steps[-1].value:  # no volume above the reference point
            return
        regret = 1.0 - volume / self.volume
        if abs(regret) < 1e-12:
            regret = 0.0
            if self.optimum_at is None:
                self.optimum_at = math.ceil(spent - 1e-9)
        found = trial.number, trial.architecture
        self.steps.append(Step(math.ceil(spent - 1e-9), seconds, volume, regret, *found))

    def finished(self) -> tuple[Step, ...]:
        return tuple(self.steps)
