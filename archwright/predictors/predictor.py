"""A predictor: fitted to trained architectures, it tells what others would reach."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from archwright.errors import InputError, unknown_name, whole_number
from archwright.predictors.encoder import LARGEST, Custom, Encoder, default_features
from archwright.predictors.tables import Model, Scaling, Table
from archwright.predictors.targets import Scale, Targets
from archwright.space import Architecture, Space

Matrix: TypeAlias = npt.NDArray[np.float64]

LEAST = 4
CHUNK = 4_096
N_REFERENCE = 256
_WIDE = 0.8, 1.2816  # the share of a normal distribution within so many deviations
_WIDEST = 10.0


@dataclass(frozen=True)
class Calibration:
    """How the predictions of the architectures that were fitted to do, each held out.

    Attributes:
        factor: what the model's own standard deviations are multiplied by.
        coverage: share of normal intervals -> share of the targets that lay within, after that.
        kendall: Kendall's tau between held-out predictions and values.
        n: of how many architectures.
    """

    factor: float
    coverage: Mapping[float, float]
    kendall: float
    n: int


class Predictor:
    """Predicts a metric of architectures from those of some that were trained.

    Whether more or less of the metric is better does not matter. The models:

    - ``auto``: the mean of a Gaussian process that learns which groups of features matter, one of
      the main features that learns nothing, and extra trees;
    - ``sum_gp``, ``joined_gp``, ``extra_trees``: the parts of it;
    - ``random_forest``, ``gradient_boosting``, ``lightgbm``, ``xgboost``: trees;
    - ``ridge``: linear;
    - ``additive``: the Gaussian process that the strategy "additive_gp" holds;
    - ``gp``: a Gaussian process with the Weisfeiler-Lehman kernel of cells (NASBOWL's);
    - ``mlp``: an ensemble of networks over the features;
    - ``gcn``: an ensemble of graph convolutional networks over the cells.

    Args:
        space: the search space.
        model: one of these names, or an object with their method
            (`archwright.predictors.tables.Model`); what its ``fit`` answers needs ``held_out``
            (`archwright.predictors.tables.Fitted`) unless `calibrate` is False.
        features: the groups of features, see `archwright.predictors.encoder.Encoder`; None: those
            of `default_features`. For "gp" and "gcn", which read the cells themselves, None only.
        custom: features of one's own, such as proxy scores or costs: name of the group -> a
            function of an architecture that answers a number or name -> number, or `Columns`.
            They are replaced by the normal quantiles of their ranks among the fitted.
        targets: "ranks": models are fitted to the normal quantiles of the values' ranks, and
            predictions are taken back to the values' scale; "values": to the values.
        ranking: fit to which of two architectures is better; for "mlp" and "gcn" only.
        calibrate: scale the standard deviations so that they are right for held-out
            architectures (leave one out, or five folds); False saves that time.
        seed: of whatever is random in the model.

    Attributes:
        calibration: what calibrating found, after `fit`; None without.

    Raises:
        UnknownNameError: an unknown model or group of features.
        MissingExtraError: the model needs a library that is not installed.
        InputError: an option that the model or the space has no use for.

    Means are kept within the range of the values that were fitted to, extended on both sides by
    their standard deviation: beyond that nothing was seen, and lines lead anywhere. `rank` does not
    need that, and orders what lies beyond, too.

    >>> from archwright.space import Choice
    >>> space = Space({f"layer.{i}": Choice((8, 16, 32)) for i in range(4)})
    >>> seen = [space.sample(seed=seed) for seed in range(20)]
    >>> predictor = Predictor(space, model="ridge")
    >>> predictor.fit(seen, [sum(a.values()) for a in seen])
    Predictor(ridge, fitted to 20)
    >>> mean, deviation = predictor.predict([{f"layer.{i}": 32 for i in range(4)}])
    >>> bool(abs(mean[0] - 128) < 15), deviation.shape
    (True, (1,))
    """

    def __init__(
        self,
        space: Space,
        *,
        model: str | Model = "auto",
        features: Sequence[str] | None = None,
        custom: Mapping[str, Custom] | None = None,
        targets: Scale = "ranks",
        ranking: bool = False,
        calibrate: bool = True,
        seed: int = 0,
    ) -> None:
        if not isinstance(space, Space):
            raise InputError(f"space must be a Space, got {space!r}")
        if targets not in ("ranks", "values"):
            raise unknown_name("scale of targets", targets, ("ranks", "values"))
        if not isinstance(model, str) and (
            isinstance(model, type) or not callable(getattr(model, "fit", None))
        ):
            raise InputError(
                f"model must be one of {', '.join(MODELS)}, or an object with a method "
                f"fit(table, targets, seed=...) (archwright.predictors.tables.Model), got {model!r}"
            )
        self.space = space
        self.seed = whole_number("seed", seed, least=0)
        self.name = model if isinstance(model, str) else type(model).__name__
        own = model in READS_ARCHITECTURES
        if own and (features is not None or custom):
            raise InputError(
                f"the model {model!r} reads the architectures themselves: leave features and "
                "custom out, or take another model, such as 'auto'"
            )
        wanted: Sequence[str] = default_features(space) if features is None else features
        # Even where no features are read, this refuses what no predictor can work on.
        encoder = Encoder(space, wanted, custom=custom)
        self._encoder = None if own else encoder
        self._own = frozenset(custom or ())
        self._model: Model = _model(model, space, ranking) if isinstance(model, str) else model
        if ranking and model not in CAN_RANK:
            raise InputError(
                f"ranking=True has no meaning for the model {self.name!r}: take 'mlp' or 'gcn', or "
                "leave it out (targets='ranks' fits to the values' ranks)"
            )
        self._scale: Scale = targets
        self._calibrate = calibrate
        self._reference = self._sampled()
        self._seen: list[Architecture] = []
        self._values = np.zeros(0)
        self._fitted: Any = None
        self.calibration: Calibration | None = None

    def __repr__(self) -> str:
        state = f"fitted to {len(self._seen)}" if self._fitted is not None else "not fitted"
        return f"Predictor({self.name}, {state})"

    def fit(self, architectures: Iterable[Mapping[str, Any]], values: Iterable[float]) -> Predictor:
        """Fit to trained architectures; what was fitted before is forgotten.

        Args:
            architectures: at least four architectures of the space. One may be there several
                times, trained with several seeds, say.
            values: the metric of each.

        Returns:
            The predictor itself.

        Raises:
            ArchitectureError: an architecture that is not of the space.
            InputError: too few, not as many values as architectures, or values that are no finite
                numbers.
        """
        return self._refit(*self._checked(architectures, values))

    def update(
        self, architectures: Iterable[Mapping[str, Any]], values: Iterable[float]
    ) -> Predictor:
        """Add trained architectures to those fitted before.

        The predictions are exactly those of `fit` with all of them in this order: ranks, scales
        and the weights of features depend on all. What `custom` told is not computed again.

        Args:
            architectures: further architectures.
            values: the metric of each.

        Returns:
            The predictor itself.

        Raises:
            ArchitectureError: an architecture that is not of the space.
            InputError: as for `fit`, of all together.
        """
        known = [*self._seen], self._values
        listed, new = self._checked(architectures, values, least=max(0, LEAST - len(known[0])))
        if not listed:
            return self
        return self._refit([*known[0], *listed], np.concatenate([known[1], new]))

    def predict(self, architectures: Iterable[Mapping[str, Any]]) -> tuple[Matrix, Matrix]:
        """Mean and standard deviation of the metric, each of shape (n,), on the values' scale.

        Args:
            architectures: n architectures of the space.

        Raises:
            ArchitectureError: an architecture that is not of the space.
            InputError: nothing was fitted yet.
        """
        self._need_fit()
        mean, deviation = self._scored([self.space.check(a) for a in architectures])
        return self._targets.back(mean, deviation)

    def rank(
        self, architectures: Iterable[Mapping[str, Any]], *, maximize: bool = True
    ) -> list[Architecture]:
        """The architectures, the one that is predicted to be best first.

        The order is that of the predicted targets: that of the means, but where a low mean comes of
        little being known.

        Args:
            architectures: architectures of the space.
            maximize: whether more of the metric is better.
        """
        listed = [self.space.check(a) for a in architectures]
        self._need_fit()
        mean, _ = self._scored(listed)
        order = np.argsort(-mean if maximize else mean, kind="stable")
        return [listed[i] for i in order]

    def _need_fit(self) -> None:
        if self._fitted is None:
            raise InputError("the predictor is not fitted: call fit(architectures, values) first")

    def _scored(self, listed: list[Architecture]) -> tuple[Matrix, Matrix]:
        """Mean and deviation of the targets."""
        means, deviations = [np.zeros(0)], [np.zeros(0)]
        factor = self.calibration.factor if self.calibration else 1.0
        for start in range(0, len(listed), CHUNK):
            mean, deviation = self._fitted.predict(self._table(listed[start : start + CHUNK]))
            means.append(mean)
            deviations.append(deviation * factor)
        return np.concatenate(means), np.concatenate(deviations)

    # ------------------------------------------------------------------ fitting

    def _checked(
        self,
        architectures: Iterable[Mapping[str, Any]],
        values: Iterable[float],
        *,
        least: int = LEAST,
    ) -> tuple[list[Architecture], Matrix]:
        listed = [self.space.check(a) for a in architectures]
        try:
            numbers = np.array([float(value) for value in values])
        except (TypeError, ValueError) as error:
            raise InputError(
                f"values must be numbers, one for each architecture: {error}"
            ) from None
        if len(numbers) != len(listed):
            raise InputError(
                f"expected one value for each architecture, got {len(listed)} architectures and "
                f"{len(numbers)} values"
            )
        large = [i for i, v in enumerate(numbers) if LARGEST <= abs(v) < math.inf]
        if large:
            raise InputError(
                f"values must be below {LARGEST:g} in size, got {numbers[large[0]]:g} (number "
                f"{large[0]}): give their logarithms, or another unit"
            )
        bad = [i for i, value in enumerate(numbers) if not math.isfinite(value)]
        if bad:
            raise InputError(
                f"values must be finite, got {numbers[bad[0]]} for {listed[bad[0]]!r} (number "
                f"{bad[0]}): leave trials that failed out, or give them a low value"
            )
        if len(listed) < least:
            raise InputError(
                f"at least {LEAST} trained architectures are needed, got {len(listed)}"
                f"{f' beside {LEAST - least} before' if least < LEAST else ''}"
            )
        return listed, numbers

    def _refit(self, listed: list[Architecture], values: Matrix) -> Predictor:
        rows = self._encoder.encode(listed) if self._encoder else {}
        self._ranks = {name: _Ranks.of(rows[name]) for name in self._own}
        ranked = self._ranked(rows)
        together = {
            name: np.concatenate([own, self._reference[name]]) if name in self._reference else own
            for name, own in ranked.items()
        }
        self._scaling = Scaling.of(together)
        if self._encoder and not self._scaling.parts:
            raise InputError(
                "no feature differs between architectures, so nothing can be learnt: give other "
                "features, or a space of more than one architecture"
            )
        self._targets = Targets.of(values, self._scale)
        targets = self._targets.forward(values)
        table = Table(listed, self._scaling.of_groups(ranked))
        self._fitted = self._model.fit(table, targets, seed=self.seed)
        self._seen, self._values = listed, values
        self.calibration = None
        if self._calibrate:
            if not callable(getattr(self._fitted, "held_out", None)):
                self._fitted = None
                raise InputError(
                    f"what {self.name}.fit answers has no method held_out() (mean and standard "
                    "deviation of each architecture as if it had not been seen), from which "
                    "deviations are calibrated: add it, or give calibrate=False"
                )
            mean, deviation = self._fitted.held_out()
            self.calibration = _calibration(mean, deviation, targets)
        return self

    def _sampled(self) -> dict[str, Matrix]:
        """The features of random architectures, so that a few fitted ones do not set the scale."""
        if self._encoder is None:
            return {}
        return self._encoder.encode_sample(N_REFERENCE)

    def _table(self, listed: list[Architecture]) -> Table:
        rows = self._encoder.encode(listed) if self._encoder else {}
        return Table(listed, self._scaling.of_groups(self._ranked(rows)))

    def _ranked(self, rows: Mapping[str, Matrix]) -> dict[str, Matrix]:
        return {
            n: self._ranks[n].of_rows(own) if n in self._own else own for n, own in rows.items()
        }


@dataclass(frozen=True)
class _Ranks:
    """Columns of any scale as normal quantiles of their ranks among the fitted."""

    columns: tuple[Targets, ...]

    @classmethod
    def of(cls, rows: Matrix) -> _Ranks:
        return cls(tuple(Targets.of(column, "ranks") for column in rows.T))

    def of_rows(self, rows: Matrix) -> Matrix:
        pairs = zip(rows.T, self.columns, strict=True)
        found = [known.compressed(column) for column, known in pairs]
        return np.column_stack(found) if found else rows


def _calibration(mean: Matrix, deviation: Matrix, targets: Matrix) -> Calibration:
    from scipy.stats import kendalltau

    targets = targets[-len(mean) :]
    away = np.abs(targets - mean) / deviation
    share, wide = _WIDE
    factor = float(np.clip(np.quantile(away, share) / wide, 1 / _WIDEST, _WIDEST))
    coverage = {
        s: float((away <= z * factor).mean())
        for s, z in ((0.5, 0.6745), (0.8, 1.2816), (0.9, 1.6449), (0.95, 1.96))
    }
    constant = len(np.unique(targets)) == 1 or len(np.unique(mean)) == 1
    tau = 0.0 if constant else float(kendalltau(mean, targets)[0])
    return Calibration(factor, coverage, tau, len(mean))


# ---------------------------------------------------------------------- names

READS_ARCHITECTURES = ("gp", "gcn")
CAN_RANK = ("mlp", "gcn")


def _auto() -> Model:
    from archwright.predictors.average import Average
    from archwright.predictors.forests import Forest
    from archwright.predictors.sum_process import JoinedProcess, SumProcess

    return Average((SumProcess(), JoinedProcess(), Forest("extra_trees")))


def _of(module: str, name: str, *args: Any) -> Callable[[Space, bool], Model]:
    def make(space: Space, ranking: bool) -> Model:
        import importlib

        kind = getattr(importlib.import_module(f"archwright.predictors.{module}"), name)
        if name in ("GraphKernel", "GraphNetworks"):
            options = {"ranking": ranking} if name == "GraphNetworks" else {}
            made: Model = kind(space, **options)
        elif name == "Networks":
            made = kind(ranking)
        else:
            made = kind(*args)
        if hasattr(made, "check"):
            made.check()
        return made

    return make


MODELS: dict[str, Callable[[Space, bool], Model]] = {
    "auto": lambda space, ranking: _auto(),
    "sum_gp": _of("sum_process", "SumProcess"),
    "joined_gp": _of("sum_process", "JoinedProcess"),
    "extra_trees": _of("forests", "Forest", "extra_trees"),
    "random_forest": _of("forests", "Forest", "random_forest"),
    "gradient_boosting": _of("forests", "Boosting", "gradient_boosting"),
    "lightgbm": _of("forests", "Boosting", "lightgbm"),
    "xgboost": _of("forests", "Boosting", "xgboost"),
    "ridge": _of("smooth", "Ridge"),
    "additive": _of("smooth", "Additive"),
    "gp": _of("graph_kernel", "GraphKernel"),
    "mlp": _of("smooth", "Networks"),
    "gcn": _of("gcn", "GraphNetworks"),
}
"""The one place where names become models."""


def _model(name: str, space: Space, ranking: bool) -> Model:
    if name not in MODELS:
        raise unknown_name("model of a predictor", name, MODELS)
    return MODELS[name](space, ranking)
