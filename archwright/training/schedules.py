"""Learning-rate schedules: the fraction of the peak rate at a position between 0 and 1.

A schedule knows nothing of steps, epochs or seconds: it is a function of *progress*, which a
`Pace` turns steps into and which always reaches 1. So a run that is made shorter still anneals to
the end instead of being cut in the middle.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from archwright import errors

Schedule = Callable[[float, float], float]
"""`schedule(progress, warmup) -> factor`, all three between 0 and 1."""


def cosine(progress: float, warmup: float) -> float:
    """A linear rise over `warmup`, then half a cosine down to 0.

    Source: Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR
    2017, arXiv:1608.03983 (one period, without restarts).

    >>> [round(cosine(p, 0.1), 3) for p in (0.05, 0.1, 0.55, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if progress < warmup:
        return progress / warmup
    return 0.5 + 0.5 * math.cos(math.pi * (progress - warmup) / (1.0 - warmup))


def one_cycle(progress: float, warmup: float) -> float:
    """Half a cosine from 1/25 up over `warmup`, then half a cosine down to 0.

    Source: Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large
    Learning Rates", 2018, arXiv:1708.07120.

    Differences from the paper: cosine pieces instead of straight lines, and the momentum is left
    alone.

    >>> [round(one_cycle(p, 0.3), 3) for p in (0.0, 0.3, 0.65, 1.0)]
    [0.04, 1.0, 0.5, 0.0]
    """
    low = 1.0 / 25.0
    if progress < warmup:
        return low + (1.0 - low) * (0.5 - 0.5 * math.cos(math.pi * progress / warmup))
    return 0.5 + 0.5 * math.cos(math.pi * (progress - warmup) / (1.0 - warmup))


def linear(progress: float, warmup: float) -> float:
    """A linear rise over `warmup`, then a straight line down to 0.

    >>> [round(linear(p, 0.2), 3) for p in (0.1, 0.2, 0.6, 1.0)]
    [0.5, 1.0, 0.5, 0.0]
    """
    if progress < warmup:
        return progress / warmup
    return (1.0 - progress) / (1.0 - warmup)


def constant(progress: float, warmup: float) -> float:
    """A linear rise over `warmup`, then the peak rate throughout.

    >>> [constant(p, 0.1) for p in (0.05, 0.5, 1.0)]
    [0.5, 1.0, 1.0]
    """
    return progress / warmup if progress < warmup else 1.0


SCHEDULES: dict[str, Schedule] = {
    "cosine": cosine,
    "one_cycle": one_cycle,
    "linear": linear,
    "constant": constant,
}


def schedule(name: str) -> Schedule:
    """The schedule of that name.

    Raises:
        UnknownNameError: listing the known ones and the nearest.

    >>> schedule("cosine") is cosine
    True
    """
    if name not in SCHEDULES:
        raise errors.unknown_name("schedule", name, SCHEDULES)
    return SCHEDULES[name]
