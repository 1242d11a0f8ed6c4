"""NAS-Bench-201, and the topology space of NATS-Bench, which is the same.

Source: Xuanyi Dong, Yi Yang, "NAS-Bench-201: Extending the Scope of Reproducible Neural
Architecture Search", ICLR 2020, arXiv:2001.00326; Xuanyi Dong et al., "NATS-Bench", TPAMI 2021,
arXiv:2009.00437.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.benchmarks.base import Benchmark
from archwright.benchmarks.places import find
from archwright.benchmarks.rows import Canonical, Rows
from archwright.errors import DataError, InputError, unknown_name
from archwright.space import Architecture, CellGraph, Decision, Space, choice
from archwright.trials import Objective

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
"""The five operations, in the published order."""
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
DATASETS = {"cifar10": "c10", "cifar100": "c100", "ImageNet16-120": "in16"}
"""Published name of each data set -> its prefix in the compact table."""
EPOCHS = (12, 200)
NAMES = (
    "nasbench201.parquet",
    "NAS-Bench-201-v1_1*.pth",
    "NATS-tss-v1_0*.pickle.pbz2",
    "NATS-tss-v1_0*simple",
)
PATHS = tuple(f"cell/{i}-{j}" for i, j in EDGES)

Columns = dict[str, npt.NDArray[np.float64]]


class NasBench201(Benchmark):
    """15,625 cells trained on three data sets; 6,466 of them are distinct.

    The space is that of `archwright.zoo.nasbench201_space`. Canonical duplicates (the published
    6,466 classes) are one architecture, one query, and answer with the result of that cell among
    them which has the lowest official index. The goal is the validation accuracy after 200 epochs
    (`valid_accuracy`, in per cent); the test accuracy is the mean of the trainings on the full
    training set.

    Args:
        dataset: "cifar10", "cifar100" or "ImageNet16-120".
        path: a file, or a folder that holds one: ``nasbench201.parquet`` (compact),
            ``NAS-Bench-201-v1_1-096897.pth``, ``NATS-tss-v1_0-3ffb9.pickle.pbz2`` or a
            ``NATS-tss-v1_0-3ffb9-simple`` folder. None: see `archwright.benchmarks.places`.
        epochs: a training in full, 12 or 200. With 200 the 12-epoch result can be asked for as
            a budget; the published comparisons search on 12.

    Validation values are means over the repeated trainings in the official files, single
    trainings in the compact one. Simulated seconds are those of training plus one pass over the
    validation images. In the compact table training times of 1,000 cells are known; those of the
    others are predicted by least squares from the operations on the edges, and CIFAR-10's are
    halved, as its validation networks see half of the 50,000 images that were timed.

    Differences from the paper: the 12-epoch results are of trainings with their own learning rate
    schedule, no points on the way to 200; a promotion from 12 to 200 epochs is nevertheless charged
    the difference only.

    Raises:
        DataError: no such file was found, or it is not in a format of these.
        InputError: an unknown data set, or other epochs.
    """

    def __init__(
        self,
        dataset: str = "cifar10",
        *,
        path: str | os.PathLike[str] | None = None,
        epochs: int = 200,
    ) -> None:
        dataset = dataset_name(dataset)
        if epochs not in EPOCHS:
            raise InputError(f"epochs must be 12 or 200, got {epochs!r}")
        file = find("NAS-Bench-201", NAMES, path, folder="nasbench201")
        codes, columns = read(file, dataset)
        space, index, rows = distinct(codes)
        levels = [e for e in EPOCHS if e <= epochs]
        source = Rows(
            Canonical(space),
            index,
            [{"valid_accuracy": columns[f"valid_{e}"][rows]} for e in levels],
            seconds=None
            if "seconds_200" not in columns
            else [columns[f"seconds_{e}"][rows] for e in levels],
            test=columns["test_200"][rows],
        )
        super().__init__(
            "nasbench201" if epochs == 200 else "nasbench201-12",
            space,
            source,
            Objective.of(maximize="valid_accuracy"),
            dataset=dataset,
            budgets=levels,
            unit="%",
        )


def dataset_name(given: str) -> str:
    """The published name of a data set, from it or a short form such as "c100" or "in16".

    Raises:
        UnknownNameError: it is none.

    >>> dataset_name("imagenet16-120"), dataset_name("c10")
    ('ImageNet16-120', 'cifar10')
    """
    for name, short in DATASETS.items():
        if str(given).lower() in (name.lower(), short):
            return name
    raise unknown_name("data set of NAS-Bench-201", given, DATASETS)


def nasbench201_space() -> Space:
    """The space, as plain decisions: what `archwright.zoo.nasbench201_space` has without torch.

    >>> nasbench201_space().size
    15625
    """
    ops = dict(zip(EDGES, PATHS, strict=True))
    cell = CellGraph.on_edges(
        "cell", 1, 3, ops, output="last", zero="none", identity="skip_connect", rule="text"
    )
    decisions = [Decision(p, choice(OPS), default="nor_conv_3x3") for p in PATHS]
    space = Space(decisions, cells=[cell])
    space.name = "nasbench201"
    return space


def distinct(
    codes: npt.NDArray[np.int64],
) -> tuple[Space, dict[Architecture, int], list[int]]:
    """The space, canonical form -> number of the class, and for each class its first row.

    Args:
        codes: numbers of the operations, cells x 6 edges, in the order of official indices.
    """
    return _distinct(np.ascontiguousarray(codes, dtype=np.int8).tobytes())


@lru_cache(maxsize=2)  # one file is read for several data sets, and the classes take a second
def _distinct(codes: bytes) -> tuple[Space, dict[Architecture, int], list[int]]:
    space = nasbench201_space()
    index: dict[Architecture, int] = {}
    rows: list[int] = []
    for i, row in enumerate(np.frombuffer(codes, np.int8).reshape(-1, len(EDGES)).tolist()):
        arch = space.check({p: OPS[c] for p, c in zip(PATHS, row, strict=True)})
        form = space.canonical(arch)
        if form not in index:
            index[form] = len(rows)
            rows.append(i)
    return space, index, rows


def read(file: Path, dataset: str) -> tuple[npt.NDArray[np.int64], Columns]:
    """Operations and columns (valid_12, valid_200, test_200, seconds_*) of a file.

    Raises:
        DataError: it is in none of the known formats.
    """
    if file.suffix == ".parquet":
        return _compact(file, DATASETS[dataset])
    if file.suffix == ".pth" or file.is_dir() or file.name.endswith(".pbz2"):
        from archwright.benchmarks.nats import official

        return official(file, dataset)
    raise DataError(
        f"{str(file)!r} is no file of NAS-Bench-201: expected one of {', '.join(NAMES)}"
    )


def codes_of(text: str) -> list[int]:
    """The numbers of the operations in an official description of a cell.

    >>> codes_of("|none~0|+|skip_connect~0|none~1|+|none~0|none~1|avg_pool_3x3~2|")
    [0, 1, 0, 0, 0, 4]
    """
    found = dict.fromkeys(EDGES, -1)
    for node, part in enumerate(text.split("+"), start=1):
        for op, source in re.findall(r"([a-z0-9_]+)~(\d+)", part):
            if op not in OPS or (int(source), node) not in found:
                raise DataError(f"not a cell of NAS-Bench-201: {text!r}")
            found[int(source), node] = OPS.index(op)
    if min(found.values()) < 0:
        raise DataError(f"not a cell of NAS-Bench-201: {text!r}")
    return list(found.values())


def _compact(file: Path, short: str) -> tuple[npt.NDArray[np.int64], Columns]:
    import pandas as pd

    ops = [f"op_e{i}{j}" for i, j in EDGES]
    wanted = {f"valid_{e}": f"{short}_valid_ep{e}" for e in EPOCHS}
    wanted["test_200"] = f"{short}_test_ep200"
    try:
        frame = pd.read_parquet(file, columns=["arch_index", *ops, *wanted.values()])
    except Exception as error:
        raise DataError(f"{str(file)!r} cannot be read as the compact table: {error}") from None
    frame = frame.sort_values("arch_index")
    codes = frame[ops].to_numpy(dtype=np.int64)
    # The file's numbers are 32 bits wide; what lies beyond the fifth digit is not theirs.
    columns = {n: frame[c].to_numpy(dtype=np.float64).round(5) for n, c in wanted.items()}
    times = file.with_name("nb201_traintime_1000archs.parquet")
    if times.exists():
        columns |= _seconds(times, short, codes)
    return codes, columns


def _seconds(file: Path, short: str, codes: npt.NDArray[np.int64]) -> Columns:
    import pandas as pd

    dataset = {v: k for k, v in DATASETS.items()}[short]
    frame = pd.read_parquet(file)
    frame = frame[frame["dataset"] == dataset]
    if any((frame["epochs"] == epochs).sum() == 0 for epochs in EPOCHS):
        return {}
    found = {}
    # Validation images: half of CIFAR-10's training set, the others' half of the test images, for
    # which the table has the time of one pass a training epoch over 10,000, 5,000 and 3,000.
    images = {"c10": (0.5, 2.5), "c100": (1.0, 1.0), "in16": (1.0, 1.0)}[short]
    for epochs in EPOCHS:
        part = frame[frame["epochs"] == epochs]
        train = part["train_time_s"].to_numpy(dtype=np.float64) * images[0]
        one_pass = part["test_time_s"].to_numpy(dtype=np.float64) / epochs * images[1]
        known = part["arch_index"].to_numpy(dtype=np.int64)
        found[f"seconds_{epochs}"] = filled(codes, known, train + one_pass)
    return found


def filled(
    codes: npt.NDArray[np.int64], known: Sequence[int] | npt.NDArray[np.int64], values: Any
) -> npt.NDArray[np.float64]:
    """Values of all cells from those of some: least squares on the operation of each edge.

    >>> codes = np.array([[0], [1], [0], [1]])
    >>> filled(codes, [0, 1], [2.0, 3.0]).round(6).tolist()
    [2.0, 3.0, 2.0, 3.0]
    """
    one_hot = (codes[:, :, None] == np.arange(len(OPS))).reshape(len(codes), -1).astype(float)
    weights, *_ = np.linalg.lstsq(one_hot[known], np.asarray(values, dtype=float), rcond=None)
    # A prediction below all that was measured is a little below, not negative.
    every = np.maximum(one_hot @ weights, 0.5 * float(np.min(values)))
    every[known] = values
    return every


def cell_of(values: Mapping[str, Any]) -> str:
    """The official description of an architecture.

    >>> cell_of(nasbench201_space().default)
    '|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|'
    """
    nodes: dict[int, str] = {}
    for (i, j), path in zip(EDGES, PATHS, strict=True):
        nodes[j] = nodes.get(j, "|") + f"{values[path]}~{i}|"
    return "+".join(nodes[j] for j in sorted(nodes))
