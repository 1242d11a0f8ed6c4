"""What is predicted: its kind, its classes or unit, and the way back from a network's outputs.

Nothing here needs torch: an exported network is served with NumPy alone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from archwright.errors import DataError, nearest, unknown_name
from archwright.tasks.metrics import KINDS

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]
Label = str | int | float | bool

LARGEST = 1e100
"""Numbers beyond this overflow when they are squared: they are no measurements."""

FARTHEST = 1e15
"""Regression targets farther than this from the training mean, in training standard deviations,
are refused in every split: the square of one, and the sum of the squares of 10^8, is finite in
float32, which losses are computed in."""

MOST_INTEGER_CLASSES = 20
"""Whole numbers with more distinct values are a quantity, unless they count 0, 1, 2, ... evenly."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """What a network's outputs mean.

    Attributes:
        values: predicted classes, `n`; labels 0/1, `n x labels`; or numbers, `n` or `n x targets`.
        probabilities: of each class or label, `n x classes`; None for regression.
        names: of the classes, labels or targets.
    """

    values: Array
    probabilities: Array | None
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.values)

    def frame(self, index: Sequence[Any] | None = None) -> pd.DataFrame:
        """A table: `prediction` (one column a label or target), then `probability_<class>`."""
        import pandas as pd

        columns: dict[str, Any] = {}
        if self.values.ndim == 1:
            columns["prediction"] = self.values
        else:
            for k, name in enumerate(self.names):
                columns[f"prediction_{name}"] = self.values[:, k]
        if self.probabilities is not None:
            for k, name in enumerate(self.names):
                columns[f"probability_{name}"] = self.probabilities[:, k]
        return pd.DataFrame(columns, index=None if index is None else list(index))


@dataclass(frozen=True)
class Target:
    """The target of a task: how it is coded for the network, and decoded from it.

    Attributes:
        kind: `"classification"`, `"multilabel"` or `"regression"`.
        names: columns of the target: one, or several for multi-label and multi-target regression.
        labels: the classes as the data wrote them, in the order of the outputs (classification).
        mean: of each regression target over train.
        scale: standard deviation of each regression target over train.

    >>> target = Target("classification", ("species",), labels=("cat", "dog"))
    >>> target.encode(["dog", "cat"])
    array([1, 0])
    >>> target.decode(np.array([[0.0, 2.0]])).values
    array(['dog'], dtype=object)
    """

    kind: str
    names: tuple[str, ...]
    labels: tuple[Label, ...] = ()
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()

    @property
    def classes(self) -> tuple[str, ...] | None:
        """Names of the classes or labels; None for regression."""
        if self.kind == "classification":
            return tuple(str(label) for label in self.labels)
        return self.names if self.kind == "multilabel" else None

    @property
    def n_outputs(self) -> int:
        """How many outputs a network needs."""
        return len(self.labels) if self.kind == "classification" else len(self.names)

    def encode(self, values: Any) -> Array:
        """Targets as the network learns them; see `Split.y`.

        Raises:
            DataError: a class that is not among the labels; numbers that are not finite, farther
            than `FARTHEST` from the training rows', or other than 0 and 1 for labels.
        """
        if self.kind == "classification":
            flat = np.asarray(values, dtype=object).ravel()
            index = {label: k for k, label in enumerate(self.labels)}
            codes = np.empty(len(flat), np.int64)
            for row, value in enumerate(flat):
                code = index.get(_plain(value))
                if code is None:
                    close = nearest(str(_plain(value)), self.classes or ())
                    hint = f" (did you mean {close!r}?)" if close else ""
                    raise DataError(
                        f"class {_plain(value)!r}{hint}, row {row}, does not occur in the training "
                        "rows, so it cannot be learnt: correct it, remove its rows, or give "
                        f"training rows of it. Known classes: {_listed(self.classes or ())}"
                    )
                codes[row] = code
            return codes
        table = _numbers(np.asarray(values), self.kind, self.names)
        if self.kind == "regression":
            raw = table
            table = (table - np.array(self.mean)) / np.array(self.scale)
            far = ~(np.abs(table) <= FARTHEST)
            if far.any():
                row, k = (int(value) for value in np.argwhere(far)[0])
                raise DataError(
                    f"{int(far.any(1).sum())} of {len(raw)} targets are out of all proportion to "
                    f"the training rows: {self.names[k]!r} is {raw[row, k]:g} in row {row}, and "
                    f"{self.mean[k]:.4g} +- {self.scale[k]:.4g} in training (at most {FARTHEST:g} "
                    "of these deviations can be computed with). Correct or remove those rows"
                )
        return table.astype(np.float32)

    def scores(self, outputs: Any) -> Array:
        """Raw network outputs as metrics read them: probabilities, or numbers in the unit."""
        raw = np.asarray(outputs, dtype=np.float64)
        if self.kind == "classification":
            shifted = np.exp(raw - raw.max(1, keepdims=True))
            return np.asarray(shifted / shifted.sum(1, keepdims=True))
        if self.kind == "multilabel":
            return np.asarray(0.5 * (1.0 + np.tanh(0.5 * raw)))
        return self.unscale(raw)

    def unscale(self, standardised: Any) -> Array:
        """Regression values in their own unit, `n x targets`."""
        table = np.asarray(standardised, dtype=np.float64)
        return table.reshape(len(table), -1) * np.array(self.scale) + np.array(self.mean)

    def decode(self, outputs: Any) -> Predictions:
        """Predictions, with probabilities where there are classes.

        Args:
            outputs: what the network returned, `n x n_outputs`.
        """
        raw = np.asarray(outputs)
        if raw.ndim != 2 or raw.shape[1] != self.n_outputs:
            raise DataError(
                f"outputs of shape n x {self.n_outputs} are expected ({self.kind}), "
                f"got {tuple(raw.shape)}"
            )
        scores = self.scores(raw)
        if self.kind == "classification":
            labels = np.array(self.labels, dtype=object)
            return Predictions(labels[scores.argmax(1)], scores, self.classes or ())
        if self.kind == "multilabel":
            return Predictions((scores >= 0.5).astype(np.int64), scores, self.names)
        values = scores[:, 0] if scores.shape[1] == 1 else scores
        return Predictions(values, None, self.names)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "kind": self.kind,
            "names": list(self.names),
            "labels": list(self.labels),
            "mean": list(self.mean),
            "scale": list(self.scale),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Target:
        """The inverse of `to_dict`."""
        return cls(
            kind=data["kind"],
            names=tuple(data["names"]),
            labels=tuple(data["labels"]),
            mean=tuple(data["mean"]),
            scale=tuple(data["scale"]),
        )


def _plain(value: Any) -> Any:
    """A NumPy scalar as the Python value it holds; whole floats as integers."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _listed(names: Sequence[object], most: int = 8) -> str:
    shown = ", ".join(str(name) for name in names[:most])
    return shown + (f", ... ({len(names)} in all)" if len(names) > most else "")


def missing_rows(values: Any) -> Array:
    """Row numbers whose label is missing (None, NaN, NaT or an empty string)."""
    import pandas as pd

    table = np.asarray(values, dtype=object)
    table = table.reshape(len(table), -1)
    missing = np.equal(np.where(pd.isna(table), "", table), "").astype(bool)
    return np.flatnonzero(missing.any(1))


def check_labels(values: Any, name: str) -> None:
    """Raise a `DataError` when labels are missing: how many, which rows, and what to do."""
    rows = missing_rows(values)
    if len(rows) == 0:
        return
    shown = ", ".join(str(row) for row in rows[:5]) + (", ..." if len(rows) > 5 else "")
    raise DataError(
        f"every row needs a label in {name!r}: {len(rows)} of {len(np.asarray(values))} "
        f"{'is' if len(rows) == 1 else 'are'} missing (rows {shown}, counting from 0). Fill them, "
        "or leave those rows out with drop_missing_labels=True"
    )


def as_plain_labels(values: Any, name: str) -> Array:
    """Labels as a typed array: text stays text, numbers become numbers.

    Object arrays (a list of mixed values, a pandas column of text) are converted where all their
    values are of one sort, and refused where they are not.
    """
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    array = np.asarray(values)
    if array.dtype.kind in "OUT":
        flat = [_plain(value) for value in array.ravel().tolist()]
        sorts = {_sort(value) for value in flat}
        if sorts <= {"number", "boolean"}:
            made: Array = np.array(
                [_float(value) for value in flat] if "number" in sorts else flat,
                dtype=np.float64 if "number" in sorts else np.bool_,
            )
            return _usable_labels(made.reshape(array.shape), name)
        if sorts == {"text"}:
            stripped = np.array([value.strip() for value in flat], dtype=object)
            numbers = _as_numbers(stripped)
            if numbers is not None:
                return _usable_labels(numbers.reshape(array.shape), name)
            return stripped.reshape(array.shape)
        if sorts <= {"number", "boolean", "text"}:
            row, odd = next((i, v) for i, v in enumerate(flat) if _sort(v) == "text")
            raise DataError(
                f"the labels in {name!r} mix numbers and text: row {row} holds {odd!r}, others "
                f"numbers. Make them all numbers, or all text (for example with astype(str))"
            )
        row, odd = next(
            (i, v) for i, v in enumerate(flat) if _sort(v) not in ("number", "boolean", "text")
        )
        raise DataError(
            f"labels in {name!r} must be numbers, text or booleans; row {row} holds a "
            f"{type(odd).__name__}: {str(odd)[:40]!r}"
        )
    if array.dtype.kind not in "biuf":
        raise DataError(
            f"labels in {name!r} must be numbers, text or booleans, got dtype {array.dtype}"
        )
    return _usable_labels(array, name)


def _usable_labels(array: Array, name: str) -> Array:
    """The labels again; numbers must be finite, and have a finite square."""
    if len(array) and array.dtype.kind in "iuf":
        table = array.reshape(len(array), -1).astype(np.float64)
        bad = ~(np.abs(table) < LARGEST)  # true for NaN too
        if bad.any():
            row, k = (int(value) for value in np.argwhere(bad)[0])
            raise DataError(
                f"labels must be finite and below {LARGEST:g}: row {row} (counting from 0) of "
                f"{name!r} holds {table[row, k]:g} ({int(bad.any(1).sum())} such rows in all). "
                "Correct or remove those rows"
            )
    return array


def _float(value: Any) -> float:
    """A Python number as a float; integers beyond all floats as infinity."""
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _sort(value: object) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "number"
    return "text" if isinstance(value, str) else type(value).__name__


def _as_numbers(texts: Array) -> Array | None:
    """Text labels as numbers where they are measurements (fractions) written as text."""
    try:
        numbers = texts.astype(np.float64)
    except ValueError:
        return None
    whole = np.equal(numbers, np.round(numbers)).all() if np.isfinite(numbers).all() else False
    return None if whole else numbers


def infer_kind(values: Array, name: str) -> tuple[str, str]:
    """The kind of task that labels ask for, and a sentence that says why.

    Text and booleans are classes. Several columns of 0 and 1 are multi-label, other several
    columns regression. Fractions are regression. Whole numbers are classes where there are at most
    twenty, or where they count 0, 1, 2, ... with many rows each; otherwise a quantity.

    >>> infer_kind(np.array([0.5, 1.2, 3.1]), "price")[0]
    'regression'
    >>> infer_kind(np.array(["a", "b", "a"]), "y")[0]
    'classification'
    """
    override = "give kind= to say otherwise"
    if values.ndim == 2 and values.shape[1] > 1:
        binary = bool(np.isin(values, (0, 1)).all()) if values.dtype.kind in "biuf" else False
        if binary and (values.sum(1) == 1).all():
            return (
                "classification",
                f"{name!r} is one-hot (one 1 in each row): taken as classes; {override}",
            )
        if binary:
            return "multilabel", f"{name!r} has several columns of 0 and 1: multi-label; {override}"
        return "regression", f"{name!r} has several columns of numbers: regression; {override}"
    if values.dtype.kind not in "iuf":
        return "classification", f"{name!r} holds text or booleans: classification; {override}"
    flat = values.ravel().astype(np.float64)
    unique, counts = np.unique(flat, return_counts=True)
    if not np.equal(unique, np.round(unique)).all():
        return "regression", f"{name!r} holds fractions: regression; {override}"
    n = len(unique)
    stored = "whole numbers stored as floats" if values.dtype.kind == "f" else "whole numbers"
    counting = unique[0] in (0, 1) and unique[-1] - unique[0] == n - 1
    even = n <= 1000 and counts.min() >= 5 and counts.max() <= 20 * counts.min()
    if n <= 2 or (n <= MOST_INTEGER_CLASSES and n <= len(flat) / 3) or (counting and even):
        return (
            "classification",
            f"{name!r} holds {n} different {stored}: taken as classes; kind='regression' if they "
            "are a quantity",
        )
    return (
        "regression",
        f"{name!r} holds {n} different {stored}: taken as a quantity, regression; "
        "kind='classification' if they are classes",
    )


def label_order(values: Array, names: Sequence[str]) -> tuple[Label, ...]:
    """The classes that occur, in their order: numbers by size, text by alphabet.

    Raises:
        DataError: there is one class only.

    >>> label_order(np.array(["10", "9", "9"], object), ["y"])
    ('9', '10')
    """
    found = {_plain(value) for value in values.ravel().tolist()}
    if len(found) < 2:
        raise DataError(
            f"classification needs at least two classes in {names[0]!r}: all {len(values)} rows "
            f"are {next(iter(found), None)!r}. Check the target column, or add rows of others"
        )
    return tuple(sorted(found, key=_label_key))


def name_classes(
    data: Mapping[str, tuple[Any, Array]], classes: Sequence[Any]
) -> tuple[dict[str, tuple[Any, Array]], tuple[Label, ...]]:
    """Labels replaced by the names of their classes, and these names.

    Args:
        data: inputs and labels of each part.
        classes: a name for each class, in the order of their labels.
    """
    every = np.concatenate([y.ravel().astype(object) for _, y in data.values()])
    labels = label_order(every, ["the labels"])
    names = tuple(str(one) for one in classes)
    if len(names) != len(labels):
        raise DataError(
            f"classes names {len(names)} classes, and the labels hold {len(labels)}: "
            f"{_listed(labels)}. Give one name a class"
        )
    if len(set(names)) < len(names):
        raise DataError(f"classes must have different names; got {_listed(names)}")
    name_of = dict(zip(labels, names, strict=True))
    named = {
        part: (x, np.array([name_of[_plain(value)] for value in y.ravel().tolist()], object))
        for part, (x, y) in data.items()
    }
    return named, names


def fit_target(
    values: Array, *, kind: str, names: Sequence[str], order: Sequence[Label] | None = None
) -> Target:
    """The `Target` of training labels.

    Args:
        values: labels of the training rows, `n` or `n x targets`, without missing ones.
        kind: `"classification"`, `"multilabel"` or `"regression"`.
        names: of the target's columns.
        order: classes in the wanted order; sorted when None.

    Raises:
        DataError: one class only, labels other than 0 and 1, text or infinity in a regression.
    """
    if kind not in KINDS:
        raise unknown_name("kind of task", kind, KINDS)
    if kind == "classification":
        found = label_order(values, names)
        return Target(kind, tuple(names), labels=found if order is None else tuple(order))
    table = _numbers(values, kind, names)
    if kind == "multilabel":
        fixed = [
            name for name, spread in zip(names, np.ptp(table, axis=0), strict=True) if not spread
        ]
        if len(fixed) == len(names):
            raise DataError(
                "every label has one value only in the training rows: nothing can be learnt. "
                "Check the target columns"
            )
        return Target(kind, tuple(names))
    spread = table.std(0)
    if not (spread > 0).all():
        fixed_name = names[int(np.flatnonzero(spread == 0)[0])]
        raise DataError(
            f"regression needs a target that varies: {fixed_name!r} is {table[0, 0]:g} in all "
            f"{len(table)} training rows. Check the target column"
        )
    return Target(
        kind, tuple(names), mean=tuple(table.mean(0).tolist()), scale=tuple(spread.tolist())
    )


def _numbers(values: Array, kind: str, names: Sequence[str]) -> Array:
    """Targets of a regression, or of several labels, as a table of usable float64."""
    if values.dtype.kind not in "biuf":
        bad = values.ravel()[0]
        raise DataError(
            f"kind={kind!r} needs numbers in {names[0]!r}, got text such as {bad!r}: use "
            "kind='classification', or turn the column into numbers"
        )
    table = values.reshape(len(values), -1).astype(np.float64)
    usable = np.abs(table) < LARGEST  # false for NaN too
    if not usable.all():
        row = int(np.flatnonzero(~usable.all(1))[0])
        raise DataError(
            f"targets must be finite and below {LARGEST:g}: row {row} of {names[0]!r} is "
            f"{table[row].tolist()}. Correct or remove those rows"
        )
    if kind == "multilabel" and not np.isin(table, (0, 1)).all():
        odd = table[~np.isin(table, (0, 1))][0]
        raise DataError(
            f"multi-label targets are 0 or 1, one column a label; got {odd:g}. For numbers use "
            "kind='regression'"
        )
    return table


_MOST_DIGITS = 4000
"""Python reads no longer integers from text (4,300 digits, by default)."""


def _label_key(label: Any) -> tuple[int, Any]:
    """Numbers in their order, then text; text that counts (`"2"`, `"10"`) as numbers."""
    if isinstance(label, str):
        digits = label.lstrip("-")
        counts = digits.isascii() and digits.isdigit() and len(digits) < _MOST_DIGITS
        return (0, int(label)) if counts and label in (digits, f"-{digits}") else (1, label)
    return (0, label)
