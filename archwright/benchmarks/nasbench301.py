"""NAS-Bench-301: a surrogate of the DARTS space.

Source: Arber Zela, Julien Siems et al., "Surrogate NAS Benchmarks: Going Beyond the Limited Search
Spaces of Tabular NAS Benchmarks", ICLR 2022, arXiv:2008.09777; the neural surrogate in ONNX is that
of Florian Pfisterer et al., "YAHPO Gym", AutoML 2022, arXiv:2109.03670.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from archwright.benchmarks.base import Benchmark
from archwright.benchmarks.places import find
from archwright.errors import DataError, MissingExtraError
from archwright.space import (
    Branch,
    CellEdge,
    CellGraph,
    CellNode,
    Decision,
    Space,
    choice,
    subset,
)
from archwright.trials import Objective

OPS = (
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""The seven operations, in the published order."""
CELLS = ("normal", "reduce")
NODES = (2, 3, 4, 5)
EPOCHS = 98
NAMES = ("model_v2.onnx", "model.onnx")
_PREFIX = "NetworkSelectorDatasetInfo_COLON_darts_COLON_"
_OFFICIAL = ("*xgb*", "*lgb*", "*gnn*", "*nb_models*", "surrogate_model.model")
# The first 16 digits of a model file's SHA-256 -> the best validation accuracy ever seen from it.
# (of YAHPO Gym's: 150,000 evaluations, steepest climbs from the best of random and mutated ones).
BEST_KNOWN = {"e7168d495cf7fe64": 94.29948329925537}

Cell = dict[int, tuple[tuple[int, str], tuple[int, str]]]


class NasBench301(Benchmark):
    """The DARTS space, answered by a surrogate: normal and reduction cells of four nodes.

    The goal is the predicted validation accuracy (`valid_accuracy`, per cent) after 98 epochs; any
    number of epochs from 1 can be asked for. Seconds are the surrogate's third output, which grows
    with the epochs as the published runtime does.

    Cells that differ in the order of their nodes only are one architecture, which answers with
    the prediction for the smallest of their encodings (the surrogate tells them apart). The best
    value is not known; regret is against the best ever seen from the same file, where that was
    looked for.

    Args:
        path: ``model_v2.onnx`` of YAHPO Gym's ``nb301`` folder, beside it ``encoding_v2.json``; or
            a folder that holds both. None: see `archwright.benchmarks.places`.

    The official surrogates (XGBoost, LightGBM and graph networks) are pickles of objects that only
    the versions of their libraries that wrote them can read, and that run code: they are refused.

    Raises:
        DataError: no such file was found, or it is one of the official pickles.
        MissingExtraError: onnxruntime is not installed.
    """

    def __init__(self, *, path: str | os.PathLike[str] | None = None) -> None:
        try:
            file = find("NAS-Bench-301", NAMES, path, folder="yahpo_nb301")
        except DataError:
            if path is not None and _is_official(Path(path)):
                raise DataError(_refusal(path)) from None
            raise
        if file.suffix != ".onnx":
            raise DataError(_refusal(file))
        source = Surrogate(file)
        super().__init__(
            "nasbench301",
            nasbench301_space(),
            source,
            Objective.of(maximize="valid_accuracy"),
            dataset="cifar10",
            budgets=range(1, EPOCHS + 1),
            optimum=BEST_KNOWN.get(source.digest),
            proven=False,
            unit="%",
            notes=["A surrogate answers, not trained networks."],
        )


def _is_official(path: Path) -> bool:
    if path.is_dir():
        return any(next(path.glob(pattern), None) is not None for pattern in _OFFICIAL)
    return path.exists()


def _refusal(path: Any) -> str:
    return (
        f"{str(path)!r} is no ONNX surrogate of NAS-Bench-301. The official surrogates are pickled "
        "XGBoost, LightGBM and PyTorch Geometric objects, which only the versions that wrote them "
        "can read, and which run code when read; give model_v2.onnx of YAHPO Gym's nb301 folder, "
        "with encoding_v2.json beside it"
    )


def nasbench301_space() -> Space:
    """The space: for each cell, and each node after the first, two inputs; for each an operation.

    Node 2 takes both inputs, 0 and 1, of the cell.

    >>> nasbench301_space().size == (7**8 * 3 * 6 * 10) ** 2
    True
    """
    decisions: list[Decision] = []
    cells = []
    for name in CELLS:
        nodes = []
        for node in NODES:
            ops = {j: Decision(f"{name}/{node}/{j}/op", choice(OPS)) for j in range(node)}
            edges = tuple(CellEdge(j, op.path) for j, op in ops.items())
            if node == 2:
                decisions += ops.values()
                nodes.append(CellNode(edges))
                continue
            domain = subset(node, low=2, high=2)
            branches = [
                Branch([pair for pair in itertools.combinations(range(node), 2) if j in pair], [op])
                for j, op in ops.items()
            ]
            path = f"{name}/{node}/inputs"
            decisions.append(Decision(path, domain, branches=tuple(branches)))
            nodes.append(CellNode(edges, inputs=path))
        cells.append(CellGraph(name, 2, tuple(nodes), output="concat"))
    space = Space(decisions, cells=cells)
    space.name = "nasbench301"
    return space


class Surrogate:
    """YAHPO Gym's network, as a `Source`.

    Args:
        file: the ONNX file; its encoding lies beside it.

    Raises:
        DataError: the encoding is missing, or not that of this space.
        MissingExtraError: onnxruntime is not installed.
    """

    def __init__(self, file: Path) -> None:
        beside = file.with_name(file.name.replace("model", "encoding")).with_suffix(".json")
        try:
            self.encoding: dict[str, dict[str, int]] = json.loads(beside.read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise DataError(
                f"NAS-Bench-301 needs {str(beside)!r} beside its model: {error}"
            ) from None
        self.model = file.read_bytes()
        self.digest = hashlib.sha256(self.model).hexdigest()[:16]
        self._session: Any = None
        self._answers: dict[tuple[int, ...], Any] = {}
        expected = {_PREFIX + name for name in _columns()}
        if set(self.encoding) != expected:
            raise DataError(f"{str(beside)!r} is not the encoding of NAS-Bench-301's space")
        self._open()  # so that what cannot be read is said now

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_session": None, "_answers": {}}

    def _open(self) -> Any:
        if self._session is None:
            try:
                import onnxruntime
            except ImportError:
                raise MissingExtraError(
                    "onnxruntime", "export", "to run NAS-Bench-301's surrogate"
                ) from None
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            try:
                self._session = onnxruntime.InferenceSession(
                    self.model, options, providers=["CPUExecutionProvider"]
                )
            except Exception as error:
                raise DataError(f"the surrogate cannot be read by onnxruntime: {error}") from None
        return self._session

    def place(self, architecture: Mapping[str, Any]) -> tuple[int, ...]:
        """The encoding of an architecture (see `Source.place`)."""
        chosen: dict[str, str] = {}
        for name in CELLS:
            orders = [sorted(words.items()) for words in _orders(name, cell_of(architecture, name))]
            chosen |= dict(min(orders))
        return tuple(
            known[chosen.get(column.removeprefix(_PREFIX), "#na#")]
            for column, known in self.encoding.items()
        )

    def metrics(self, place: tuple[int, ...], level: int) -> dict[str, float]:
        """See `Source.metrics`."""
        return {"valid_accuracy": 100 * float(self._answer(place, level)[0])}

    def seconds(self, place: tuple[int, ...], level: int) -> float:
        """See `Source.seconds`."""
        return max(0.0, float(self._answer(place, level)[2]))

    def test(self, place: Any) -> None:
        """None: the surrogate knows validation values only."""
        return

    def places(self) -> Iterator[Any] | None:
        """None: there are too many to list."""
        return None

    def _answer(self, place: tuple[int, ...], level: int) -> Any:
        key = (*place, level)
        found = self._answers.get(key)
        if found is None:
            if len(self._answers) >= 100_000:
                self._answers.clear()
            categories = np.array([place], dtype=np.int32)
            epoch = np.array([[level + 1]], dtype=np.float32)
            found = self._open().run(None, {"x_cat": categories, "x_cont": epoch})[0][0]
            self._answers[key] = found
        return found


def cell_of(architecture: Mapping[str, Any], name: str) -> Cell:
    """Node -> its two inputs, each with its operation."""
    cell: Cell = {}
    for node in NODES:
        pair = (0, 1) if node == 2 else architecture[f"{name}/{node}/inputs"]
        a, b = ((j, architecture[f"{name}/{node}/{j}/op"]) for j in pair)
        cell[node] = (a, b)
    return cell


def _orders(name: str, cell: Cell) -> Iterator[dict[str, str]]:
    """The cell in the surrogate's words, for every order of its nodes that goes forward."""
    for order in itertools.permutations(NODES):
        number = {0: 0, 1: 1} | {old: new for new, old in zip(NODES, order, strict=True)}
        if any(number[j] >= number[node] for node in NODES for j, _ in cell[node]):
            continue
        words: dict[str, str] = {}
        for node in NODES:
            pair = sorted((number[j], op) for j, op in cell[node])
            new = number[node]
            if new > 2:
                words[f"inputs_node_{name}_{new}"] = f"{pair[0][0]}_{pair[1][0]}"
            for j, op in pair:
                words[f"edge_{name}_{_first_edge(new) + j}"] = op
        yield words


def _first_edge(node: int) -> int:
    return sum(range(2, node))


def _columns() -> Iterator[str]:
    for name in CELLS:
        yield from (f"edge_{name}_{k}" for k in range(14))
        yield from (f"inputs_node_{name}_{node}" for node in NODES[1:])
