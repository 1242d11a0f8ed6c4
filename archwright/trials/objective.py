"""`Objective`: what is to be maximised and minimised, and the limits that must hold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from archwright.errors import InputError


@dataclass(frozen=True, slots=True)
class Goal:
    """One metric and its direction."""

    metric: str
    maximize: bool

    def __str__(self) -> str:
        return f"{'maximize' if self.maximize else 'minimize'} {self.metric}"


@dataclass(frozen=True, slots=True)
class Limit:
    """Bounds that a metric must keep, both inclusive.

    >>> Limit("params", high=50_000).holds(49_000)
    True
    """

    metric: str
    low: float = -math.inf
    high: float = math.inf

    def __post_init__(self) -> None:
        if math.isnan(self.low) or math.isnan(self.high):
            raise InputError(f"the limit on {self.metric!r} is not a number; give a finite bound")
        if self.low > self.high:
            raise InputError(
                f"the limit on {self.metric!r} is impossible: low {self.low:g} is above high "
                f"{self.high:g}"
            )

    def holds(self, value: float) -> bool:
        """Whether a value keeps the limit; NaN never does."""
        return self.low <= value <= self.high

    def excess(self, value: float) -> float:
        """How far outside a value is, relative to the bound: 0 inside, 1 at twice the bound."""
        if math.isnan(value):
            return math.inf
        if value > self.high:
            return (value - self.high) / max(abs(self.high), 1e-12)
        if value < self.low:
            return (self.low - value) / max(abs(self.low), 1e-12)
        return 0.0

    def __str__(self) -> str:
        if self.low == -math.inf:
            return f"{self.metric} <= {self.high:g}"
        if self.high == math.inf:
            return f"{self.metric} >= {self.low:g}"
        return f"{self.low:g} <= {self.metric} <= {self.high:g}"


LimitLike = float | int | tuple[float, float] | Limit


@dataclass(frozen=True, slots=True)
class Objective:
    """The goals, the first of which decides where one winner is needed, and the limits.

    >>> objective = Objective.of(maximize="accuracy", minimize=["params"], limits={"params": 5e4})
    >>> objective.feasible({"accuracy": 0.9, "params": 60_000})
    False
    >>> objective.values({"accuracy": 0.9, "params": 40_000})
    (0.9, -40000)
    """

    goals: tuple[Goal, ...]
    limits: tuple[Limit, ...] = ()

    def __post_init__(self) -> None:
        if not self.goals:
            raise InputError("nothing to optimise: give maximize= or minimize= a metric's name")
        names = [goal.metric for goal in self.goals]
        for name in names:
            if names.count(name) > 1:
                raise InputError(
                    f"metric {name!r} is asked for more than once; name each metric once, either "
                    "in maximize or in minimize"
                )

    @classmethod
    def of(
        cls,
        *,
        maximize: str | Iterable[str] | None = None,
        minimize: str | Iterable[str] | None = None,
        limits: Mapping[str, LimitLike] | None = None,
    ) -> Objective:
        """From the arguments of `archwright.runs`.

        Args:
            maximize: metric or metrics to maximise; these come first.
            minimize: metric or metrics to minimise.
            limits: metric -> upper bound, ``(low, high)`` or a `Limit`.
        """
        goals = [Goal(name, True) for name in _names(maximize, "maximize")]
        goals += [Goal(name, False) for name in _names(minimize, "minimize")]
        return cls(tuple(goals), tuple(_limit(name, v) for name, v in (limits or {}).items()))

    @property
    def primary(self) -> Goal:
        """The goal that decides where one winner is needed."""
        return self.goals[0]

    @property
    def single(self) -> bool:
        """Whether there is one goal only."""
        return len(self.goals) == 1

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that the goals and limits read, each once."""
        return tuple(
            dict.fromkeys([g.metric for g in self.goals] + [x.metric for x in self.limits])
        )

    def score(self, metrics: Mapping[str, float]) -> float:
        """The primary goal's value, signed so that larger is better."""
        value = metrics[self.goals[0].metric]
        return value if self.goals[0].maximize else -value

    def values(self, metrics: Mapping[str, float]) -> tuple[float, ...]:
        """Every goal's value, signed so that larger is better."""
        return tuple(
            metrics[goal.metric] if goal.maximize else -metrics[goal.metric] for goal in self.goals
        )

    def feasible(self, metrics: Mapping[str, float]) -> bool:
        """Whether every limit whose metric is known holds."""
        return all(x.holds(metrics[x.metric]) for x in self.limits if x.metric in metrics)

    def broken(self, metrics: Mapping[str, float]) -> list[str]:
        """One sentence for each limit that does not hold."""
        return [
            f"{limit.metric} is {metrics[limit.metric]:g}, the limit is {limit}"
            for limit in self.limits
            if limit.metric in metrics and not limit.holds(metrics[limit.metric])
        ]

    def violation(self, metrics: Mapping[str, float]) -> float:
        """Sum of the relative excesses over the limits; 0 when all hold."""
        return sum(x.excess(metrics[x.metric]) for x in self.limits if x.metric in metrics)


def _names(given: str | Iterable[str] | None, argument: str) -> list[str]:
    if given is None or isinstance(given, str):
        names = [] if given is None else [given]
    elif isinstance(given, Iterable):
        names = list(given)
    else:
        raise InputError(f"{argument} takes a metric's name or several, got {given!r}")
    for name in names:
        if not isinstance(name, str) or not name:
            raise InputError(f"{argument} takes metric names, got {name!r}")
    return names


def _limit(name: str, given: LimitLike) -> Limit:
    if isinstance(given, Limit):
        return given
    try:
        if isinstance(given, tuple):
            low, high = given
            return Limit(name, float(low), float(high))
        if isinstance(given, bool):
            raise TypeError
        return Limit(name, high=float(given))
    except (TypeError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"the limit on {name!r} must be a number (an upper bound) or a pair (low, high), "
            f"got {given!r}"
        ) from None
