"""The figures of a check of low fidelities, and their table."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from archwright.errors import InputError
from archwright.space import Architecture
from archwright.trials import Fidelity

N_BOOTSTRAP = 1000
LITTLE = 0.5
"""A Spearman correlation below which a ranking is hardly worth its cost."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Ranked:
    """One evaluation: its score (larger is better), its seconds and the trial's number."""

    score: float
    seconds: float
    number: int


@dataclass(frozen=True)
class Ranking:
    """How one fidelity, or another cheap score, ranks networks as full evaluations do.

    Attributes:
        name: the fidelity as text, or what it is.
        fidelity: the fidelity; None for a baseline.
        n: networks that both were known of.
        spearman: Spearman's rank correlation.
        spearman_interval: its bootstrap interval.
        kendall: Kendall's tau-b.
        kendall_interval: its bootstrap interval.
        regret: what the network that it ranks first loses in full to the best one, in the unit of
            the metric.
        place: where that network stands in full, from 1 (of several that it ranks first: where
            their mean stands).
        cost: measured seconds as a share of those of the full evaluations; NaN where these took
            no time worth measuring.
        estimate: what `Fidelity.cost` says.
    """

    name: str
    fidelity: Fidelity | None
    n: int
    spearman: float
    spearman_interval: Interval
    kendall: float
    kendall_interval: Interval
    regret: float
    place: int
    cost: float
    estimate: float

    @property
    def doubtful(self) -> bool:
        """Whether the interval of Spearman's correlation reaches below 0.5."""
        return self.spearman_interval[0] < LITTLE


@dataclass(frozen=True)
class FidelityCheck(Sequence["Ranking"]):
    """What `check_fidelity` found; a sequence with one `Ranking` for each fidelity.

    Attributes:
        metric: what was compared.
        n: networks evaluated in full.
        repeats: full evaluations of each.
        level: of the intervals.
        rankings: of the fidelities, in the order in which they were given.
        baselines: rankings that cost nothing: by the number of parameters.
        random_regret: what a network picked at random loses to the best on average.
        ceiling: Spearman and Kendall of one full evaluation with the mean of the others; None
            where each was made once.
        full_seconds: seconds of one full evaluation of all networks.
    """

    metric: str
    n: int
    repeats: int
    level: float
    rankings: tuple[Ranking, ...]
    baselines: tuple[Ranking, ...]
    random_regret: float
    ceiling: tuple[float, float] | None
    full_seconds: float

    def __len__(self) -> int:
        return len(self.rankings)

    def __getitem__(self, index: Any) -> Any:
        return self.rankings[index]

    def __iter__(self) -> Iterator[Ranking]:
        return iter(self.rankings)

    @property
    def warnings(self) -> list[str]:
        """What a user should know before relying on one of them, a sentence each."""
        return [
            f"{one.name}: the interval of Spearman's correlation begins at "
            f"{one.spearman_interval[0]:.2f}: with {one.n} networks it is not shown that this "
            "ranks well. Take a higher fidelity, or check more networks (n=)"
            for one in self.rankings
            if one.doubtful
        ]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values, what is no number as None."""
        values = asdict(self)
        for name in ("rankings", "baselines"):
            values[name] = [
                {
                    **{k: _plain(v) for k, v in vars(one).items() if k != "fidelity"},
                    "fidelity": None if one.fidelity is None else one.fidelity.to_dict(),
                }
                for one in getattr(self, name)
            ]
        return values

    def __str__(self) -> str:
        sure = f"{100 * self.level:g} %"
        head = ("", "Spearman", sure, "Kendall", sure, "regret", "its place", "cost", "estimated")
        lines = [head]
        for one in (*self.rankings, *self.baselines):
            lines.append(
                (
                    one.name,
                    f"{one.spearman:.2f}",
                    "{:.2f} .. {:.2f}".format(*one.spearman_interval),
                    f"{one.kendall:.2f}",
                    "{:.2f} .. {:.2f}".format(*one.kendall_interval),
                    f"{one.regret:.3g}",
                    f"{one.place} of {one.n}",
                    "-" if math.isnan(one.cost) else f"{100 * one.cost:.3g} %",
                    f"{100 * one.estimate:.3g} %",
                )
            )
        text = [
            f"{self.n} networks, {self.metric}, each trained in full "
            + ("once" if self.repeats == 1 else f"{self.repeats} times")
            + f" ({self.full_seconds:.3g} s for all of them, once)",
            _aligned(lines),
            f"A network picked at random loses {self.random_regret:.3g} on average.",
        ]
        if self.ceiling is not None:
            text.append(
                "One full evaluation ranks as the mean of the others does with Spearman "
                "{:.2f}, Kendall {:.2f}: the noise ceiling.".format(*self.ceiling)
            )
        return "\n".join([*text, *(f"Warning: {line}." for line in self.warnings)])


def compare(
    fulls: Sequence[Mapping[Architecture, Ranked]],
    lows: Sequence[tuple[Fidelity, Mapping[Architecture, Ranked]]],
    *,
    metric: str,
    level: float,
    seed: int,
    sizes: Mapping[Architecture, float] | None = None,
) -> FidelityCheck:
    """The figures of evaluations of the same architectures.

    Args:
        fulls: each repeat of the full evaluations.
        lows: the fidelities with their evaluations.
        metric: what was compared.
        level: of the intervals.
        seed: of the bootstrap.
        sizes: parameters of each network, as a baseline.

    Raises:
        InputError: fewer than three networks are known in both.
    """
    known = [a for a in fulls[0] if all(a in other for other in fulls)]
    scores = np.array([[full[a].score for a in known] for full in fulls])
    mean = dict(zip(known, scores.mean(axis=0), strict=True))
    seconds = {a: float(np.mean([full[a].seconds for full in fulls])) for a in known}
    rankings = []
    for fidelity, low in lows:
        both = [a for a in known if a in low]
        spent, whole = sum(low[a].seconds for a in both), sum(seconds[a] for a in both)
        cost = spent / whole if whole > 1e-3 * len(both) else math.nan
        cheap = {a: low[a].score for a in both}
        rankings.append(_ranking(str(fidelity), fidelity, cheap, mean, cost, level, seed))
    baselines = []
    if sizes:
        cheap = {a: sizes[a] for a in known}
        baselines.append(_ranking("parameters", None, cheap, mean, 0.0, level, seed))
    values = np.array(list(mean.values()))
    return FidelityCheck(
        metric=metric,
        n=len(known),
        repeats=len(fulls),
        level=level,
        rankings=tuple(rankings),
        baselines=tuple(baselines),
        random_regret=float(values.max() - values.mean()),
        ceiling=_ceiling(scores),
        full_seconds=sum(seconds.values()),
    )


def _ranking(
    name: str,
    fidelity: Fidelity | None,
    cheap: Mapping[Architecture, float],
    full: Mapping[Architecture, float],
    cost: float,
    level: float,
    seed: int,
) -> Ranking:
    from archwright.proxies.trust import agreement

    if len(cheap) < 3:
        raise InputError(
            f"{name}: only {len(cheap)} networks could be evaluated both in full and so; see the "
            "errors of the trials"
        )
    s = np.array(list(cheap.values()))
    v = np.array([full[a] for a in cheap])
    found = agreement(list(s), list(v))
    draws = np.random.default_rng(seed).integers(0, len(s), (N_BOOTSTRAP, len(s)))
    resampled = np.array(
        [(a.spearman, a.kendall) for a in (agreement(list(s[i]), list(v[i])) for i in draws)]
    )
    tail = 50 * (1 - level)
    low, high = np.percentile(resampled, [tail, 100 - tail], axis=0)
    first = v.max() - found.regret  # of equal ones, what one of them gives on average
    return Ranking(
        name=name,
        fidelity=fidelity,
        n=len(s),
        spearman=found.spearman,
        spearman_interval=(float(low[0]), float(high[0])),
        kendall=found.kendall,
        kendall_interval=(float(low[1]), float(high[1])),
        regret=found.regret,
        place=1 + int((v > first + 1e-12 * abs(first)).sum()),
        cost=cost,
        estimate=0.0 if fidelity is None else fidelity.cost,
    )


def _ceiling(scores: np.ndarray[Any, Any]) -> tuple[float, float] | None:
    """Spearman and Kendall of each repeat with the mean of the others, averaged."""
    from archwright.proxies.trust import agreement

    if len(scores) < 2:
        return None
    found = [
        agreement(list(one), list(np.delete(scores, k, axis=0).mean(axis=0)))
        for k, one in enumerate(scores)
    ]
    return (
        float(np.mean([a.spearman for a in found])),
        float(np.mean([a.kendall for a in found])),
    )


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _aligned(lines: Sequence[Sequence[str]]) -> str:
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w)
            for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    )
