"""Features of any architecture of any space: numbers in which equal distances mean like changes.

What tells architectures apart depends on the space, and little of it is in a list of decisions:
which layer of a chain has the wide kernel matters less than how many do, and on which edge of a
cell an operation sits matters less than what lies before and behind it. So there are groups of
features, each a view of the whole architecture, for a model that weighs them:

- ``decisions``: every decision by itself;
- ``counts``: how often each value is taken among decisions whose paths differ in numbers only (the
  kernels of all layers), sums of their numbers, and how often each operation stands in a cell;
- ``paths``: how often each chain of operations leads from an input of a cell to its output;
- ``shape``: of a cell, the most and the fewest operations on any way to its output, of all and of
  each name, and how many ways there are.

Operations of a cell whose names share a word (``conv_1x1`` and ``conv_3x3``: "conv") are counted
together as well, as whoever named them alike took them to be alike.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from random import Random
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from archwright.predictors.graphs import (
    JOIN,
    OpGraph,
    one_cell_graph,
    paths_outside_cells,
    paths_within,
)
from archwright.predictors.memo import Remembered
from archwright.space import Choice, Domain, Integer, Real, Space, Subset
from archwright.space.cells import CellGraph

Matrix: TypeAlias = npt.NDArray[np.float64]
Name: TypeAlias = tuple[str, ...]  # the group comes first
Row: TypeAlias = dict[Name, float]
Sparse: TypeAlias = tuple[npt.NDArray[np.intp], Matrix]

GROUPS = ("decisions", "counts", "paths", "shape")
N_REFERENCE = 256
MOST_COLUMNS = 300
MOST_STEPS = 2_000
MOST_REMEMBERED = 100_000
MOST_COUNTED = 8  # values of a number that are counted one by one; of more, the sum is taken


class Features:
    """The features of the architectures of one space.

    Each group is scaled so that two architectures drawn at random have a mean squared distance of
    1 within it. Scales, and which features there are, come from a fixed random sample of the
    space, so they follow from the space alone; what the sample does not show (rare paths) is left
    out. But for ``decisions``, cells that are equal up to the order of their nodes are equal.

    Args:
        space: the search space.
        cells: whether cells are read as graphs; if not, a cell has only its decisions.

    Attributes:
        groups: name -> the columns of the group; groups without features are left out.
        names: the name of each column.

    >>> from archwright.space import Choice, Space
    >>> space = Space({f"layer.{i}/kernel": Choice((3, 5, 7)) for i in range(2)})
    >>> features = Features(space)
    >>> list(features.groups)
    ['decisions', 'counts']
    >>> rows = features.encode([space.sample(seed=seed) for seed in range(3)])
    >>> rows.shape == (3, len(features.names))
    True
    """

    def __init__(self, space: Space, *, cells: bool = True) -> None:
        outside = set(paths_outside_cells(space))
        repeated = Counter(map(_template, space.paths))
        # What is in a cell is counted in its graph: only there is it known what has an effect.
        self._plain = {
            path: (space.decision(path).domain, repeated[_template(path)] > 1 and path in outside)
            for path in space.paths
        }
        self._cells = [(c, paths_within(space, c.paths)) for c in space.cells if cells]
        self._told = Remembered(self._tell)
        rng = Random(0)
        sample = [self._read(space.sample(rng=rng)) for _ in range(N_REFERENCE)]
        columns: list[Name] = []
        scales: list[float] = []
        self.groups: dict[str, slice] = {}
        for group in GROUPS:
            found = Counter(name for row in sample for name in row if name[0] == group)
            known = sorted(found, key=lambda name: (-found[name], name))[:MOST_COLUMNS]
            values = np.array([[row.get(name, 0.0) for name in known] for row in sample])
            spread = values.reshape(len(sample), len(known)).var(axis=0)
            known = [name for name, v in zip(known, spread, strict=True) if v > 1e-12]
            if not known:
                continue
            self.groups[group] = slice(len(columns), len(columns) + len(known))
            columns += known
            scales += [1 / math.sqrt(2 * float(spread.sum()))] * len(known)
        self.names = tuple(": ".join(name) for name in columns)
        self._scales = np.array(scales)
        self._place = {name: i for i, name in enumerate(columns)}
        self._values = Remembered(self._value)
        # Most candidates share a cell with another one.
        self._parts = Remembered(self._part, most=MOST_REMEMBERED)

    def encode(self, architectures: Iterable[Mapping[str, Any]]) -> Matrix:
        """The features, one row each, shape (n, n_features).

        Args:
            architectures: architectures of the space.
        """
        listed = list(architectures)
        found = np.zeros((len(listed), len(self.names)))
        for row, architecture in zip(found, listed, strict=True):
            sums = [0.0] * len(self.names)
            for decided in architecture.items():
                for place, amount in self._values[decided]:
                    sums[place] += amount
            row[:] = sums
            row *= self._scales
            for i, (_, paths) in enumerate(self._cells):
                own = ((path, architecture[path]) for path in paths if path in architecture)
                places, values = self._parts[i, *own]
                row[places] = values
        return found

    def _value(self, decided: tuple[str, Any]) -> list[tuple[int, float]]:
        """Where a decision's value counts, and how much."""
        place = self._place
        return [(place[name], amount) for name, amount in self._told[decided] if name in place]

    def _part(self, key: tuple[Any, ...]) -> Sparse:
        """Where a cell counts, and how much: its number, then what is decided in it."""
        row = _cell(self._cells[key[0]][0], dict(key[1:]))
        known = [(self._place[name], value) for name, value in row.items() if name in self._place]
        places = np.array([i for i, _ in known], dtype=np.intp)
        return places, np.array([value for _, value in known]) * self._scales[places]

    def _tell(self, decided: tuple[str, Any]) -> list[tuple[Name, float]]:
        """What a decision's value says."""
        path, value = decided
        domain, repeated = self._plain[path]
        found = _decision(path, domain, value)
        return found + _counts(_template(path), domain, value) if repeated else found

    def _read(self, architecture: Mapping[str, Any]) -> Row:
        row: Row = {}
        for decided in architecture.items():
            for name, amount in self._told[decided]:
                row[name] = row.get(name, 0.0) + amount
        for cell, _ in self._cells:
            row.update(_cell(cell, architecture))
        return row


def features_of(space: Space) -> Features:
    """The `Features` of a space, made once in a process for spaces that are equal.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32))})
    >>> features_of(space) is features_of(Space({"width": Choice((16, 32))}))
    True
    """
    # Spaces with equal decisions may draw differently: a table lists a part of its space only.
    kind = type(space).__qualname__
    return _features_of(space, kind, space.sample(seed=0), space.sample(seed=1))


@functools.lru_cache(maxsize=8)
def _features_of(space: Space, *_: Any) -> Features:
    return Features(space)


@functools.lru_cache(maxsize=4096)
def _template(path: str) -> str:
    return re.sub(r"\d+", "#", path)


@functools.lru_cache(maxsize=4096)
def _words(label: str) -> tuple[str, ...]:
    """An operation's name and the words in it, each once."""
    return tuple(dict.fromkeys([label, *re.findall(r"[a-z0-9]+", label.lower())]))


# ---------------------------------------------------------------------- decisions


def _is_number(domain: Domain) -> bool:
    if isinstance(domain, Choice):
        return domain.size > 1 and all(
            isinstance(v, int | float) and not isinstance(v, bool) for v in domain.values()
        )
    return isinstance(domain, Integer | Real)


def _position(domain: Any, value: Any) -> float:
    """Where a number lies in its domain, 0..1: by rank in a Choice, else as `Space.encode` says."""
    if isinstance(domain, Choice):
        numbers: list[Any] = list(domain.values())
        return sorted(numbers).index(value) / (domain.size - 1)
    return float(domain.features(value)[0])


def _decision(path: str, domain: Domain, value: Any) -> list[tuple[Name, float]]:
    # A decision that is live differs by half from one that is not, whatever its value.
    live: tuple[Name, float] = (("decisions", path, "live"), 0.5)
    if isinstance(domain, Subset):
        return [live, *((("decisions", path, str(thing)), 1.0) for thing in value)]
    if _is_number(domain):
        return [live, (("decisions", path), _position(domain, value))]
    return [live, (("decisions", path, f"={value}"), math.sqrt(0.5))]  # two values are 1 apart


def _counts(template: str, domain: Any, value: Any) -> list[tuple[Name, float]]:
    n: tuple[Name, float] = (("counts", template), 1.0)
    if isinstance(domain, Subset):
        return [n, (("counts", template, "size"), float(len(value)))]
    found = [n]
    if _is_number(domain):
        found.append((("counts", template, "sum"), _position(domain, value)))
    if not isinstance(domain, Real) and not (_is_number(domain) and domain.size > MOST_COUNTED):
        found.append((("counts", template, f"={value}"), 1.0))
    return found


# ---------------------------------------------------------------------- cells


def _cell(cell: CellGraph, architecture: Mapping[str, Any]) -> Row:
    row: Row = {}
    graph = one_cell_graph(cell, architecture)
    if graph is None:
        return row
    key, last = cell.key, len(graph.labels) - 1
    outer = {*graph.inputs, last}
    inner = [i for i, label in enumerate(graph.labels) if i not in outer and label != JOIN]
    for i in inner:
        for word in _words(graph.labels[i]):
            name = ("counts", key, word)
            row[name] = row.get(name, 0.0) + 1.0
    if not graph.predecessors[last]:
        return row
    for path, n in _path_counts(graph).items():
        row["paths", key, " > ".join(path)] = float(n)
    row["shape", key, "connected"] = 1.0
    words = list(dict.fromkeys(word for i in inner for word in _words(graph.labels[i])))
    weights = np.zeros((last + 1, len(words) + 1))
    for i in inner:
        weights[i, [words.index(word) for word in _words(graph.labels[i])]] = 1.0
        weights[i, -1] = 1.0
    most, fewest, ways = weights, weights.copy(), [1.0] * (last + 1)
    for i, before in enumerate(graph.predecessors):
        if before:
            near = list(before)
            most[i] += most[near].max(axis=0)
            fewest[i] += fewest[near].min(axis=0)
            ways[i] = sum(ways[j] for j in near)
    for word, high, low in zip([*words, "operations"], most[-1], fewest[-1], strict=True):
        row["shape", key, "most", word] = float(high)
        row["shape", key, "fewest", word] = float(low)
    row["shape", key, "ways"] = math.log2(1 + ways[-1])
    return row


def _path_counts(graph: OpGraph) -> Counter[Name]:
    """How many ways have each sequence of operations; of very many, the first ones."""
    last = len(graph.labels) - 1
    named = len(graph.inputs) > 1
    ways: list[Counter[Name]] = []
    n_steps = 0
    for i, (label, before) in enumerate(zip(graph.labels, graph.predecessors, strict=True)):
        own: Counter[Name] = Counter()
        if not before:
            own[(label,) if named else ()] = 1
        tail = () if i == last or label == JOIN else (label,)
        for j in before:
            for path, n in ways[j].items():
                if n_steps >= MOST_STEPS:
                    break
                n_steps += 1
                own[path + tail] += n
        ways.append(own)
    return ways[-1]
