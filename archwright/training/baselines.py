"""What scikit-learn reaches on a task in seconds: the line that a network has to beat."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from archwright import errors

if TYPE_CHECKING:
    from archwright.tasks import Split, Task

Array = npt.NDArray[Any]

N_PILOT_ROWS = 500
"""Rows that a model is first fitted on, to know what all of them would take."""

IMAGE_SIDE = 28
"""Larger images are averaged down: these models see pixels, not shapes."""


@dataclass(frozen=True)
class BaselineScore:
    """A plain model's result on a task.

    Attributes:
        name: such as "extra trees".
        validation: metric -> value on the validation rows, fitted on the training rows.
        test: metric -> value on the test rows, fitted on train and validation; None if not asked.
        seconds: what it took.
        n_rows: training rows used, fewer than there are where the time was short.
    """

    name: str
    validation: dict[str, float]
    test: dict[str, float] | None
    seconds: float
    n_rows: int


@dataclass(frozen=True)
class _Model:
    """A scikit-learn estimator, and how its fitting time grows with the rows."""

    name: str
    make: Callable[[], Any]
    power: float = 1.0


def baselines(
    task: Task,
    *,
    seconds: float = 30.0,
    seed: int = 0,
    n_threads: int = 1,
    score_test: bool = False,
) -> list[BaselineScore]:
    """Fit scikit-learn's quick models on a task and judge them by the task's metrics.

    The most frequent class or the mean; logistic or ridge regression; extra trees; for tables
    histogram gradient boosting; for images a support vector machine (classes) or nearest
    neighbours.

    Args:
        task: the data. Images are flattened, larger ones averaged down to 28 x 28 before.
        seconds: time allowance for all of them. Each is fitted on a few rows first, and then on as
            many as its share of the time allows.
        seed: of rows left out and of the forests.
        n_threads: threads for the models that use several. They are held to it by threadpoolctl:
            gradient boosting spins, many times slower, when it wants more cores than are free.
        score_test: read the test rows too, if there are any, fitted on train and validation. Test
            scores are for the final report: choose by validation.

    Returns:
        One score a model, in the order above. A model that cannot learn these data (too few rows
        of a class for it, no memory) is left out.

    Raises:
        InputError: `seconds` or `n_threads` is out of range.

    >>> from archwright.tasks import Task
    >>> scores = baselines(Task.load("iris"), seconds=5)
    >>> [score.name for score in scores]  # doctest: +NORMALIZE_WHITESPACE
    ['most frequent class', 'logistic regression', 'extra trees', 'gradient boosting']
    >>> scores[0].validation["accuracy"] < scores[1].validation["accuracy"]
    True
    """
    import threadpoolctl  # type: ignore[import-untyped]

    if not isinstance(seconds, (int, float)) or isinstance(seconds, bool) or not seconds > 0:
        raise errors.InputError(f"seconds must be a number above 0, got {seconds!r}")
    n_threads = errors.whole_number("n_threads", n_threads)
    deadline = perf_counter() + seconds
    with threadpoolctl.threadpool_limits(n_threads), warnings.catch_warnings():
        # "Did not converge" and the like are no news: quick models are meant.
        warnings.simplefilter("ignore")
        return list(_scores(task, deadline, seed, n_threads, score_test))


def _scores(
    task: Task, deadline: float, seed: int, n_threads: int, score_test: bool
) -> Iterator[BaselineScore]:
    models = list(_models(task, seed, n_threads))
    test = task.test if score_test else None
    parts = {name: _table(task.split(name)) for name in ("train", "validation")}
    scale = _scaler(task, parts["train"][0])
    parts = {name: (scale(x), y) for name, (x, y) in parts.items()}
    yield _constant(task, parts["train"][1], test)
    for position, model in enumerate(models):
        started = perf_counter()
        allowance = (deadline - started) / (len(models) - position)
        if allowance <= 0:
            return
        if test is not None:
            allowance /= 2.3
        try:
            fitted, n_rows = _fit(model, *parts["train"], allowance, seed)
            judged = _outputs(fitted, parts["validation"][0], task)
            validation = task.metrics(judged, task.validation.y)
            tested = None
            if test is not None:
                both = [np.concatenate(pair) for pair in zip(*parts.values(), strict=True)]
                share = n_rows / len(parts["train"][1])
                fitted = _refit(model, both[0], both[1], share, seed)
                judged = _outputs(fitted, scale(_table(test)[0]), task)
                tested = task.metrics(judged, test.y)
        except (ValueError, MemoryError):
            continue
        yield BaselineScore(model.name, validation, tested, perf_counter() - started, n_rows)


def _models(task: Task, seed: int, n_threads: int) -> Iterator[_Model]:
    from sklearn import ensemble, linear_model, multiclass, multioutput, neighbors, svm

    classes, several = task.kind != "regression", task.n_outputs > 1
    if task.kind == "regression":
        yield _Model("ridge regression", linear_model.Ridge)
    elif task.kind == "classification":
        yield _Model("logistic regression", partial(linear_model.LogisticRegression, max_iter=200))
    else:
        one = linear_model.LogisticRegression(max_iter=200)
        yield _Model("logistic regression", lambda: multiclass.OneVsRestClassifier(one))
    trees = ensemble.ExtraTreesClassifier if classes else ensemble.ExtraTreesRegressor
    features: Any = "sqrt" if classes else 1 / 3
    leaf = 1 if task.modality == "image" else 2
    yield _Model(
        "extra trees",
        # By default a forest for regression looks at all columns in each node, which is slow where
        # there are hundreds, and no better.
        partial(
            trees, min_samples_leaf=leaf, max_features=features, n_jobs=n_threads, random_state=seed
        ),
    )
    if task.modality == "image":
        if task.kind == "classification":
            yield _Model("support vector machine", partial(svm.SVC, C=10.0, cache_size=500), 2.0)
        else:
            near = neighbors.KNeighborsClassifier if classes else neighbors.KNeighborsRegressor
            yield _Model("nearest neighbours", near)
        return
    if task.kind == "classification":
        boosting = partial(ensemble.HistGradientBoostingClassifier, random_state=seed)
        yield _Model("gradient boosting", boosting)
    elif task.kind == "multilabel":
        grower = ensemble.HistGradientBoostingClassifier(random_state=seed)
        yield _Model("gradient boosting", lambda: multioutput.MultiOutputClassifier(grower))
    elif several:
        column = ensemble.HistGradientBoostingRegressor(random_state=seed)
        yield _Model("gradient boosting", lambda: multioutput.MultiOutputRegressor(column))
    else:
        regressor = partial(ensemble.HistGradientBoostingRegressor, random_state=seed)
        yield _Model("gradient boosting", regressor)


def _fit(model: _Model, x: Array, y: Array, allowance: float, seed: int) -> tuple[Any, int]:
    """The model fitted on as many rows as the allowance is for, and how many these were.

    A few rows first, then three times as many before many times as many: how time grows with the
    rows shows only then (boosting has a large share that does not, kernels have more).
    """
    order = np.random.default_rng(seed).permutation(len(x))
    deadline = perf_counter() + allowance
    n_rows, took, power = 0, 0.0, model.power
    n_next = min(N_PILOT_ROWS, len(x))
    while True:
        begun = perf_counter()
        fitted = model.make().fit(x[order[:n_next]], y[order[:n_next]])
        before, took = took, max(perf_counter() - begun, 1e-6)
        if n_rows:
            grown = math.log(took / before) / math.log(n_next / n_rows)
            power = min(max(grown, 0.5), 2.5)
        n_rows = n_next
        left = 0.9 * (deadline - perf_counter())
        n_affordable = int(n_rows * max(left / took, 0.0) ** (1.0 / power))
        known = before > 0.0
        if min(n_affordable, len(x)) >= 9 * n_rows and not known:
            n_next = 3 * n_rows
        else:
            n_next = min(n_affordable, len(x))
        if n_rows == len(x) or n_next < 1.5 * n_rows:
            return fitted, n_rows


def _refit(model: _Model, x: Array, y: Array, share: float, seed: int) -> Any:
    rows = np.random.default_rng(seed).permutation(len(x))[: max(1, round(share * len(x)))]
    return model.make().fit(x[rows], y[rows])


def _outputs(fitted: Any, x: Array, task: Task) -> Tensor:
    """A fitted model's answers as a network would give them: logits, or standardised values."""
    if task.kind == "regression":
        return torch.from_numpy(np.asarray(fitted.predict(x), np.float32).reshape(len(x), -1))
    if task.kind == "multilabel":
        return torch.from_numpy(_label_probabilities(fitted, x)).clamp(1e-6, 1 - 1e-6).logit()
    if hasattr(fitted, "predict_proba"):
        known = np.log(np.clip(fitted.predict_proba(x), 1e-6, 1.0))
    else:
        known = fitted.decision_function(x)
        known = known if known.ndim == 2 else np.stack([-known, known], axis=1) / 2
    # Classes that a small sample of the rows lacked are never predicted.
    outputs = np.full((len(x), task.n_outputs), known.min() - 10.0, np.float32)
    outputs[:, fitted.classes_] = known
    return torch.from_numpy(outputs)


def _label_probabilities(fitted: Any, x: Array) -> Array:
    found = fitted.predict_proba(x)
    if isinstance(found, np.ndarray):
        return found.astype(np.float32)
    columns = []
    for probabilities, values in zip(found, _label_values(fitted), strict=True):
        ones = np.flatnonzero(np.asarray(values) == 1)
        columns.append(probabilities[:, ones[0]] if len(ones) else np.zeros(len(x)))
    return np.stack(columns, axis=1).astype(np.float32)


def _label_values(fitted: Any) -> list[Any]:
    if hasattr(fitted, "estimators_") and not hasattr(fitted, "n_outputs_"):
        return [one.classes_ for one in fitted.estimators_]
    return list(fitted.classes_)


def _constant(task: Task, y: Array, test: Split | None) -> BaselineScore:
    """The answer that ignores the inputs."""
    if task.kind == "classification":
        name, answer = "most frequent class", np.log(np.bincount(y, minlength=task.n_outputs) + 1)
    elif task.kind == "multilabel":
        share = np.clip(y.mean(axis=0), 1e-3, 1 - 1e-3)
        name, answer = "most frequent labels", np.log(share / (1 - share))
    else:
        name, answer = "mean", y.reshape(len(y), -1).mean(axis=0)
    row = torch.as_tensor(answer, dtype=torch.float32)[None]
    scores = [
        None if split is None else task.metrics(row.expand(len(split), -1), split.y)
        for split in (task.validation, test)
    ]
    return BaselineScore(name, scores[0] or {}, scores[1], 0.0, len(y))


def _table(split: Split) -> tuple[Array, Array]:
    """A split as rows x features, and its targets as scikit-learn takes them."""
    x = split.x
    if x.ndim == 4 and max(x.shape[2:]) > IMAGE_SIDE:
        height, width = (min(IMAGE_SIDE, side) for side in x.shape[2:])
        x = torch.cat(
            [F.adaptive_avg_pool2d(part.float(), (height, width)) for part in x.split(256)]
        )
    y = split.y.numpy()
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    return x.reshape(len(x), -1).numpy().astype(np.float32), y


def _scaler(task: Task, x: Array) -> Callable[[Array], Array]:
    """Brings images to zero mean and unit deviation, which kernels and regressions want."""
    if task.modality != "image":
        return lambda values: values
    mean, deviation = float(x.mean()), float(x.std()) or 1.0
    return lambda values: (values - mean) / deviation
