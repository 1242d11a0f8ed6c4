"""What the population methods share: who counts, who is better, and how a child comes about."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from random import Random
from typing import Any, Protocol, TypeVar

from archwright.errors import InputError
from archwright.space import Architecture
from archwright.strategies.base import random_proposal, remembered
from archwright.trials import History, Objective, Proposal, Trial

SEVERAL = ("auto", "additive_gp", "evolution", "local", "nsga2", "nsga3", "pareto_local")
"""Strategies that work towards several objectives."""

Worth = tuple[float, float]
"""How good a trial is: ``(-violation, score)``, compared from the left.

One that keeps the limits is better than one that breaks them, of two that break them the one that
breaks them by less (Deb, An efficient constraint handling method for genetic algorithms, 2000).
"""


class Follows(Protocol):
    """A cache that reads the trials of a history in the order in which they finished."""

    n_read: int

    def read(self, history: History, trial: Trial) -> None:
        """Take in one finished trial."""
        ...


F = TypeVar("F", bound=Follows)


def followed(history: History, key: Any, make: Callable[[], F]) -> F:
    """A cache in a history, which has read the trials that finished so far."""
    cache, trials = remembered(history, key, make), history.trials
    while cache.n_read < len(trials):
        trial = trials[cache.n_read]
        cache.n_read += 1
        cache.read(history, trial)
    return cache


def violation(objective: Objective, trial: Trial) -> float | None:
    """By how much a trial breaks the limits: 0 when it keeps them, None when it says nothing.

    Failed trials and those stopped early say nothing.

    >>> from archwright.space import Architecture
    >>> objective = Objective.of(maximize="accuracy", limits={"params": 100})
    >>> violation(objective, Trial(0, Architecture({}), "infeasible", {"params": 150.0}))
    0.5
    """
    if trial.state == "complete":
        return objective.violation(trial.metrics)
    if trial.state == "infeasible":
        # Without the metric that broke a limit nothing is known but that one is broken.
        return objective.violation(trial.metrics) or math.inf
    return None


def worth(objective: Objective, trial: Trial) -> Worth | None:
    """A trial's `Worth` in the primary goal; None for one that says nothing."""
    excess = violation(objective, trial)
    if excess is None:
        return None
    score = objective.score(trial.metrics) if trial.state == "complete" else -math.inf
    return (-excess, score if score == score else -math.inf)


def offspring(
    history: History,
    rng: Random,
    make: Callable[[], tuple[Architecture | None, int | None]],
    *,
    origin: str,
) -> Proposal | None:
    """The first child that is new; where a method keeps to known ones, mutated ever more.

    Four results of `make` are tried as they are, then four with one decision drawn anew, four
    with two, four with three; then a random architecture is proposed.

    Args:
        history: the trials so far.
        rng: what random numbers are drawn from.
        make: a child, or None where the attempt failed, and its parent's number.
        origin: for the proposal.
    """
    for extra in range(4):
        for _ in range(4):
            child, parent = make()
            if child is None:
                continue
            if extra:
                child = history.space.mutate(child, rng=rng, n=extra)
            if history.is_new(child):
                return Proposal(child, origin=origin, parent=parent)
    return random_proposal(history, rng)


def refuse_several(name: str, objective: Objective) -> None:
    """Refuse several objectives on behalf of a method for one.

    Raises:
        InputError: there are several; the message names the strategies that take them.
    """
    if not objective.single:
        goals = ", ".join(map(str, objective.goals))
        raise InputError(
            f"the strategy {name!r} works towards one goal, got {len(objective.goals)} ({goals}): "
            f"give one and turn the others into limits, or take a strategy for several, such as "
            f"{', '.join(map(repr, SEVERAL))}"
        )


def check_at_least(**options: tuple[float, float]) -> None:
    """Refuse an option below its smallest value: ``name=(value, smallest)``."""
    for name, (value, smallest) in options.items():
        if not value >= smallest:
            raise InputError(f"{name} must be at least {smallest:g}, got {value!r}")


def check_counts(least: int = 1, /, **options: Any) -> None:
    """Refuse an option that is no whole number of at least `least`."""
    for name, value in options.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InputError(f"{name} must be a whole number of at least {least}, got {value!r}")


def check_share(**options: float) -> None:
    """Refuse an option that is no number between 0 and 1."""
    for name, value in options.items():
        if not 0 <= value <= 1:
            raise InputError(f"{name} must lie between 0 and 1, got {value!r}")


def breed(
    history: History,
    parents: Iterator[Trial],
    rng: Random,
    *,
    crossover: float,
    mutation: float | None,
) -> Proposal | None:
    """A new child of two parents.

    Args:
        history: the trials so far.
        parents: where parents come from.
        rng: what random numbers are drawn from.
        crossover: probability of taking each decision from the one or the other parent; else the
            child begins as a copy of the first.
        mutation: probability of drawing one decision anew; None: each decision is drawn anew with
            one over their number as its probability, and at least one is.
    """
    space = history.space

    def make() -> tuple[Architecture, int]:
        mother = next(parents)
        child = mother.architecture
        if rng.random() < crossover:
            child = space.crossover(child, next(parents).architecture, rng=rng)
        if mutation is None:
            child = space.mutate(child, rng=rng, rate=1 / max(1, len(child)))
        elif rng.random() < mutation:
            child = space.mutate(child, rng=rng)
        return child, mother.number

    return offspring(history, rng, make, origin="child")
