"""Tables to numbers: columns of mixed types with missing values, as plain constants.

scikit-learn's transformers are fitted on the training rows; what they learnt is kept as JSON
constants, so that a table can be prepared where there is neither scikit-learn, pickle nor torch.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from archwright.errors import DataError, nearest, unknown_name
from archwright.tasks.targets import LARGEST

if TYPE_CHECKING:
    from sklearn.compose import ColumnTransformer

Array = npt.NDArray[Any]

COLUMN_KINDS = ("numeric", "boolean", "categorical", "date", "drop")
"""What a column can be taken as, with `columns={"age": "categorical"}`."""

MISSING = "(missing)"
_EMPTY = frozenset({"", "?"})
_MARKERS = _EMPTY | {"na", "n/a", "nan", "null", "none", "-", "--", ".", "missing", "unknown"}
_TRUTH = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0, "t": 1.0, "f": 0.0, "y": 1.0, "n": 0.0}
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d{1,2}:\d{2}.*)?")
_ID_NAME = re.compile(
    r"(?i)^(unnamed: \d+|index|idx|row.?(id|num|number|no)?|.*[_ .-]id|id|.*[a-z]I[dD]|uuid|guid)$"
)
_THOUSANDS = re.compile(r"^-?\d{1,3}(,\d{3})+(\.\d+)?$")
MOST_CATEGORIES = 50
"""Categories of a column beyond this many share the bucket of rare ones."""

MOST_CATEGORY_FEATURES = 1000
"""Features of all categorical columns together; with many columns each has fewer categories."""

MOST_UNREAD_DATES = 0.05
"""A column of dates of which a greater share cannot be read is refused, or none of dates."""

MOST_PIECES = 512
"""Piecewise linear features in all."""

HEAVY = 5.0
"""A number whose standard deviation is so many times its interquartile range is heavy-tailed
(0.74 for a normal distribution)."""

CLIP = 8.0
"""Standardised numbers are cut here: a stray value must not drive a network's activations."""


@dataclass(frozen=True)
class Column:
    """One used column and the constants that turn it into features.

    Attributes:
        name: in the table.
        kind: `"numeric"`, `"boolean"`, `"categorical"` or `"date"`.
        parts: features of a date, `"days"`, `"month_sin"`, ...
        dayfirst: whether dates are written day first.
        categories: frequent categories, in the order of their features.
        rare: whether there is a bucket of rare (and unknown) categories.
    """

    name: str
    kind: str
    parts: tuple[str, ...] = ()
    dayfirst: bool = False
    categories: tuple[str, ...] = ()
    rare: bool = False


@dataclass(frozen=True)
class Columns:
    """The preparation of a table.

    Attributes:
        columns: the used columns.
        all_names: every input column of the training table, in its order.
        dropped: unused columns and why.
        header: whether the training file named its columns; None where there was no file.
        target_position: place of the target in the training table.
        median: of each number, over the training rows: what a missing value becomes.
        indicator: whether a number has a feature that says "was missing".
        centre: of each number, subtracted before the signed logarithm of a heavy-tailed one.
        width: each number is divided by it before that logarithm.
        heavy: whether a number takes the signed logarithm `sign(v) * log(1 + |v|)`.
        mean: subtracted from each number.
        scale: each number is divided by it.
        pieces: edges of each number's piecewise linear features; empty for none.

    Sources: piecewise linear features are those of Yury Gorishniy, Ivan Rubachev and Artem
    Babenko, "On Embeddings for Numerical Features in Tabular Deep Learning", NeurIPS 2022,
    arXiv:2203.05556.

    Differences from the paper: the features run from -1 to 1, and the standardised number stays
    beside them.
    """

    columns: tuple[Column, ...]
    all_names: tuple[str, ...]
    dropped: Mapping[str, str] = field(default_factory=dict)
    header: bool | None = None
    target_position: int | None = None
    median: tuple[float, ...] = ()
    indicator: tuple[bool, ...] = ()
    centre: tuple[float, ...] = ()
    width: tuple[float, ...] = ()
    heavy: tuple[bool, ...] = ()
    mean: tuple[float, ...] = ()
    scale: tuple[float, ...] = ()
    pieces: tuple[tuple[float, ...], ...] = ()

    modality = "tabular"

    @cached_property
    def number_names(self) -> tuple[str, ...]:
        """Names of the numbers, before imputation: columns, and the parts of dates."""
        names: list[str] = []
        for column in self.columns:
            if column.kind == "date":
                names += [f"{column.name}:{part}" for part in column.parts]
            elif column.kind != "categorical":
                names.append(column.name)
        return tuple(names)

    @cached_property
    def feature_names(self) -> tuple[str, ...]:
        """Name of each feature of the prepared table."""
        names = list(self.number_names)
        names += [
            f"{name}:missing"
            for name, shown in zip(self.number_names, self.indicator, strict=True)
            if shown
        ]
        for name, edges in zip(self.number_names, self.pieces, strict=True):
            names += [f"{name}:{low:.4g}..{high:.4g}" for low, high in pairwise(edges)]
        for column in self.columns:
            if column.kind == "categorical":
                names += [f"{column.name}={value}" for value in column.categories]
                names += [f"{column.name}=(rare)"] * column.rare
        return tuple(names)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one prepared row."""
        return (len(self.feature_names),)

    def apply(self, raw: Any) -> Array:
        """Prepare a table.

        Args:
            raw: a pandas frame, a mapping of columns, a list of mappings, or an array with the
                training table's columns. Columns may come in any order, further ones are ignored.

        Returns:
            float32, `n x features`.

        Raises:
            DataError: columns are missing, or hold what cannot be read.
        """
        frame = self.select(as_frame(raw))
        numbers, texts = self.read(frame)
        missing = np.isnan(numbers)
        filled = np.where(missing, np.array(self.median), numbers)
        inner = (filled - np.array(self.centre)) / np.array(self.width)
        inner = np.where(np.array(self.heavy, bool), signed_log(inner), inner)
        scaled = (inner - np.array(self.mean)) / np.array(self.scale)
        parts = [np.clip(scaled, -CLIP, CLIP), missing[:, np.array(self.indicator, bool)]]
        parts += [_piecewise(filled[:, k], edges) for k, edges in enumerate(self.pieces) if edges]
        for column, values in zip(self._categorical, texts, strict=True):
            parts.append(_one_hot(values, column))
        return np.concatenate([part.astype(np.float32) for part in parts], axis=1)

    @property
    def _placed(self) -> bool:
        """Whether the training table was an array, whose columns have places only."""
        return self.all_names == tuple(str(k) for k in range(len(self.all_names)))

    @cached_property
    def _categorical(self) -> tuple[Column, ...]:
        return tuple(column for column in self.columns if column.kind == "categorical")

    def read(self, frame: pd.DataFrame) -> tuple[Array, list[Array]]:
        """Numbers, `n x numbers` with NaN where missing, and each categorical column's text."""
        numbers: list[Array] = []
        texts: list[Array] = []
        plain = [column.name for column in self.columns if column.kind == "numeric"]
        if len(plain) == len(self.columns) and all(
            dtype.kind in "iuf" for dtype in frame.dtypes if hasattr(dtype, "kind")
        ):
            table = frame[plain].to_numpy(dtype=np.float64, na_value=np.nan)
            _check_finite(table, plain, frame.index)
            return table, texts
        for column in self.columns:
            series = frame[column.name]
            if column.kind == "categorical":
                texts.append(to_text(series))
            elif column.kind == "date":
                dates = to_dates(series, column)
                _check_dates(series, dates)
                numbers += _date_parts(dates, column.parts)
            else:
                values = to_numbers(series, column.kind, trained=bool(self.scale))
                _check_finite(values[:, None], [column.name], frame.index)
                numbers.append(values)
        table = np.stack(numbers, 1) if numbers else np.empty((len(frame), 0))
        return table, texts

    def select(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The used columns of a table, found by name (or by place where there is no header)."""
        wanted = [column.name for column in self.columns]
        names = [str(name) for name in frame.columns]
        if len(set(names)) == len(names) and set(wanted) <= set(names):
            frame = frame.set_axis(names, axis=1)
            return frame[wanted]
        n_all = len(self.all_names)
        if self.header is False or self._placed or _is_unnamed(frame):
            if len(names) == n_all + 1 and self.target_position is not None:
                keep = [k for k in range(len(names)) if k != self.target_position]
                frame = frame.iloc[:, keep]
            if frame.shape[1] == n_all:
                return frame.set_axis(list(self.all_names), axis=1)[wanted]
            raise DataError(
                f"the table needs {n_all} columns in the order of training "
                f"({_listed(self.all_names)}); got {len(names)}"
            )
        loose: dict[str, list[int]] = {}
        for place, name in enumerate(names):
            loose.setdefault(_loose(name), []).append(place)
        places, absent = [], []
        for name in wanted:
            exact = [k for k, given in enumerate(names) if given == name]
            found = exact or loose.get(_loose(name), [])
            if len(found) > 1:
                raise DataError(
                    f"the table has {len(found)} columns named {name!r}: rename all but one"
                )
            if found:
                places.append(found[0])
            else:
                absent.append(name)
        if absent:
            close = nearest(absent[0], names)
            hint = f"; the nearest to {absent[0]!r} is {close!r}" if close else ""
            raise DataError(
                f"the table lacks {len(absent)} of the {len(wanted)} columns the network was "
                f"trained on: {_listed(absent)}{hint}. Its columns: {_listed(names)}"
            )
        return frame.iloc[:, places].set_axis(wanted, axis=1)

    def summary(self) -> dict[str, Any]:
        """What a report says of the columns, as plain JSON values."""
        kinds = [column.kind for column in self.columns]
        return {
            "n_columns": len(self.all_names),
            "n_features": len(self.feature_names),
            "kinds": {kind: kinds.count(kind) for kind in COLUMN_KINDS if kind in kinds},
            "dropped": dict(self.dropped),
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "modality": self.modality,
            "columns": [
                {
                    "name": column.name,
                    "kind": column.kind,
                    "parts": list(column.parts),
                    "dayfirst": column.dayfirst,
                    "categories": list(column.categories),
                    "rare": column.rare,
                }
                for column in self.columns
            ],
            "all_names": list(self.all_names),
            "dropped": dict(self.dropped),
            "header": self.header,
            "target_position": self.target_position,
            "median": list(self.median),
            "indicator": list(self.indicator),
            "centre": list(self.centre),
            "width": list(self.width),
            "heavy": list(self.heavy),
            "mean": list(self.mean),
            "scale": list(self.scale),
            "pieces": [list(edges) for edges in self.pieces],
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Columns:
        """The inverse of `to_dict`."""
        return cls(
            columns=tuple(
                Column(
                    name=one["name"],
                    kind=one["kind"],
                    parts=tuple(one["parts"]),
                    dayfirst=one["dayfirst"],
                    categories=tuple(one["categories"]),
                    rare=one["rare"],
                )
                for one in data["columns"]
            ),
            all_names=tuple(data["all_names"]),
            dropped=dict(data["dropped"]),
            header=data["header"],
            target_position=data["target_position"],
            median=tuple(data["median"]),
            indicator=tuple(data["indicator"]),
            centre=tuple(data["centre"]),
            width=tuple(data["width"]),
            heavy=tuple(data["heavy"]),
            mean=tuple(data["mean"]),
            scale=tuple(data["scale"]),
            pieces=tuple(tuple(edges) for edges in data["pieces"]),
        )


def signed_log(values: Array) -> Array:
    """`sign(v) * log(1 + |v|)`: close to `v` near zero, and heavy tails drawn in."""
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)))


def _piecewise(values: Array, edges: Sequence[float]) -> Array:
    """One feature a piece: -1 below it, 1 above it, rising in between."""
    low, high = np.array(edges[:-1]), np.array(edges[1:])
    return 2.0 * np.clip((values[:, None] - low) / (high - low), 0.0, 1.0) - 1.0


def as_frame(raw: Any) -> pd.DataFrame:
    """A pandas frame of a table given in any usual form.

    >>> as_frame({"a": [1, 2]}).shape
    (2, 1)
    """
    if isinstance(raw, pd.DataFrame):
        return raw
    if isinstance(raw, pd.Series):
        return raw.to_frame().T
    if isinstance(raw, Mapping):
        values = list(raw.values())
        if values and all(np.ndim(value) == 0 for value in values):
            return pd.DataFrame([dict(raw)])
        return pd.DataFrame(dict(raw))
    if isinstance(raw, Sequence) and len(raw) and isinstance(raw[0], Mapping):
        return pd.DataFrame(list(raw))
    if hasattr(raw, "detach"):
        raw = raw.detach().cpu().numpy()
    array = np.asarray(raw)
    if array.ndim == 1 and array.dtype.kind in "biuf":
        array = array[None]
    if array.ndim != 2:
        raise DataError(f"a table of rows x columns is expected, got shape {array.shape}")
    return pd.DataFrame(array)


def _is_unnamed(frame: pd.DataFrame) -> bool:
    return isinstance(frame.columns, pd.RangeIndex)


def _loose(name: str) -> str:
    return re.sub(r"[\s_.-]+", "", name).casefold()


def _listed(names: Sequence[object], most: int = 8) -> str:
    shown = ", ".join(repr(str(name)) for name in names[:most])
    return shown + (f", ... ({len(names)} in all)" if len(names) > most else "")


def _check_finite(table: Array, names: Sequence[str], index: pd.Index) -> None:
    bad = np.abs(table) >= LARGEST  # false for NaN, which is a missing value
    if bad.any():
        row, k = (int(value) for value in np.argwhere(bad)[0])
        raise DataError(
            f"numbers must be finite and below {LARGEST:g}: column {names[k]!r} holds "
            f"{table[row, k]} in row {index[row]} ({int(bad.sum())} such values in all). "
            "Correct it, or leave it empty (missing)"
        )


def _is_text(series: pd.Series) -> bool:
    return not (
        pd.api.types.is_numeric_dtype(series)
        or pd.api.types.is_bool_dtype(series)
        or pd.api.types.is_datetime64_any_dtype(series)
        or pd.api.types.is_timedelta64_dtype(series)
        or isinstance(series.dtype, pd.PeriodDtype)
    )


def parse_number(value: object) -> float:
    """A number as people write it: `"1,234.5"`, `"$12"`, `"8 %"`, `"?"` (missing: NaN).

    Raises:
        ValueError: it is not a number.

    >>> parse_number("$1,234.50")
    1234.5
    """
    if value is None or value is pd.NaT or value is pd.NA:
        return math.nan
    if isinstance(value, bool | int | float | np.generic):
        try:
            return float(value)
        except OverflowError:  # an integer beyond all floats
            return math.inf
    text = str(value).strip()
    lowered = text.casefold()
    if lowered in _MARKERS:
        return math.nan
    if lowered in ("true", "false"):
        return _TRUTH[lowered]
    try:
        return float(text)
    except ValueError:
        text = text.strip("$€£¥% ")
        if _THOUSANDS.match(text):
            text = text.replace(",", "")
        return float(text)


def to_numbers(series: pd.Series, kind: str = "numeric", *, trained: bool = False) -> Array:
    """A column as float64 with NaN where missing.

    Args:
        series: the column.
        kind: `"numeric"` or `"boolean"`, for the message.
        trained: whether the network is trained already: its columns cannot be taken otherwise.

    Raises:
        DataError: text that is not a number: the column, the row and the value.
    """
    if not _is_text(series):
        if pd.api.types.is_timedelta64_dtype(series):
            return series.dt.total_seconds().to_numpy(np.float64)
        if pd.api.types.is_datetime64_any_dtype(series):
            expected = "true or false is" if kind == "boolean" else "numbers are"
            raise DataError(f"column {series.name!r} holds dates where {expected} expected")
        return series.to_numpy(dtype=np.float64, na_value=np.nan)
    codes, unique = pd.factorize(series.to_numpy(dtype=object), use_na_sentinel=True)
    values = np.full(len(unique) + 1, np.nan)
    for k, value in enumerate(unique):
        try:
            values[k] = parse_number(value)
        except (TypeError, ValueError):
            row = series.index[int(np.flatnonzero(codes == k)[0])]  # as in the whole table
            what = "true or false" if kind == "boolean" else "numbers"
            mend = (
                "Correct it, or leave it empty (missing)"
                if trained
                else "Correct it, leave it empty (missing), or take the column as categories with "
                f"columns={{{str(series.name)!r}: 'categorical'}}"
            )
            raise DataError(
                f"column {series.name!r} holds {what}, but row {row} holds {str(value)[:80]!r} "
                f"(rows count from 0). {mend}"
            ) from None
    return np.asarray(values[codes])


def to_text(series: pd.Series) -> Array:
    """A column as an object array of text; `"(missing)"` where there is nothing."""
    codes, unique = pd.factorize(series.to_numpy(dtype=object), use_na_sentinel=True)
    texts = np.array([_text(value) for value in unique] + [MISSING], dtype=object)
    return np.asarray(texts[codes])


def _text(value: object) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    text = str(value).strip()
    return MISSING if text in _EMPTY else text


def to_dates(series: pd.Series, column: Column) -> pd.Series:
    """A column as dates without time zone; NaT where it cannot be read as one."""
    if isinstance(series.dtype, pd.PeriodDtype):
        series = series.dt.to_timestamp()
    if not pd.api.types.is_datetime64_any_dtype(series):
        text = series.astype(object).where(series.notna(), None)
        series = pd.Series(
            pd.to_datetime(
                text, errors="coerce", format="mixed", dayfirst=column.dayfirst, utc=True
            ),
            index=series.index,
        )
        given = text.notna() & ~text.astype(str).str.strip().isin(_EMPTY)
        if given.any() and not series[given].notna().any():
            row = given[given].index[0]
            raise DataError(
                f"column {column.name!r} holds dates, but its {int(given.sum())} values cannot be "
                f"read as dates, such as {text[row]!r} in row {row}: write dates like 2026-11-24, "
                "or leave the cell empty"
            )
    if getattr(series.dt, "tz", None) is not None:
        series = series.dt.tz_convert("UTC").dt.tz_localize(None)
    return series


def _unread_dates(series: pd.Series, dates: pd.Series) -> pd.Series:
    """Which entries are neither dates nor missing."""
    text = series.astype(object).astype(str).str.strip().str.casefold()
    return dates.isna() & series.notna() & ~text.isin(_MARKERS)


def _check_dates(series: pd.Series, dates: pd.Series) -> None:
    """Refuse a column of dates of which more than a few cannot be read."""
    unread = _unread_dates(series, dates)
    n_unread, n_given = int(unread.sum()), int(series.notna().sum())
    if n_unread > max(1, MOST_UNREAD_DATES * n_given):
        row = unread[unread].index[0]
        raise DataError(
            f"column {series.name!r} holds dates, but {n_unread} of its {n_given} entries cannot "
            f"be read as dates, such as {str(series[row])[:80]!r} in row {row}: write dates like "
            "2026-11-24, or leave the cell empty"
        )


_DATE_PARTS = (
    "days",
    "month_sin",
    "month_cos",
    "weekday_sin",
    "weekday_cos",
    "hour_sin",
    "hour_cos",
)


def _date_parts(dates: pd.Series, parts: Sequence[str]) -> list[Array]:
    made: list[Array] = []
    seconds = (dates - pd.Timestamp("1970-01-01")).dt.total_seconds().to_numpy(np.float64)
    hour = (seconds / 3600) % 24
    turns = {
        "month": (dates.dt.month.to_numpy(np.float64) - 1) / 12,
        "weekday": ((np.floor(seconds / 86400) + 3) % 7) / 7,
        "hour": hour / 24,
    }
    for part in parts:
        if part == "days":
            made.append(np.floor(seconds / 86400))
        else:
            what, wave = part.split("_")
            angle = 2 * np.pi * turns[what]
            made.append(np.sin(angle) if wave == "sin" else np.cos(angle))
    return made


def _one_hot(values: Array, column: Column) -> Array:
    """Features of a categorical column: one a category, then the bucket of all others."""
    n_categories = len(column.categories)
    place = {value: k for k, value in enumerate(column.categories)}
    codes, unique = pd.factorize(values)
    to_place = np.array([place.get(value, n_categories) for value in unique], np.int64)
    encoded = np.zeros((len(values), n_categories + 1), np.float32)
    if len(values):
        encoded[np.arange(len(values)), to_place[codes]] = 1.0
    return encoded if column.rare else encoded[:, :n_categories]


@dataclass(frozen=True)
class FittedColumns:
    """What fitting a table gave: the constants, scikit-learn's own transformer, and remarks."""

    columns: Columns
    transformer: ColumnTransformer
    notes: tuple[str, ...]


def fit_columns(
    frame: pd.DataFrame,
    *,
    kinds: Mapping[str, str] | None = None,
    header: bool | None = None,
    target_position: int | None = None,
) -> FittedColumns:
    """Learn the preparation of a table from its training rows.

    Args:
        frame: training rows, without the target.
        kinds: what to take single columns as, see `COLUMN_KINDS`; the others are inferred.
        header: whether the file named its columns; None where there was no file.
        target_position: place of the target in the table.

    Raises:
        DataError: unreadable values, or no column that varies.

    >>> fitted = fit_columns(pd.DataFrame({"size": [1.0, 2.0, None], "colour": ["r", "g", "r"]}))
    >>> fitted.columns.feature_names
    ('size', 'size:missing', 'colour=r', 'colour=(rare)')
    """
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    kinds = {str(name): kind for name, kind in (kinds or {}).items()}
    for name, kind in kinds.items():
        if name not in frame.columns:
            raise unknown_name("column", name, frame.columns)
        if kind not in COLUMN_KINDS:
            raise unknown_name(f"kind of column (for {name!r})", kind, COLUMN_KINDS)
    used: list[Column] = []
    dropped: dict[str, str] = {}
    notes: list[str] = []
    for name in frame.columns:
        column, why, remark = _inspect(frame[name], kinds.get(name))
        if column is not None:
            used.append(column)
        else:
            dropped[name] = why
        if remark:
            notes.append(remark)
    if not used:
        raise DataError(
            "no input column is left to learn from: "
            + "; ".join(f"{name!r} {why}" for name, why in list(dropped.items())[:8])
            + ". Give columns that vary, or say what to take them as with columns={...}"
        )
    if dropped:
        notes.append("left out: " + "; ".join(f"{name!r} ({why})" for name, why in dropped.items()))
    start = Columns(tuple(used), tuple(frame.columns), dropped, header, target_position)
    numbers, texts = start.read(frame)
    n_missing = int(np.isnan(numbers).sum()) + sum(int((t == MISSING).sum()) for t in texts)
    if n_missing:
        n_affected = int(np.isnan(numbers).any(0).sum()) + sum((t == MISSING).any() for t in texts)
        notes.append(
            f"{n_missing} missing values in {n_affected} columns of the training rows: numbers "
            "take the column's median and a feature that says so, categories one of their own"
        )
    transformer = _fit_transformer(numbers, texts)
    return FittedColumns(_constants(start, transformer), transformer, tuple(notes))


def stack(numbers: Array, texts: Sequence[Array]) -> Array:
    """Numbers and texts side by side, as `FittedColumns.transformer` reads them."""
    return np.concatenate([numbers.astype(object), *(text[:, None] for text in texts)], axis=1)


def _fit_transformer(numbers: Array, texts: Sequence[Array]) -> ColumnTransformer:
    from sklearn.compose import ColumnTransformer
    from sklearn.impute import MissingIndicator, SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import (
        FunctionTransformer,
        OneHotEncoder,
        RobustScaler,
        SplineTransformer,
        StandardScaler,
    )

    n, n_numbers = numbers.shape
    heavy = [_is_heavy(numbers[:, k]) for k in range(n_numbers)]
    plain_places = [k for k in range(n_numbers) if not heavy[k]]
    heavy_places = [k for k in range(n_numbers) if heavy[k]]
    parts: list[tuple[str, Any, list[int]]] = []
    median = SimpleImputer(strategy="median")

    def numeric(*steps: Any) -> Any:
        return make_pipeline(FunctionTransformer(_floats), *steps)

    if plain_places:
        scaler = numeric(median, StandardScaler(), FunctionTransformer(_clip))
        parts.append(("plain", scaler, plain_places))
    if heavy_places:
        scaler = numeric(
            median,
            RobustScaler(),
            FunctionTransformer(signed_log),
            StandardScaler(),
            FunctionTransformer(_clip),
        )
        parts.append(("heavy", scaler, heavy_places))
    if n_numbers:
        indicator = MissingIndicator(features="missing-only", error_on_new=False)
        parts.append(("missing", numeric(indicator), list(range(n_numbers))))
    n_pieces = _n_pieces(n, n_numbers)
    for k in range(n_numbers if n_pieces else 0):
        edges = _edges(numbers[:, k], n_pieces)
        if len(edges) > 2:
            spline = SplineTransformer(
                degree=1, knots=edges[:, None], extrapolation="constant", include_bias=True
            )
            steps = numeric(median, spline, FunctionTransformer(_cumulate))
            parts.append((f"pieces{k}", steps, [k]))
    if texts:
        encoder = OneHotEncoder(
            handle_unknown="infrequent_if_exist",
            min_frequency=max(2, min(10, n // 200)),
            max_categories=min(MOST_CATEGORIES, max(8, MOST_CATEGORY_FEATURES // len(texts))),
            sparse_output=False,
        )
        parts.append(("categories", encoder, list(range(n_numbers, n_numbers + len(texts)))))
    return ColumnTransformer(parts).fit(stack(numbers, texts))


def _is_heavy(values: Array) -> bool:
    """Whether most values are so close together, against the rest, that scaling hides them."""
    known = values[~np.isnan(values)]
    low, middle, high = np.quantile(known, [0.25, 0.5, 0.75])
    spread = known.std()
    if high > low:
        return bool(spread > HEAVY * (high - low))
    return bool(spread > 0 and np.abs(known - middle).max() > CLIP * spread)


def _n_pieces(n: int, n_numbers: int) -> int:
    """Pieces of each number: by the rows there are to learn from, and the features it makes."""
    if n < 2000 or n_numbers == 0:
        return 0
    pieces = min(48, n // 250, MOST_PIECES // n_numbers)
    return pieces if pieces >= 4 else 0


def _edges(values: Array, n_pieces: int) -> Array:
    """Quantiles of a number; those that coincide are one edge."""
    known = values[~np.isnan(values)]
    return np.unique(np.quantile(known, np.linspace(0, 1, n_pieces + 1)))


def _floats(table: Array) -> Array:
    return table.astype(np.float64)


def _clip(table: Array) -> Array:
    return np.clip(table, -CLIP, CLIP)


def _cumulate(hats: Array) -> Array:
    """Piecewise linear features from the hat functions of a spline of degree 1."""
    return np.asarray(2.0 * np.cumsum(hats[:, ::-1], axis=1)[:, -2::-1] - 1.0)


def _constants(start: Columns, transformer: ColumnTransformer) -> Columns:
    """Read scikit-learn's learnt attributes off its transformers."""
    fitted = transformer.named_transformers_
    n_numbers = len(start.number_names)
    median, centre, mean = np.zeros(n_numbers), np.zeros(n_numbers), np.zeros(n_numbers)
    width, scale = np.ones(n_numbers), np.ones(n_numbers)
    heavy, indicator = np.zeros(n_numbers, bool), np.zeros(n_numbers, bool)
    pieces: list[tuple[float, ...]] = [()] * n_numbers
    for part, pipeline, places in transformer.transformers_:
        if part in ("plain", "heavy"):
            steps = [step for _, step in pipeline.steps]
            median[places] = steps[1].statistics_
            mean[places], scale[places] = steps[-2].mean_, steps[-2].scale_
            if part == "heavy":
                heavy[places] = True
                centre[places], width[places] = steps[2].center_, steps[2].scale_
        elif part == "missing":
            indicator[pipeline.steps[-1][1].features_] = True
        elif part.startswith("pieces"):
            pieces[places[0]] = tuple(pipeline.steps[2][1].knots[:, 0].tolist())
    columns = list(start.columns)
    categorical = [k for k, column in enumerate(columns) if column.kind == "categorical"]
    if categorical:
        encoder = fitted["categories"]
        rare_of = encoder.infrequent_categories_
        for place, known, rare in zip(categorical, encoder.categories_, rare_of, strict=True):
            hidden = set() if rare is None else set(rare)
            columns[place] = Column(
                name=columns[place].name,
                kind="categorical",
                categories=tuple(str(value) for value in known if value not in hidden),
                rare=rare is not None,
            )
    return replace(
        start,
        columns=tuple(columns),
        median=tuple(median.tolist()),
        indicator=tuple(indicator.tolist()),
        centre=tuple(centre.tolist()),
        width=tuple(width.tolist()),
        heavy=tuple(heavy.tolist()),
        mean=tuple(mean.tolist()),
        scale=tuple(scale.tolist()),
        pieces=tuple(pieces),
    )


def telling_columns(frame: pd.DataFrame, codes: Array) -> list[str]:
    """Columns of few values, each of which alone tells the class of every row.

    Args:
        frame: input columns.
        codes: class of each row, `n`.

    >>> telling_columns(pd.DataFrame({"a": ["x", "y"] * 30, "b": [1, 2, 3] * 20}), [0, 1] * 30)
    ['a']
    """
    classes = np.asarray(codes)
    n_classes = len(np.unique(classes))
    found = []
    for name in frame.columns:
        values, unique = pd.factorize(frame[name], use_na_sentinel=False)
        # Many values tell classes by chance: each must have rows enough to be believed.
        if n_classes <= len(unique) <= len(frame) / 20:
            pairs = len(np.unique(values.astype(np.int64) * n_classes + classes))
            if pairs == len(unique):
                found.append(str(name))
    return found


def _inspect(series: pd.Series, kind: str | None) -> tuple[Column | None, str, str]:
    """What to take a column as: the column, or why it is dropped, and a remark."""
    name = str(series.name)
    if kind == "drop":
        return None, "as asked", ""
    n = len(series)
    known = series.dropna()
    if known.empty:
        return None, "empty", ""
    if kind is not None:
        return _as_asked(series, name, kind)
    if isinstance(series.dtype, pd.PeriodDtype):
        return _date(series, name)
    if pd.api.types.is_complex_dtype(series):
        raise DataError(
            f"column {name!r} holds complex numbers: give its real and imaginary parts (or size "
            "and angle) as columns of their own"
        )
    if not _is_text(series):
        if known.nunique() == 1 and len(known) == n:
            return None, f"always {known.iloc[0]}", ""
        if pd.api.types.is_bool_dtype(series):
            return Column(name, "boolean"), "", ""
        if pd.api.types.is_datetime64_any_dtype(series):
            return _date(series, name)
        if pd.api.types.is_integer_dtype(series) and len(known) == n and _is_counter(known, name):
            return None, "a running number", ""
        return Column(name, "numeric"), "", ""
    return _inspect_text(series, known, name)


def _as_asked(series: pd.Series, name: str, kind: str) -> tuple[Column | None, str, str]:
    if kind == "date":
        _check_dates(series, to_dates(series, Column(name, "date", dayfirst=_dayfirst(series))))
        return _date(series, name)
    if kind in ("numeric", "boolean"):
        to_numbers(series, kind)
    return Column(name, kind), "", ""


def _is_counter(known: pd.Series, name: str) -> bool:
    values = known.to_numpy()
    if len(values) < 50:
        return False
    if len(np.unique(values)) < len(values):
        return False
    whole = int(values.max()) - int(values.min()) == len(values) - 1
    return bool(_ID_NAME.match(name)) or (whole and bool((np.diff(values) == 1).all()))


def _inspect_text(series: pd.Series, known: pd.Series, name: str) -> tuple[Column | None, str, str]:
    for value in known.iloc[:100]:
        if isinstance(value, list | dict | tuple | set | np.ndarray):
            raise DataError(
                f"column {name!r} holds a {type(value).__name__} ({str(value)[:40]}) in a cell: "
                "give plain numbers, text, booleans or dates, one a cell"
            )
    unique = pd.unique(known)
    texts = [_text(value) for value in unique]
    real = [text for text in texts if text != MISSING]
    if not real:
        return None, "empty", ""
    lowered = {text.casefold() for text in real}
    if lowered <= {"true", "false"} and len(lowered) == 2:
        return Column(name, "boolean"), "", ""
    readable = [_readable(value) for value in unique]
    n_numbers = sum(value is not None and not math.isnan(value) for value in readable)
    n_odd = sum(value is None for value in readable)
    if n_numbers and n_odd == 0:
        markers = sorted(
            {
                str(v)
                for v, r in zip(unique, readable, strict=True)
                if r is not None and math.isnan(r)
            }
        )
        remark = f"column {name!r}: numbers written as text are read as numbers"
        if markers:
            remark += f", and {', '.join(map(repr, markers))} as missing"
        return Column(name, "numeric"), "", remark
    if n_numbers > 20 and n_numbers >= 0.8 * len(unique):
        to_numbers(series)  # raises: names the row and the value
    dates = sum(bool(_DATE.fullmatch(text)) for text in real)
    if dates >= 0.95 * len(real):
        column, why, remark = _date(series, name)
        if column is not None:
            return column, why, remark
    if len(lowered) == 1 and len(real) == len(texts) and len(known) == len(series):
        return None, f"always {real[0]!r}", ""
    n_known = len(known)
    if n_known >= 20 and len(real) >= 0.9 * n_known:
        return None, "free text or names: nearly every row has its own", ""
    return Column(name, "categorical"), "", ""


def _readable(value: object) -> float | None:
    try:
        return parse_number(value)
    except (TypeError, ValueError):
        return None


def _dayfirst(series: pd.Series) -> bool:
    """Whether a column of dates writes the day first: one of them begins beyond 12."""
    if not _is_text(series):
        return False
    firsts = [re.match(r"\s*(\d{1,2})[-/.]", str(value)) for value in pd.unique(series.dropna())]
    return any(match is not None and int(match.group(1)) > 12 for match in firsts)


def _date(series: pd.Series, name: str) -> tuple[Column | None, str, str]:
    dayfirst = _dayfirst(series)
    column = Column(name, "date", parts=_DATE_PARTS, dayfirst=dayfirst)
    dates = to_dates(series, column)
    unread = _unread_dates(series, dates)
    if unread.sum() > MOST_UNREAD_DATES * series.notna().sum() or not dates.notna().any():
        return None, "", ""
    remark = ""
    if unread.any():
        row = unread[unread].index[0]
        remark = (
            f"column {name!r}: {int(unread.sum())} of {len(series)} training rows hold no date "
            f"that can be read, such as {str(series[row])[:40]!r} in row {row}: taken as missing"
        )
    values = _date_parts(dates, _DATE_PARTS)
    parts = tuple(
        part
        for part, numbers in zip(_DATE_PARTS, values, strict=True)
        if np.nanmax(numbers) - np.nanmin(numbers) > 1e-9
    )
    if not parts:
        return None, "always the same date", ""
    return Column(name, "date", parts=parts, dayfirst=dayfirst), "", remark
