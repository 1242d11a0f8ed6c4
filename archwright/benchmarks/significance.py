"""Is one strategy better than another? A paired test over seeds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from archwright.benchmarks.run import Run


@dataclass(frozen=True)
class PairTest:
    """Two strategies on one benchmark.

    Attributes:
        better: the one that did better in more seeds.
        worse: the other.
        wins: seeds in which `better` was better.
        losses: seeds in which `worse` was.
        ties: seeds in which they were equal.
        p: two-sided p-value of the Wilcoxon signed-rank test, as if it were the only test.
        p_holm: the same, corrected for all pairs of the benchmark (Holm).
    """

    better: str
    worse: str
    wins: int
    losses: int
    ties: int
    p: float
    p_holm: float


def pair_tests(runs: Mapping[str, Sequence[Run]]) -> list[PairTest]:
    """Every two strategies on one benchmark, in the order of their names in `runs`.

    What is compared is how soon a run found the optimum; a run that did not find it comes after
    all that did, and by its regret at the end among its like.

    Source: Frank Wilcoxon, "Individual Comparisons by Ranking Methods", Biometrics Bulletin 1(6),
    1945; Sture Holm, "A Simple Sequentially Rejective Multiple Test Procedure", Scandinavian
    Journal of Statistics 6(2), 1979.
    """
    marks = _marks(runs)
    pairs = list(itertools.combinations(runs, 2))
    ps = [_wilcoxon(marks[a], marks[b]) for a, b in pairs]
    found = []
    for (a, b), p, corrected in zip(pairs, ps, holm(ps), strict=True):
        wins = sum(x < y for x, y in zip(marks[a], marks[b], strict=True))
        losses = sum(x > y for x, y in zip(marks[a], marks[b], strict=True))
        ties = len(marks[a]) - wins - losses
        if losses > wins:
            a, b, wins, losses = b, a, losses, wins
        found.append(PairTest(a, b, wins, losses, ties, p, corrected))
    return found


def holm(ps: Sequence[float]) -> list[float]:
    """P-values corrected for their number.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    order = sorted(range(len(ps)), key=ps.__getitem__)
    corrected = [0.0] * len(ps)
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(ps) - rank) * ps[i]))
        corrected[i] = largest
    return corrected


def _marks(runs: Mapping[str, Sequence[Run]]) -> dict[str, list[float]]:
    """One number a run, smaller is better: its place in the order, and below 1 its regret."""
    ends = [r.last.regret or 0.0 for own in runs.values() for r in own if r.last is not None]
    worst = max([abs(e) for e in ends], default=0.0) or 1.0
    return {name: [_mark(run, worst) for run in own] for name, own in runs.items()}


def _mark(run: Run, worst: float) -> float:
    if run.queries_to_optimum is not None:
        return float(run.queries_to_optimum)
    if run.last is None or run.last.regret is None:
        return run.asked + 2.0
    return run.asked + 1.0 + run.last.regret / worst


def _wilcoxon(a: Sequence[float], b: Sequence[float]) -> float:
    from scipy.stats import wilcoxon

    differences = [x - y for x, y in zip(a, b, strict=True)]
    if not any(differences):
        return 1.0
    return float(wilcoxon(differences).pvalue)
