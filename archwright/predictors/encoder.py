"""Groups of features of architectures, taken together by choice."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from archwright.errors import InputError, SpaceError, unknown_name
from archwright.predictors.features import Features
from archwright.predictors.graf import PaddedGraphs, graph_features, inner_labels
from archwright.predictors.graphs import (
    OpGraph,
    cell_graph,
    one_cell_graph,
    paths_outside_cells,
    paths_within,
)
from archwright.predictors.memo import Remembered
from archwright.predictors.neighbourhoods import Neighbourhoods
from archwright.predictors.paths import PathEncoding, cell_paths
from archwright.space import Architecture, Space
from archwright.space.cells import CellGraph

Matrix: TypeAlias = npt.NDArray[np.float64]
Padded: TypeAlias = list[PaddedGraphs]
Custom: TypeAlias = "Callable[[Architecture], Any] | Columns"

OF_ANY_SPACE = ("one_hot", "ordinal", "counts")
OF_CELLS = ("paths", "adjacency", "graph", "wl", "outside")
KNOWN = (*OF_ANY_SPACE, *OF_CELLS)
DRAWN = ("graph", "wl", "adjacency")  # read from graphs in arrays
N_REFERENCE = 256
CHUNK = 4_096
MOST_OPERATIONS = 12
OTHER = "other"
LARGEST = 1e100
"""Numbers whose squares and differences are still finite."""


@dataclass(frozen=True)
class Columns:
    """Features of one's own that are computed for many architectures at once.

    Args:
        names: the name of each column.
        of: architectures -> a matrix, n x len(names).

    >>> Columns(("depth",), lambda architectures: [[a["depth"]] for a in architectures]).names
    ('depth',)
    """

    names: Sequence[str]
    of: Callable[[list[Architecture]], Any]


class Encoder:
    """The features of the architectures of one space, in groups that are chosen by name.

    - ``one_hot``: `Space.encode` of every decision;
    - ``ordinal``: the position of each decision's value in its domain, 0 to 1, -1 where it is not
      live;
    - ``counts``: outside cells, how often each value is taken among decisions whose paths differ in
      numbers only, and sums of numbers (see `archwright.predictors.features`);

    and in a space of cells:

    - ``paths``: which chains of operations lead from an input to the output;
    - ``adjacency``: the matrix of edges and each vertex's operation, vertex by vertex;
    - ``graph``: see `archwright.predictors.graf`;
    - ``wl``: how often each neighbourhood occurs, before ("in") and behind ("out") a vertex;
    - ``outside``: `Space.encode` of the decisions that are no part of a cell.

    Which features there are comes from a fixed random sample of the space; columns that are
    constant in it are left out.

    Args:
        space: the search space.
        features: names of groups, in order.
        custom: features of one's own, such as proxy scores and costs: name of the group -> a
            function of an architecture that answers a number or name -> number, or `Columns`.

    Attributes:
        names: for each group that has features, its own and the names of its columns.

    Raises:
        UnknownNameError: an unknown group.
        InputError: a group of cells in a space without cells, a group twice, no group, or a dynamic
            space.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32)), "op": Choice(("conv", "pool"))})
    >>> encoder = Encoder(space, ["ordinal"], custom={"cost": lambda a: {"k": a["width"] / 16}})
    >>> groups = encoder.encode([{"width": 32, "op": "pool"}])
    >>> {name: rows.tolist() for name, rows in groups.items()}
    {'ordinal': [[1.0, 1.0]], 'cost': [[2.0]]}
    """

    def __init__(
        self,
        space: Space,
        features: Sequence[str],
        *,
        custom: Mapping[str, Custom] | None = None,
    ) -> None:
        if custom is not None and not isinstance(custom, Mapping):
            raise InputError(
                "custom must map the name of each group to a function of an architecture, such as "
                f"custom={{'cost': cost_of}}, got {custom!r}"
            )
        self.space = space
        self._custom = {name: _Own(name, given) for name, given in (custom or {}).items()}
        _check(space, features, self._custom)
        rng = Random(0)
        sample = [space.sample(rng=rng) for _ in range(N_REFERENCE)]
        self._groups: dict[str, _Group] = {}
        self.names: dict[str, tuple[str, ...]] = {}
        self._cells = cells = _Cells(space, sample) if {*DRAWN} & {*features} else None
        for name in features:
            made = _made(name, space, sample, cells)
            kept = made.of(sample).std(axis=0) > 1e-9
            if kept.any():
                made.keep(kept)
                self._groups[name] = made
                self.names[name] = made.names
        self._forget()

    def encode(self, architectures: Iterable[Mapping[str, Any]]) -> dict[str, Matrix]:
        """Group -> the features, one row for each architecture.

        Args:
            architectures: architectures of the space.

        Raises:
            ArchitectureError: one is not of the space.
            InputError: a custom feature is no finite number, or its columns change.
        """
        listed = [self.space.check(a) for a in architectures]
        found = {name: group.of(listed) for name, group in self._groups.items()}
        for name, own in self._custom.items():
            found[name] = own.of(listed)
            self.names[name] = own.names
        self._forget()
        return found

    def _forget(self) -> None:
        if self._cells is not None:
            self._cells.forget()

    def encode_sample(self, n: int, *, seed: int = 0) -> dict[str, Matrix]:
        """The features of random architectures of the space, without custom ones.

        Args:
            n: how many.
            seed: of the draw.
        """
        rng = Random(seed)
        sample = [self.space.sample(rng=rng) for _ in range(n)]
        found = {name: group.of(sample) for name, group in self._groups.items()}
        self._forget()
        return found


def default_features(space: Space) -> tuple[str, ...]:
    """The groups that predictors read where none are named.

    >>> from archwright.space import Choice
    >>> default_features(Space({"width": Choice((16, 32))}))
    ('one_hot', 'counts')
    """
    if not space.cells:
        return ("one_hot", "counts")
    outside = ("outside", "counts") if paths_outside_cells(space) else ()
    return ("graph", "wl", "one_hot", *outside)


def _check(space: Space, features: Sequence[str], custom: Mapping[str, Any]) -> None:
    if isinstance(features, str):
        raise InputError(f"features must be a list of names, got the text {features!r}")
    try:
        has_cells = bool(space.paths) and bool(space.cells)
    except SpaceError as error:
        raise InputError(
            "predictors need the list of all decisions, which a dynamic space does not have"
        ) from error
    for name in features:
        if name not in KNOWN:
            raise unknown_name("group of features", name, KNOWN)
        if name in OF_CELLS and not has_cells:
            raise InputError(
                f"the features {name!r} are of cells, and the space has none: take some of "
                f"{', '.join(OF_ANY_SPACE)}"
            )
    twice = [name for name, n in Counter([*features, *custom]).items() if n > 1]
    if twice:
        raise InputError(f"the group of features {twice[0]!r} is there twice: name it once")
    if not features and not custom:
        raise InputError(f"there are no features: name some of {', '.join(KNOWN)}")


class _Group:
    """A group of features: a function of architectures, and the columns of it that are kept."""

    def __init__(self, make: Callable[[list[Architecture]], Matrix], names: Sequence[str]) -> None:
        self._make = make
        self._kept = np.arange(len(names))
        self.names = tuple(names)

    def keep(self, kept: npt.NDArray[np.bool_]) -> None:
        self._kept = self._kept[kept]
        self.names = tuple(n for n, k in zip(self.names, kept, strict=True) if k)

    def of(self, architectures: list[Architecture]) -> Matrix:
        if not architectures:
            return np.zeros((0, len(self._kept)))
        return self._make(architectures)[:, self._kept]


def _made(name: str, space: Space, sample: list[Architecture], cells: _Cells | None) -> _Group:
    if name == "ordinal":
        return _Group(_Ordinal(space), space.paths)
    if name == "counts":
        counts = _Counts(space)
        return _Group(counts, counts.names)
    if name in ("one_hot", "outside"):
        paths = space.paths if name == "one_hot" else paths_outside_cells(space)
        coded = _Coded(space, paths)
        return _Group(coded, coded.names)
    if name == "paths":
        chains = _Paths(space, sample)
        return _Group(chains, chains.names)
    assert cells is not None
    view = _View(cells, name)  # type: ignore[arg-type]
    return _Group(view, view.named(sample))


# ---------------------------------------------------------------------- any space


class _Coded:
    def __init__(self, space: Space, paths: Iterable[str]) -> None:
        self.names: list[str] = []
        self._value: Remembered[tuple[str, Any], Matrix] = Remembered(self._features)
        self._domains: dict[str, Any] = {}
        self._start: dict[str, int] = {}
        for path in paths:
            domain = space.decision(path).domain
            self._domains[path] = domain
            self._start[path] = len(self.names)
            self.names += [*domain.feature_names(path), f"{path}: live"]

    def _features(self, decided: tuple[str, Any]) -> Matrix:
        domain = self._domains[decided[0]]
        return np.array([*domain.features(decided[1]), 1.0])

    def __call__(self, architectures: list[Architecture]) -> Matrix:
        found = np.zeros((len(architectures), len(self.names)))
        for row, architecture in zip(found, architectures, strict=True):
            for decided in architecture.items():
                start = self._start.get(decided[0])
                if start is not None:
                    values = self._value[decided]
                    row[start : start + len(values)] = values
        return found


class _Ordinal:
    def __init__(self, space: Space) -> None:
        self._place = {path: i for i, path in enumerate(space.paths)}
        self._domains = {path: space.decision(path).domain for path in space.paths}
        self._value: Remembered[tuple[str, Any], float] = Remembered(self._position)

    def _position(self, decided: tuple[str, Any]) -> float:
        domain: Any = self._domains[decided[0]]
        features = domain.features(decided[1])
        if len(features) == 1:
            return float(features[0])
        # Of a choice, the number of the value; of a subset, the bits read as a number.
        if math.isclose(sum(features), 1.0) and domain.size == len(features):
            return int(np.argmax(features)) / max(len(features) - 1, 1)
        return float(sum(bit * 2.0 ** -(i + 1) for i, bit in enumerate(features)))

    def __call__(self, architectures: list[Architecture]) -> Matrix:
        found = np.full((len(architectures), len(self._place)), -1.0)
        for row, architecture in zip(found, architectures, strict=True):
            for decided in architecture.items():
                row[self._place[decided[0]]] = self._value[decided]
        return found


class _Counts:
    def __init__(self, space: Space) -> None:
        self._features = Features(space, cells=False)
        self._columns = self._features.groups.get("counts", slice(0, 0))
        self.names = self._features.names[self._columns]

    def __call__(self, architectures: list[Architecture]) -> Matrix:
        return self._features.encode(architectures)[:, self._columns]


# ---------------------------------------------------------------------- cells


class _Paths:
    def __init__(self, space: Space, sample: list[Architecture]) -> None:
        self._space = space
        self._encoding = PathEncoding.of((self._of(a) for a in sample), truncate=300)
        self.names = [" > ".join(path) or "through" for path in self._encoding.paths]

    def _of(self, architecture: Architecture) -> set[tuple[str, ...]]:
        return cell_paths(cell_graph(self._space, architecture))

    def __call__(self, architectures: list[Architecture]) -> Matrix:
        return self._encoding.encode([self._of(a) for a in architectures])


class _Cells:
    """The graphs of a space's cells, and which operations are told apart in each."""

    def __init__(self, space: Space, sample: list[Architecture]) -> None:
        self.cells = [(cell, tuple(paths_within(space, cell.paths))) for cell in space.cells]
        self._graph: Remembered[tuple[Any, ...], OpGraph | None] = Remembered(
            self._read, most=100_000
        )
        self._latest: tuple[list[Architecture], list[tuple[list[int], Padded]]] | None = None
        self.operations: list[_Operations] = []
        self.most_vertices: list[int] = []
        self.known: list[tuple[Neighbourhoods, Neighbourhoods]] = []
        for i in range(len(self.cells)):
            graphs = self.graphs(i, sample)
            self.operations.append(_Operations(graphs))
            self.most_vertices.append(max((len(g.labels) for g in graphs if g), default=2))
            padded = self.operations[i].padded(graphs)
            self.known.append((Neighbourhoods.of(padded, "in"), Neighbourhoods.of(padded, "out")))

    def graphs(self, i: int, architectures: list[Architecture]) -> list[OpGraph | None]:
        paths = self.cells[i][1]
        keys = [(i, *((p, a[p]) for p in paths if p in a)) for a in architectures]
        return [self._graph[key] for key in keys]

    def distinct(self, architectures: list[Architecture]) -> list[tuple[list[int], Padded]]:
        """For each cell: which of its distinct graphs each architecture has, and these graphs."""
        # The views of one encoding ask one after another with the same list.
        if self._latest is None or self._latest[0] is not architectures:
            self._latest = (
                architectures,
                [self._distinct(i, architectures) for i in range(len(self.cells))],
            )
        return self._latest[1]

    def forget(self) -> None:
        """Let the latest architectures go."""
        self._latest = None

    def _distinct(self, i: int, architectures: list[Architecture]) -> tuple[list[int], Padded]:
        place: dict[OpGraph | None, int] = {}
        rows = [place.setdefault(graph, len(place)) for graph in self.graphs(i, architectures)]
        graphs = list(place)
        chunks = [graphs[start : start + CHUNK] for start in range(0, len(graphs), CHUNK)]
        return rows, [self.operations[i].padded(chunk) for chunk in chunks]

    def _read(self, key: tuple[Any, ...]) -> OpGraph | None:
        cell: CellGraph = self.cells[key[0]][0]
        return one_cell_graph(cell, dict(key[1:]))


class _Operations:
    """Which operations are told apart: all, or with very many their names without what is below."""

    def __init__(self, graphs: Sequence[OpGraph | None]) -> None:
        full = Counter(x for g in graphs if g is not None for x in inner_labels(g))
        self._short = len(full) > MOST_OPERATIONS
        counts: Counter[str] = Counter()
        for name, n in full.items():
            counts[self._name(name)] += n
        named = sorted(counts, key=lambda name: (-counts[name], name))
        kept = named if len(named) <= MOST_OPERATIONS else [*named[: MOST_OPERATIONS - 1], OTHER]
        self.names = tuple(sorted(kept))
        self._names: Remembered[str, str] = Remembered(self._renamed)

    def _name(self, label: str) -> str:
        return label.split("{")[0] if self._short else label

    def padded(self, graphs: Sequence[OpGraph | None]) -> PaddedGraphs:
        return PaddedGraphs.of(graphs, self.names, rename=self._names.__getitem__)

    def _renamed(self, label: str) -> str:
        name = self._name(label)
        return name if name in self.names or OTHER not in self.names else OTHER


class _View:
    """One kind of features of all cells, each graph read once."""

    def __init__(self, cells: _Cells, kind: Literal["graph", "wl", "adjacency"]) -> None:
        self._cells = cells
        self._kind = kind

    def named(self, sample: list[Architecture]) -> list[str]:
        several = len(self._cells.cells) > 1
        return [
            f"{cell.key}: {name}" if several else name
            for i, (cell, _) in enumerate(self._cells.cells)
            for name in self._part(i, self._cells.distinct(sample)[i][1][0])[1]
        ]

    def __call__(self, architectures: list[Architecture]) -> Matrix:
        parts = []
        for i, (rows, padded) in enumerate(self._cells.distinct(architectures)):
            found = np.concatenate([self._part(i, chunk)[0] for chunk in padded])
            parts.append(found[rows])
        return np.concatenate(parts, axis=1)

    def _part(self, i: int, padded: PaddedGraphs) -> tuple[Matrix, Sequence[str]]:
        if self._kind == "graph":
            return graph_features(padded)
        if self._kind == "wl":
            both = self._cells.known[i]
            names = [f"{k.direction} {code:x}" for k in both for code in k.known.tolist()]
            return np.concatenate([k.encode(padded) for k in both], axis=1), names
        return padded.adjacency(self._cells.most_vertices[i])


# ---------------------------------------------------------------------- the user's own


class _Own:
    """Features of the user's, remembered by architecture."""

    def __init__(self, name: str, given: Custom) -> None:
        if not isinstance(given, Columns) and not callable(given):
            raise InputError(
                f"custom feature {name!r}: expected a function of an architecture or Columns, got "
                f"{given!r}"
            )
        self._name, self._given = name, given
        self._known: dict[Architecture, Matrix] = {}
        self.names: tuple[str, ...] = tuple(given.names) if isinstance(given, Columns) else ()

    def of(self, architectures: list[Architecture]) -> Matrix:
        new = [a for a in dict.fromkeys(architectures) if a not in self._known]
        if new:
            rows = self._rows(new)
            bad = ~(np.abs(rows) < LARGEST)
            if bad.any():
                row, column = np.argwhere(bad)[0]
                raise InputError(
                    f"custom feature {self._name!r}: {self.names[column]} of {new[row]!r} is "
                    f"{rows[row, column]}: give a finite number below {LARGEST:g} for every "
                    "architecture"
                )
            self._known.update(zip(new, rows, strict=True))
        return np.array([self._known[a] for a in architectures]).reshape(
            len(architectures), len(self.names)
        )

    def _rows(self, architectures: list[Architecture]) -> Matrix:
        if isinstance(self._given, Columns):
            try:
                rows = np.asarray(self._given.of(architectures), dtype=float)
            except Exception as error:
                raise InputError(
                    f"custom feature {self._name!r} failed for {len(architectures)} architectures, "
                    f"the first of them {architectures[0]!r}: {type(error).__name__}: {error}"
                ) from error
            if rows.shape != (len(architectures), len(self.names)):
                raise InputError(
                    f"custom feature {self._name!r}: expected a matrix of "
                    f"{len(architectures)} x {len(self.names)}, got {rows.shape}"
                )
            return rows
        found = []
        for architecture in architectures:
            try:
                answer = self._given(architecture)
            except Exception as error:
                raise InputError(
                    f"custom feature {self._name!r} failed for {architecture!r}: "
                    f"{type(error).__name__}: {error}"
                ) from error
            told = answer if isinstance(answer, Mapping) else {self._name: answer}
            self.names = self.names or tuple(map(str, told))
            if tuple(map(str, told)) != self.names:
                raise InputError(
                    f"custom feature {self._name!r}: expected {', '.join(self.names)} for every "
                    f"architecture, got {', '.join(map(str, told)) or 'nothing'}"
                )
            try:
                found.append([float(value) for value in told.values()])
            except (TypeError, ValueError) as error:
                raise InputError(
                    f"custom feature {self._name!r}: expected numbers, got {answer!r}"
                ) from error
        return np.array(found)
