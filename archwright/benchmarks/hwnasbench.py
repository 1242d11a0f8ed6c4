"""HW-NAS-Bench: latency and energy of NAS-Bench-201's cells, measured on six devices.

Source: Chaojian Li et al., "HW-NAS-Bench: Hardware-Aware Neural Architecture Search Benchmark",
ICLR 2021, arXiv:2103.10584.
"""

from __future__ import annotations

import numbers
import os
from pathlib import Path

import numpy as np
import numpy.typing as npt

from archwright.benchmarks import nasbench201 as nb201
from archwright.benchmarks.base import Benchmark
from archwright.benchmarks.listed import ListedSpace, Members
from archwright.benchmarks.places import find
from archwright.benchmarks.rows import Canonical, Listed, Rows
from archwright.errors import DataError, InputError, unknown_name
from archwright.space import Architecture
from archwright.trials import Objective

DEVICES = ("edgegpu", "raspi4", "edgetpu", "pixel3", "eyeriss", "fpga")
ENERGY = ("edgegpu", "eyeriss", "fpga")
"""Devices whose energy was measured, too."""
NAMES = ("hwnasbench_nb201.parquet", "HW-NAS-Bench-v1_0.pickle")
UNITS = {"latency": "ms", "energy": "mj"}


class HwNasBench(Benchmark):
    """Accuracy against latency or energy, over the cells of NAS-Bench-201.

    Two goals, `valid_accuracy` (per cent, after 200 epochs) and, say, `raspi4_latency_ms`; regret
    is then the share that is missing of the hypervolume of the true front, above the median
    accuracy less 20 and the 99th percentile of the cost. With `limit=`, one goal: the accuracy.

    Canonical duplicates are one architecture and answer with the numbers of the cell of lowest
    official index, as for `NasBench201`. What a device does not support (-1 in the files; 4,699
    cells on edgetpu) is not in the space.

    Args:
        dataset: "cifar10", "cifar100" or "ImageNet16-120": accuracy and size of the images.
        device: "edgegpu", "raspi4", "edgetpu", "pixel3", "eyeriss" or "fpga".
        cost: "latency" or, for edgegpu, eyeriss and fpga, "energy".
        limit: upper bound of the cost, in ms or mJ, instead of a second goal.
        path: ``HW-NAS-Bench-v1_0.pickle`` or the compact ``hwnasbench_nb201.parquet``, or a folder
            that holds one. None: see `archwright.benchmarks.places`.
        accuracies: the same for NAS-Bench-201; None: where `path` leads, where that is a folder.

    Raises:
        DataError: a file was not found, or is not in a known format.
        InputError: an unknown data set, device or cost; a limit that nothing keeps.
    """

    def __init__(
        self,
        dataset: str = "cifar10",
        *,
        device: str = "edgegpu",
        cost: str = "latency",
        limit: float | None = None,
        path: str | os.PathLike[str] | None = None,
        accuracies: str | os.PathLike[str] | None = None,
    ) -> None:
        dataset = nb201.dataset_name(dataset)
        if device not in DEVICES:
            raise unknown_name("device of HW-NAS-Bench", device, DEVICES)
        if cost not in UNITS or (cost == "energy" and device not in ENERGY):
            raise InputError(
                f"cost must be latency or, for {', '.join(ENERGY)}, energy; got {cost!r} for "
                f"{device}"
            )
        if not (limit is None or isinstance(limit, numbers.Real)):
            raise InputError(f"limit must be a number or None, got {limit!r}")
        costs = read(
            find("HW-NAS-Bench", NAMES, path, folder="hwnasbench"), dataset, f"{device}_{cost}"
        )
        if accuracies is None and path is not None and Path(path).is_dir():
            accuracies = path
        table = find("NAS-Bench-201", nb201.NAMES, accuracies, folder="nasbench201")
        codes, columns = nb201.read(table, dataset)
        if len(codes) != len(costs):
            raise DataError(
                f"HW-NAS-Bench has {len(costs):,} cells, the table of accuracies {len(codes):,}"
            )
        whole, classes, first = nb201.distinct(codes)
        listed = {form: i for form, i in zip(classes, first, strict=True) if costs[i] > 0}
        rows = list(listed.values())
        members = [_cell(codes, i) for i in rows]
        metric = f"{device}_{cost}_{UNITS[cost]}"
        accuracy, paid = columns["valid_200"][rows], costs[rows]
        if limit is not None and not np.min(paid) <= limit:
            raise InputError(
                f"no cell keeps {metric} <= {limit!r}; the smallest value is {np.min(paid):.4g}"
            )
        source = Rows(
            Canonical(whole),
            {form: n for n, form in enumerate(listed)},
            [{"valid_accuracy": accuracy, metric: paid}],
            seconds=[columns["seconds_200"][rows]] if "seconds_200" in columns else None,
            test=columns["test_200"][rows] if limit is not None else None,
        )
        all_there = len(rows) == len(first)
        super().__init__(
            f"hwnasbench-{device}-{cost}" + (f"-{limit:g}" if limit is not None else ""),
            whole if all_there else ListedSpace(whole, len(rows), Members(members), Listed(source)),
            source,
            Objective.of(maximize="valid_accuracy", limits={metric: limit})
            if limit is not None
            else Objective.of(maximize="valid_accuracy", minimize=metric),
            dataset=dataset,
            reference=(float(np.median(accuracy)) - 20, -float(np.percentile(paid, 99))),
            unit="%" if limit is not None else "",
            notes=()
            if all_there
            else (f"{len(first) - len(rows):,} of {len(first):,} cells do not run on {device}.",),
        )


def _cell(codes: npt.NDArray[np.int64], i: int) -> Architecture:
    return Architecture(
        {p: nb201.OPS[c] for p, c in zip(nb201.PATHS, codes[i].tolist(), strict=True)}
    )


def read(file: Path, dataset: str, metric: str) -> npt.NDArray[np.float64]:
    """One metric of all cells, in the order of official indices.

    Raises:
        DataError: the file has no such metric, or is in none of the known formats.
    """
    if file.suffix == ".parquet":
        import pandas as pd

        column = f"{nb201.DATASETS[dataset]}_{metric}"
        try:
            frame = pd.read_parquet(file, columns=["arch_index", column])
        except Exception as error:
            raise DataError(f"{str(file)!r} cannot be read as the compact table: {error}") from None
        return frame.sort_values("arch_index")[column].to_numpy(dtype=np.float64)
    if file.suffix in (".pickle", ".pkl"):
        from archwright.benchmarks.nats import unpickled

        with open(file, "rb") as stream:
            content = unpickled(stream, str(file))
        try:
            return np.array([float(v) for v in content["nasbench201"][dataset][metric]])
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{str(file)!r} has no {metric} of NAS-Bench-201's cells on {dataset}: {error!r}"
            ) from None
    raise DataError(f"{str(file)!r} is no file of HW-NAS-Bench: expected one of {', '.join(NAMES)}")
