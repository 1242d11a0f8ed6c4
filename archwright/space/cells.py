"""Cells: when do two ways of wiring a cell make the same network?

A `CellGraph` says which decisions wire a cell: its nodes, the edges into each, where the
operations sit and how the output is made. From an architecture it gives the cell's canonical
expression, a text that is equal for cells which differ only in the order of their nodes, in parts
without effect and in steps that are skipped.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from archwright.errors import SpaceError, nearest
from archwright.space.domains import Choice, Integer, Subset, Value, show

Output: TypeAlias = Literal["last", "concat", "loose"]
Rule: TypeAlias = Literal["graph", "expression", "text"]
Atom: TypeAlias = tuple[str, int]

# Beyond this many leaves of the search for the smallest labelling, ties are broken as they come:
# the form is then still a full description (never equal for different cells), but isomorphic
# cells with that much symmetry may keep two forms.
_MAX_LEAVES = 2_000


@dataclass(frozen=True, slots=True)
class Fixed:
    """An operation that is not decided: its name.

    >>> Fixed("conv3x3").op
    'conv3x3'
    """

    op: str


Op: TypeAlias = str | Fixed | None


@dataclass(frozen=True, slots=True)
class CellEdge:
    """One edge into a node.

    Args:
        source: the number of the node it comes from (the cell's inputs count first), or the path
            of the decision (of node numbers) that chooses it.
        op: the path of the decision of its operation, a `Fixed` one, or None: passes on what comes.
    """

    source: int | str
    op: Op = None


@dataclass(frozen=True, slots=True)
class CellNode:
    """One node: what it joins, and what it does with it.

    Args:
        edges: the edges into it.
        inputs: the path of the Subset decision that says which of `edges` are there (by position);
            None: all are.
        op: the operation on what was joined: the path of its decision, a `Fixed` one, or None.
    """

    edges: tuple[CellEdge, ...]
    inputs: str | None = None
    op: Op = None


@dataclass(frozen=True, slots=True)
class CellGraph:
    """The wiring of one cell in terms of decisions, and its canonical expression.

    `on_edges`, `on_nodes` and `pairs` make the usual kinds. Decisions below an operation (the
    kernel of a convolution) belong to it where their paths begin with its path and `=` or `/`, as
    in `cell/2/op=conv/kernel`; they become a part of its name in the expression.

    Two cells are the same by one of three rules:

    - `graph` (the default): the same network, weights included. Parts that do not reach the
      output or are not reached by an input are dropped; edges with the `zero` operation are no
      edges; the `identity` passes on what comes, so that sums of sums are one sum; what is left
      is compared as a graph of operations, up to the order of nodes. An operation whose result is
      used twice is not the same as two equal operations.
    - `expression`: like `graph`, but two equal operations on the same thing are one: the same
      formula, with weights not told apart.
    - `text`: the published rule of NAS-Bench-201, which its 6,466 classes were counted with. It
      joins texts without taking sums of sums apart and keeps zeros in sums, so that it tells some
      equal cells apart, dependent on the names of the operations (with the published names only
      does it give 6,466).

    An operation on nothing is taken to give nothing (as both NAS-Bench-101 and -201 do), though
    one with a bias would give a constant.

    Args:
        prefix: the path of the cell; the canonical architecture has its expression under this
            name ("cell" where it is empty).
        n_inputs: the number of the cell's inputs; node i has the number n_inputs + i.
        nodes: the nodes; each has edges from inputs and from nodes before it.
        output: "last" (the last node), "concat" (all nodes) or "loose" (the nodes that no chosen
            edge starts from; one with the `zero` operation counts as chosen).
        zero: the name of the operation that removes its edge.
        identity: the name of the operation that passes on what comes.
        commutative: whether joining is a sum, so that order does not matter; False: what is joined
            is kept in the order of the edges, and outputs in the order of nodes.
        rule: when two cells are the same: "graph", "expression" or "text".

    Source:
        NAS-Bench-101: Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture
        Search", ICML 2019, arXiv:1902.09635 (isomorphism). NAS-Bench-201: Dong and Yang,
        "NAS-Bench-201: Extending the Scope of Reproducible Neural Architecture Search", ICLR
        2020, arXiv:2001.00326 (the text).

    Differences from the paper:
        NAS-Bench-101 compares an iterated hash of the graph; here the graphs themselves are
        compared, so that no two different ones can meet.

    >>> cell = CellGraph.on_edges(
    ...     "cell",
    ...     1,
    ...     2,
    ...     {(0, 1): "a", (0, 2): "b", (1, 2): "c"},
    ...     output="last",
    ...     zero="none",
    ...     identity="skip",
    ... )
    >>> cell.expression({"a": "conv", "b": "none", "c": "skip"})
    'v0=conv(x0);out=v0'
    >>> cell.expression({"a": "skip", "b": "none", "c": "conv"})
    'v0=conv(x0);out=v0'
    """

    prefix: str
    n_inputs: int
    nodes: tuple[CellNode, ...]
    output: Output = "concat"
    zero: str | None = None
    identity: str | None = None
    commutative: bool = True
    rule: Rule = "graph"
    paths: tuple[str, ...] = field(init=False, repr=False, compare=False, default=())

    def __post_init__(self) -> None:
        where = f"cell {self.prefix!r}"
        if self.n_inputs < 1:
            raise SpaceError(f"{where}: n_inputs must be at least 1, got {self.n_inputs}")
        object.__setattr__(self, "nodes", tuple(self.nodes))
        if not self.nodes:
            raise SpaceError(f"{where}: nodes must hold at least one node, got none")
        for argument, known in (
            ("output", ("last", "concat", "loose")),
            ("rule", ("graph", "expression", "text")),
        ):
            if getattr(self, argument) not in known:
                raise SpaceError(
                    f"{where}: {argument} must be one of {', '.join(known)}, got "
                    f"{getattr(self, argument)!r}"
                )
        for i, node in enumerate(self.nodes):
            for edge in node.edges:
                if isinstance(edge.source, int) and not 0 <= edge.source < self.n_inputs + i:
                    raise SpaceError(
                        f"{where}: an edge into node {self.n_inputs + i} must come from a number "
                        f"below it, got {edge.source}"
                    )
        object.__setattr__(self, "paths", tuple(dict.fromkeys(self._own_paths())))

    def _own_paths(self) -> Iterable[str]:
        for node in self.nodes:
            if node.inputs is not None:
                yield node.inputs
            for edge in node.edges:
                for path in (edge.source, edge.op):
                    if isinstance(path, str):
                        yield path
            if isinstance(node.op, str):
                yield node.op

    @property
    def n_nodes(self) -> int:
        """The number of nodes, inputs not counted."""
        return len(self.nodes)

    @property
    def key(self) -> str:
        """The name of the cell's entry in a canonical architecture."""
        return self.prefix or "cell"

    # ------------------------------------------------------------------ the usual kinds

    @classmethod
    def on_edges(
        cls,
        prefix: str,
        n_inputs: int,
        n_nodes: int,
        ops: Mapping[tuple[int, int], Op],
        *,
        inputs: Sequence[str | None] | None = None,
        **how: Any,
    ) -> CellGraph:
        """A cell whose operations sit on its edges (NAS-Bench-201, DARTS).

        Args:
            prefix: the path of the cell.
            n_inputs: the number of inputs.
            n_nodes: the number of nodes besides.
            ops: (source, destination) -> the operation of that edge; pairs that are missing are
                no edges. Numbers count inputs first.
            inputs: for each node the path of the Subset decision over its edges (in the order of
                their sources), or None for all.
            **how: output, zero, identity, commutative, rule.
        """
        nodes = []
        for i in range(n_nodes):
            into = sorted(source for source, node in ops if node == n_inputs + i)
            nodes.append(
                CellNode(
                    tuple(CellEdge(s, ops[s, n_inputs + i]) for s in into),
                    inputs[i] if inputs is not None else None,
                )
            )
        return cls(prefix, n_inputs, tuple(nodes), **how)

    @classmethod
    def on_nodes(
        cls,
        prefix: str,
        n_inputs: int,
        ops: Sequence[Op],
        *,
        inputs: Sequence[str | None] | None = None,
        **how: Any,
    ) -> CellGraph:
        """A cell whose operations sit on its nodes (NAS-Bench-101).

        A last node with the operation None is an output vertex.

        Args:
            prefix: the path of the cell.
            n_inputs: the number of inputs.
            ops: the operation of each node.
            inputs: for each node the path of the Subset decision over all inputs and nodes before
                it, or None for all.
            **how: output, zero, identity, commutative, rule.

        >>> cell = CellGraph.on_nodes(
        ...     "c", 1, ["a", "b", None], inputs=["ia", "ib", "io"], output="last"
        ... )
        >>> one = {"a": "conv", "b": "pool", "ia": (0,), "ib": (0,), "io": (1, 2)}
        >>> two = {"a": "pool", "b": "conv", "ia": (0,), "ib": (0,), "io": (1, 2)}
        >>> cell.expression(one) == cell.expression(two)
        True
        """
        nodes = tuple(
            CellNode(
                tuple(CellEdge(s) for s in range(n_inputs + i)),
                inputs[i] if inputs is not None else None,
                op,
            )
            for i, op in enumerate(ops)
        )
        return cls(prefix, n_inputs, nodes, **how)

    @classmethod
    def pairs(
        cls,
        prefix: str,
        n_inputs: int,
        pairs: Sequence[Sequence[tuple[int | str, Op]]],
        **how: Any,
    ) -> CellGraph:
        """A cell whose nodes each join some chosen sources with an operation each (NASNet).

        Args:
            prefix: the path of the cell.
            n_inputs: the number of inputs.
            pairs: for each node its (source, operation) pairs; a source is the path of a decision
                of node numbers, or a number.
            **how: output (NASNet: "loose"), zero, identity, commutative, rule.
        """
        nodes = tuple(CellNode(tuple(CellEdge(s, op) for s, op in node)) for node in pairs)
        return cls(prefix, n_inputs, nodes, **how)

    # ------------------------------------------------------------------ belonging to a space

    def check_paths(self, nodes: Mapping[str, Any]) -> None:
        """Whether the decisions of this cell are in a space.

        Restricting may take some of them away, never all.

        Raises:
            SpaceError: no decision of the cell is in the space, one is of a wrong kind, or the
                prefix is the path of a decision.
        """
        where = f"cell {self.prefix!r}"
        if self.key in nodes:
            raise SpaceError(f"{where}: its prefix is the path of a decision; give it another")
        present = [path for path in self.paths if path in nodes]
        if self.paths and not present:
            close = nearest(self.paths[0], nodes)
            hint = f"; did you mean {close!r}?" if close else ""
            raise SpaceError(f"{where}: there is no decision {self.paths[0]!r} in the space{hint}")
        for node in self.nodes:
            found = nodes.get(node.inputs) if node.inputs is not None else None
            if found is not None and not (
                isinstance(found.domain, Subset) and found.domain.n == len(node.edges)
            ):
                raise SpaceError(
                    f"{where}: {node.inputs} must choose a subset of {len(node.edges)} edges, its "
                    f"domain is {found.domain.describe()}"
                )
            for edge in node.edges:
                found = nodes.get(edge.source) if isinstance(edge.source, str) else None
                if found is not None and not isinstance(found.domain, Choice | Integer):
                    raise SpaceError(
                        f"{where}: {edge.source} must choose a node by its number, its domain is "
                        f"{found.domain.describe()}"
                    )

    def reduce(self, values: dict[str, Value]) -> None:
        """Replace the cell's decisions in `values` by its expression, in place.

        Nothing happens where none of them is live.
        """
        if not any(path in values for path in self.paths):
            return
        expression = self.expression(values)
        ops = [p for node in self.nodes for p in (node.op, *(e.op for e in node.edges))]
        starts = tuple(f"{p}{mark}" for p in ops if isinstance(p, str) for mark in "=/")
        own = set(self.paths)
        for path in [p for p in values if p in own or p.startswith(starts)]:
            del values[path]
        values[self.key] = expression

    # ------------------------------------------------------------------ the expression

    def expression(self, values: Mapping[str, Value]) -> str:
        """The canonical expression of the cell in an architecture.

        An edge or node whose decision is not live is not there.

        Args:
            values: path -> value; others than the cell's own do no harm.
        """
        if self.rule == "text":
            return self._text(values)
        if self.rule == "expression":
            return self._formula(values)
        return self._graph(values)

    def _name(self, op: Op, values: Mapping[str, Value]) -> str | None:
        """The operation with all that is decided below it; None: passes on what comes."""
        if op is None:
            return None
        if isinstance(op, Fixed):
            return None if op.op == self.identity else op.op
        value = values[op]
        if value == self.identity and self.identity is not None:
            return None
        name = show(value)
        marks = (f"{op}=", f"{op}/")
        below = [path for path in values if path.startswith(marks)]
        if below:
            skip = f"={name}/"
            parts = sorted(
                f"{path[len(op) :].removeprefix(skip)}={json.dumps(values[path])}" for path in below
            )
            name += "{" + ",".join(parts) + "}"
        return name

    def _edges(self, node: CellNode, values: Mapping[str, Value]) -> list[tuple[int, str | None]]:
        """Source and operation of each edge into a node that is there, zeros included."""
        edges: Sequence[CellEdge] = node.edges
        if node.inputs is not None:
            taken = values.get(node.inputs, ())
            assert isinstance(taken, tuple)
            edges = [edges[j] for j in taken]
        found = []
        for edge in edges:
            source: Any = edge.source
            if isinstance(source, str):
                source = values.get(source)
            if source is None or (isinstance(edge.op, str) and edge.op not in values):
                continue
            found.append((int(source), self._name(edge.op, values)))
        return found

    def _there(self, node: CellNode, values: Mapping[str, Value]) -> bool:
        return not (isinstance(node.op, str) and node.op not in values)

    def _outputs(self, used: set[int]) -> list[int]:
        every = range(self.n_inputs, self.n_inputs + len(self.nodes))
        if self.output == "last":
            return [every[-1]]
        if self.output == "concat":
            return list(every)
        return [i for i in every if i not in used]

    def _graph(self, values: Mapping[str, Value]) -> str:
        operations, groups = self.operations(values)
        return _Labelling(operations, groups, self.commutative).text()

    def operations(
        self, values: Mapping[str, Value]
    ) -> tuple[list[tuple[str, tuple[Atom, ...]]], list[tuple[Atom, ...]]]:
        """What the cell computes in an architecture: its operations and its outputs.

        Edges with the `zero` operation and operations on nothing are left out, the `identity` is
        passed through, and operations on edges and on nodes are written alike. What does not
        reach an output is still there.

        Args:
            values: path -> value; others than the cell's own do no harm.

        Returns:
            The operations, each its name (with what is decided below it) and the atoms that it
            joins, in an order in which each comes after what it needs; and for each output the
            atoms that it joins. An atom is ("x", i), the cell's input i, or ("v", i), the result
            of operation i.

        >>> cell = CellGraph.on_nodes("c", 1, [Fixed("conv"), None], output="last")
        >>> cell.operations({})
        ([('conv', (('x', 0),))], [(('x', 0), ('v', 0))])
        """
        operations: list[tuple[str, tuple[Atom, ...]]] = []
        joined: list[tuple[Atom, ...]] = [(("x", i),) for i in range(self.n_inputs)]
        used: set[int] = set()
        for node in self.nodes:
            atoms: list[Atom] = []
            if self._there(node, values):
                for source, name in self._edges(node, values):
                    used.add(source)
                    if name == self.zero and name is not None:
                        continue
                    atoms += self._apply(name, joined[source], operations)
                name = self._name(node.op, values)
                own = () if name == self.zero and name is not None else tuple(atoms)
                joined.append(self._apply(name, own, operations))
            else:
                joined.append(())
        return operations, [joined[i] for i in self._outputs(used)]

    @staticmethod
    def _apply(
        name: str | None, atoms: tuple[Atom, ...], operations: list[tuple[str, tuple[Atom, ...]]]
    ) -> tuple[Atom, ...]:
        if name is None or not atoms:
            return atoms
        operations.append((name, atoms))
        return (("v", len(operations) - 1),)

    def _formula(self, values: Mapping[str, Value]) -> str:
        terms: list[list[str]] = [[f"x{i}"] for i in range(self.n_inputs)]
        used: set[int] = set()

        def apply(name: str | None, of: list[str]) -> list[str]:
            if name is None or not of:
                return of
            return [f"{name}({'+'.join(of)})"]

        for node in self.nodes:
            found: list[str] = []
            if self._there(node, values):
                for source, name in self._edges(node, values):
                    used.add(source)
                    if name != self.zero or name is None:
                        found += apply(name, terms[source])
                if self.commutative:
                    found.sort()
                name = self._name(node.op, values)
                found = [] if name == self.zero and name is not None else apply(name, found)
            terms.append(found)
        groups = ["+".join(terms[i]) or "0" for i in self._outputs(used)]
        return "|".join(sorted(groups) if self.commutative else groups)

    def _text(self, values: Mapping[str, Value]) -> str:
        # NAS-Bench-201's Structure.to_unique_str(consider_zero=True), for any number of nodes.
        texts = [str(i) for i in range(self.n_inputs)]
        used: set[int] = set()

        def apply(name: str | None, of: str) -> str:
            if of == "#" or (name == self.zero and name is not None):
                return "#"
            return of if name is None else f"({of})@{name}"

        for node in self.nodes:
            found = []
            if self._there(node, values):
                for source, name in self._edges(node, values):
                    used.add(source)
                    found.append(apply(name, texts[source]))
            joined = "+".join(sorted(found) if self.commutative else found) or "#"
            texts.append(apply(self._name(node.op, values), joined) if found else "#")
        groups = [texts[i] for i in self._outputs(used)]
        return "|".join(sorted(groups) if self.commutative else groups)

    # ------------------------------------------------------------------ JSON

    def to_dict(self) -> dict[str, Any]:
        """A JSON-able description; `CellGraph.from_dict` reads it."""
        return {
            "prefix": self.prefix,
            "n_inputs": self.n_inputs,
            "nodes": [
                {
                    "edges": [[edge.source, _op_to_json(edge.op)] for edge in node.edges],
                    "inputs": node.inputs,
                    "op": _op_to_json(node.op),
                }
                for node in self.nodes
            ],
            "output": self.output,
            "zero": self.zero,
            "identity": self.identity,
            "commutative": self.commutative,
            "rule": self.rule,
        }

    @classmethod
    def from_dict(cls, description: Mapping[str, Any]) -> CellGraph:
        """The cell that `to_dict` described."""
        fields = dict(description)
        fields["nodes"] = tuple(
            CellNode(
                tuple(CellEdge(source, _op_from_json(op)) for source, op in node["edges"]),
                node["inputs"],
                _op_from_json(node["op"]),
            )
            for node in fields["nodes"]
        )
        return cls(**fields)


def _op_to_json(op: Op) -> Any:
    return {"fixed": op.op} if isinstance(op, Fixed) else op


def _op_from_json(op: Any) -> Op:
    return Fixed(op["fixed"]) if isinstance(op, Mapping) else op


class _Labelling:
    """The canonical text of a graph of operations: the smallest over all labellings.

    Colour refinement tells vertices apart by their operation and surroundings; of those that it
    cannot, one after the other is singled out (McKay's individualisation and refinement), except
    for twins, which have the same inputs and the same users, and may be taken in any order.
    """

    def __init__(
        self,
        operations: Sequence[tuple[str, tuple[Atom, ...]]],
        groups: Sequence[tuple[Atom, ...]],
        commutative: bool,
    ) -> None:
        # 1. keep what reaches the output
        reached: set[int] = set()
        pending = [i for group in groups for kind, i in group if kind == "v"]
        while pending:
            i = pending.pop()
            if i not in reached:
                reached.add(i)
                pending += [j for kind, j in operations[i][1] if kind == "v"]
        number = {old: new for new, old in enumerate(sorted(reached))}

        def renumber(atoms: tuple[Atom, ...]) -> tuple[Atom, ...]:
            return tuple((k, number[i]) if k == "v" else (k, i) for k, i in atoms)

        # 2. output groups are vertices, too: theirs is the name ""
        self.n_operations = len(number)
        self.names = [operations[old][0] for old in number]
        self.names += ["" if commutative else f"\0{i}" for i in range(len(groups))]
        self.inputs = [renumber(operations[old][1]) for old in number] + [
            renumber(group) for group in groups
        ]
        self.commutative = commutative
        self.users: list[list[tuple[int, int]]] = [[] for _ in number]
        for v, atoms in enumerate(self.inputs):
            for position, (kind, i) in enumerate(atoms):
                if kind == "v":
                    self.users[i].append((v, 0 if commutative else position))
        self.leaves = 0

    def text(self) -> str:
        ranks = sorted(set(self.names))
        colours = self._refine([ranks.index(name) for name in self.names])
        return self._search(colours)

    def _refine(self, colours: list[int]) -> list[int]:
        n = len(set(colours))
        while True:
            signatures = []
            for v, atoms in enumerate(self.inputs):
                ins: list[tuple[int, int]] = [
                    (0, i) if kind == "x" else (1, colours[i]) for kind, i in atoms
                ]
                if self.commutative:
                    ins.sort()
                outs: list[tuple[int, int]] = []
                if v < self.n_operations:
                    outs = sorted((colours[u], position) for u, position in self.users[v])
                signatures.append((colours[v], tuple(ins), tuple(outs)))
            ranks = {s: i for i, s in enumerate(sorted(set(signatures)))}
            colours = [ranks[s] for s in signatures]
            if len(ranks) == n:
                return colours
            n = len(ranks)

    def _search(self, colours: list[int]) -> str:
        members: dict[int, list[int]] = {}
        for v, colour in enumerate(colours):
            members.setdefault(colour, []).append(v)
        tied = next((members[c] for c in sorted(members) if len(members[c]) > 1), None)
        if tied is None:
            self.leaves += 1
            return self._write(colours)
        if self._twins(tied) or self.leaves >= _MAX_LEAVES:
            tied = tied[:1]
        # Doubling leaves room for the one singled out just before those it was equal to.
        return min(
            self._search(self._refine([2 * c - (u == v) for u, c in enumerate(colours)]))
            for v in tied
        )

    def _twins(self, tied: list[int]) -> bool:
        def surroundings(v: int) -> Any:
            ins = sorted(self.inputs[v]) if self.commutative else self.inputs[v]
            return tuple(ins), sorted(self.users[v]) if v < self.n_operations else None

        first = surroundings(tied[0])
        return all(surroundings(v) == first for v in tied[1:])

    def _write(self, colours: list[int]) -> str:
        # Operations in an order in which each comes after what it needs, by colour where free.
        order: dict[int, int] = {}
        left = sorted(range(self.n_operations), key=lambda v: colours[v])
        while left:
            for v in left:
                if all(kind == "x" or i in order for kind, i in self.inputs[v]):
                    order[v] = len(order)
                    left.remove(v)
                    break

        def join(atoms: tuple[Atom, ...]) -> str:
            own = [(kind == "v", order[i] if kind == "v" else i) for kind, i in atoms]
            if self.commutative:
                own.sort()
            return "+".join(f"{'v' if is_v else 'x'}{i}" for is_v, i in own) or "0"

        lines = [f"v{order[v]}={self.names[v]}({join(self.inputs[v])})" for v in order]
        groups = [join(atoms) for atoms in self.inputs[self.n_operations :]]
        lines.append("out=" + "|".join(sorted(groups) if self.commutative else groups))
        return ";".join(lines)
