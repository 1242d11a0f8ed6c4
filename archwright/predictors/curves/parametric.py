"""An ensemble of parametric families, weighed by how well each explains the curve so far."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from archwright.predictors.curves.shapes import ENSEMBLE, shapes

Array = npt.NDArray[np.float64]

NOISE = (0.003, 0.01, 0.03, 0.1, 0.3)
"""Standard deviations of a point about its curve that are tried, in ranges of the values seen."""
N_EFFECTIVE = 4.0
"""What many points are worth at most: neighbours on a curve err together."""
CHANGE = 1.0
"""Prior standard deviation of the whole training's change, in ranges of the values seen."""
DISTRUST = 0.3
"""Standard deviation that is added for the part of the way that is not seen: no family is true."""


def posterior(
    steps: Array, values: Array, at: float, names: tuple[str, ...] = tuple(ENSEMBLE)
) -> tuple[Array, Array]:
    """Mean and standard deviation of the value at a later step, for curves with the same steps.

    Each shape of each family is a line in its offset and scale, whose posterior is closed; shapes
    and levels of noise are averaged by their evidence. No optimiser, no sampling: the same curve
    gives the same answer, and a hundred curves cost little more than one.

    Args:
        steps: ascending, above 0; n of them.
        values: n_curves x n.
        at: the step that is asked for.
        names: the families.

    Returns:
        Means and standard deviations, n_curves each.

    Source: Domhan, Springenberg and Hutter, IJCAI 2015 (see `archwright.predictors.curves.shapes`).

    Differences from the paper: there the weights and parameters of a sum of families are sampled by
    MCMC, 100 walkers for thousands of steps; here one shape at a time explains the curve, on a
    grid. Many points count as `N_EFFECTIVE`, as those of a curve are not independent. That an
    accuracy ends above its last value and below 1 is not presumed: the change over the training
    has a normal prior.

    >>> steps = np.arange(1.0, 11.0)
    >>> mean, std = posterior(steps, (0.9 - 0.5 * steps**-0.5)[None], 100.0)
    >>> bool(abs(mean[0] - 0.85) < 0.02), bool(0 < std[0] < 0.1)
    (True, True)
    """
    last = values[:, -1]
    if len(steps) < 3:
        return last.copy(), spread(steps, values, at)
    rows, prior = shapes(steps, at, names)
    if not len(rows):
        return last.copy(), spread(steps, values, at)
    n = min(len(steps), N_EFFECTIVE)
    weight = np.full(len(steps), n / len(steps))
    scale = _scale(values)
    middle = values.mean(axis=1)
    y = (values - middle[:, None]) / scale[:, None]
    g = rows[:, :-1]
    centre = g.mean(axis=1)
    g = g - centre[:, None]
    ahead = rows[:, -1] - centre
    gg = (g * g) @ weight
    gy = (g * weight) @ y.T
    yy = (y * y) @ weight
    # shapes x noises x curves
    noise2 = (np.array(NOISE) ** 2)[None, :, None]
    precision = gg[:, None, None] / noise2 + CHANGE**-2
    slope = gy[:, None, :] / noise2 / precision
    evidence = (
        -0.5 * (n - 1) * np.log(noise2)
        - 0.5 * np.log(precision * CHANGE**2)
        - 0.5 * (yy / noise2 - slope**2 * precision)
        + np.log(prior)[:, None, None]
    )
    share = np.exp(evidence - evidence.max(axis=(0, 1)))
    share /= share.sum(axis=(0, 1))
    means = slope * ahead[:, None, None]
    variances = ahead[:, None, None] ** 2 / precision + noise2 * (1 + 1 / n)
    mean = (share * means).sum(axis=(0, 1))
    variance = (share * (variances + means**2)).sum(axis=(0, 1)) - mean**2
    mean = middle + scale * mean
    variance = np.maximum(variance, 0.0) * scale**2 + (DISTRUST * (mean - last)) ** 2
    return mean, np.sqrt(variance)


def spread(steps: Array, values: Array, at: float) -> Array:
    """How far a curve may still go, by how far it came in the same proportion of steps.

    From ``steps[-1]`` to `at` a curve that is a line in the logarithm of the steps goes as far as
    from ``steps[-1]**2 / at`` to ``steps[-1]``. Infinite where there is one point.

    Args:
        steps: n of them.
        values: n_curves x n.
        at: the step that is asked for.

    Returns:
        n_curves standard deviations.
    """
    if len(steps) < 2:
        return np.full(len(values), np.inf)
    back = max(steps[0], steps[-1] ** 2 / max(at, steps[-1]))
    before = np.array([np.interp(back, steps, row) for row in values])
    ratio = np.log(max(at, steps[-1]) / steps[-1]) / max(np.log(steps[-1] / back), 1e-12)
    ratio = min(ratio, 10.0) if at > steps[-1] else 0.0
    jumps = np.abs(np.diff(values, axis=1)).mean(axis=1)
    return np.asarray(np.hypot(ratio * (values[:, -1] - before), jumps))


def _scale(values: Array) -> Array:
    """The range of each curve; of a constant one, a hundredth of its size."""
    span = values.max(axis=1) - values.min(axis=1)
    floor = 1e-2 * np.abs(values).max(axis=1)
    return np.where(span > 1e-4 * floor, span, np.where(floor > 0, floor, 1.0))
