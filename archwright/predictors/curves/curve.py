"""`Curve`: the values of a metric over the steps of one training."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.errors import InputError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Curve:
    """One metric over the steps of a training, finished or under way.

    Attributes:
        steps: ascending, above 0, in any unit (epochs, batches, seconds), at any distances.
        values: of the metric, one a step; whether larger is better does not matter.
        losses: of the training, step -> loss, where they are known; for `sotl` and `sotl_e`.

    Make one with `Curve.of`, which leaves out what is not finite.

    >>> Curve.of([0.3, float("nan"), 0.5])
    Curve(steps=(1.0, 3.0), values=(0.3, 0.5), losses=())
    >>> reports = [{"step": 2, "accuracy": 0.3, "train_loss": 2.0}, {"step": 4, "accuracy": 0.5}]
    >>> Curve.of(reports, metric="accuracy").losses
    ((2.0, 2.0),)
    """

    steps: tuple[float, ...]
    values: tuple[float, ...]
    losses: tuple[tuple[float, float], ...] = ()

    @classmethod
    def of(
        cls,
        given: Any,
        *,
        steps: Iterable[float] | None = None,
        metric: str | None = None,
        loss: str = "train_loss",
    ) -> Curve:
        """A curve from plain values.

        Args:
            given: a `Curve`; the values; or reports as a trial keeps them,
                ``{"step": 1, "accuracy": 0.8, "train_loss": 0.7}``.
            steps: of plain values; default: 1, 2, 3, ...
            metric: which of the reports' metrics; needed for reports only.
            loss: which of them is the training loss.

        What is not finite, and what was reported before the first step (step 0), is left out; of
        several values at one step the last counts.

        Raises:
            InputError: no value is left, or something is no number; says which.
        """
        if isinstance(given, Curve):
            return given
        points = list(given) if isinstance(given, Iterable) and not isinstance(given, str) else None
        if points is None:
            raise InputError(
                f"a curve is a sequence of values or of reports, got {type(given).__name__}"
            )
        losses: list[tuple[float, float]] = []
        if points and isinstance(points[0], Mapping):
            if metric is None:
                raise InputError(
                    "which metric of the reports? give metric=, one of "
                    f"{', '.join(k for k in points[0] if k != 'step')}"
                )
            pairs = [(p["step"], p[metric]) for p in points if metric in p]
            losses = _ascending([(p["step"], p[loss]) for p in points if loss in p], loss)
        else:
            known = list(range(1, len(points) + 1)) if steps is None else list(steps)
            if len(known) != len(points):
                raise InputError(
                    f"steps= has {len(known)} numbers for {len(points)} values: give one each"
                )
            pairs = list(zip(known, points, strict=True))
        rows = _ascending(pairs, metric or "values")
        if not rows:
            raise InputError(
                f"the curve has no finite value of {metric or 'the metric'} at a step above 0 "
                f"({len(points)} points were given)"
            )
        return cls(tuple(s for s, _ in rows), tuple(v for _, v in rows), tuple(losses))

    def upto(self, step: float) -> Curve | None:
        """The part up to a step; None where nothing had been reported yet.

        >>> Curve.of([0.3, 0.4, 0.5]).upto(2).values
        (0.3, 0.4)
        """
        n = sum(s <= step for s in self.steps)
        if n == 0:
            return None
        losses = tuple(pair for pair in self.losses if pair[0] <= step)
        return Curve(self.steps[:n], self.values[:n], losses)

    def since(self, step: float) -> Curve:
        """The part from a step on, which must not be beyond the last; the losses stay.

        >>> Curve.of([0.3, 0.4, 0.5]).since(2).values
        (0.4, 0.5)
        """
        n = sum(s < step for s in self.steps)
        return Curve(self.steps[n:], self.values[n:], self.losses)

    def at(self, steps: Array) -> Array:
        """The values at other steps, on straight lines between those known and flat beyond."""
        return np.asarray(np.interp(steps, self.steps, self.values), dtype=np.float64)


def _ascending(pairs: Sequence[tuple[Any, Any]], name: str) -> list[tuple[float, float]]:
    kept: dict[float, float] = {}
    for step, value in pairs:
        try:
            s, v = float(step), float(value)
        except (TypeError, ValueError):
            raise InputError(
                f"a curve's steps and {name} must be numbers, got {step!r} and {value!r}"
            ) from None
        if math.isfinite(s) and math.isfinite(v) and s > 0:
            kept[s] = v
    return sorted(kept.items())
