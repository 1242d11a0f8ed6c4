"""The network as SVG: boxes from top to bottom, in columns where there is room.

Two drawings are made: one with every layer (chains such as convolution, normalisation,
activation share a box), and, for large networks, one with a box for each block, in which repeated
equal blocks are one box that says how often.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

from archwright.report.layout import Layout, layered
from archwright.report.numbers import TIMES, short

MAX_NODES = 1200
"""A drawing with more boxes than this helps nobody; only the blocks are drawn then."""

_LIGHT = re.compile(
    r"norm|relu|gelu|silu|swish|mish|elu|sigmoid|tanh|softmax|dropout|identity|activation", re.I
)
_SIGNS = {"add": "+", "subtract": "-", "multiply": TIMES, "sum": "+", "cat": "concat"}
_JOINS = re.compile(
    r"^(add|subtract|multiply|divide|concat|cat|stack|maximum|minimum|select|blend|sum|mul)$"
)


@dataclass(frozen=True)
class Node:
    """One box of a drawing.

    Attributes:
        path: module path, or the name of a function's call.
        title: first line.
        lines: further lines, smaller.
        shape: of its output, as text.
        tip: shown on hovering.
        family: "conv", "linear", "pool", "norm", "join", "end" or "other": its colour.
        params: parameters, of all that the box holds.
        flops: FLOPs, of all that the box holds.
        n_repeats: how many equal boxes in a row it stands for.
        parts: its module path, an operation's own name included.
        folded: whether it stands for several layers.
    """

    path: str
    title: str
    lines: tuple[str, ...] = ()
    shape: str = ""
    tip: str = ""
    family: str = "other"
    params: float = 0.0
    flops: float = 0.0
    n_repeats: int = 1
    parts: tuple[str, ...] = ()
    folded: bool = False


@dataclass(frozen=True)
class Diagram:
    """Boxes and the edges between them, by index."""

    nodes: tuple[Node, ...]
    edges: tuple[tuple[int, int], ...]


def network(graph: Mapping[str, Any], *, width: int | None = 1040) -> list[tuple[str, str]]:
    """Drawings of a network, each with its name; the first is the one to show.

    Args:
        graph: ``{"nodes": [{"id", "label", "kind", "name", "shape", "params", "flops"}, ...],
            "edges": [[source, target], ...]}`` as `archwright.hardware.graph` gives it.
        width: pixels that are there; None: as wide as one column needs.

    Returns:
        Pairs of a name ("Layers", "Blocks") and an `<svg>` element; empty when the graph is.

    >>> graph = {
    ...     "nodes": [{"id": "a", "label": "Conv2d"}, {"id": "b", "label": "ReLU"}],
    ...     "edges": [["a", "b"]],
    ... }
    >>> [name for name, drawing in network(graph)]
    ['Layers']
    """
    layers = merge_chains(read(graph))
    if not layers.nodes:
        return []
    drawings = []
    n_boxes = len(layers.nodes)
    if n_boxes > 14:
        blocks = fold(layers, target=min(30, max(8, int(0.6 * n_boxes))))
        if 2 < len(blocks.nodes) <= 0.75 * n_boxes:
            drawings.append(("Blocks", _svg(blocks, width)))
    if n_boxes <= MAX_NODES:
        drawings.append(("Layers", _svg(layers, width)))
    return drawings


def read(graph: Mapping[str, Any]) -> Diagram:
    """The graph's nodes as boxes, in order; edges to unknown nodes are left out."""
    nodes: list[Node] = []
    index: dict[str, int] = {}
    for entry in graph.get("nodes", ()):
        name = str(entry.get("id"))
        kind = str(entry.get("kind") or "")
        label = str(entry.get("label") or kind or name)
        path = str(entry.get("name") or "")
        # Classes are written with a capital; an operation stands in its module's forward.
        own = () if kind[:1].isupper() and path else (f"{kind or label}",)
        index[name] = len(nodes)
        nodes.append(
            Node(
                path=path or label,
                title=label,
                shape=_shape(entry.get("shape")),
                family=_family(kind or label, label),
                parts=(*(p for p in path.split(".") if p), *own),
                params=float(entry.get("params") or 0),
                flops=float(entry.get("flops") or 0),
            )
        )
    edges = [
        (index[str(a)], index[str(b)])
        for a, b in graph.get("edges", ())
        if str(a) in index and str(b) in index
    ]
    return Diagram(tuple(nodes), tuple(dict.fromkeys(edges)))


def merge_chains(diagram: Diagram) -> Diagram:
    """Put normalisations, activations and the like into the box of the layer before them."""
    n_out = Counter(a for a, _ in diagram.edges)
    before: dict[int, list[int]] = {}
    for a, b in diagram.edges:
        before.setdefault(b, []).append(a)
    head = list(range(len(diagram.nodes)))
    tails: dict[int, list[int]] = {}
    for v, node in enumerate(diagram.nodes):
        sources = before.get(v, [])
        if len(sources) != 1 or n_out[sources[0]] != 1 or node.family != "norm":
            continue
        into = head[sources[0]]
        # A fold at the input or across a join would hide where the data enters or meets.
        if diagram.nodes[into].family in ("end", "join"):
            continue
        head[v] = into
        tails.setdefault(into, []).append(v)
    merged = []
    for v, node in enumerate(diagram.nodes):
        extra = [diagram.nodes[w] for w in tails.get(v, ())]
        if extra:
            node = replace(
                node,
                lines=(" · ".join(e.title for e in extra),),
                shape=extra[-1].shape or node.shape,
                params=node.params + sum(e.params for e in extra),
                flops=node.flops + sum(e.flops for e in extra),
            )
        merged.append(node)
    return _contract(merged, diagram.edges, head)


def fold(diagram: Diagram, *, target: int = 26) -> Diagram:
    """One box for each block, told by the modules' paths; equal blocks in a row become one.

    Blocks are the modules of one depth: the deepest at which no more boxes than `target` come out
    and no sum or concatenation is left standing without the branches that it joins.
    """
    owner = [() if node.family == "end" else node.parts for node in diagram.nodes]
    depth = 1
    while True:
        deeper = _groups(owner, depth + 1)
        alone = any(
            len(members) == 1 and diagram.nodes[members[0]].family == "join"
            for members in deeper.values()
        )
        if len(deeper) > target or alone or len(deeper) == len(_groups(owner, depth + 9)):
            break
        depth += 1
    groups = _groups(owner, depth)
    head = [0] * len(diagram.nodes)
    for members in groups.values():
        for v in members:
            head[v] = members[0]
    # Only convex groups may become one box: else a path would leave it and come back.
    head = _convex(diagram, head)
    names = {members[0]: ".".join(path) for path, members in groups.items()}
    nodes = list(diagram.nodes)
    held: dict[int, list[int]] = {}
    for v, h in enumerate(head):
        held.setdefault(h, []).append(v)
    for h, members in held.items():
        if len(members) > 1:
            nodes[h] = _block(names.get(h, nodes[h].path), [diagram.nodes[v] for v in members])
    return _run_lengths(_contract(nodes, diagram.edges, head))


def _groups(owner: Sequence[tuple[str, ...]], depth: int) -> dict[tuple[str, ...], list[int]]:
    groups: dict[tuple[str, ...], list[int]] = {}
    for v, parts in enumerate(owner):
        groups.setdefault(parts[:depth] or (f"#{v}",), []).append(v)
    return groups


def _convex(diagram: Diagram, head: list[int]) -> list[int]:
    contracted = {(head[a], head[b]) for a, b in diagram.edges if head[a] != head[b]}
    after: dict[int, set[int]] = {}
    for a, b in contracted:
        after.setdefault(a, set()).add(b)
    bad = _on_cycles(set(head), after)
    return [v if head[v] in bad else head[v] for v in range(len(head))]


def _on_cycles(nodes: set[int], after: Mapping[int, set[int]]) -> set[int]:
    """Nodes that can reach themselves."""
    bad = set()
    for start in nodes:
        seen, stack = set(), list(after.get(start, ()))
        while stack:
            v = stack.pop()
            if v == start:
                bad.add(start)
                break
            if v not in seen:
                seen.add(v)
                stack.extend(after.get(v, ()))
    return bad


def _block(name: str, members: Sequence[Node]) -> Node:
    main = [m for m in members if m.family != "norm"] or list(members)
    kinds = Counter(m.title for m in main)
    parts = [f"{kind} {TIMES} {n}" if n > 1 else kind for kind, n in kinds.items()]
    if len(parts) > 5:
        parts = [*parts[:4], f"and {sum(list(kinds.values())[4:])} more"]
    families = Counter(m.family for m in main if m.family not in ("end", "join", "other"))
    return Node(
        path=name,
        title=name,
        lines=tuple(parts),
        shape=next((m.shape for m in reversed(members) if m.shape), ""),
        tip="\n".join(m.title for m in members[:20]),
        family=families.most_common(1)[0][0] if families else "other",
        params=sum(m.params for m in members),
        flops=sum(m.flops for m in members),
        folded=True,
    )


def _run_lengths(diagram: Diagram) -> Diagram:
    """Fold a run of equal boxes, one after another, into one that says how often."""
    before: dict[int, list[int]] = {}
    after: dict[int, list[int]] = {}
    for a, b in diagram.edges:
        before.setdefault(b, []).append(a)
        after.setdefault(a, []).append(b)
    head = list(range(len(diagram.nodes)))
    nodes = list(diagram.nodes)

    def same(a: Node, b: Node) -> bool:
        return (a.lines, a.shape, a.params, a.family) == (
            b.lines,
            b.shape,
            b.params,
            b.family,
        ) and (bool(a.lines) or a.title == b.title)

    for v, node in enumerate(diagram.nodes):
        sources = before.get(v, [])
        if len(sources) != 1 or len(after.get(sources[0], [])) != 1:
            continue
        u = sources[0]
        if node.family != "join" and same(diagram.nodes[u], node):
            h = head[v] = head[u]
            first = nodes[h]
            nodes[h] = replace(
                first,
                title=_span(first.path, node.path) if first.folded else first.title,
                params=first.params + node.params,
                flops=first.flops + node.flops,
                n_repeats=first.n_repeats + 1,
            )
    return _contract(nodes, diagram.edges, head)


def _span(first: str, last: str) -> str:
    """Two module paths as a range.

    >>> _span("stages.0.0", "stages.0.2"), _span("stages.0.0", "stages.1.0")
    ('stages.0.0 … 2', 'stages.0.0 … stages.1.0')
    """
    same = first.rpartition(".")[0] == last.rpartition(".")[0]
    return f"{first} … {last.rpartition('.')[2] if same else last}"


def _contract(
    nodes: Sequence[Node], edges: Sequence[tuple[int, int]], head: Sequence[int]
) -> Diagram:
    kept = [v for v in range(len(nodes)) if head[v] == v]
    index = {v: i for i, v in enumerate(kept)}
    # A head may itself have been merged into an earlier one.
    find = list(head)
    for v in range(len(find)):
        while find[v] not in index:
            find[v] = head[find[v]]
    pairs = [(index[find[a]], index[find[b]]) for a, b in edges if find[a] != find[b]]
    return Diagram(tuple(nodes[v] for v in kept), tuple(dict.fromkeys(pairs)))


def _svg(diagram: Diagram, width: int | None) -> str:
    sizes = [_size(node) for node in diagram.nodes]
    high = None if width is None else 760.0
    layout = layered(sizes, diagram.edges, max_width=width, max_height=high)
    pad = 24.0
    w, h = layout.width + 2 * pad, layout.height + 2 * pad
    parts = [
        f'<svg class="network" width="{w:.0f}" height="{h:.0f}" viewBox="{-pad:.0f} {-pad:.0f} '
        f'{w:.0f} {h:.0f}" role="img" aria-label="The network, {len(diagram.nodes)} boxes">'
    ]
    parts += [f'<path class="edge" d="{_curve(route)}"/>' for route in layout.routes]
    parts += [_heads(layout)]
    parts += [_box(n, b) for n, b in zip(diagram.nodes, layout.boxes, strict=True)]
    parts.append("</svg>")
    return "".join(parts)


def _size(node: Node) -> tuple[float, float]:
    if _is_small(node):
        return (max(30.0, 9.0 * len(_sign(node)) + 12), 26.0)
    lines = _lines(node)
    wide = max([7.3 * len(_title(node))] + [6.2 * len(_cut(line)) for line in lines])
    return (min(max(wide + 22, 84), 260), 24.0 + 14.5 * len(lines))


def _lines(node: Node) -> list[str]:
    last = [node.shape] if node.shape else []
    if node.params:
        last.append(f"{short(node.params)} par.")
    return [*node.lines, " · ".join(last)] if last else list(node.lines)


def _is_small(node: Node) -> bool:
    return node.family == "join" and not node.folded


def _box(node: Node, box: Any) -> str:
    x, y = box.x - box.width / 2, box.y - box.height / 2
    tip = [node.path if node.path != node.title else "", node.title]
    tip += [*node.lines, f"output {node.shape}" if node.shape else ""]
    if node.params:
        tip.append(f"{node.params:,.0f} parameters")
    if node.flops:
        tip.append(f"{short(node.flops)} FLOPs")
    if node.tip:
        tip.append(node.tip)
    title = f"<title>{escape(chr(10).join(t for t in tip if t))}</title>"
    if _is_small(node):
        return (
            f'<g class="box join">{title}<rect x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" '
            f'height="{box.height:.1f}" rx="13"/><text x="{box.x:.1f}" y="{box.y + 4.5:.1f}" '
            f'text-anchor="middle">{escape(_sign(node))}</text></g>'
        )
    parts = [f'<g class="box {node.family}">{title}']
    if node.n_repeats > 1:
        for k in (2, 1):
            parts.append(
                f'<rect class="stack" x="{x + 4 * k:.1f}" y="{y + 4 * k:.1f}" '
                f'width="{box.width:.1f}" height="{box.height:.1f}" rx="7"/>'
            )
    parts.append(
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{box.width:.1f}" height="{box.height:.1f}" rx="7"/>'
        f'<text class="name" x="{box.x:.1f}" y="{y + 16.5:.1f}" text-anchor="middle">'
        f"{escape(_title(node))}</text>"
    )
    for i, line in enumerate(_lines(node)):
        parts.append(
            f'<text class="sub" x="{box.x:.1f}" y="{y + 31.5 + 14.5 * i:.1f}" '
            f'text-anchor="middle">{escape(_cut(line))}</text>'
        )
    parts.append("</g>")
    return "".join(parts)


def _curve(route: Sequence[tuple[float, float]]) -> str:
    """A line through the points: upright and level stretches with round corners, else curves."""
    (x0, y0), *rest = route
    commands = [f"M{x0:.1f} {y0:.1f}"]
    for i, (x1, y1) in enumerate(rest):
        level, upright = abs(y1 - y0) < 0.5, abs(x1 - x0) < 0.5
        following = rest[i + 1] if i + 1 < len(rest) else None
        turns = (
            following is not None
            and (level or upright)
            and (abs(following[1] - y1) < 0.5 if upright else abs(following[0] - x1) < 0.5)
        )
        if turns and following is not None and max(abs(x1 - x0), abs(y1 - y0)) > 1:
            r = min(9.0, max(abs(x1 - x0), abs(y1 - y0)) / 2, math.dist((x1, y1), following) / 2)
            ax, ay = x1 - r * _sign_of(x1 - x0), y1 - r * _sign_of(y1 - y0)
            bx = x1 + r * _sign_of(following[0] - x1)
            by = y1 + r * _sign_of(following[1] - y1)
            commands.append(f"L{ax:.1f} {ay:.1f}Q{x1:.1f} {y1:.1f} {bx:.1f} {by:.1f}")
            x1, y1 = bx, by
        elif level or upright:
            commands.append(f"L{x1:.1f} {y1:.1f}")
        else:
            middle = (y0 + y1) / 2
            commands.append(f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}")
        x0, y0 = x1, y1
    return "".join(commands)


def _sign_of(difference: float) -> float:
    return 0.0 if abs(difference) < 0.5 else math.copysign(1.0, difference)


def _heads(layout: Layout) -> str:
    parts = []
    for route in layout.routes:
        x, y = route[-1]
        parts.append(f"M{x - 3.5:.1f} {y - 6:.1f}L{x:.1f} {y:.1f}L{x + 3.5:.1f} {y - 6:.1f}Z")
    return f'<path class="heads" d="{"".join(parts)}"/>'


def _shape(shape: Any) -> str:
    if isinstance(shape, (list, tuple)):
        if shape and all(isinstance(s, (list, tuple)) for s in shape):
            shape = shape[0]
        return f" {TIMES} ".join(str(s) for s in shape)
    return str(shape) if shape else ""


def _family(kind: str, label: str) -> str:
    words = f"{kind} {label}".lower()
    if re.search(r"\b(input|output)\b", words):
        return "end"
    if _JOINS.match(kind.lower()):
        return "join"
    if "conv" in words:
        return "conv"
    if "pool" in words:
        return "pool"
    if re.search(r"linear|embedding|attention|lstm|gru|rnn|matmul", words) and "relu" not in words:
        return "linear"
    return "norm" if _LIGHT.search(words) else "other"


def _sign(node: Node) -> str:
    return _SIGNS.get(node.title.lower(), node.title)


def _title(node: Node) -> str:
    return _cut(node.title) + (f"  {TIMES} {node.n_repeats}" if node.n_repeats > 1 else "")


def _cut(text: str, most: int = 38) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
