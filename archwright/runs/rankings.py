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

LEAST = 5
"""Networks below which a correlation says nothing."""
N_RELIABLE = 10
"""Networks below which a bootstrap interval says little: it is widened, and a note follows."""
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
        spearman: Spearman's rank correlation; NaN (undefined) where all values are equal, those in
            full or those at the fidelity.
        spearman_interval: its bootstrap interval; of fewer than 10 networks, and of a perfect
            order, at least Fisher's with the standard error of Bonett and Wright (Psychometrika
            2000), around the order of one swap where it is perfect.
        kendall: Kendall's tau-b; NaN as above.
        kendall_interval: its interval, in the same way, with the standard error of Fieller, Hartley
            and Pearson (Biometrika 1957).
        regret: what the network that it ranks first loses in full to the best one, in the unit of
            the metric.
        place: where that network stands in full, from 1 (of several that it ranks first: where
            their mean stands); None where all values in full are equal.
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
    place: int | None
    cost: float
    estimate: float

    @property
    def doubtful(self) -> bool:
        """Whether the interval of Spearman's correlation reaches below 0.5, or is undefined."""
        return not self.spearman_interval[0] >= LITTLE

    @property
    def warnings(self) -> list[str]:
        """What a user should know before relying on it, a sentence each."""
        if self.place is None:
            found = [
                f"{self.name}: all {self.n} networks have the same value in full, so there is no "
                "ranking to compare with. Train longer, or validate on more rows"
            ]
        elif math.isnan(self.spearman):
            found = [
                f"{self.name}: it gives all {self.n} networks the same value, so it ranks nothing. "
                "Take a higher fidelity"
            ]
        elif self.doubtful:
            found = [
                f"{self.name}: the interval of Spearman's correlation begins at "
                f"{self.spearman_interval[0]:.2f}: with {self.n} networks it is not shown that "
                "this ranks well. Take a higher fidelity, or check more networks (n=)"
            ]
        elif self.n < N_RELIABLE:
            found = [
                f"{self.name}: the intervals are unreliable with {self.n} networks. Check more "
                "networks (n=)"
            ]
        else:
            found = []
        if self.cost > 1:
            found.append(
                f"{self.name}: it took {100 * self.cost:.3g} % of the time of full evaluations, so "
                "it saves nothing here. Small networks are no faster when they are cut; take fewer "
                "epochs or less data"
            )
        return found


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
        return [warning for one in self.rankings for warning in one.warnings]

    def to_dict(self) -> dict[str, Any]:
        """The figures as plain JSON values, what is no number as None."""
        values = {name: _plain(value) for name, value in asdict(self).items()}
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
                    _correlation(one.spearman),
                    _between(one.spearman_interval),
                    _correlation(one.kendall),
                    _between(one.kendall_interval),
                    f"{one.regret:.3g}",
                    "-" if one.place is None else f"{one.place} of {one.n}",
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
                "{}, Kendall {}: the noise ceiling.".format(*map(_correlation, self.ceiling))
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
        InputError: fewer than five networks are known in both.
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

    if len(cheap) < LEAST:
        raise InputError(
            f"{name}: only {len(cheap)} networks could be evaluated both in full and so, and a "
            f"comparison needs at least {LEAST}: see the errors of the trials, or give a larger n"
        )
    s = np.array(list(cheap.values()))
    v = np.array([full[a] for a in cheap])
    n = len(s)
    found = agreement(list(s), list(v))
    spearman, kendall = _correlations(s, v)
    draws = np.random.default_rng(seed).integers(0, n, (N_BOOTSTRAP, n))
    resampled = np.array([_correlations(s[i], v[i]) for i in draws])
    first = v.max() - found.regret  # of equal ones, what one of them gives on average
    place = 1 + int((v > first + 1e-12 * abs(first)).sum())
    return Ranking(
        name=name,
        fidelity=fidelity,
        n=n,
        spearman=spearman,
        spearman_interval=_interval(
            spearman,
            resampled[:, 0],
            level,
            n,
            # Of an order with one swap of neighbours: the nearest that is not perfect.
            nearest=1 - 12 / (n * (n * n - 1)),
            error=math.sqrt((1 + spearman**2 / 2) / (n - 3)),
        ),
        kendall=kendall,
        kendall_interval=_interval(
            kendall,
            resampled[:, 1],
            level,
            n,
            nearest=1 - 4 / (n * (n - 1)),
            error=math.sqrt(0.437 / (n - 4)),
        ),
        regret=found.regret,
        place=None if _constant(v) else place,
        cost=cost,
        estimate=0.0 if fidelity is None else fidelity.cost,
    )


def _constant(values: np.ndarray[Any, Any]) -> bool:
    return bool((values == values[0]).all())


def _correlations(s: np.ndarray[Any, Any], v: np.ndarray[Any, Any]) -> tuple[float, float]:
    """Spearman and Kendall; NaN where one of the two is constant."""
    from archwright.proxies.trust import agreement

    if _constant(s) or _constant(v):
        return math.nan, math.nan
    found = agreement(list(s), list(v))
    return found.spearman, found.kendall


def _interval(
    value: float,
    resampled: np.ndarray[Any, Any],
    level: float,
    n: int,
    *,
    nearest: float,
    error: float,
) -> Interval:
    """The bootstrap interval; where that says too little, at least Fisher's.

    Args:
        value: the correlation.
        resampled: those of the bootstrap samples, NaN where these say nothing.
        level: of the interval.
        n: networks.
        nearest: the correlation that is taken for a perfect one.
        error: standard error of the correlation's inverse hyperbolic tangent.
    """
    from statistics import NormalDist

    known = resampled[np.isfinite(resampled)]
    if math.isnan(value) or not len(known):
        return math.nan, math.nan
    tail = 50 * (1 - level)
    low, high = (float(one) for one in np.percentile(known, [tail, 100 - tail]))
    perfect = abs(value) > nearest
    if n >= N_RELIABLE and not perfect:
        return low, high
    middle = math.atanh(max(-nearest, min(value, nearest)))
    away = error * NormalDist().inv_cdf(0.5 + level / 2)
    return min(low, math.tanh(middle - away)), max(high, math.tanh(middle + away))


def _correlation(value: float) -> str:
    return "undefined" if math.isnan(value) else f"{value:.2f}"


def _between(interval: Interval) -> str:
    return "-" if math.isnan(interval[0]) else "{:.2f} .. {:.2f}".format(*interval)


def _ceiling(scores: np.ndarray[Any, Any]) -> tuple[float, float] | None:
    """Spearman and Kendall of each repeat with the mean of the others, averaged."""
    if len(scores) < 2:
        return None
    found = np.array(
        [
            _correlations(one, np.delete(scores, k, axis=0).mean(axis=0))
            for k, one in enumerate(scores)
        ]
    )
    return float(found[:, 0].mean()), float(found[:, 1].mean())


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(one) for one in value]
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
