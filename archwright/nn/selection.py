"""`inputs`, seen from within: a declared selection and its plain form."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import fx

from archwright.nn.carriers import carrier
from archwright.nn.elastic import Elastic, Leaf, combine, narrowest, widest
from archwright.space import Subset

Merge = Literal["sum", "concat", "list"]


@dataclass(frozen=True)
class Selection:
    """A declared selection of inputs."""

    name: str
    n: int
    low: int
    high: int
    merge: Merge
    dim: int
    widths: tuple[Any, ...] | None
    default: Any
    shared: bool

    def domain(self) -> Subset:
        """What may be taken."""
        return Subset(self.n, self.low, self.high)

    def width(self, taken: Any) -> Any:
        """The channels of what comes out (None where the widths were not given)."""
        if self.widths is None or self.merge == "list":
            return None
        if self.merge == "sum":
            return self.widths[0]
        if isinstance(taken, Leaf):
            return _Width(taken._active, _total, (taken, *self.widths), "width")
        return combine(_total, taken, *self.widths)


def _total(taken: tuple[int, ...], *widths: int) -> int:
    return sum(widths[j] for j in taken)


class _Width(Elastic):
    """The channels of what is taken, joined."""

    __slots__ = ()
    _places_vary = True

    def _find_bounds(self) -> tuple[Any, Any]:
        taken, *widths = self._args
        subsets = list(taken.domain.values())
        return (
            min(sum(narrowest(widths[j]) for j in subset) for subset in subsets),
            max(sum(widest(widths[j]) for j in subset) for subset in subsets),
        )


def merged(merge: Merge, dim: int, taken: list[Any], first: Any) -> Any:
    """What comes out; `first` is the first of all inputs."""
    if merge == "list":
        return taken
    if merge == "concat":
        return taken[0] if len(taken) == 1 else torch.cat(taken, dim)
    if not taken:
        return torch.zeros_like(first)
    total = taken[0]
    for tensor in taken[1:]:
        total = total + tensor
    return total


def plain_inputs(selection: Selection, taken: tuple[int, ...]) -> fx.GraphModule:
    """The selection of a built network."""
    merge, dim = selection.merge, selection.dim

    def draw(graph: fx.Graph) -> None:
        given = graph.placeholder("inputs")
        items = [graph.call_function(operator.getitem, (given, j)) for j in taken]
        if merge == "list":
            graph.output(items)
        elif merge == "concat":
            graph.output(
                items[0] if len(items) == 1 else graph.call_function(torch.cat, (items, dim))
            )
        elif not items:
            first = graph.call_function(operator.getitem, (given, 0))
            graph.output(graph.call_function(torch.zeros_like, (first,)))
        else:
            total = items[0]
            for item in items[1:]:
                total = graph.call_function(operator.add, (total, item))
            graph.output(total)

    made = carrier(("inputs", taken, merge, dim), draw, {})
    width = selection.width(taken)
    if width is not None:
        made.width = width
    return made
