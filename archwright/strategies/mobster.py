"""MOBSTER: asynchronous successive halving with a Gaussian process over all budgets."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np
import numpy.typing as npt

from archwright.errors import InputError
from archwright.space import Architecture, Space
from archwright.strategies.additive_examples import log_feasibility
from archwright.strategies.additive_gp import AdditiveGP, features_in, weighting
from archwright.strategies.base import random_proposal, remembered
from archwright.strategies.brackets import leftover
from archwright.strategies.fidelity import Halving, best_first, promotion
from archwright.strategies.rung_model import Results, RungProcess
from archwright.strategies.vectors import refuse_dynamic
from archwright.trials import History, Objective, Proposal, Trial

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MOBSTER(Halving, AdditiveGP):
    """Asynchronous successive halving in which a model of all budgets chooses what comes next.

    One Gaussian process learns from the results at all budgets (`RungProcess`): those of one
    architecture are correlated, and so are those of like architectures. Everything is decided by
    what it says of an evaluation in full. New architectures begin with the smallest budget, where
    the upper confidence bound is greatest, found as by `AdditiveGP`. When a promotion is due is
    told by `ASHA`'s rule, so that about as much is spent on each rung (or `upward` times as much as
    below); of the better half of the rung, that goes on which has the greatest bound. So a result
    at a small budget counts for as much as it has been found to tell, and the results in full
    correct it.

    Args:
        min_budget: the smallest budget, in the evaluator's unit (epochs for training); None: up to
            three steps below the largest.
        max_budget: the largest; None: an evaluation in full.
        eta: factor between budgets.
        upward: how many times as much is spent on a rung as on the one below. More than 1 pays
            where the best by small budgets are not the best in full.
        n_initial: architectures before the model is asked.
        beta: how many standard deviations above the mean the bound lies, on average: each proposal
            draws its own from an exponential distribution.
        n_candidates: how many new architectures the bound is computed for.
        rounds: rounds of mutating those with the greatest bound, for half of the candidates.
        max_points: results that the model learns from, an equal share for each rung.

    Raises:
        InputError: an argument is out of range.

    Source: Klein, Tiao, Lienart, Archambeau and Seeger, Model-based Asynchronous Hyperparameter
    and Neural Architecture Search, 2020, arXiv 2003.10865.

    Differences from the paper: the kernel is that of `AdditiveGP`, with the normal quantiles of
    ranks at each rung; the upper confidence bound in place of expected improvement, and always
    that of a full evaluation; the model chooses who is promoted, too, not the rung's own result;
    checkpoints are kept of the better half of a rung only.

    >>> from archwright.space import Choice
    >>> space = Space({"width": Choice(range(20))})
    >>> history = History(space, Objective.of(maximize="accuracy"), full_budget=9)
    >>> for number in range(6):
    ...     made = MOBSTER().propose(history, Random(number))
    ...     score = {"accuracy": 0.1 * made.architecture["width"]}
    ...     history.add(
    ...         Trial(
    ...             number,
    ...             made.architecture,
    ...             metrics=score,
    ...             budget=made.budget,
    ...             continues=made.continues,
    ...         )
    ...     )
    >>> [trial.budget for trial in history.trials]
    [1, 1, 1, 1, 3, 1]
    """

    upward: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.upward < math.inf:
            raise InputError(f"upward must be a finite number above 0, got {self.upward!r}")
        Halving.__post_init__(self)
        AdditiveGP.__post_init__(self)

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse a dynamic space."""
        refuse_dynamic("mobster", space)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        budgets = self.budgets(history)
        rungs = self._rungs(history)
        model = self._model(history, rungs)
        if model is None:
            begun = history.trials or history.running
            found = self._spread(history, rng) if begun else random_proposal(history, rng)
        else:
            bound = self._bound(history, model, rng)
            # From the largest budget on: what was spent below is to be of use soon.
            for rung in reversed(range(len(budgets) - 1)):
                level = (
                    self._candidates(history, rungs, rung)
                    if rungs.is_due(rung, self.upward)
                    else []
                )
                if level:
                    values = bound([trial.architecture for trial in level])
                    return promotion(level[int(np.argmax(values))], budgets[rung + 1])
            found = self._best(history, rng, bound, _parents(model, bound))
        if found is not None:
            return replace(found, budget=budgets[0])
        # Nothing is new: what is left goes on, due or not.
        return None if history.running else leftover(history, budgets)

    def entry_budget(self, history: History) -> float:
        """See `MultiFidelity.entry_budget`."""
        return self.budgets(history)[0]

    def resumable(self, history: History) -> set[int]:
        """See `MultiFidelity.resumable`."""
        rungs = self._rungs(history)
        n = len(rungs.trials) - 1
        return {t.number for rung in range(n) for t in self._candidates(history, rungs, rung)}

    def _rungs(self, history: History) -> _Rungs:
        budgets = self.budgets(history)
        rungs = remembered(history, (_Rungs, self), lambda: _Rungs(budgets))
        rungs.update(history)
        return rungs

    def _candidates(self, history: History, rungs: _Rungs, rung: int) -> list[Trial]:
        """What may go on from a rung: of its better half, those that did not yet."""
        trials = rungs.trials[rung]
        gone = rungs.continued | {t.continues for t in history.running.values()}
        half = best_first(history, trials)[: len(trials) // 2 + 1]
        return [trial for trial in half if trial.number not in gone]

    def _model(self, history: History, rungs: _Rungs) -> RungProcess | None:
        """None while there is too little to learn from."""
        n = len(history.complete)
        if n < 2 or n + len(history.running) < self.n_initial:
            return None
        results = Results.of(rungs.trials, history.objective, self.max_points)
        features, n_rungs = features_in(history), len(rungs.trials)
        model = RungProcess(results, features, n_rungs)
        running = list(history.running.values())
        if not running:
            return model
        pending = [trial.architecture for trial in running]
        where = np.array([rungs.place(history, t) for t in running], dtype=np.intp)
        more = results.and_expected(pending, where, model.predict(pending, where)[0])
        return RungProcess(
            more, features, n_rungs, settings=[model.setting], couplings=[model.coupling]
        )

    def _bound(
        self, history: History, model: RungProcess, rng: Random
    ) -> Callable[[Sequence[Architecture]], Matrix]:
        """Upper confidence bound of the goals in full, and how likely the limits are kept."""
        features = features_in(history)
        weigh = weighting(model.results.targets, rng)
        feasible = log_feasibility(history, features, self.max_points)
        beta = rng.expovariate(1.0) * self.beta

        def bound(architectures: Sequence[Architecture]) -> Matrix:
            rows = features.encode(architectures)
            mean, deviation = model.predict(architectures, rows=rows)
            return weigh(mean + beta * deviation) + feasible(rows)

        return bound


def _parents(
    model: RungProcess, bound: Callable[[Sequence[Architecture]], Matrix]
) -> list[tuple[Architecture, int]]:
    """The evaluated architectures with the greatest bound, and their latest trials."""
    results = model.results
    numbers = {a: n for a, n in zip(results.architectures, results.numbers, strict=True) if n >= 0}
    known = list(numbers)
    best = np.argsort(-bound(known), kind="stable")[:10]
    return [(known[i], numbers[known[i]]) for i in best]


@dataclass
class _Rungs:
    """The finished trials of each budget, as far as they were read, and how many have begun."""

    budgets: tuple[float, ...]
    trials: list[list[Trial]] = field(default_factory=list)
    continued: set[int | None] = field(default_factory=set)
    n_begun: list[int] = field(default_factory=list)
    n_read: int = 0

    def __post_init__(self) -> None:
        self.trials = [[] for _ in self.budgets]

    def update(self, history: History) -> None:
        for trial in history.trials[self.n_read :]:
            if trial.continues is not None:
                self.continued.add(trial.continues)
            elif trial.state == "infeasible":
                continue
            self.trials[self.place(history, trial)].append(trial)
        self.n_read = len(history.trials)
        self.n_begun = [len(trials) for trials in self.trials]
        for trial in history.running.values():
            self.n_begun[self.place(history, trial)] += 1

    def place(self, history: History, trial: Trial) -> int:
        """The number of a trial's rung."""
        return max(bisect_right(self.budgets, history.level(trial.budget)) - 1, 0)

    def is_due(self, rung: int, upward: float) -> bool:
        """Whether one more may go on from a rung, by what was spent on it and the one above."""
        share = upward * self.budgets[rung] / self.budgets[rung + 1]
        return self.n_begun[rung + 1] < int(len(self.trials[rung]) * share + 1e-9)
