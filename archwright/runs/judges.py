"""What the cheap stages of a cascade stand for in a search: proxies on its networks."""

from __future__ import annotations

import contextlib
import time
from copy import copy
from typing import Any

from archwright.space import Space
from archwright.strategies import Strategy
from archwright.strategies.cascade import Cascade
from archwright.strategies.cascade_stages import ZERO_COST

SCREENING_SHARE = 0.1
"""Of the time for the search, for ranking pools; the pool is made smaller to fit in."""

TIMES_LEAST = 3
"""As many times what is trained must be judged, or judging is not worth its time."""

N_ROUNDS = 2  # that the time is shared among


def with_judges(
    strategy: Strategy, space: Space, input_shape: tuple[int, ...] | None, device: str
) -> Strategy:
    """The strategy, with the proxies that a cascade's stage "zero_cost" names.

    Args:
        strategy: a `Cascade`, bare or wrapped; any other is returned as it is.
        space: the space; one without networks leaves the stage unfilled.
        input_shape: shape of one input, without the batch; None: unknown.
        device: where networks are judged.
    """
    found = _cascade(strategy)
    named = found is not None and any(stage.by == ZERO_COST for stage in found.stages)
    if found is None or not named or input_shape is None or not hasattr(space, "build"):
        return strategy
    from archwright.proxies import ZeroCost

    judge = ZeroCost(input_shape=input_shape, batch=16, device=device)
    return _replaced(strategy, found.with_zero_cost(judge))


def pool_within(
    strategy: Strategy, space: Space, seconds: float | None, *, seed: int
) -> int | None:
    """The size of a cascade's pool that can be judged within a share of the time.

    Args:
        strategy: a `Cascade`, bare or wrapped.
        space: the space.
        seconds: for the search; None: unlimited.
        seed: of the architectures that are timed.

    Returns:
        A smaller size than the cascade's; 0 where so few could be judged that it is not worth the
        time; None where its own will do, or it is no cascade.
    """
    found = _cascade(strategy)
    judges = [] if found is None else [j for j in (s.judge() for s in found.cheap) if j is not None]
    if found is None or seconds is None or not judges:
        return None
    sample = [space.default, *(space.sample(seed=seed + i) for i in range(2))]
    start = time.perf_counter()
    for judge in judges:
        with contextlib.suppress(Exception):  # the stage will be passed over, with the reason
            judge.rank(space, sample)
    each = (time.perf_counter() - start) / len(sample)
    pool = int(SCREENING_SHARE * seconds / each / N_ROUNDS)
    if pool < TIMES_LEAST * found.n_entrants:
        return 0
    return None if pool >= found.pool else pool


def with_pool(strategy: Strategy, pool: int) -> Strategy:
    """A cascade with another size of its pool, 0: without judges; any other strategy as it is."""
    found = _cascade(strategy)
    if found is None:
        return strategy
    return _replaced(strategy, found.with_pool(pool) if pool else found.without_judges())


def has_stages(strategy: Strategy) -> bool:
    """Whether it is a cascade, bare or wrapped."""
    return _cascade(strategy) is not None


def record_of(strategy: Strategy, history: Any) -> list[dict[str, Any]] | None:
    """What came of a cascade's stages, or None for other strategies."""
    found = _cascade(strategy)
    return None if found is None else found.record(history)


def _cascade(strategy: Any) -> Cascade | None:
    inner = getattr(strategy, "wrapped", strategy)
    return inner if isinstance(inner, Cascade) else None


def _replaced(strategy: Any, cascade: Cascade) -> Any:
    if strategy is _cascade(strategy):
        return cascade
    other = copy(strategy)
    other.wrapped = cascade
    return other
