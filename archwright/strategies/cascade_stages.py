"""The stages of a cascade: what judges candidates in each, and how many it lets through."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from archwright.errors import InputError
from archwright.space import Architecture, Space
from archwright.trials import Fidelity

ZERO_COST, PREDICTOR = "zero_cost", "predictor"


@runtime_checkable
class Judge(Protocol):
    """Ranks a population without training it."""

    def rank(self, space: Space, architectures: Sequence[Architecture]) -> Sequence[float]:
        """A number for each, larger is better; one that is not finite goes last."""
        ...


@dataclass(frozen=True)
class Stage:
    """One stage of a `Cascade`: who judges there, and which share goes on.

    Args:
        by: "zero_cost" (proxies, combined), "predictor" (a model of the results so far), an object
            with ``rank(space, architectures)`` such as `archwright.proxies.ZeroCost`, a function
            architecture -> number (larger is better); or, for a stage of training, a share of a
            full evaluation's budget, or a `Fidelity`.
        keep: the share that goes on to the next stage, above 0 and at most 1.
        label: a name for records and reports; None: after what judges.

    Raises:
        InputError: an argument is none of these.

    >>> Stage("predictor", keep=0.3).name, Stage(1 / 3).trains, Stage(1 / 3).name
    ('predictor', True, 'training, 33.3 %')
    """

    by: Any
    keep: float = 1 / 3
    label: str | None = None

    def __post_init__(self) -> None:
        by = self.by
        named = isinstance(by, str) and by in (ZERO_COST, PREDICTOR)
        judges = isinstance(by, int | float | Fidelity | Judge) or callable(by)
        if isinstance(by, bool | type) or not (named or judges):
            raise InputError(
                f"a stage judges by {ZERO_COST!r}, {PREDICTOR!r}, an object with "
                "rank(space, architectures), a function architecture -> number, a share of the "
                f"full budget or a Fidelity, got {by!r}"
            )
        if isinstance(by, int | float) and not 0 < by <= 1:
            raise InputError(
                f"a stage of training takes a share of the full budget, above 0 and at most 1, "
                f"got {by!r}"
            )
        keep = self.keep
        if isinstance(keep, bool) or not isinstance(keep, int | float) or not 0 < keep <= 1:
            raise InputError(f"keep must be above 0 and at most 1, got {keep!r}")

    def __repr__(self) -> str:
        by = self.by
        if not isinstance(by, str | int | float | Fidelity | Judge):
            by = getattr(by, "__qualname__", type(by).__name__)
        return f"Stage({by!r}, keep={self.keep:g})"

    @property
    def trains(self) -> bool:
        """Whether candidates are evaluated here, and not ranked without."""
        return isinstance(self.by, int | float | Fidelity)

    @property
    def fidelity(self) -> Fidelity:
        """How candidates are evaluated in a stage of training."""
        return self.by if isinstance(self.by, Fidelity) else Fidelity(epochs=float(self.by))

    @property
    def name(self) -> str:
        """For records and reports."""
        if self.label is not None:
            return self.label
        if self.trains:
            return f"training, {share_of(self.fidelity)}"
        if isinstance(self.by, str):
            return self.by.replace("_", "-")
        if hasattr(self.by, "rank"):
            kind = type(self.by).__name__
            return "zero-cost" if kind == "ZeroCost" else kind
        return str(getattr(self.by, "__name__", type(self.by).__name__)).strip("<>")

    def judge(self) -> Judge | None:
        """What ranks here; None for training and for what is named only."""
        if self.trains or isinstance(self.by, str):
            return None
        return self.by if isinstance(self.by, Judge) else ByFunction(self.by)


@dataclass(frozen=True)
class ByFunction:
    """A function architecture -> number as a `Judge`.

    >>> from archwright.space import Choice
    >>> space = Space({"width": Choice((16, 32))})
    >>> ByFunction(lambda a: a["width"]).rank(space, list(space.enumerate()))
    [16.0, 32.0]
    """

    score: Callable[[Architecture], float]

    def rank(self, space: Space, architectures: Sequence[Architecture]) -> list[float]:
        """The function's values; see `Judge.rank`."""
        return [float(self.score(architecture)) for architecture in architectures]


def share_of(fidelity: Fidelity) -> str:
    """A fidelity in words, such as "33 %" for a third of the epochs.

    >>> share_of(Fidelity(epochs=0.25)), share_of(Fidelity())
    ('25 %', 'in full')
    """
    if fidelity == Fidelity():
        return "in full"
    if fidelity == Fidelity(epochs=fidelity.epochs):
        return f"{100 * fidelity.epochs:.3g} %"
    return str(fidelity)


def checked(stages: Sequence[Any]) -> tuple[Stage, ...]:
    """The stages in order, the last of them an evaluation in full.

    Raises:
        InputError: one is no stage, a cheap one comes after training, or training shrinks.
    """
    found: list[Stage] = []
    for given in stages:
        stage = given if isinstance(given, Stage) else Stage(given)
        if found and found[-1].trains:
            if not stage.trains:
                raise InputError(f"{stage!r} comes after a stage of training: put it before")
            if stage.fidelity.cost <= found[-1].fidelity.cost:
                raise InputError(
                    f"each stage of training must cost more than the one before, but {stage!r} "
                    f"follows {found[-1]!r}"
                )
        found.append(stage)
    if not found or not found[-1].trains or found[-1].fidelity != Fidelity():
        found.append(Stage(1.0, keep=1.0))
    return tuple(found)


def order(values: Sequence[float]) -> list[int]:
    """Positions from the largest value to the smallest; what is not finite comes last.

    >>> order([1.0, float("nan"), 3.0])
    [2, 0, 1]
    """
    known = [v if math.isfinite(v) else -math.inf for v in values]
    return sorted(range(len(known)), key=lambda i: -known[i])


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Spearman's, ties at their mean rank; None for fewer than three or where all are equal.

    >>> round(rank_correlation([1.0, 2.0, 3.0], [1.0, 4.0, 9.0]), 6)
    1.0
    """
    if len(first) < 3 or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)
