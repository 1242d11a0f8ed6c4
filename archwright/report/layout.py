"""Layered drawing of a directed acyclic graph: layers, crossings, coordinates, edges.

The method of Sugiyama, Tagawa and Toda ("Methods for Visual Understanding of Hierarchical System
Structures", IEEE Transactions on Systems, Man, and Cybernetics 11(2), 1981): longest-path layers,
dummy nodes on long edges, barycentre sweeps against crossings. Coordinates after Brandes and
Koepf ("Fast and Simple Horizontal Coordinate Assignment", Graph Drawing 2001), which keeps chains
and long edges straight; the compaction is by longest paths over blocks.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Box:
    """Where one node is drawn: its centre and its size."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Layout:
    """A drawing: a box for each node, a line of points for each edge, and its size."""

    boxes: tuple[Box, ...]
    routes: tuple[tuple[tuple[float, float], ...], ...]
    width: float
    height: float
    n_columns: int = 1


DUMMY_WIDTH = 16.0


def layered(
    sizes: Sequence[tuple[float, float]],
    edges: Sequence[tuple[int, int]],
    *,
    gap: tuple[float, float] = (18.0, 26.0),
    max_width: float | None = None,
    max_height: float | None = None,
) -> Layout:
    """Lay a graph out from top to bottom.

    Args:
        sizes: width and height of each node.
        edges: pairs of node indices; those that would close a cycle are left out of the layering
            and drawn upwards.
        gap: least distance between neighbours in a layer, and between layers.
        max_width: when the drawing is higher than `max_height`, it is cut into columns, read from
            left to right, as far as they fit into this width.
        max_height: the height above which columns are made.

    Returns:
        The layout; the routes are in the order of `edges`.

    >>> drawn = layered([(40, 20), (40, 20)], [(0, 1)])
    >>> drawn.boxes[0].x == drawn.boxes[1].x, drawn.boxes[0].y < drawn.boxes[1].y
    (True, True)
    """
    if not sizes:
        return Layout((), (), 0.0, 0.0)
    graph = _Layers(sizes, edges)
    graph.uncross()
    xs = graph.coordinates(gap[0])
    heights = [max(graph.size(v)[1] for v in layer) for layer in graph.layers]
    columns = _columns(graph, xs, heights, gap, max_width, max_height)
    return _place(graph, xs, heights, gap, columns, edges)


class _Layers:
    """The graph with dummy nodes, as layers of node indices (dummies come after real nodes)."""

    def __init__(
        self, sizes: Sequence[tuple[float, float]], edges: Sequence[tuple[int, int]]
    ) -> None:
        self.sizes = sizes
        n = len(sizes)
        forward = _without_cycles(n, edges)
        rank = _ranks(n, forward)
        self.layers: list[list[int]] = [[] for _ in range(max(rank) + 1)]
        for v in sorted(range(n), key=lambda v: (rank[v], v)):
            self.layers[rank[v]].append(v)
        self.above: dict[int, list[int]] = {v: [] for v in range(n)}
        self.below: dict[int, list[int]] = {v: [] for v in range(n)}
        self.chain: dict[tuple[int, int], list[int]] = {}
        self.rank = list(rank)
        for a, b in dict.fromkeys(forward):
            path = [a]
            for r in range(rank[a] + 1, rank[b]):
                dummy = len(self.rank)
                self.rank.append(r)
                self.above[dummy], self.below[dummy] = [], []
                self.layers[r].append(dummy)
                path.append(dummy)
            path.append(b)
            self.chain[a, b] = path
            for u, v in pairwise(path):
                self.below[u].append(v)
                self.above[v].append(u)

    def is_dummy(self, v: int) -> bool:
        return v >= len(self.sizes)

    def size(self, v: int) -> tuple[float, float]:
        return (DUMMY_WIDTH, 0.0) if self.is_dummy(v) else self.sizes[v]

    def uncross(self, sweeps: int = 16) -> None:
        """Order each layer by the mean position of its neighbours, down and up, best kept."""
        best, fewest = [list(layer) for layer in self.layers], self.crossings()
        for sweep in range(sweeps):
            down = sweep % 2 == 0
            order = range(1, len(self.layers)) if down else range(len(self.layers) - 2, -1, -1)
            near = self.above if down else self.below
            for r in order:
                fixed = self.layers[r - 1] if down else self.layers[r + 1]
                place = {v: i for i, v in enumerate(fixed)}
                layer = self.layers[r]
                now = {v: i * len(fixed) / max(len(layer), 1) for i, v in enumerate(layer)}
                key = {
                    v: sum(place[u] for u in near[v]) / len(near[v]) if near[v] else now[v]
                    for v in layer
                }
                layer.sort(key=lambda v: key[v])
            crossings = self.crossings()
            if crossings < fewest:
                best, fewest = [list(layer) for layer in self.layers], crossings
            if fewest == 0:
                break
        self.layers = best

    def crossings(self) -> int:
        total = 0
        for upper, lower in pairwise(self.layers):
            place = {v: i for i, v in enumerate(lower)}
            ends = [p for u in upper for p in sorted(place[v] for v in self.below[u])]
            for i, a in enumerate(ends):
                total += sum(b < a for b in ends[i + 1 :])
        return total

    def coordinates(self, gap: float) -> list[float]:
        """Horizontal centres: the mean of the middle two of four extreme alignments."""
        conflicts = self._conflicts()
        found: list[list[float]] = []
        for up in (True, False):
            for left in (True, False):
                layers = self.layers if up else self.layers[::-1]
                if not left:
                    layers = [layer[::-1] for layer in layers]
                root = self._align(layers, self.above if up else self.below, conflicts)
                xs = self._compact(layers, root, gap)
                found.append(xs if left else [-x for x in xs])
        spans = [max(xs) - min(xs) for xs in found]
        narrow = found[spans.index(min(spans))]
        shifted = []
        for i, xs in enumerate(found):
            shift = min(narrow) - min(xs) if i % 2 == 0 else max(narrow) - max(xs)
            shifted.append([x + shift for x in xs])
        middle = [sorted(four)[1:3] for four in zip(*shifted, strict=True)]
        return self._straighten([(a + b) / 2 for a, b in middle])

    def _straighten(self, xs: list[float]) -> list[float]:
        """Put the nodes that are alone in their layers on one line, and the rest about it.

        What lies between two of them hangs together through them only, so it may be moved as a
        whole; else a row of lopsided blocks would drift to one side.
        """
        alone = [r for r, layer in enumerate(self.layers) if len(layer) == 1]
        if len(alone) < 2:
            return xs
        spine = xs[self.layers[alone[0]][0]]
        moved = list(xs)
        for first, last in pairwise([None, *alone, None]):
            ends = [xs[self.layers[r][0]] for r in (first, last) if r is not None]
            shift = spine - sum(ends) / len(ends)
            start = 0 if first is None else first + 1
            for layer in self.layers[start : len(self.layers) if last is None else last]:
                for v in layer:
                    moved[v] = xs[v] + shift
            if last is not None:
                moved[self.layers[last][0]] = spine
        return moved

    def _conflicts(self) -> set[tuple[int, int]]:
        """Edges that cross the inner part of a long edge, which is to stay straight."""
        found = set()
        for upper, lower in pairwise(self.layers):
            place = {v: i for i, v in enumerate(upper)}
            first, start = 0, 0
            for i, v in enumerate(lower):
                inner = next(
                    (u for u in self.above[v] if self.is_dummy(u) and self.is_dummy(v)), None
                )
                if inner is None and i < len(lower) - 1:
                    continue
                last = len(upper) - 1 if inner is None else place[inner]
                for w in lower[start : i + 1]:
                    for u in self.above[w]:
                        both = self.is_dummy(u) and self.is_dummy(w)
                        if not first <= place[u] <= last and not both:
                            found.add((u, w))
                start, first = i + 1, last
        return found

    def _align(
        self,
        layers: Sequence[Sequence[int]],
        near: dict[int, list[int]],
        conflicts: set[tuple[int, int]],
    ) -> list[int]:
        """The root of the vertical block that each node stands in: its median neighbour's."""
        root, align = list(range(len(self.rank))), list(range(len(self.rank)))
        place = {v: i for layer in layers for i, v in enumerate(layer)}
        for layer in layers:
            taken = -1
            for v in layer:
                sources = sorted(near[v], key=lambda u: place[u])
                half = (len(sources) - 1) / 2
                for u in sources[math.floor(half) : math.ceil(half) + 1] if sources else ():
                    free = align[v] == v and taken < place[u]
                    if free and (u, v) not in conflicts and (v, u) not in conflicts:
                        align[u] = v
                        align[v] = root[v] = root[u]
                        taken = place[u]
        return root

    def _compact(self, layers: Sequence[Sequence[int]], root: list[int], gap: float) -> list[float]:
        """Place the blocks from left to right, as near to each other as their nodes allow."""
        room: dict[int, dict[int, float]] = {}
        before: dict[int, list[int]] = {}
        for layer in layers:
            for u, v in pairwise(layer):
                a, b = root[u], root[v]
                known = room.setdefault(a, {})
                if b not in known:
                    before.setdefault(b, []).append(a)
                known[b] = max(known.get(b, 0.0), self._room(u, v, gap))
        order = _topological(dict.fromkeys(root), room, before)
        x = dict.fromkeys(order, 0.0)
        for b in order:
            x[b] = max((x[a] + room[a][b] for a in before.get(b, ())), default=0.0)
        # Then each block moves right as far as it can, so that no space is wasted inside.
        for a in reversed(order):
            limits = [x[b] - width for b, width in room.get(a, {}).items()]
            if limits:
                x[a] = max(x[a], min(limits))
        return [x[root[v]] for v in range(len(root))]

    def _room(self, u: int, v: int, gap: float) -> float:
        both = self.is_dummy(u) and self.is_dummy(v)
        return (self.size(u)[0] + self.size(v)[0]) / 2 + (0.0 if both else gap)


def _topological(
    nodes: Iterable[int],
    after: Mapping[int, Mapping[int, float]],
    before: Mapping[int, Sequence[int]],
) -> list[int]:
    waiting = {v: len(before.get(v, ())) for v in nodes}
    ready = [v for v, n in waiting.items() if not n]
    order = []
    while ready:
        v = ready.pop()
        order.append(v)
        for w in after.get(v, ()):
            waiting[w] -= 1
            if not waiting[w]:
                ready.append(w)
    return order


def _without_cycles(n: int, edges: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    after: list[list[int]] = [[] for _ in range(n)]
    for a, b in edges:
        if a != b:
            after[a].append(b)
    state, back = [0] * n, set()
    for root in range(n):
        if state[root]:
            continue
        stack = [(root, iter(after[root]))]
        state[root] = 1
        while stack:
            v, rest = stack[-1]
            for w in rest:
                if state[w] == 1:
                    back.add((v, w))
                elif state[w] == 0:
                    state[w] = 1
                    stack.append((w, iter(after[w])))
                    break
            else:
                state[v] = 2
                stack.pop()
    return [(a, b) for a, b in edges if a != b and (a, b) not in back]


def _ranks(n: int, edges: Sequence[tuple[int, int]]) -> list[int]:
    """Longest-path layers; a source that only feeds deep nodes stands just above the first."""
    after: list[list[int]] = [[] for _ in range(n)]
    waiting = [0] * n
    for a, b in edges:
        after[a].append(b)
        waiting[b] += 1
    inner = list(waiting)
    rank, ready = [0] * n, [v for v in range(n) if not waiting[v]]
    order = []
    while ready:
        v = ready.pop()
        order.append(v)
        for w in after[v]:
            rank[w] = max(rank[w], rank[v] + 1)
            waiting[w] -= 1
            if not waiting[w]:
                ready.append(w)
    for v in reversed(order):
        if after[v] and not inner[v]:
            rank[v] = max(rank[v], min(rank[w] for w in after[v]) - 1)
    return rank


def _columns(
    graph: _Layers,
    xs: list[float],
    heights: list[float],
    gap: tuple[float, float],
    max_width: float | None,
    max_height: float | None,
) -> list[tuple[int, int]]:
    """Ranges of layers, one a column, cut where the fewest edges cross."""
    n = len(heights)
    whole = [(0, n)]
    total = sum(heights) + gap[1] * (n - 1)
    if max_height is None or max_width is None or total <= max_height:
        return whole
    tops = [0.0]
    for height in heights:
        tops.append(tops[-1] + height + gap[1])
    # One box that feeds several is a good place: it alone must be followed into the next column.
    crossing = [sum(bool(graph.below[v]) for v in graph.layers[r]) for r in range(n - 1)]
    for wanted in range(-(-int(total) // int(max_height)), 1, -1):
        columns = _cut(wanted, total, tops, crossing)
        spans = [_span(graph, xs, range(*column)) for column in columns]
        width = sum(right - left for left, right in spans) + 3 * gap[0] * (len(columns) - 1)
        if width <= max_width:
            return columns
    return whole


def _cut(
    wanted: int, total: float, tops: Sequence[float], crossing: Sequence[int]
) -> list[tuple[int, int]]:
    """Columns of about equal height."""
    cuts, start = [], 0
    for k in range(1, wanted):
        ideal, slack = total * k / wanted, 0.3 * total / wanted
        options = [r for r in range(start, len(crossing)) if abs(tops[r + 1] - ideal) <= slack]
        if options:
            start = 1 + min(options, key=lambda r: (crossing[r] > 1, abs(tops[r + 1] - ideal)))
            cuts.append(start)
    return list(pairwise([0, *cuts, len(crossing) + 1]))


def _span(graph: _Layers, xs: list[float], ranks: range) -> tuple[float, float]:
    nodes = [v for r in ranks for v in graph.layers[r]]
    half = {v: graph.size(v)[0] / 2 for v in nodes}
    return min(xs[v] - half[v] for v in nodes), max(xs[v] + half[v] for v in nodes)


def _place(
    graph: _Layers,
    xs: list[float],
    heights: list[float],
    gap: tuple[float, float],
    columns: list[tuple[int, int]],
    edges: Sequence[tuple[int, int]],
) -> Layout:
    gutter = 3 * gap[0]
    centre: dict[int, tuple[float, float]] = {}
    tops: list[float] = [0.0] * len(heights)
    column_of = [0] * len(heights)
    edge_of_column, offset, lowest = [], 0.0, 0.0
    for k, (first, last) in enumerate(columns):
        left, right = _span(graph, xs, range(first, last))
        y = 0.0
        for r in range(first, last):
            tops[r], column_of[r] = y, k
            for v in graph.layers[r]:
                centre[v] = (xs[v] - left + offset, y + heights[r] / 2)
            y += heights[r] + gap[1]
        lowest = max(lowest, y - gap[1])
        offset += right - left
        edge_of_column.append(offset + gutter / 2)
        offset += gutter
    routes = []
    for a, b in edges:
        path = graph.chain.get((a, b), [a, b])
        points: list[tuple[float, float]] = []
        for i, v in enumerate(path):
            x, y = centre[v]
            r = graph.rank[v]
            half = graph.size(v)[1] / 2 if not graph.is_dummy(v) else heights[r] / 2
            if i:
                before = graph.rank[path[i - 1]]
                if column_of[r] != column_of[before] and r > before:
                    side = edge_of_column[column_of[before]]
                    end = tops[before] + heights[before] + gap[1] * 0.5
                    start = -gap[1] * 0.6
                    points += [(points[-1][0], end), (side, end), (side, start), (x, start)]
                points.append((x, y - half))
            if i < len(path) - 1:
                points.append((x, y + half))
        routes.append(tuple(points))
    boxes = tuple(Box(*centre[v], *size) for v, size in enumerate(graph.sizes))
    return Layout(boxes, tuple(routes), offset - gutter, lowest, len(columns))
