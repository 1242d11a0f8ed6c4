"""Ways into a `Task`: arrays, torch data sets, frames, files, folders and small known sets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from archwright.errors import DataError, nearest
from archwright.tasks.arrays import fit_arrays
from archwright.tasks.assemble import Options, Part, Prepared, assemble
from archwright.tasks.augment import Augmentation, default_augmentation
from archwright.tasks.images import as_array, fit_images, raw_images
from archwright.tasks.metrics import Metric, resolve_metric
from archwright.tasks.targets import FARTHEST
from archwright.tasks.task import Task

if TYPE_CHECKING:
    import pandas as pd
    from torch.utils.data import Dataset

Array = npt.NDArray[Any]

TOY_SETS = ("breast_cancer", "diabetes", "digits", "iris", "wine")
"""Small data sets that come with scikit-learn."""

MODALITIES = ("image", "tabular", "other")
"""Kinds of input."""


def from_arrays(
    x: Any,
    y: Any,
    *,
    kind: str | None = None,
    modality: str | None = None,
    validation: float | Part = 0.2,
    test: float | Part | None = 0.2,
    seed: int = 0,
    name: str = "data",
    target: str | Sequence[str] | None = None,
    classes: Sequence[Any] | None = None,
    columns: Mapping[str, str] | None = None,
    metric: str | Metric | None = None,
    loss: str | None = None,
    augment: Augmentation | str | None = "auto",
    drop_missing_labels: bool = False,
) -> Task:
    """A task from arrays, tensors, nested lists, or a frame of inputs.

    Args:
        x: inputs. `n x features` is a table (NaN is a missing value there); `n x height x width`
            and `n x channels x height x width` (or channels last) are images; others are kept
            in their shape.
        y: targets: classes (numbers or text), `n x labels` of 0 and 1, or numbers.
        kind: `"classification"`, `"multilabel"` or `"regression"`; inferred when None.
        modality: `"image"`, `"tabular"` or `"other"`; inferred when None.
        validation: a fraction of all rows, or `(x, y)`.
        test: likewise; None or 0 for no test.
        seed: of the deal.
        name: for reports.
        target: name of the target (or of each of several).
        classes: names of the classes, in the order of their sorted labels.
        columns: what to take columns of a table as, see `COLUMN_KINDS`.
        metric: the main metric; see `METRICS`.
        loss: the training loss; see `LOSSES`.
        augment: `"auto"` (what suits the images), an `Augmentation`, or None.
        drop_missing_labels: leave out rows without a label instead of refusing them.

    Raises:
        DataError: the data cannot be used; the message says what to do.

    >>> import numpy as np
    >>> task = from_arrays(np.random.default_rng(0).normal(size=(50, 3)), [0, 1] * 25)
    >>> task.kind, task.modality, task.input_shape
    ('classification', 'tabular', (3,))
    """
    options = Options(kind, seed, name, classes, metric, loss, augment, drop_missing_labels)
    names = _names_of(y, target)
    train = _pair("x", x, y)
    held = {
        key: _pair(key, *_two(key, part)) if isinstance(part, tuple | list) else part
        for key, part in (("validation", validation), ("test", test))
    }
    parts = [train, *(part for part in held.values() if isinstance(part, tuple))]
    modality, notes = _modality(train[0], modality)
    if modality == "tabular":
        frames = [(_table(inputs), labels) for inputs, labels in parts]
        train, held = _with_inputs(frames, held)
        return assemble(
            train,
            validation=held["validation"],
            test=held["test"],
            fit=_TableFit(columns),
            take=lambda table, rows: table.iloc[rows],
            names=names,
            options=options,
            notes=notes,
        )
    arrays = []
    for inputs, labels in parts:
        _check_array(inputs)
        arrays.append((raw_images(inputs) if modality == "image" else inputs, labels))
    for inputs, _ in arrays[1:]:
        if inputs.shape[1:] != arrays[0][0].shape[1:]:
            raise DataError(
                f"inputs of all splits must have one shape: train has {arrays[0][0].shape[1:]}, "
                f"another {inputs.shape[1:]}"
            )
    train, held = _with_inputs(arrays, held)
    return assemble(
        train,
        validation=held["validation"],
        test=held["test"],
        fit=_fit_images if modality == "image" else _fit_arrays,
        take=lambda values, rows: values[rows],
        names=names,
        options=options,
        notes=notes,
    )


def _names_of(y: Any, target: str | Sequence[str] | None) -> list[str]:
    if target is not None or hasattr(y, "columns"):
        given = y.columns if target is None else [target] if isinstance(target, str) else target
        named = [str(one) for one in given]
        twice = next((one for one in named if named.count(one) > 1), None)
        if twice is not None:
            raise DataError(f"two targets are named {twice!r}: give each a name of its own")
        return named
    name = getattr(y, "name", None)
    return [str(name) if isinstance(name, str) and name else "target"]


def _two(key: str, part: Any) -> tuple[Any, Any]:
    if len(part) != 2:
        raise DataError(
            f"{key} must be a fraction such as 0.2 or a pair (inputs, targets); got "
            f"{len(part)} values"
        )
    return part[0], part[1]


def _pair(what: str, x: Any, y: Any) -> Part:
    """Inputs as an array or a frame, and targets as an array, a frame or a series."""
    if hasattr(x, "toarray"):
        raise DataError(
            f"{what} is a sparse matrix: a dense array is needed; give {what}.toarray(), after "
            "leaving out columns that are not needed"
        )
    if not hasattr(x, "iloc"):
        x = as_array(x)
        if x.ndim == 0:
            raise DataError(f"{what} must be an array of rows x features; got {x.item()!r}")
        if x.ndim == 1:
            raise DataError(
                f"inputs must have at least two axes, rows x features; {what} has shape {x.shape}. "
                + (
                    "Its entries are objects (perhaps arrays of different shapes): bring them to "
                    "one shape and stack them"
                    if x.dtype.kind == "O"
                    else f"For one feature give {what}.reshape(-1, 1)"
                )
            )
    if not hasattr(y, "iloc"):
        y = as_array(y)
        if y.ndim == 0:
            raise DataError(f"targets must have one entry a row; got {y.item()!r}")
    return x, y


def _with_inputs(pairs: Sequence[Part], held: Mapping[str, Any]) -> tuple[Part, dict[str, Any]]:
    """The parts again, with inputs changed."""
    rest = iter(pairs[1:])
    return pairs[0], {
        key: next(rest) if isinstance(part, tuple) else part for key, part in held.items()
    }


def _modality(x: Any, asked: str | None) -> tuple[str, list[str]]:
    from archwright.errors import unknown_name

    shape = tuple(x.shape)
    if asked is not None and asked not in MODALITIES:
        raise unknown_name("modality", asked, MODALITIES)
    if asked == "tabular" and len(shape) != 2:
        raise DataError(f"a table is rows x features; got shape {shape}")
    if asked == "image" and len(shape) not in (3, 4):
        raise DataError(
            f"images have 3 or 4 axes, n x [channels x] height x width; got shape {shape}. Reshape "
            "flattened images first"
        )
    if asked is not None:
        return asked, []
    if len(shape) == 2:
        side = round(shape[1] ** 0.5)
        notes = []
        if side * side == shape[1] and side >= 8 and getattr(x, "dtype", None) == np.uint8:
            notes.append(
                f"{shape[1]} features may be flattened images: reshape them to n x {side} x {side} "
                "for a convolutional network"
            )
        return "tabular", notes
    if len(shape) == 4:
        sides = shape[2:] if shape[1] in (1, 2, 3, 4) or shape[3] > 4 else shape[1:3]
        return ("image" if min(sides) >= 4 else "other"), []
    if len(shape) == 3:
        low, high = sorted(shape[1:])
        if low >= 4 and (x.dtype == np.uint8 or high <= 2 * low):
            return "image", [
                f"inputs of {shape[1]} x {shape[2]} are taken as grey images; modality='other' for "
                "sequences"
            ]
        return "other", [
            f"inputs of {shape[1]} x {shape[2]} are taken as sequences (channels x length); "
            "modality='image' for grey images"
        ]
    return "other", []


def _check_array(x: Array) -> None:
    """Inputs that are no table must be finite numbers."""
    if x.dtype.kind not in "biuf":
        raise DataError(
            f"inputs must be numbers; got an array of dtype {x.dtype}"
            + (" (objects, or rows of different shapes)" if x.dtype.kind == "O" else "")
            + ". Convert it, for example with astype('float32')"
        )
    if x.dtype.kind == "f":
        bad = ~np.isfinite(x)
        if bad.any():
            place = tuple(int(k) for k in np.argwhere(bad)[0])
            n_rows = int(bad.reshape(len(x), -1).any(1).sum())
            raise DataError(
                f"inputs must be finite: {int(bad.sum())} values in {n_rows} of {len(x)} rows are "
                f"NaN or infinite, the first at {list(place)}. Replace them, or leave out the rows"
            )
    if x.size and max(abs(float(x.min())), abs(float(x.max()))) > FARTHEST:
        highest = int(np.abs(x.astype(np.float64)).argmax())
        place = tuple(int(k) for k in np.unravel_index(highest, x.shape))
        raise DataError(
            f"inputs must be at most {FARTHEST:g}, so that their squares can be computed with: "
            f"{float(x[place]):g} at {list(place)}. Correct it, or give a larger unit"
        )


def _table(x: Any) -> pd.DataFrame:
    import pandas as pd

    if hasattr(x, "iloc"):
        if x.ndim != 2:
            raise DataError("a frame of inputs is expected, got a series: give x.to_frame()")
        return x
    if x.dtype.kind == "c":
        raise DataError("inputs must be real numbers; got complex ones: give both their parts")
    if x.dtype.kind in "OUS":
        return pd.DataFrame(x.astype(object)).infer_objects()
    if x.dtype.kind not in "biuf":
        raise DataError(f"inputs must be numbers or text; got an array of dtype {x.dtype}")
    return pd.DataFrame(x)


class _TableFit:
    """Fits the preparation of a table; an object, so that it says what it was given."""

    def __init__(
        self,
        columns: Mapping[str, str] | None = None,
        *,
        header: bool | None = None,
        target_position: int | None = None,
    ) -> None:
        self.columns = columns
        self.header = header
        self.target_position = target_position

    def __call__(self, train: Any, targets: Array, kind: str) -> Prepared:
        from archwright.tasks.columns import fit_columns, telling_columns

        fitted = fit_columns(
            train,
            kinds=self.columns,
            header=self.header,
            target_position=self.target_position,
        )
        made = fitted.columns
        notes = list(fitted.notes)
        if kind == "classification":
            used = [column.name for column in made.columns]
            named = train.set_axis([str(one) for one in train.columns], axis=1)
            for name in telling_columns(named[used], targets):
                notes.append(
                    f"column {name!r} alone tells the class of every training row: where it is not "
                    f"known beforehand, leave it out with columns={{{name!r}: 'drop'}}"
                )
        return Prepared(made, lambda raw: torch.from_numpy(made.apply(raw)), tuple(notes))


def _fit_images(train: Array, targets: Array, kind: str, *, depth: float = 257.0) -> Prepared:
    whole = train.dtype == np.uint8 or bool(
        (train.min() >= 0) and (train.max() <= 255) and np.equal(train, np.round(train)).all()
    )
    if whole and train.dtype.kind == "f" and train.max() <= 1:
        whole = False  # black and white in a unit of 0 to 1

    def stored(values: Array) -> Tensor:
        kept = np.clip(np.round(values), 0, 255).astype(np.uint8) if whole else values
        dtype = np.uint8 if whole else np.float32
        return torch.from_numpy(np.ascontiguousarray(kept, dtype))

    kept = stored(train)
    images = fit_images(kept.numpy(), depth=depth)
    augment, notes = default_augmentation(kept, targets, images=images, kind=kind)
    return Prepared(images, stored, notes, augment)


def _fit_arrays(train: Array, targets: Array, kind: str) -> Prepared:
    arrays = fit_arrays(train)
    return Prepared(arrays, lambda raw: torch.from_numpy(arrays.apply(raw)))


def from_dataset(
    dataset: Dataset[Any],
    *,
    validation: float | Dataset[Any] = 0.2,
    test: float | Dataset[Any] | None = 0.2,
    **options: Any,
) -> Task:
    """A task from torch Datasets whose items are `(input, target)`.

    Every item is read once and kept in memory.

    Args:
        dataset: items to learn from; inputs are tensors, arrays or Pillow images of one size.
        validation: a fraction of the items, or another Dataset.
        test: likewise; None or 0 for no test.
        options: the others of `from_arrays`.

    >>> from torch.utils.data import TensorDataset
    >>> data = TensorDataset(torch.rand(40, 1, 8, 8), torch.arange(40) % 4)
    >>> from_dataset(data).input_shape
    (1, 8, 8)
    """
    x, y = _items(dataset, "the data set")
    held: dict[str, Any] = {
        key: part if part is None or isinstance(part, Real) else _items(part, key)
        for key, part in (("validation", validation), ("test", test))
    }
    return from_arrays(x, y, **held, **options)


def _items(dataset: Any, what: str) -> tuple[Array, Array]:
    if hasattr(dataset, "tensors") and len(dataset.tensors) == 2:
        return as_array(dataset.tensors[0]), as_array(dataset.tensors[1])
    try:
        n = len(dataset)
    except TypeError:
        raise DataError(
            f"{what} must be a map-style torch Dataset (with a length), got "
            f"{type(dataset).__name__}: collect its items in arrays first"
        ) from None
    inputs, targets = [], []
    for place in range(n):
        item = dataset[place]
        if not isinstance(item, tuple | list) or len(item) != 2:
            raise DataError(
                f"items of {what} must be pairs (input, target); item {place} is a "
                f"{type(item).__name__}"
                + (f" of {len(item)}" if isinstance(item, tuple | list) else "")
            )
        inputs.append(as_array(item[0]))
        targets.append(as_array(item[1]))
    shapes = {one.shape for one in inputs}
    if len(shapes) > 1:
        raise DataError(
            f"inputs of {what} must have one shape; they have {len(shapes)}, such as "
            f"{' and '.join(str(one) for one in sorted(shapes)[:2])}: resize or pad them"
        )
    if not inputs:
        raise DataError(f"{what} has no items: pairs (input, target) are expected")
    return np.stack(inputs), np.stack(targets)


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
    loss: str | None = None,
    drop_missing_labels: bool = False,
) -> Task:
    """A task from a pandas frame with columns of any type and missing values.

    Args:
        frame: the table.
        target: column to predict (several for multi-label), by name or place; when None, a column
            named `target`, `label`, `class`, `y` or `outcome`, else the last.
        kind: `"classification"`, `"multilabel"` or `"regression"`; inferred when None.
        validation: a fraction of all rows, or a frame.
        test: likewise; None or 0 for no test.
        seed: of the deal.
        name: for reports.
        columns: what to take single columns as: `{"zip": "categorical", "note": "drop"}`; see
            `COLUMN_KINDS`.
        metric: the main metric; see `METRICS`.
        loss: the training loss; see `LOSSES`.
        drop_missing_labels: leave out rows without a label instead of refusing them.

    Raises:
        DataError: the data cannot be used; the message says what to do.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"size": range(40), "colour": list("rgby") * 10})
    >>> task = from_frame(frame.sample(frac=1, random_state=0), "colour")
    >>> task.classes, task.input_shape
    (('b', 'g', 'r', 'y'), (1,))
    """
    options = Options(kind, seed, name, None, metric, loss, None, drop_missing_labels)
    return _from_frames(
        frame, target, validation=validation, test=test, columns=columns, options=options
    )


def _from_frames(
    frame: pd.DataFrame,
    target: str | int | Sequence[str] | None,
    *,
    validation: Any,
    test: Any,
    columns: Mapping[str, str] | None,
    options: Options,
    notes: Sequence[str] = (),
    header: bool | None = None,
) -> Task:
    from archwright.tasks.tables import find_target

    names = [str(one) for one in frame.columns]
    if not names or len(frame) == 0:
        raise DataError(
            f"the table has {len(frame)} rows and {len(names)} columns: rows with a target and at "
            "least one input column are expected"
        )
    wanted, remarks = find_target(names, target)
    twice = sorted({one for one in names if names.count(one) > 1})
    if twice:
        raise DataError(
            f"the table has {names.count(twice[0])} columns named {twice[0]!r}: rename all but one"
        )

    def cut(table: pd.DataFrame, what: str) -> Part:
        table = table.set_axis([str(one) for one in table.columns], axis=1)
        lacking = [one for one in names if one not in table.columns]
        if lacking:
            raise DataError(
                f"the {what} table lacks {len(lacking)} columns, such as {lacking[0]!r}: give it "
                "those of the training table"
            )
        return table[[one for one in names if one not in wanted]], (
            table[wanted[0]] if len(wanted) == 1 else table[wanted]
        )

    held = {
        key: cut(part, key) if hasattr(part, "columns") else part
        for key, part in (("validation", validation), ("test", test))
    }
    return assemble(
        cut(frame, "training"),
        validation=held["validation"],
        test=held["test"],
        fit=_TableFit(
            columns,
            header=header,
            target_position=names.index(wanted[0])
            if header is False and len(wanted) == 1
            else None,
        ),
        take=lambda table, rows: table.iloc[rows],
        names=wanted,
        options=options,
        notes=[*notes, *remarks],
    )


def from_file(
    path: str | Path,
    target: str | int | Sequence[str] | None = None,
    *,
    kind: str | None = None,
    validation: float | str | Path = 0.2,
    test: float | str | Path | None = 0.2,
    seed: int = 0,
    name: str | None = None,
    columns: Mapping[str, str] | None = None,
    metric: str | Metric | None = None,
    loss: str | None = None,
    drop_missing_labels: bool = False,
    header: bool | None = None,
) -> Task:
    """A task from a CSV, TSV or Parquet file; see `read_table` for what is found out about it.

    Args:
        path: of the file.
        target: column to predict, as in `from_frame`; without a header, its place from 0.
        kind: as in `from_frame`.
        validation: a fraction of all rows, or another file.
        test: likewise; None or 0 for no test.
        seed: of the deal.
        name: for reports; the file's when None.
        columns: as in `from_frame`.
        metric: the main metric.
        loss: the training loss.
        drop_missing_labels: leave out rows without a label instead of refusing them.
        header: whether the first line names the columns; found out when None.

    Raises:
        DataError: the file cannot be used; the message says what to do.
    """
    from archwright.tasks.tables import read_table

    options = Options(
        kind,
        seed,
        name or Path(path).name.split(".")[0],
        None,
        metric,
        loss,
        None,
        drop_missing_labels,
    )
    table = read_table(path, header=header)
    held = {
        key: read_table(part, header=table.header).frame if isinstance(part, str | Path) else part
        for key, part in (("validation", validation), ("test", test))
    }
    return _from_frames(
        table.frame,
        target,
        validation=held["validation"],
        test=held["test"],
        columns=columns,
        options=options,
        notes=table.notes,
        header=table.header,
    )


def from_npz(path: str | Path, **options: Any) -> Task:
    """A task from a NumPy archive.

    Args:
        path: of an `.npz` file with arrays `x` and `y` (or `X` and `Y`, `images` and `labels`,
            `data` and `target`); or `x_train`, `y_train`, and `x_test`, `y_test`, `x_val`,
            `y_val` as given splits.
        options: those of `from_arrays`.

    Raises:
        DataError: the file cannot be read, or does not hold such arrays.
    """
    from archwright.tasks.tables import existing

    path = existing(path, "file")
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            arrays = {key.casefold(): archive[key] for key in archive.files}
    except ValueError as error:
        if "allow_pickle" in str(error):
            raise DataError(
                f"{str(path)!r} holds arrays of Python objects, which are not read (they can run "
                "code): save arrays of numbers or text"
            ) from None
        raise DataError(f"{str(path)!r} cannot be read as a NumPy archive ({error})") from None
    except Exception as error:
        raise DataError(
            f"{str(path)!r} cannot be read as a NumPy archive ({str(error)[:160]}): write it with "
            "numpy.savez(path, x=..., y=...)"
        ) from None
    found = {split: _named_pair(arrays, marks) for split, marks in _MARKS.items()}
    train = found["train"] or found["all"]
    if train is None:
        raise DataError(
            f"{path.name} must hold arrays named x and y (or x_train, y_train, x_test, y_test); it "
            f"holds {', '.join(arrays) or 'nothing'}"
        )
    for split in ("validation", "test"):
        if found[split] is not None and found["train"] is not None:
            options.setdefault(split, found[split])
    options.setdefault("name", path.stem)
    return from_arrays(*train, **options)


_MARKS = {
    "all": ("",),
    "train": ("train", "training"),
    "validation": ("validation", "val", "valid"),
    "test": ("test",),
}
_PAIRS = (("x", "y"), ("images", "labels"), ("data", "target"), ("data", "labels"),
          ("features", "labels"), ("inputs", "targets"))  # fmt: skip


def _named_pair(arrays: Mapping[str, Array], marks: Sequence[str]) -> tuple[Array, Array] | None:
    for mark in marks:
        for first, second in _PAIRS:
            for form in ("{0}_{1}", "{1}_{0}", "{0}{1}") if mark else ("{0}",):
                pair = form.format(first, mark), form.format(second, mark)
                if pair[0] in arrays and pair[1] in arrays:
                    return arrays[pair[0]], arrays[pair[1]]
    return None


def from_folder(
    path: str | Path,
    *,
    size: int | tuple[int, int] | None = None,
    validation: float = 0.2,
    test: float | None = 0.2,
    kind: str | None = None,
    seed: int = 0,
    name: str | None = None,
    metric: str | Metric | None = None,
    loss: str | None = None,
    augment: Augmentation | str | None = "auto",
    skip_unreadable: bool = False,
) -> Task:
    """A task from a folder of images: one folder a class, of any size and mode.

    Args:
        path: of the folder; its folders are the classes, or `train`, `validation` and `test` with
            the classes in them.
        size: side, or height and width, that images are resized to; see `read_folder`.
        validation: a fraction of the rows, where the folder does not hold it.
        test: likewise; None or 0 for no test.
        kind: `"regression"` when the folders' names are numbers to predict.
        seed: of the deal.
        name: for reports; the folder's when None.
        metric: the main metric.
        loss: the training loss.
        augment: `"auto"`, an `Augmentation` or None.
        skip_unreadable: leave out images that cannot be read, and count them in `Task.notes`,
            instead of refusing them.

    Raises:
        DataError: the folder cannot be used; the message says what to do.
    """
    from archwright.tasks.folders import read_folder

    options = Options(
        kind or "classification",
        seed,
        name or Path(path).resolve().name,
        None,
        metric,
        loss,
        augment,
        False,
    )
    resolve_metric(metric, options.kind or "classification")  # before the images are read
    folder = read_folder(path, size=size, skip_unreadable=skip_unreadable)
    held: dict[str, Any] = {"validation": validation, "test": test}
    held |= {key: part for key, part in folder.parts.items() if key != "train"}
    x, y = folder.parts["train"]
    if kind == "regression":
        try:
            y = y.astype(np.float64)
        except ValueError:
            raise DataError(
                "regression on a folder needs folders named by numbers; got "
                f"{', '.join(sorted(set(y))[:5])}"
            ) from None
    return assemble(
        (x, y),
        validation=held["validation"],
        test=held["test"],
        fit=lambda rows, targets, kind: _fit_images(rows, targets, kind, depth=folder.depth),
        take=lambda values, rows: values[rows],
        names=["class" if kind is None else "target"],
        options=options,
        notes=folder.notes,
    )


def load(
    source: str | Path, target: str | int | Sequence[str] | None = None, **options: Any
) -> Task:
    """A task from a file, a folder, or the name of one of scikit-learn's small data sets.

    Args:
        source: a path or one of `TOY_SETS`. A file is a table (CSV, TSV, Parquet; also
            compressed) or a NumPy archive (`.npz`); a folder holds images, one folder a class,
            or tables named `train` and `test` (and `validation`).
        target: column to predict, for tables: its name or place.
        options: those of `from_file`, `from_npz`, `from_folder` or `from_arrays`.

    Raises:
        DataError: the data cannot be used; the message says what to do.

    >>> load("iris").classes
    ('setosa', 'versicolor', 'virginica')
    """
    from archwright.tasks.tables import existing, is_table

    if not isinstance(source, str | Path):
        raise DataError(
            f"load takes a path or the name of a data set, got {type(source).__name__}: for data "
            "in memory write Task.from_arrays(x, y), Task.from_frame(frame, target=...) or "
            "Task.from_dataset(dataset)"
        )
    if str(source) in TOY_SETS and not Path(source).exists():
        return _toy(str(source), target, options)
    path = Path(source).expanduser()
    if not path.exists() and path.parent == Path() and not path.suffix:
        close = nearest(str(source), TOY_SETS)
        if close:
            raise DataError(
                f"no file or folder {str(source)!r}, nor a data set of that name: did you mean "
                f"{close!r}? Known: {', '.join(TOY_SETS)}"
            )
    path = existing(source)
    if path.is_dir():
        tables = _given_tables(path)
        if tables:
            train, held = tables
            _refuse_options(from_file, options, "a folder of tables")
            return from_file(train, target, **{"name": path.resolve().name, **held, **options})
        _refuse_target(target, "a folder of images: its folders are the classes")
        _refuse_options(from_folder, options, "a folder of images")
        return from_folder(path, **options)
    if path.suffix.lower() == ".npz":
        _refuse_target(target, "a NumPy archive: its array y is the target")
        _refuse_options(from_arrays, options, "a NumPy archive")
        return from_npz(path, **options)
    if is_table(path):
        _refuse_options(from_file, options, "a table")
        return from_file(path, target, **options)
    raise DataError(
        f"{path.name!r} is no kind of data that can be read: a table (.csv, .tsv, .txt, .parquet; "
        f"also .gz), a NumPy archive (.npz), a folder of images, or one of {', '.join(TOY_SETS)}"
    )


def _refuse_target(target: Any, what: str) -> None:
    if target is not None:
        raise DataError(f"a target column ({target!r}) does not go with {what}; leave it out")


def _refuse_options(function: Any, options: Mapping[str, Any], what: str) -> None:
    import inspect

    known = [
        one.name
        for one in inspect.signature(function).parameters.values()
        if one.kind is one.KEYWORD_ONLY
    ]
    for key in options:
        if key not in known:
            close = nearest(key, known)
            hint = f"; did you mean {close!r}?" if close else "."
            raise DataError(f"{what} has no option {key!r}{hint} Known: {', '.join(sorted(known))}")


def _given_tables(folder: Path) -> tuple[Path, dict[str, Path]] | None:
    """The tables `train`, `validation` and `test` of a folder, where it holds them."""
    from archwright.tasks.folders import SPLIT_FOLDERS
    from archwright.tasks.tables import is_table

    files = {
        one.name.split(".")[0].casefold(): one
        for one in sorted(folder.iterdir())
        if one.is_file() and is_table(one)
    }
    found = {
        split: files[name]
        for split, names in SPLIT_FOLDERS.items()
        for name in reversed(names)
        if name in files
    }
    if "train" not in found:
        if len(files) == 1 and not any(one.is_dir() for one in folder.iterdir()):
            return next(iter(files.values())), {}
        return None
    return found.pop("train"), found


def _toy(name: str, target: Any, options: Mapping[str, Any]) -> Task:
    from sklearn import datasets

    _refuse_target(target, f"the data set {name!r}, whose target is known")
    _refuse_options(from_arrays, options, f"the data set {name!r}")
    kind = "regression" if name == "diabetes" else "classification"
    chosen = {"name": name, "kind": kind, **options}
    if name == "digits":
        data = datasets.load_digits()
        return from_arrays(data.images, data.target, **{"modality": "image", **chosen})
    data = getattr(datasets, f"load_{name}")(as_frame=True)
    if kind == "classification":
        chosen.setdefault("classes", [str(one) for one in data.target_names])
    return from_arrays(data.data, data.target, **chosen)
