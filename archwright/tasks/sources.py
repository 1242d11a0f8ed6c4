"""Ways into a `Task`: arrays, frames, and scikit-learn's small data sets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from archwright.errors import DataError, unknown_name
from archwright.tasks.augment import Augmentation
from archwright.tasks.images import Images, fit_images, raw_images
from archwright.tasks.losses import DEFAULT_LOSSES
from archwright.tasks.metrics import Metric, resolve_metric
from archwright.tasks.preprocessing import Preprocessing
from archwright.tasks.splits import Split, check_fraction, split_indices
from archwright.tasks.targets import (
    as_plain_labels,
    check_labels,
    fit_target,
    infer_kind,
    missing_rows,
)
from archwright.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd

Array = npt.NDArray[Any]

FEWEST_ROWS = 20
"""Fewer rows than this cannot be split into parts that say anything."""

TOY_SETS = ("breast_cancer", "diabetes", "digits", "iris", "wine")
"""Small data sets that come with scikit-learn."""


@dataclass(frozen=True)
class _Prepared:
    """How one kind of input was fitted, and how its raw rows become a tensor."""

    inputs: Any
    tensor: Callable[[Any], Tensor]
    notes: tuple[str, ...] = ()
    augment: Augmentation | None = None


Part = tuple[Any, Any]


def _assemble(
    parts: Mapping[str, Part | float | None],
    fit: Callable[[Any], _Prepared],
    *,
    take: Callable[[Any, Array], Any],
    names: Sequence[str],
    kind: str | None,
    classes: Sequence[Any] | None,
    seed: int,
    name: str,
    metric: str | Metric | None,
    augment: Augmentation | str | None,
    drop_missing_labels: bool,
    notes: Sequence[str] = (),
) -> Task:
    """Check labels, deal the rows, fit on train, and put the task together."""
    label = ", ".join(names)
    remarks = list(notes)
    data: dict[str, tuple[Any, Array]] = {}
    for part_name, part in parts.items():
        if not isinstance(part, tuple):
            continue
        x, y = part
        n_x, n_y = len(x), len(y)
        if n_x != n_y:
            raise DataError(
                f"inputs and targets must have as many rows: the {part_name} data has {n_x} "
                f"inputs and {n_y} targets. Check how they were cut"
            )
        if n_x == 0:
            raise DataError(f"the {part_name} data has no rows: give at least {FEWEST_ROWS}")
        if drop_missing_labels:
            lost = missing_rows(y)
            if len(lost):
                keep = np.setdiff1d(np.arange(n_y), lost)
                x, y = take(x, keep), _rows(y, keep)
                remarks.append(f"{len(lost)} {part_name} rows without a label were left out")
        check_labels(y, label)
        data[part_name] = (x, as_plain_labels(y, label))
    x, y = data["train"]
    if len(y) < FEWEST_ROWS:
        raise DataError(
            f"at least {FEWEST_ROWS} rows are needed to train and judge a network; got {len(y)}"
        )
    if kind is None:
        kind, why = infer_kind(y, label)
        remarks.append(why)
    elif kind not in DEFAULT_LOSSES:
        raise unknown_name("kind of task", kind, DEFAULT_LOSSES)
    chosen_metric = resolve_metric(metric, kind)
    if kind == "classification":
        data = {key: (a, _class_values(b)) for key, (a, b) in data.items()}
        x, y = data["train"]
    target_names = list(names)
    if kind != "classification" and y.ndim == 2 and len(target_names) != y.shape[1]:
        target_names = (
            [str(one) for one in classes]
            if kind == "multilabel" and classes is not None and len(classes) == y.shape[1]
            else [f"{target_names[0]}{k}" for k in range(y.shape[1])]
        )
    fractions = {
        key: 0.0 if key in data or parts.get(key) is None else float(parts[key])  # type: ignore[arg-type]
        for key in ("validation", "test")
    }
    if "validation" not in data:
        check_fraction("validation", parts.get("validation"))
    fit_target(y, kind=kind, names=target_names)
    if sum(fractions.values()):
        rows = split_indices(
            len(y),
            validation=fractions["validation"],
            test=fractions["test"],
            seed=seed,
            labels=y if kind == "classification" else None,
        )
        for part_name, chosen in zip(("train", "validation", "test"), rows, strict=True):
            if part_name == "train" or fractions[part_name]:
                data[part_name] = (take(x, chosen), y[chosen])
                if len(chosen) == 0:
                    raise DataError(
                        f"{part_name}={parts[part_name]!r} of {len(y)} rows leaves no "
                        f"{part_name} row: give a larger fraction or more rows"
                    )
        if kind == "classification":
            remarks += _rare_classes(y)
    train_x, train_y = data["train"]
    target = fit_target(train_y, kind=kind, names=target_names)
    if kind == "classification" and classes is not None:
        target = _named(target, classes)
    prepared = fit(train_x)
    splits = {
        key: Split(prepared.tensor(a), torch.from_numpy(_encode(target, b, y, classes)))
        for key, (a, b) in data.items()
    }
    return Task(
        name=name,
        train=splits["train"],
        validation=splits["validation"],
        test=splits.get("test"),
        preprocessing=Preprocessing(prepared.inputs, target),
        metric=chosen_metric,
        loss_name=DEFAULT_LOSSES[kind],
        augment=prepared.augment if augment == "auto" else augment,  # type: ignore[arg-type]
        notes=tuple(remarks) + prepared.notes,
    )


def _encode(target: Any, values: Array, all_values: Array, classes: Sequence[Any] | None) -> Array:
    if target.kind == "classification" and classes is not None:
        plain = fit_target(all_values, kind="classification", names=target.names)
        encoded: Array = plain.encode(values)
        return encoded
    made: Array = target.encode(values)
    return made


def _named(target: Any, classes: Sequence[Any]) -> Any:
    from dataclasses import replace

    if len(classes) != len(target.labels):
        raise DataError(
            f"classes names {len(classes)} classes, and the training labels hold "
            f"{len(target.labels)}: {list(target.labels)[:10]}. Give one name a class"
        )
    return replace(target, labels=tuple(str(one) for one in classes))


def _class_values(y: Array) -> Array:
    if y.ndim == 2 and y.shape[1] > 1:
        return np.asarray(y.argmax(1))
    return y.ravel()


def _rows(values: Any, rows: Array) -> Any:
    return values.iloc[rows] if hasattr(values, "iloc") else np.asarray(values)[rows]


def _rare_classes(y: Array) -> list[str]:
    values, counts = np.unique(y.astype(str) if y.dtype.kind == "O" else y, return_counts=True)
    rare = [str(value) for value, count in zip(values, counts, strict=True) if count < 3]
    if not rare:
        return []
    return [
        f"{len(rare)} classes have one or two rows only ({', '.join(rare[:5])}"
        f"{', ...' if len(rare) > 5 else ''}): they are in train, and hardly judged elsewhere"
    ]


def from_arrays(
    x: Any,
    y: Any,
    *,
    kind: str | None = None,
    validation: float | Part = 0.2,
    test: float | Part | None = 0.2,
    seed: int = 0,
    name: str = "data",
    classes: Sequence[Any] | None = None,
    metric: str | Metric | None = None,
    augment: Augmentation | str | None = "auto",
    drop_missing_labels: bool = False,
) -> Task:
    """A task from arrays or tensors.

    Args:
        x: inputs. `n x features` is a table; `n x height x width` and four axes are images
            (channels first or last).
        y: targets: classes (numbers or text), `n x labels` of 0 and 1, or numbers.
        kind: `"classification"`, `"multilabel"` or `"regression"`; inferred when None.
        validation: a fraction of all rows, or `(x, y)`.
        test: likewise; None or 0 for no test.
        seed: of the deal.
        name: for reports.
        classes: names of the classes, in the order of their sorted labels.
        metric: the main metric; see `METRICS`.
        augment: `"auto"`, an `Augmentation` or None.
        drop_missing_labels: leave out rows without a label instead of refusing them.

    >>> import numpy as np
    >>> task = from_arrays(np.random.default_rng(0).normal(size=(50, 3)), [0, 1] * 25)
    >>> task.kind, task.modality, task.input_shape
    ('classification', 'tabular', (3,))
    """
    parts: dict[str, Part | float | None] = {"train": (_array(x), _array(y))}
    for key, part in (("validation", validation), ("test", test)):
        given = isinstance(part, tuple)
        parts[key] = (_array(part[0]), _array(part[1])) if given else (part or None)  # type: ignore[index]
    array = parts["train"][0]  # type: ignore[index]
    if array.ndim == 2:
        fit: Callable[[Any], _Prepared] = _fit_table
    else:
        fit = _fit_images
        parts = {
            key: (raw_images(part[0]), part[1]) if isinstance(part, tuple) else part
            for key, part in parts.items()
        }
    return _assemble(
        parts,
        fit,
        take=lambda values, rows: values[rows],
        names=("target",),
        kind=kind,
        classes=classes,
        seed=seed,
        name=name,
        metric=metric,
        augment=augment,
        drop_missing_labels=drop_missing_labels,
    )


def _array(values: Any) -> Array:
    if isinstance(values, torch.Tensor):
        return np.asarray(values.detach().cpu().numpy())
    return np.asarray(values)


def _fit_table(train: Any) -> _Prepared:
    from archwright.tasks.columns import as_frame, fit_columns

    fitted = fit_columns(as_frame(train), positional=True)
    columns = fitted.columns
    return _Prepared(columns, lambda raw: torch.from_numpy(columns.apply(raw)), fitted.notes)


def _fit_images(train: Array) -> _Prepared:
    whole = train.dtype != np.uint8 and bool(
        (train.min() >= 0) and (train.max() <= 255) and np.equal(train, np.round(train)).all()
    )

    def stored(values: Array) -> Array:
        return values.astype(np.uint8 if whole or values.dtype == np.uint8 else np.float32)

    images = fit_images(stored(train))
    return _Prepared(
        images,
        lambda raw: torch.from_numpy(np.ascontiguousarray(stored(raw))),
        augment=_default_augmentation(images),
    )


def _default_augmentation(images: Images) -> Augmentation:
    side = min(images.height, images.width)
    return Augmentation(shift=max(1, side // 10), mean=images.mean, std=images.std, fill=(0.0,))


def from_frame(
    frame: pd.DataFrame,
    target: str | int | Sequence[str] | None = None,
    *,
    kind: str | None = None,
    validation: float | pd.DataFrame = 0.2,
    test: float | pd.DataFrame | None = 0.2,
    seed: int = 0,
    name: str = "table",
    columns: Mapping[str, str] | None = None,
    metric: str | Metric | None = None,
    drop_missing_labels: bool = False,
) -> Task:
    """A task from a pandas frame with columns of any type.

    Args:
        frame: the table.
        target: column to predict (several for multi-label); its name or place.
        kind: `"classification"`, `"multilabel"` or `"regression"`; inferred when None.
        validation: a fraction of all rows, or a frame.
        test: likewise; None or 0 for no test.
        seed: of the deal.
        name: for reports.
        columns: what to take single columns as: `{"zip": "categorical", "note": "drop"}`.
        metric: the main metric; see `METRICS`.
        drop_missing_labels: leave out rows without a label instead of refusing them.
    """
    from archwright.tasks.columns import fit_columns

    notes: list[str] = []
    names = [str(one) for one in frame.columns]
    if target is None:
        target = names[-1]
        notes.append(f"no target was named: the last column, {target!r}, is taken")
    wanted = [target] if isinstance(target, str | int) else list(target)
    wanted = [
        names[one] if isinstance(one, int) and str(one) not in names else str(one) for one in wanted
    ]
    for one in wanted:
        if one not in names:
            raise unknown_name("target column", one, names)

    def cut(table: pd.DataFrame) -> Part:
        table = table.set_axis([str(one) for one in table.columns], axis=1)
        labels = table[wanted[0]] if len(wanted) == 1 else table[wanted]
        return table.drop(columns=wanted), labels

    parts: dict[str, Part | float | None] = {"train": cut(frame)}
    for key, part in (("validation", validation), ("test", test)):
        parts[key] = cut(part) if hasattr(part, "columns") else (part or None)

    def fit(train: pd.DataFrame) -> _Prepared:
        fitted = fit_columns(train, kinds=columns)
        made = fitted.columns
        return _Prepared(made, lambda raw: torch.from_numpy(made.apply(raw)), fitted.notes)

    return _assemble(
        parts,
        fit,
        take=lambda table, rows: table.iloc[rows],
        names=wanted,
        kind=kind,
        classes=None,
        seed=seed,
        name=name,
        metric=metric,
        augment=None,
        drop_missing_labels=drop_missing_labels,
        notes=notes,
    )


def load(
    source: str | Path, target: str | int | Sequence[str] | None = None, **options: Any
) -> Task:
    """A task from a file, a folder of images, or the name of a scikit-learn data set.

    Args:
        source: one of `TOY_SETS`, or a path.
        target: column to predict, for tables.
        options: of `from_arrays` or `from_frame`.

    >>> load("iris").classes
    ('setosa', 'versicolor', 'virginica')
    """
    if str(source) in TOY_SETS:
        return _toy(str(source), **options)
    raise DataError(f"expected one of {', '.join(TOY_SETS)}, got {str(source)!r}")


def _toy(name: str, **options: Any) -> Task:
    from sklearn import datasets

    options.setdefault("name", name)
    if name == "digits":
        data = datasets.load_digits()
        return from_arrays(data.images, data.target, kind="classification", **options)
    data = getattr(datasets, f"load_{name}")()
    if name == "diabetes":
        return from_arrays(data.data, data.target, kind="regression", **options)
    classes = [str(one) for one in data.target_names]
    return from_arrays(data.data, data.target, kind="classification", classes=classes, **options)
