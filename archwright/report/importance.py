"""Which decisions mattered: Optuna's importance over the trials, and what each value led to."""

from __future__ import annotations

import math
import statistics
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archwright.report.facts import winner
from archwright.space import Choice, Decision, Integer, Real
from archwright.trials import Result, Trial

if TYPE_CHECKING:
    import optuna

MIN_TRIALS = 10
"""With fewer complete trials an importance would be noise."""

_NEWEST = 2000


@dataclass(frozen=True)
class ValueEffect:
    """What the trials with one value of a decision reached."""

    value: Any
    n_trials: int
    median: float
    best: float


@dataclass(frozen=True)
class DecisionEffect:
    """One decision: how much it mattered, and what its values led to.

    Attributes:
        path: the decision's path.
        importance: its share, 0 to 1; the shares of all decisions add up to 1.
        chosen: the found architecture's value; None when the decision is not live in it.
        values: for each value that was tried, the best first; empty for real numbers.
    """

    path: str
    importance: float
    chosen: Any
    values: tuple[ValueEffect, ...]


@dataclass(frozen=True)
class Importance:
    """The decisions by importance, or the reason why there is none.

    Attributes:
        decisions: the most important first.
        note: how it was computed, or why it was not.
        n_trials: the trials it rests on.
    """

    decisions: tuple[DecisionEffect, ...]
    note: str
    n_trials: int = 0


def importance(result: Result) -> Importance:
    """How much each decision mattered for the primary goal.

    PED-ANOVA as Optuna computes it (Watanabe, Bansal, Hutter, IJCAI 2023, arXiv:2304.10255; with
    the treatment of conditional decisions of Baba, Ozaki, Watanabe, KDD 2026, arXiv:2601.20800):
    how far the distribution of a decision's values among the best trials is from its distribution
    among all. The best are the best tenth, but never fewer than five. It takes well under a second
    for thousands of trials, and conditional decisions are treated as such.

    Args:
        result: the result; nothing of it is changed.
    """
    goal = result.objective.primary
    trials = [
        t
        for t in result.trials
        if t.state == "complete" and math.isfinite(t.metrics.get(goal.metric, math.nan))
    ]
    if len(trials) < MIN_TRIALS:
        return Importance(
            (),
            f"Not computed: {len(trials)} complete trial{'s' if len(trials) != 1 else ''}, and "
            f"fewer than {MIN_TRIALS} say nothing about which decision mattered.",
        )
    scores = [t.metrics[goal.metric] for t in trials]
    if max(scores) == min(scores):
        return Importance((), f"Not computed: every trial reached the same {goal.metric}.")
    used = trials[-_NEWEST:]
    shares = _shares(result, used)
    if not shares:
        return Importance((), "Not computed: every trial made the same decisions.")
    best = winner(result)
    chosen: Mapping[str, Any] = best.architecture if best is not None else {}
    effects = tuple(
        DecisionEffect(
            path, share, chosen.get(path), _values(path, used, goal.metric, goal.maximize)
        )
        for path, share in sorted(shares.items(), key=lambda item: -item[1])
    )
    n_top = max(5, math.ceil(len(used) * 0.1))
    note = (
        f"PED-ANOVA (Optuna) over {len(used):,} complete trials: how differently the best {n_top} "
        "of them decided. Searches look longer where it is good, so this describes these trials, "
        "not the whole space."
    )
    return Importance(effects, note, len(used))


def _shares(result: Result, trials: list[Trial]) -> dict[str, float]:
    import optuna

    goal = result.objective.primary
    level = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        study = optuna.create_study(
            direction="maximize" if goal.maximize else "minimize",
            sampler=optuna.samplers.RandomSampler(seed=0),
        )
        study.add_trials([_frozen(result, t, goal.metric) for t in trials])
        quantile = min(max(0.1, 5 / len(trials)), 0.5)
        evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=quantile)
        with warnings.catch_warnings():
            # Rare values warn one by one; the note says what the figures rest on.
            warnings.simplefilter("ignore")
            raw = optuna.importance.get_param_importances(
                study, evaluator=evaluator, normalize=False
            )
    finally:
        optuna.logging.set_verbosity(level)
    total = sum(v for v in raw.values() if math.isfinite(v))
    if total <= 0:
        return {}
    return {path: v / total for path, v in raw.items() if math.isfinite(v)}


def _frozen(result: Result, trial: Trial, metric: str) -> optuna.trial.FrozenTrial:
    import optuna

    params: dict[str, Any] = {}
    distributions: dict[str, optuna.distributions.BaseDistribution] = {}
    for path, value in trial.architecture.items():
        decision = _decision(result, path)
        if decision is None:
            continue
        params[path], distributions[path] = _distribution(decision, value)
    return optuna.trial.create_trial(
        params=params, distributions=distributions, value=float(trial.metrics[metric])
    )


def _decision(result: Result, path: str) -> Decision | None:
    # A dynamic space knows only the decisions that it has met.
    try:
        return result.space.decision(path)
    except (KeyError, ValueError):
        return None


def _distribution(decision: Decision, value: Any) -> tuple[Any, Any]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    domain = decision.domain
    if isinstance(domain, Choice):
        return repr(value), CategoricalDistribution([repr(v) for v in domain.values()])
    if isinstance(domain, Integer):
        step = 1 if domain.log else domain.step
        high = domain.high - (domain.high - domain.low) % step
        return value, IntDistribution(domain.low, high, log=domain.log, step=step)
    if isinstance(domain, Real):
        return value, FloatDistribution(domain.low, domain.high, log=domain.log)
    # Subsets: their number explodes, their size carries most of what they do.
    return len(value), IntDistribution(0, domain.n)


def _values(path: str, trials: list[Trial], metric: str, maximize: bool) -> tuple[ValueEffect, ...]:
    by_value: dict[Any, list[float]] = {}
    for t in trials:
        if path in t.architecture:
            by_value.setdefault(t.architecture[path], []).append(t.metrics[metric])
    if len(by_value) > 24 or len(trials) < 2 * len(by_value):
        return ()
    effects = [
        ValueEffect(v, len(found), statistics.median(found), (max if maximize else min)(found))
        for v, found in by_value.items()
    ]
    return tuple(sorted(effects, key=lambda e: e.median, reverse=maximize))
