"""How far a proxy can be trusted: its agreement with measured accuracy.

nDCG follows Järvelin and Kekäläinen, "Cumulated Gain-based Evaluation of IR Techniques", TOIS 2002,
with the exponential gain of Burges et al. (ICML 2005), as Tybl and Neumann (CVPR 2025) use it for
proxies.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from archwright.errors import InputError


@dataclass(frozen=True)
class Agreement:
    """How the ranking by a score agrees with the ranking by measured values.

    Attributes:
        n: networks compared.
        spearman: Spearman's rank correlation.
        kendall: Kendall's tau-b.
        ndcg: top-heavy agreement: discounted gain of the best by score over that of the truly
            best; 1 is perfect.
        regret: the best value less the value of the one that the score puts first.
        within_spearman: mean Spearman correlation within groups of equal size, weighted by how
            many there are; NaN where no group has enough.
        n_within: networks in those groups.
    """

    n: int
    spearman: float
    kendall: float
    ndcg: float
    regret: float
    within_spearman: float = float("nan")
    n_within: int = 0


#: Groups with fewer networks say nothing of a correlation.
LEAST_IN_GROUP = 5


def agreement(
    scores: Sequence[float],
    values: Sequence[float],
    *,
    groups: Sequence[Hashable] | None = None,
    top: int = 50,
) -> Agreement:
    """Compare a score with measured values, both larger-is-better.

    Args:
        scores: one number for each network; NaN counts as the worst.
        values: what was measured.
        groups: what must be equal within a group, such as the number of parameters. Most proxies
            are size in disguise; what is left within equal size shows how much.
        top: how many count for nDCG.

    Raises:
        InputError: fewer than three networks, or lengths that differ.

    >>> found = agreement([1, 2, 3, 4], [10, 20, 40, 30])
    >>> round(found.spearman, 3), found.regret
    (0.8, 10.0)
    """
    s, v = np.asarray(scores, dtype=float), np.asarray(values, dtype=float)
    if s.shape != v.shape or s.ndim != 1 or len(s) < 3:
        raise InputError(
            f"scores and values must be as many, at least 3, got {len(s)} and {len(v)}"
        )
    if not np.isfinite(v).all():
        raise InputError("values must be finite")
    finite = s[np.isfinite(s)]
    s = np.where(np.isnan(s), (finite.min() if len(finite) else 0.0) - 1.0, s)
    within, n_within = (float("nan"), 0) if groups is None else _within(s, v, groups)
    return Agreement(
        len(s),
        _spearman(s, v),
        _kendall(s, v),
        ndcg(s.tolist(), v.tolist(), top=top),
        float(v.max() - _first(s, v)),
        within,
        n_within,
    )


def ndcg(scores: Sequence[float], values: Sequence[float], *, top: int = 50) -> float:
    """Normalised discounted cumulated gain of the best `top` by score.

    The gain is 2^r - 1, with r the value's share of the way from the worst (0) to the best (1),
    times 10, so that the best few dominate.

    >>> ndcg([3, 2, 1], [3, 2, 1]), round(ndcg([1, 2, 3], [3, 2, 1]), 3)
    (1.0, 0.509)
    """
    s, v = np.asarray(scores, dtype=float), np.asarray(values, dtype=float)
    spread = v.max() - v.min()
    if spread == 0:
        return 1.0
    gain = 2 ** (10 * (v - v.min()) / spread) - 1
    n = min(top, len(v))
    discount = 1 / np.log2(np.arange(2, n + 2))
    best = float((np.sort(gain)[::-1][:n] * discount).sum())
    return float((gain[np.argsort(-s, kind="stable")][:n] * discount).sum()) / best


def _first(s: np.ndarray, v: np.ndarray) -> float:
    return float(v[s == s.max()].mean())  # of equal ones: what one of them gives on average


def _spearman(s: np.ndarray, v: np.ndarray) -> float:
    from scipy.stats import spearmanr

    if (s == s[0]).all() or (v == v[0]).all():
        return 0.0
    return float(spearmanr(s, v)[0])


def _kendall(s: np.ndarray, v: np.ndarray) -> float:
    from scipy.stats import kendalltau

    if (s == s[0]).all() or (v == v[0]).all():
        return 0.0
    return float(kendalltau(s, v)[0])


def _within(s: np.ndarray, v: np.ndarray, groups: Sequence[Hashable]) -> tuple[float, int]:
    members: dict[Hashable, list[int]] = {}
    for i, group in enumerate(groups):
        members.setdefault(group, []).append(i)
    total, n = 0.0, 0
    for at in members.values():
        if len(at) >= LEAST_IN_GROUP:
            total += len(at) * _spearman(s[at], v[at])
            n += len(at)
    return (total / n, n) if n else (float("nan"), 0)
