"""`cell`: a graph of nodes and edges whose wiring and operations are decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from torch import nn

from archwright.errors import SpaceError
from archwright.nn.reading import ORDINARY, UNSET, current
from archwright.nn.selection import Merge, Selection
from archwright.nn.wiring import Cell, OpOn, Options, Output, Place, Wiring, wiring

Select = Literal["all"] | int | tuple[int, int | None]


def cell(
    name: str,
    ops: Options | Callable[[Place], Options],
    *,
    nodes: int,
    inputs: int = 1,
    select: Select = "all",
    replacement: bool = False,
    op_on: OpOn = "edge",
    output: Output = "last",
    zero: str | None = None,
    identity: str | None = None,
    default: Any = None,
    max_edges: int | None = None,
    dim: int = 1,
    rule: Literal["graph", "expression", "text"] = "graph",
    shared: bool = False,
) -> nn.Module:
    """A cell: a graph of nodes whose wiring and operations are decided.

    The module takes the cell's inputs as arguments, `cell(x)` or `cell(x0, x1)`. Each node adds
    up what it takes from inputs and from nodes before it; operations sit on the edges, or on the
    nodes behind the sum. In a built network it is a `torch.fx.GraphModule` (plain torch) that
    holds the operations of this architecture only. What receives nothing, or does not reach the
    output, is not built.

    Decisions, below the cell's path: `0-2` (the operation on the edge from 0 to 2), `2/inputs`
    (what node 2 takes) and `2/op` (the operation on node 2); with replacement `2.0/from` and
    `2.0/op` (source and operation of node 2's first edge); `output/inputs`. Inputs have the first
    numbers. `Space.canonical` knows the cell, and which of its wirings are the same.

    Args:
        name: the cell's name; "/name" puts it at the top, out of all scopes and branches, so that
            cells inside a `repeat` may share one.
        ops: operation -> module class or function that makes the module; or a function that
            answers such a mapping for a `Place` (cells that halve the size use stride 2 where
            `place.from_input`).
        nodes: number of nodes, inputs not counted.
        inputs: number of inputs.
        select: what each node takes of all before it: "all", how many of them, or bounds for
            how many; (low, None) is up to all of them.
        replacement: whether each of a node's `select` edges chooses its source by itself, so
            that two may have the same (NASNet).
        op_on: whether operations sit on an "edge" or on a "node".
        output: "last" (the last node), "concat" (all nodes), "loose" (the nodes that no edge
            starts from) or "select" (the sum of some nodes and inputs, decided as well).
        zero: the operation that removes its edge. Its entry in `ops` may be None.
        identity: the operation that passes on what comes. Its entry in `ops` may be None.
        default: the operation of the default architecture; left out, the first.
        max_edges: the greatest number of edges that all `select`s together may take, the edges
            into a "select" output counted.
        dim: along which outputs are concatenated.
        rule: when two cells are the same, see `archwright.space.CellGraph`.
        shared: whether the same cell may be declared several times: the decisions are then one,
            the weights are not.

    Returns:
        The module. Its `n_outputs` is how many nodes are concatenated (elastic for "loose"):
        the cell answers `n_outputs` times as many channels as a node has.

    Raises:
        SpaceError: numbers that make no cell, operations that are no functions.

    Where an output is nothing (all its edges are zero) it is zeros of the shape of another
    output or of the first input; a cell that changes the size needs a module for its `zero`.

    Sources: Barret Zoph et al., "Learning Transferable Architectures for Scalable Image
    Recognition" (NASNet), CVPR 2018, arXiv:1707.07012; Hanxiao Liu et al., "DARTS: Differentiable
    Architecture Search", ICLR 2019, arXiv:1806.09055; Chris Ying et al., "NAS-Bench-101", ICML
    2019, arXiv:1902.09635; Xuanyi Dong, Yi Yang, "NAS-Bench-201", ICLR 2020, arXiv:2001.00326.

    >>> import archwright as aw
    >>> def net():
    ...     ops = {"none": None, "skip": None, "linear": lambda: aw.linear(4, 4)}
    ...     return aw.cell("cell", ops, nodes=3, zero="none", identity="skip")
    >>> space = aw.ModelSpace(net)
    >>> space.size, space.paths
    (729, ('cell/0-1', 'cell/0-2', 'cell/1-2', 'cell/0-3', 'cell/1-3', 'cell/2-3'))
    >>> print(space.build({path: "linear" for path in space.paths} | {"cell/0-3": "none"}).code)
    <BLANKLINE>
    <BLANKLINE>
    <BLANKLINE>
    def forward(self, x):
        edge_0_1 = self.edge_0_1(x)
        edge_0_2 = self.edge_0_2(x);  x = None
        edge_1_2 = self.edge_1_2(edge_0_1)
        add = edge_0_2 + edge_1_2;  edge_0_2 = edge_1_2 = None
        edge_1_3 = self.edge_1_3(edge_0_1);  edge_0_1 = None
        edge_2_3 = self.edge_2_3(add);  add = None
        add_1 = edge_1_3 + edge_2_3;  edge_1_3 = edge_2_3 = None
        return add_1
    <BLANKLINE>
    """
    reading = current.get() or ORDINARY
    wires = _checked_wiring(name, ops, nodes, inputs, select, replacement, op_on, output, max_edges)
    declared = Cell(
        name, wires, ops, zero, identity, UNSET if default is None else default, max_edges, shared,
        dim, rule,
    )  # fmt: skip
    return reading.cell(declared)


def _checked_wiring(
    name: str,
    ops: Any,
    nodes: int,
    inputs: int,
    select: Any,
    replacement: bool,
    op_on: str,
    output: Output,
    max_edges: int | None,
) -> Wiring:
    where = f"cell {name!r}"
    for argument, value in (("nodes", nodes), ("inputs", inputs)):
        if type(value) is not int or value < 1:
            raise SpaceError(f"{where}: {argument} must be a whole number from 1, got {value!r}")
    for argument, given, known in (
        ("op_on", op_on, ("edge", "node")),
        ("output", output, ("last", "concat", "loose", "select")),
    ):
        if given not in known:
            raise SpaceError(
                f"{where}: {argument} must be one of {', '.join(known)}, got {given!r}"
            )
    low, high = (None, None) if select == "all" else _bounds_of(where, "select", select)
    if replacement and (low is None or low != high):
        raise SpaceError(
            f"{where}: with replacement=True, select must be the number of edges into each node, "
            f"got {select!r}"
        )
    if isinstance(ops, Mapping):
        check_options(where, ops)
    elif not callable(ops):
        raise SpaceError(
            f"{where}: ops must be a mapping from name to module class or function, or a function "
            f"of the place that answers one, got {ops!r}"
        )
    wires = wiring(inputs, nodes, low, high, replacement, op_on == "edge", output)
    if max_edges is not None and not any(node.inputs for node in wires.nodes):
        raise SpaceError(
            f"{where}: max_edges limits what nodes select, but here the number of edges is fixed; "
            "give bounds as select=(low, high)"
        )
    return wires


def _bounds_of(where: str, argument: str, given: Any) -> tuple[int, int | None]:
    low, high = given if isinstance(given, tuple) and len(given) == 2 else (given, given)
    good = type(low) is int and low >= 0 and (high is None or (type(high) is int and high >= low))
    if not good or high == 0:
        raise SpaceError(
            f"{where}: {argument} must be a number from 1, or bounds (low, high) with high from 1 "
            f"or None, got {given!r}"
        )
    return low, high


def check_options(where: str, options: Any) -> None:
    """Raises where the operations of a cell are no functions that make modules."""
    if not options:
        raise SpaceError(f"{where}: ops must have at least one operation, got none")
    for value, factory in options.items():
        if factory is not None and (not callable(factory) or isinstance(factory, nn.Module)):
            raise SpaceError(
                f"{where}: operation {value!r} must be a module class or a function that makes "
                f"the module, got {type(factory).__name__}; write `lambda: ...` around it"
            )


def inputs(
    name: str,
    of: int | Sequence[Any],
    k: int | tuple[int, int | None] = (1, None),
    *,
    merge: Merge = "sum",
    dim: int = 1,
    default: Any = UNSET,
    shared: bool = False,
) -> nn.Module:
    """Some of several tensors: skip and dense connections.

    The module takes a list of the tensors and answers those that are taken, merged. In a built
    network it is a `torch.fx.GraphModule` (plain torch).

    Args:
        name: the decision's name; its values are tuples of positions.
        of: how many tensors there are, or a list of their channels (plain or elastic).
        k: how many are taken, or bounds (low, high); high None is up to all.
        merge: "sum", "concat" or "list" (not merged). The sum of none is zeros.
        dim: along which "concat" joins.
        default: the positions of the default architecture; left out, the first ones.
        shared: whether the same decision may be declared several times.

    Returns:
        The module. With channels given as `of`, its `width` is the channels of what comes out.

    Raises:
        SpaceError: numbers that do not fit each other.

    >>> import torch
    >>> take = inputs("skip", [4, 8], (1, 2), merge="concat", default=(0, 1))
    >>> take.width, take([torch.zeros(1, 4), torch.zeros(1, 8)]).shape
    (12, torch.Size([1, 12]))
    """
    where = f"inputs {name!r}"
    widths = None
    if not isinstance(of, int):
        if not isinstance(of, Sequence) or isinstance(of, str):
            raise SpaceError(
                f"{where}: of must be the number of tensors or a list of their channels, got {of!r}"
            )
        widths, of = tuple(of), len(of)
    low, high = _bounds_of(where, "k", k)
    high = of if high is None else high
    if of < 1 or low > of or high > of:
        raise SpaceError(f"{where}: {k!r} cannot be taken of {of} tensors")
    if merge not in ("sum", "concat", "list"):
        raise SpaceError(f"{where}: merge must be one of sum, concat, list, got {merge!r}")
    if merge == "concat" and low == 0:
        raise SpaceError(
            f'{where}: merge="concat" needs at least one tensor, so k must begin at 1, got {k!r}'
        )
    reading = current.get() or ORDINARY
    return reading.inputs(Selection(name, of, low, high, merge, dim, widths, default, shared))
