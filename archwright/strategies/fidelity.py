"""What strategies that evaluate with several budgets share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from archwright.errors import InputError
from archwright.trials import History, Proposal, Trial, pareto_front

N_HALVINGS = 3
"""Of the full budget, where no smallest one is named."""


@runtime_checkable
class MultiFidelity(Protocol):
    """A strategy that first spends little on many architectures, then more on the best of them.

    It proposes a known architecture with a larger budget; `Proposal.continues` says which trial's
    training goes on. An evaluator's unit of budget is its own: epochs, rows, folds, ...
    """

    def budgets(self, history: History) -> tuple[float, ...]:
        """Every budget that it gives, in ascending order."""
        ...

    def entry_budget(self, history: History) -> float:
        """The budget with which a new architecture would begin now."""
        ...

    def resumable(self, history: History) -> set[int]:
        """Numbers of the finished trials that may yet be continued: their checkpoints are kept."""
        ...


def multi_fidelity(strategy: Any) -> MultiFidelity | None:
    """The strategy itself, or what it wraps, where that gives several budgets; else None."""
    inner = getattr(strategy, "wrapped", strategy)
    return inner if isinstance(inner, MultiFidelity) else None


def check_arguments(
    min_budget: float | None, max_budget: float | None, eta: float, *, least_eta: float = 1.0
) -> None:
    """Refuse budgets that make no ladder.

    Raises:
        InputError: says which argument, its value and the rule.
    """
    for name, value in (("min_budget", min_budget), ("max_budget", max_budget)):
        if value is not None and not (_is_number(value) and value > 0 and math.isfinite(value)):
            raise InputError(f"{name} must be a number above 0, or None, got {value!r}")
    if min_budget is not None and max_budget is not None and min_budget > max_budget:
        raise InputError(
            f"min_budget must be at most max_budget ({max_budget:g}), got {min_budget:g}"
        )
    if not (_is_number(eta) and eta > least_eta and math.isfinite(eta)):
        raise InputError(f"eta must be a number above {least_eta:g}, got {eta!r}")


def known_budgets(evaluator: Any) -> tuple[float | None, tuple[float, ...] | None]:
    """What an evaluation in full costs, and the budgets there are; None where nothing says so.

    Read from the evaluator's ``full_budget`` and ``budgets``.

    Raises:
        InputError: one of them is no positive number.
    """
    given = getattr(evaluator, "budgets", None)
    budgets = None if given is None or None in given or not len(given) else tuple(given)
    full = getattr(evaluator, "full_budget", None)
    for name, values in (("full_budget", (full,)), ("budgets", budgets or ())):
        for value in values:
            if value is not None and not (_is_number(value) and 0 < value < math.inf):
                raise InputError(
                    f"the evaluator's {name} must be a positive number, in the unit of "
                    f"candidate.budget, got {value!r}"
                )
    return (budgets[-1] if full is None and budgets else full), budgets


def ladder(
    min_budget: float | None,
    max_budget: float | None,
    eta: float,
    full: float | None,
    available: Sequence[float] | None = None,
) -> tuple[float, ...]:
    """Budgets that grow by `eta` up to the largest, in ascending order.

    Args:
        min_budget: the smallest may not be below it; None: three steps down from the largest, and
            at least 1 where that is above 1.
        max_budget: the largest; None: `full`.
        eta: the factor from one to the next.
        full: what an evaluation in full costs, or None where that is unknown.
        available: the budgets there are; each is replaced by the next larger of these.

    Where the largest is a whole number the others are rounded to whole ones: epochs are not cut.

    Raises:
        InputError: the largest is unknown, or below the smallest.

    >>> ladder(1, None, 3, 81), ladder(None, 10, 3, None), ladder(None, None, 3, 200, (12, 200))
    ((1, 3, 9, 27, 81), (1, 3, 10), (12, 200))
    """
    top = full if max_budget is None else max_budget
    if top is None:
        raise InputError(
            "the evaluator does not say what an evaluation in full costs: give the strategy "
            "max_budget=, in the unit of candidate.budget, or the evaluator a full_budget"
        )
    low = min_budget
    if low is None:
        low = top / eta**N_HALVINGS
        if top > 1:
            low = max(low, 1.0)
    if low > top:
        raise InputError(
            f"min_budget must be at most the full budget, {top:g}, got {low:g}; give a smaller "
            "one, or max_budget="
        )
    n_steps = int(math.log(top / low) / math.log(eta) + 1e-9)
    budgets = {top / eta**k for k in range(n_steps + 1)}
    if available is not None:
        budgets = {min((a for a in available if a >= b), default=top) for b in budgets}
    elif float(top).is_integer():
        budgets = {float(round(b)) if b >= 1 else b for b in budgets}
    return tuple(int(b) if float(b).is_integer() else b for b in sorted(budgets))


@dataclass(frozen=True)
class Halving:
    """What the strategies whose budgets are a `ladder` share: its options, and the budgets."""

    min_budget: float | None = None
    max_budget: float | None = None
    eta: float = 3.0

    def __post_init__(self) -> None:
        check_arguments(self.min_budget, self.max_budget, self.eta)

    def check_budget(self, full: float | None, available: Sequence[float] | None = None) -> None:
        """Refuse a search whose budgets cannot be told: see `ladder`."""
        ladder(self.min_budget, self.max_budget, self.eta, full, available)

    def budgets(self, history: History) -> tuple[float, ...]:
        """See `MultiFidelity.budgets`."""
        return ladder(
            self.min_budget, self.max_budget, self.eta, history.full_budget, history.budgets
        )


def promotion(trial: Trial, budget: float) -> Proposal:
    """To go on with what a trial has trained, up to a larger budget."""
    return Proposal(
        trial.architecture,
        budget,
        origin="promotion",
        parent=trial.number,
        continues=trial.number,
    )


def place(history: History, trial: Trial) -> tuple[float, float, int]:
    """A successful trial's place among others, with one objective: smaller is better."""
    loss = trial.metrics.get("loss", 0.0)
    return -history.objective.score(trial.metrics), loss, trial.number


def best_first(history: History, trials: Iterable[Trial]) -> list[Trial]:
    """Those that succeeded and keep the limits, best first.

    With one objective by it, ties by the metric "loss" and then the earlier. With several, front
    after front, and within a front those first that lie farthest from the ones before.

    Source: for several objectives, Schmucker, Donini, Zafar, Salinas and Archambeau,
    Multi-objective Asynchronous Successive Halving, 2021, arXiv 2106.12639 (its epsilon-net
    strategy).
    """
    objective = history.objective
    good = [t for t in trials if t.state == "complete" and objective.feasible(t.metrics)]
    if objective.single:
        return sorted(good, key=lambda t: place(history, t))
    good.sort(key=lambda t: t.number)
    ordered: list[Trial] = []
    while good:
        values = [objective.values(t.metrics) for t in good]
        front = [good[i] for i in pareto_front(values)]
        ordered += _spread(front, [objective.values(t.metrics) for t in front])
        taken = {t.number for t in front}
        good = [t for t in good if t.number not in taken]
    return ordered


def _spread(front: list[Trial], values: list[tuple[float, ...]]) -> list[Trial]:
    """A front, the best in the first goal first, then always the farthest from those before."""
    spans = [max(column) - min(column) or 1.0 for column in zip(*values, strict=True)]

    def distance(i: int, j: int) -> float:
        return math.dist(*([v / s for v, s in zip(values[k], spans, strict=True)] for k in (i, j)))

    left = list(range(1, len(front)))
    nearest = {i: distance(i, 0) for i in left}
    ordered = [front[0]]
    while left:
        far = max(left, key=lambda i: (nearest[i], -i))
        left.remove(far)
        ordered.append(front[far])
        for i in left:
            nearest[i] = min(nearest[i], distance(i, far))
    return ordered


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
