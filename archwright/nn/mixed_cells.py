"""Cells in a mixture: every operation of every edge, weighed and added up.

`mixed` is what a supernet calls. `plain` is the reference, which evaluates each operation of each
edge by itself. `mixed_fast` computes the same with less work, wherever the modules let it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from archwright.nn.mixed_fast import fast, is_fast
from archwright.nn.mixed_plan import Edge, MixedPlan, check_shapes, mixed_plan
from archwright.nn.wiring import MODULE

if TYPE_CHECKING:
    from archwright.nn.containers import ElasticCell
    from archwright.nn.mixture import Mixture

_plainly: ContextVar[bool] = ContextVar("plainly", default=False)


@contextmanager
def reference() -> Iterator[None]:
    """Inside, mixed cells compute the plain way.

    For comparisons, and for what only torch's own operations can do, such as differentiating a
    gradient once more.
    """
    token = _plainly.set(True)
    try:
        yield
    finally:
        _plainly.reset(token)


def mixed(cell: ElasticCell, inputs: tuple[Tensor, ...], mixture: Mixture) -> Tensor:
    """What a cell answers in a mixture.

    Args:
        cell: the cell of a supernet.
        inputs: its inputs.
        mixture: with weights for all decisions of the cell that are live.

    Raises:
        NotRelaxable: operations that answer different shapes; mixed sources of a cell whose output
            is made of the nodes that no edge starts from.
    """
    steps = mixed_plan(cell, mixture)
    if not _plainly.get() and is_fast(cell, steps, inputs):
        return joined(cell, steps.outputs, fast(cell, steps, inputs, mixture))
    return plain(cell, steps, inputs, mixture)


def plain(
    cell: ElasticCell, steps: MixedPlan, inputs: tuple[Tensor, ...], mixture: Mixture
) -> Tensor:
    """The reference: operation by operation, edge by edge."""
    found: dict[int | None, Any] = dict(enumerate(inputs))
    for step in steps.steps:
        total: Any = None
        for edge in step.edges:
            term = _operations(cell, edge, found[edge.source], mixture)
            for path, position in edge.factors:
                term = _times(mixture.weights[path], position, term)
            total = _plus(edge.op, total, term)
        found[step.number] = _operations(cell, step.own, total, mixture)
    return joined(cell, steps.outputs, found)


def _operations(cell: ElasticCell, edge: Edge, x: Tensor, mixture: Mixture) -> Tensor:
    if not edge.op:
        return x
    total: Any = None
    layer: Any = cell._modules[edge.name]
    for position, value, kind in edge.options:
        term = layer.option(value)(x) if kind == MODULE else x
        total = _plus(edge.op, total, _times(mixture.weights[edge.op], position, term))
    return total


def _times(weights: Tensor, position: int, x: Tensor) -> Tensor:
    if not weights.requires_grad and float(weights[position]) == 1.0:
        return x
    return weights[position] * x


def _plus(path: str, total: Any, term: Any) -> Any:
    if total is None:
        return term
    check_shapes(path, total.shape, term.shape)
    return total + term


def joined(cell: ElasticCell, outputs: tuple[int | None, ...], found: dict[int | None, Any]) -> Any:
    """The output of a cell of what its nodes answer; an output that is nothing is zeros."""
    if None in outputs:
        like = next((number for number in outputs if number is not None), 0)
        found[None] = torch.zeros_like(found[like])
    tensors = [found[number] for number in outputs]
    return tensors[0] if len(tensors) == 1 else torch.cat(tensors, cell._dim)
