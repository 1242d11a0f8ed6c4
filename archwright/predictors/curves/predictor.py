"""`extrapolate` and `CurvePredictor`: where will this training end?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from archwright.errors import InputError, unknown_name
from archwright.predictors.curves.curve import Curve
from archwright.predictors.curves.families import Parametric
from archwright.predictors.curves.last_value import LastValue
from archwright.predictors.curves.lc_svr import SupportVectors
from archwright.predictors.curves.method import Method
from archwright.predictors.curves.mixture import Mixture
from archwright.predictors.curves.ridge import Ridge
from archwright.predictors.curves.shapes import FAMILIES
from archwright.predictors.curves.sums import Sum
from archwright.predictors.curves.table import Table

Array = npt.NDArray[np.float64]

METHODS: dict[str, Callable[[], Method]] = {
    "auto": Mixture,
    "last_value": LastValue,
    "parametric": Parametric,
    "lc_svr": SupportVectors,
    "ridge": Ridge,
    "sotl": Sum,
    "sotl_e": lambda: Sum("losses", 1),
    "sovl": lambda: Sum("values"),
}
"""Name -> what makes the method; the names of `FAMILIES` are methods too."""
N_LEAST = 4
"""Finished curves below which nothing is learnt from them."""


class Prediction(NamedTuple):
    """What is expected of the value at the end.

    Attributes:
        mean: the value.
        std: standard deviation of its error; infinite where nothing tells.
    """

    mean: float
    std: float


def as_method(given: str | Method) -> Method:
    """A method from its name, or the method itself.

    Raises:
        UnknownNameError: no method has that name.

    >>> as_method("pow3")
    Parametric(names=('pow3',))
    """
    if not isinstance(given, str):
        if callable(getattr(given, "learn", None)) and not isinstance(given, type):
            return given
        raise InputError(
            f"method must be a name ({', '.join(METHODS)}) or an object with extrapolate and "
            f"learn, got {given!r}"
        )
    if given in METHODS:
        return METHODS[given]()
    if given in FAMILIES:
        return Parametric((given,))
    raise unknown_name("method for learning curves", given, [*METHODS, *FAMILIES])


def extrapolate(
    curve: Any,
    *,
    at: float,
    method: str | Method = "parametric",
    steps: Iterable[float] | None = None,
    metric: str | None = None,
) -> Prediction:
    """The value of a curve at a later step, from this curve alone.

    Args:
        curve: a `Curve`, values, or reports (see `Curve.of`); rising or falling.
        at: the step whose value is asked for, in the steps' unit. A curve that has come there
            already answers with its value and a standard deviation of 0.
        method: "parametric" (all families), the name of one of `FAMILIES`, or "last_value".
        steps: of plain values; default: 1, 2, 3, ...
        metric: which metric of reports.

    Returns:
        Mean and standard deviation. With one point the standard deviation is infinite; with fewer
        than three the mean is the last value.

    Raises:
        InputError: the curve has no finite value, `at` is not positive, or the method needs
            finished curves.

    >>> mean, std = extrapolate([1 - 0.6 * epoch**-0.5 for epoch in range(1, 21)], at=100)
    >>> round(mean, 2), round(std, 2)  # it ends at 0.94
    (0.95, 0.05)
    """
    found = Curve.of(curve, steps=steps, metric=metric)
    chosen = as_method(method)
    at = _end(at)
    if found.steps[-1] >= at:
        return Prediction(float(found.at(np.array([at]))[0]), 0.0)
    mean, std = chosen.extrapolate(Table.of([found], found, at))
    return Prediction(float(mean[0]), float(std[0]))


class CurvePredictor:
    """Predicts where trainings end, from those of the same search that have ended.

    Args:
        method: a name of `METHODS` or `FAMILIES`, or an object with their methods.
        at: the step at which trainings end; None: the median of the last steps of the curves that
            it is fitted to.
        metric: which metric, where curves are given as reports.

    Every method's standard deviation is the root mean square error of what it says of each finished
    curve without that curve, enlarged where there are few of them.

    >>> curves = [
    ...     [1 - a * epoch**-0.5 for epoch in range(1, 31)] for a in (0.2, 0.3, 0.5, 0.6, 0.8)
    ... ]
    >>> mean, std = CurvePredictor().fit(curves).predict([0.6, 0.717])
    >>> round(mean, 2), std < 0.02
    (0.93, True)
    """

    def __init__(
        self, method: str | Method = "auto", *, at: float | None = None, metric: str | None = None
    ) -> None:
        self.method = as_method(method)
        self.at = None if at is None else _end(at)
        self.metric = metric
        self.curves_: list[Curve] = []

    def fit(
        self,
        curves: Sequence[Any],
        finals: Sequence[float] | None = None,
        *,
        features: Any = None,
    ) -> CurvePredictor:
        """Keep finished curves; learning waits until it is known how far the curve asked for came.

        Args:
            curves: at least `N_LEAST`, each as `Curve.of` takes it.
            finals: the value that counts of each (which may be that of its best epoch); None: its
                last.
            features: of the architectures, n_curves x n_features, for "lc_svr", "ridge" and
                "auto"; then `predict` needs those of the curve, too.

        Raises:
            InputError: too few curves, or numbers that do not fit.
        """
        known = [Curve.of(c, metric=self.metric) for c in curves]
        if len(known) < N_LEAST:
            raise InputError(f"fit needs at least {N_LEAST} finished curves, got {len(known)}")
        ends = [c.values[-1] for c in known] if finals is None else [float(v) for v in finals]
        if len(ends) != len(known) or not np.isfinite(ends).all():
            raise InputError(
                f"finals must be one finite number a curve, got {len(ends)} for {len(known)} curves"
            )
        self.curves_ = known
        self.finals_ = np.array(ends)
        self.features_ = None if features is None else _matrix(features, len(known))
        self.at_ = float(np.median([c.steps[-1] for c in known])) if self.at is None else self.at
        return self

    def predict(self, curve: Any, *, features: Sequence[float] | None = None) -> Prediction:
        """Where a curve will end.

        Of the finished curves those count that came as far as this one. With fewer than
        `N_LEAST` of them, a method that can answers from this curve alone.

        Raises:
            InputError: `fit` was not called, or `features` are missing or too many.
        """
        return self.predict_many([curve], features=None if features is None else [features])[0]

    def predict_many(self, curves: Sequence[Any], *, features: Any = None) -> list[Prediction]:
        """`predict` for several curves; those that stand at the same steps share the work."""
        if not self.curves_:
            raise InputError("fit the predictor to finished curves first: .fit(curves, finals)")
        found = [Curve.of(c, metric=self.metric) for c in curves]
        if (features is None) != (self.features_ is None):
            raise InputError(
                "features of architectures must be given to fit and to predict, or to neither"
            )
        rows = None if features is None else _matrix(features, len(found))
        if rows is not None and self.features_ is not None:
            width = self.features_.shape[1]
            if rows.shape[1] != width:
                raise InputError(f"fit had {width} features an architecture, got {rows.shape[1]}")
        alike: dict[tuple[Any, ...], list[int]] = {}
        for i, curve in enumerate(found):
            alike.setdefault((curve.steps, tuple(s for s, _ in curve.losses)), []).append(i)
        answers: dict[int, Prediction] = {}
        for places in alike.values():
            part = None if rows is None else rows[places]
            means, stds = self._answer([found[i] for i in places], part)
            for i, mean, std in zip(places, means, stds, strict=True):
                answers[i] = Prediction(float(mean), float(std))
        return [answers[i] for i in range(len(found))]

    def _answer(self, curves: Sequence[Curve], features: Array | None) -> tuple[Array, Array]:
        like = curves[0]
        asked = Table.of(curves, like, self.at_, features)
        reach = [
            i
            for i, c in enumerate(self.curves_)
            if c.steps[-1] >= like.steps[-1] and c.steps[0] <= like.steps[-1]
        ]
        n = len(reach)
        if n < N_LEAST:
            if like.steps[-1] >= self.at_:
                return asked.values[:, -1], np.zeros(len(curves))
            return self.method.extrapolate(asked)
        # Before its first report nothing is known of a finished curve.
        begin = max(self.curves_[i].steps[0] for i in reach)
        if begin > like.steps[0]:
            like = like.since(begin)
            asked = Table.of(curves, like, self.at_, features)
        known = Table.of(
            [self.curves_[i] for i in reach],
            like,
            self.at_,
            None if self.features_ is None else self.features_[reach],
        )
        finals = self.finals_[reach]
        held_out, means = self.method.learn(known, finals, asked)
        # Few errors tell their spread badly: 1 + 1 / (n - 3) makes the normal 5 % Student's.
        factor = math.sqrt((n + 1) / (n - 3)) * (1.0 + 1.0 / (n - 3))
        std = factor * float(np.sqrt(np.square(held_out - finals).mean()))
        return means, np.full(len(curves), std)


def _end(at: Any) -> float:
    try:
        found = float(at)
    except (TypeError, ValueError):
        found = float("nan")
    if not 0 < found < float("inf"):
        raise InputError(f"at must be the step at which trainings end, above 0, got {at!r}")
    return found


def _matrix(features: Any, n: int) -> Array:
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2 or len(rows) != n or not np.isfinite(rows).all():
        raise InputError(
            f"features must be finite numbers, {n} x n_features, got shape {rows.shape}"
        )
    return rows
