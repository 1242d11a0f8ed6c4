"""The official files of NAS-Bench-201 and of NATS-Bench's topology space.

All of them hold, for each cell and for 12 ("less", "12") and 200 ("full", "200") epochs, the
results by data set and seed: accuracies by name of the split and epoch (``x-valid@199``), seconds
of each training epoch, seconds of a pass over each split.
"""

from __future__ import annotations

import bz2
import pickle
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from statistics import fmean
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from archwright.benchmarks.nasbench201 import EPOCHS, Columns, codes_of
from archwright.errors import DataError

LEVELS = {12: ("less", "12"), 200: ("full", "200")}
# Data set -> where its validation values are, and where its test values are: (results, split).
SPLITS = {
    "cifar10": (("cifar10-valid", "x-valid"), ("cifar10", "ori-test")),
    "cifar100": (("cifar100", "x-valid"), ("cifar100", "x-test")),
    "ImageNet16-120": (("ImageNet16-120", "x-valid"), ("ImageNet16-120", "x-test")),
}


def official(file: Path, dataset: str) -> tuple[npt.NDArray[np.int64], Columns]:
    """Operations and columns of an official file (or folder of files).

    Values are means over the seeds. Simulated seconds are those of all training epochs and of one
    pass over the validation images.

    Raises:
        DataError: it cannot be read, or is something else.
    """
    rows: dict[int, tuple[list[int], dict[str, float]]] = {}
    try:
        for index, levels in _cells(file):
            name = next(iter(levels.values()))["arch_str"]
            rows[index] = codes_of(name), _row(levels, dataset)
    except (KeyError, IndexError, TypeError, AttributeError, StopIteration) as error:
        raise DataError(
            f"{str(file)!r} is not laid out as the official files of NAS-Bench-201 are: "
            f"{type(error).__name__}: {error}"
        ) from None
    if not rows:
        raise DataError(f"{str(file)!r} holds no trained cells")
    ordered = [rows[i] for i in sorted(rows)]
    codes = np.array([c for c, _ in ordered], dtype=np.int64)
    names = ordered[0][1]
    return codes, {n: np.array([row[n] for _, row in ordered], dtype=np.float64) for n in names}


def _row(levels: Mapping[str, Any], dataset: str) -> dict[str, float]:
    (valid_set, valid), (test_set, test) = SPLITS[dataset]
    row = {}
    for epochs in EPOCHS:
        results = next(levels[k] for k in LEVELS[epochs] if k in levels)["all_results"]
        last = epochs - 1
        own = [r for (name, _), r in results.items() if name == valid_set]
        row[f"valid_{epochs}"] = fmean(_at(r["eval_acc1es"], f"{valid}@{last}") for r in own)
        row[f"seconds_{epochs}"] = fmean(
            sum(map(float, r["train_times"].values())) + _at(r["eval_times"], f"{valid}@{last}")
            for r in own
        )
        if epochs == EPOCHS[-1]:
            own = [r for (name, _), r in results.items() if name == test_set]
            row["test_200"] = fmean(_at(r["eval_acc1es"], f"{test}@{last}") for r in own)
    return row


def _at(values: Mapping[str, Any], key: str) -> float:
    return float(values[key])


def _cells(file: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if file.is_dir():
        for part in sorted(file.glob("*.pickle.pbz2")):
            if part.name.split(".")[0].isdigit():
                yield int(part.name.split(".")[0]), _unpickled(part)
        return
    content = _torch(file) if file.suffix == ".pth" else _unpickled(file)
    infos = content["arch2infos"]
    yield from ((int(i), infos[i]) for i in infos)


def _torch(file: Path) -> Any:
    import torch

    try:
        # Nothing but plain values and tensors: a file must not be able to run code.
        return torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:
        raise DataError(f"{str(file)!r} cannot be read by torch.load: {error}") from None


def _unpickled(file: Path) -> Any:
    with bz2.open(file, "rb") as stream:
        return unpickled(stream, str(file))


class _Plain(pickle.Unpickler):
    """Plain values and numbers of NumPy: a file must not be able to run code."""

    def find_class(self, module: str, name: str) -> Any:
        known: dict[tuple[str, str], Callable[..., Any]] = {
            ("collections", "OrderedDict"): OrderedDict,
            ("numpy", "dtype"): np.dtype,
            ("numpy", "ndarray"): np.ndarray,
        }
        if (module, name) in known:
            return known[module, name]
        inner = module.replace("numpy.core", "numpy._core")
        if inner == "numpy._core.multiarray" and name in ("scalar", "_reconstruct"):
            return super().find_class(inner, name)
        if module == "_codecs" and name == "encode":
            return super().find_class(module, name)
        raise DataError(f"it holds an object of {module}.{name}, not plain numbers")


def unpickled(stream: IO[bytes], what: str) -> Any:
    """The content of a pickle of plain values.

    Raises:
        DataError: it is none, or holds anything else.
    """
    try:
        return _Plain(stream).load()
    except DataError as error:
        raise DataError(f"{what!r} is not read: {error}") from None
    except Exception as error:
        raise DataError(
            f"{what!r} cannot be read as a pickle: {type(error).__name__}: {error}"
        ) from None
