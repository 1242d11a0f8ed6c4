"""NAS-Bench-101: cells of up to seven vertices and nine edges, trained on CIFAR-10.

Source: Chris Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", ICML
2019, arXiv:1902.09635.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from hashlib import md5
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.benchmarks.base import Benchmark
from archwright.benchmarks.listed import ListedSpace
from archwright.benchmarks.places import find
from archwright.benchmarks.rows import Listed, Rows
from archwright.errors import DataError
from archwright.space import Architecture, CellGraph, Decision, EdgeLimit, Space, choice, subset
from archwright.trials import Objective

OPS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""The operations, in the published order."""
N = 7
N_EDGES = 9
NAMES = ("nasbench_full.tfrecord", "nasbench_only108.tfrecord", "*.tfrecord", "nasbench101*.npz")
_MEMO = 200_000

Graph = tuple[npt.NDArray[np.uint8], list[int]]


class NasBench101(Benchmark):
    """Cells of up to seven vertices: all 423,624 in the official files, a sample in the compact.

    The space has every cell that can be written; drawn and mutated are those with results only
    (see `ListedSpace`). Canonical duplicates (the published isomorphism) are one architecture. The
    goal is the validation accuracy (`valid_accuracy`, per cent) after 108 epochs; budgets are 4,
    12, 36 and 108 epochs where the file has them, each the end of a training of its own.

    Args:
        path: a file, or a folder that holds one: ``nasbench_full.tfrecord``,
            ``nasbench_only108.tfrecord`` or the compact ``nasbench101_subset.npz``. None: see
            `archwright.benchmarks.places`.

    In the official files, values are means over the three trainings of a cell, test values too,
    and seconds are those measured. The compact file has one training, no test values, and the
    seconds of 108 epochs; the share of an earlier budget is taken to be that of its epochs.

    Differences from the paper: the published comparisons let a query answer with one of the three
    trainings at random; here it is their mean, so that the best validation value is one number.
    They draw random matrices, most of which are small cells; here each cell with results is
    equally likely (mean validation accuracy 91.0 against 84.9 in the sample).

    Raises:
        DataError: no such file was found, or it is not in a format of these.
    """

    def __init__(self, *, path: str | os.PathLike[str] | None = None) -> None:
        file = find("NAS-Bench-101", NAMES, path, folder="nasbench101")
        cells = read(file)
        space = nasbench101_space()
        source = Rows(
            GraphKey(),
            {key: i for i, key in enumerate(cells.keys)},
            [{"valid_accuracy": 100 * cells.valid[:, i]} for i in range(len(cells.epochs))],
            seconds=[cells.seconds[:, i] for i in range(len(cells.epochs))],
            test=None if cells.test is None else 100 * cells.test,
        )
        notes = []
        if len(cells.keys) < 423_624:
            notes.append(f"{len(cells.keys):,} of the 423,624 published cells.")
        if cells.test is None:
            notes.append("The file has no test accuracies.")
        super().__init__(
            "nasbench101",
            ListedSpace(space, len(cells.keys), cells, Listed(source)),
            source,
            Objective.of(maximize="valid_accuracy"),
            dataset="cifar10",
            budgets=cells.epochs,
            unit="%",
            notes=notes,
        )


def nasbench101_space() -> Space:
    """The space: for each vertex after the first its inputs, and for all but the last what it does.

    >>> nasbench101_space().paths[:3]
    ('cell/1/inputs', 'cell/1/op', 'cell/2/inputs')
    """
    decisions = []
    for v in range(1, N):
        low = 1 if v == N - 1 else 0
        decisions.append(Decision(f"cell/{v}/inputs", subset(v, low=low), default=(v - 1,)))
        if v < N - 1:
            decisions.append(Decision(f"cell/{v}/op", choice(OPS)))
    inputs = [f"cell/{v}/inputs" for v in range(1, N)]
    ops = [f"cell/{v}/op" for v in range(1, N - 1)]
    cell = CellGraph.on_nodes("cell", 1, [*ops, None], inputs=inputs, output="last")
    space = Space(decisions, cells=[cell], constraints=[EdgeLimit(inputs, N_EDGES)])
    space.name = "nasbench101"
    return space


class Cells:
    """What a file has, one row a cell; called with a number, it answers the architecture.

    Attributes:
        keys: the published hash of each.
        graphs: adjacency and operations of each.
        epochs: the budgets.
        valid: cells x budgets, validation accuracy, 0 to 1.
        seconds: cells x budgets.
        test: test accuracy at the largest budget, or None.
    """

    def __init__(
        self,
        keys: Sequence[str],
        graphs: Sequence[Graph],
        epochs: Sequence[int],
        valid: npt.NDArray[np.float64],
        seconds: npt.NDArray[np.float64],
        test: npt.NDArray[np.float64] | None,
    ) -> None:
        self.keys = keys
        self.graphs = graphs
        self.epochs = epochs
        self.valid = valid
        self.seconds = seconds
        self.test = test

    def __call__(self, i: int) -> Architecture:
        """The i-th architecture."""
        return architecture_of(*self.graphs[i])


def architecture_of(matrix: npt.NDArray[Any], ops: Sequence[int]) -> Architecture:
    """The architecture of a published graph.

    Args:
        matrix: upper triangular adjacency, n x n with n up to 7; first the input, last the output.
        ops: the number of the operation of each vertex; those of the first and last are passed
            over.

    >>> architecture_of(np.array([[0, 1, 1], [0, 0, 1], [0, 0, 0]]), [-1, 2, -2])["cell/6/inputs"]
    (0, 1)
    """
    n = len(matrix)
    values: dict[str, Any] = {}
    for v in range(1, N):
        own = n - 1 if v == N - 1 else v
        there = v < n - 1 or v == N - 1
        taken = [int(u) for u in np.flatnonzero(matrix[:, own])] if there else []
        values[f"cell/{v}/inputs"] = tuple(taken)
        if v < N - 1:
            values[f"cell/{v}/op"] = OPS[ops[v]] if there else OPS[0]
    return Architecture(values)


class GraphKey:
    """The published hash of an architecture's graph; None where input and output do not meet.

    >>> space = nasbench101_space()
    >>> len(GraphKey()(space.default))
    32
    """

    def __init__(self) -> None:
        self._known: dict[tuple[Any, ...], str | None] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {"_known": {}}

    def __call__(self, architecture: Mapping[str, Any]) -> str | None:
        """The hash."""
        inputs = [architecture[f"cell/{v}/inputs"] for v in range(1, N)]
        ops = [architecture[f"cell/{v}/op"] for v in range(1, N - 1)]
        values = (*inputs, *ops)
        found = self._known.get(values, "")
        if found == "":
            if len(self._known) >= _MEMO:
                self._known.clear()
            found = self._known[values] = graph_hash(
                [(), *inputs], [-1, *(OPS.index(o) for o in ops), -2]
            )
        return found


def graph_hash(inputs: Sequence[Sequence[int]], labels: Sequence[int]) -> str | None:
    """The published hash of a graph, after what lies on no path through it is taken away.

    Each vertex begins with its numbers of outgoing and incoming edges and its label; as often as
    there are vertices, it takes in what its neighbours have; the hash is of all, sorted.

    Args:
        inputs: for each vertex those that lead to it.
        labels: -1 for the input, -2 for the output, else the number of the operation.

    >>> graph_hash([(), ()], [-1, -2]) is None
    True
    """
    n = len(inputs)
    from_start = {0}
    for v in range(1, n):
        if any(u in from_start for u in inputs[v]):
            from_start.add(v)
    to_end = {n - 1}
    for v in range(n - 1, 0, -1):
        if v in to_end:
            to_end.update(inputs[v])
    kept = sorted(from_start & to_end)
    if 0 not in kept or n - 1 not in kept:
        return None
    number = {v: i for i, v in enumerate(kept)}
    into = [[number[u] for u in inputs[v] if u in number] for v in kept]
    out: list[list[int]] = [[] for _ in kept]
    for i, sources in enumerate(into):
        for u in sources:
            out[u].append(i)
    marks = [_md5(str((len(out[i]), len(into[i]), labels[v]))) for i, v in enumerate(kept)]
    for _ in kept:
        marks = [
            _md5(
                "".join(sorted(marks[u] for u in into[i]))
                + "|"
                + "".join(sorted(marks[u] for u in out[i]))
                + "|"
                + marks[i]
            )
            for i in range(len(kept))
        ]
    return _md5(str(sorted(marks)))


def _md5(text: str) -> str:
    return md5(text.encode(), usedforsecurity=False).hexdigest()


def read(file: Path) -> Cells:
    """The cells of a file.

    Raises:
        DataError: it is in none of the known formats.
    """
    if file.suffix == ".npz":
        return _compact(file)
    if file.suffix == ".tfrecord":
        return _official(file)
    raise DataError(
        f"{str(file)!r} is no file of NAS-Bench-101: expected one of {', '.join(NAMES)}"
    )


def _compact(file: Path) -> Cells:
    epochs = (4, 12, 36, 108)
    try:
        with np.load(file) as kept:
            keys = kept["key"].tolist()
            sizes = kept["n_vertices"].tolist()
            matrices, ops = kept["adjacency"], kept["ops"]
            valid = np.stack([kept[f"valid_acc_{e}"] for e in epochs], 1).astype(np.float64)
            full = kept["train_time_s"].astype(np.float64)
    except (KeyError, ValueError, OSError) as error:
        raise DataError(f"{str(file)!r} cannot be read as the compact file: {error}") from None
    graphs = [(matrices[i, :n, :n], ops[i, :n].tolist()) for i, n in enumerate(sizes)]
    seconds = full[:, None] * (np.array(epochs) / epochs[-1])
    # Seven digits are what 32-bit numbers hold; rounding keeps 0.9491186 from growing a tail.
    return Cells(keys, graphs, epochs, valid.round(7), seconds, None)


def _official(file: Path) -> Cells:
    from archwright.benchmarks.tfrecord import model_metrics, nasbench_rows

    found: dict[str, tuple[Graph, dict[int, list[tuple[float, float, float]]]]] = {}
    for key, epochs, matrix, ops, raw in nasbench_rows(file):
        _, results = found.setdefault(key, ((matrix, ops), {}))
        results.setdefault(epochs, []).append(model_metrics(raw))
    if not found:
        raise DataError(f"{str(file)!r} holds no records")
    budgets = sorted({e for _, results in found.values() for e in results})
    for key, (_, results) in found.items():
        if sorted(results) != budgets:
            raise DataError(
                f"{str(file)!r}: the cell {key} has results at {sorted(results)} epochs, others at "
                f"{budgets}: the file is not whole"
            )
    means = np.array(
        [[np.mean(results[e], axis=0) for e in budgets] for _, results in found.values()]
    )
    graphs = [graph for graph, _ in found.values()]
    return Cells(list(found), graphs, budgets, means[:, :, 1], means[:, :, 0], means[:, -1, 2])
