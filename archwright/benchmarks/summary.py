"""What the runs of one strategy come to: medians, quantiles and curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, median, stdev

from archwright.benchmarks.run import Run

CHECKPOINTS = (20, 50, 100, 200)
"""Queries after which the regret is reported."""


@dataclass(frozen=True)
class Row:
    """One strategy on one benchmark.

    Attributes:
        problem: benchmark and data set.
        strategy: the strategy's label.
        seeds: how many runs.
        median: median of the queries to the optimum; infinite where half the runs did not reach it.
        p90: their 90th percentile (the value that at least nine in ten keep), likewise.
        reached: share of the runs that reached the optimum.
        regret: queries -> median regret; None where the runs did not go so far. Besides
            `CHECKPOINTS`, the number of queries that the runs were allowed.
        test: mean value on test data of the incumbents at the end, or None.
        test_regret: the median of how far they are from the best, or None.
        simulated_s: median of the simulated seconds, or None.
        own_s: median of the strategy's own seconds.
    """

    problem: str
    strategy: str
    seeds: int
    median: float
    p90: float
    reached: float
    regret: Mapping[int, float | None]
    test: float | None
    test_regret: float | None
    simulated_s: float | None
    own_s: float


def checkpoints(queries: int) -> list[int]:
    """Those of `CHECKPOINTS` that runs of so many queries reach, and their end.

    >>> checkpoints(60)
    [20, 50, 60]
    """
    return sorted({q for q in CHECKPOINTS if q <= queries} | {queries})


def rows(
    problem: str, runs: Mapping[str, Sequence[Run]], queries: int = CHECKPOINTS[-1]
) -> list[Row]:
    """One row for each strategy; `queries` is how many the runs were allowed."""
    return [_row(problem, name, found, queries) for name, found in runs.items()]


def _row(problem: str, name: str, runs: Sequence[Run], queries: int) -> Row:
    needed = sorted(
        math.inf if r.queries_to_optimum is None else r.queries_to_optimum for r in runs
    )
    n_reached = sum(n < math.inf for n in needed)
    ends = [r.last for r in runs if r.last is not None]
    tests = [s.test for s in ends if s.test is not None]
    test_regrets = [s.test_regret for s in ends if s.test_regret is not None]
    simulated = [r.simulated_s for r in runs if r.simulated_s is not None]
    return Row(
        problem,
        name,
        len(runs),
        median(needed),
        percentile(needed, 0.9),
        n_reached / len(runs),
        {q: _regret(runs, q) for q in sorted({*CHECKPOINTS, queries})},
        fmean(tests) if tests else None,
        median(test_regrets) if test_regrets else None,
        median(simulated) if simulated else None,
        median(r.own_s for r in runs),
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest of ordered values that at least such a share of them does not exceed.

    >>> percentile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], 0.9)
    9
    """
    return ordered[max(0, math.ceil(share * len(ordered) - 1e-9) - 1)]


def _regret(runs: Sequence[Run], query: int) -> float | None:
    values = [r.regret(query) for r in runs]
    known = [v for v in values if v is not None]
    return median(known) if len(known) == len(values) else None


@dataclass(frozen=True)
class Curve:
    """Regret over queries.

    Attributes:
        queries: from the first at which all runs have an incumbent.
        mean: mean regret over the seeds.
        low: lower end of the 95 % interval of the mean (normal approximation), at least 0.
        high: its upper end.
    """

    queries: tuple[int, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


def curves(runs: Mapping[str, Sequence[Run]], queries: int) -> dict[str, Curve]:
    """Strategy -> its curve; strategies without a known regret are left out."""
    found = {}
    for name, own in runs.items():
        columns = [[run.regret(q) for run in own] for q in range(1, queries + 1)]
        points = [
            (q, values)
            for q, column in enumerate(columns, start=1)
            if len(values := [v for v in column if v is not None]) == len(column)
        ]
        if not points:
            continue
        means = [fmean(values) for _, values in points]
        widths = [1.96 * stdev(v) / math.sqrt(len(v)) if len(v) > 1 else 0.0 for _, v in points]
        found[name] = Curve(
            tuple(q for q, _ in points),
            tuple(means),
            tuple(max(0.0, m - w) for m, w in zip(means, widths, strict=True)),
            tuple(m + w for m, w in zip(means, widths, strict=True)),
        )
    return found
