"""Supernet forms of `layer`, `repeat`, `cell` and `inputs`: all is there, the active computes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from archwright.errors import SpaceError
from archwright.nn.elastic import Active, Elastic, Leaf
from archwright.nn.mixture import Mixing, mixed_sum
from archwright.nn.selection import Selection, merged
from archwright.nn.wiring import Join, Node, Place, Plan, Wiring, output_numbers, plan, run


class ElasticLayer(nn.Module):
    """Holds all options of a `layer`; calls the one that the active architecture chose.

    Args:
        choice: the decision.
        modules: value -> module.
    """

    def __init__(self, choice: Leaf, modules: Mapping[Any, nn.Module]) -> None:
        super().__init__()
        self._choice = choice
        self._names: dict[Any, str] = {}
        for value, module in modules.items():
            name = re.sub(r"\W", "_", str(value))
            while hasattr(self, name):
                name += "_"
            self._names[value] = name
            self.add_module(name, module)

    def live(self) -> nn.Module:
        """The module that the active architecture chose."""
        return self._modules[self._names[self._choice._now()]]  # type: ignore[return-value]

    def option(self, value: Any) -> nn.Module:
        """The module of one option."""
        return self._modules[self._names[value]]  # type: ignore[return-value]

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the chosen module answers; in a mixture, the weighed sum of all."""
        choice = self._choice
        mixing = choice._active.mixture
        if mixing is not None and mixing.is_mixed(choice.path):
            values = list(choice.domain.values())
            outputs = [
                (k, self.option(values[k])(*args, **kwargs))
                for k in mixing.mixture.positions(choice.path)
            ]
            return mixed_sum(choice.path, mixing.weights[choice.path], outputs)
        return self.live()(*args, **kwargs)

    def extra_repr(self) -> str:
        """The path of the decision."""
        return self._choice.path


class _Live:
    """Iteration over the live items of an elastic container, and their number."""

    _count: Leaf
    _modules: dict[str, Any]

    def _n_live(self) -> int:
        if self._count._active.values is None:
            return len(self._modules)
        return self._count._now()

    def __iter__(self) -> Iterator[nn.Module]:
        return iter(list(self._modules.values())[: self._n_live()])

    def __len__(self) -> int:
        return self._n_live()


class ElasticSequential(_Live, nn.Sequential):
    """Holds the most items of a `repeat`; calls those that the active architecture has."""

    def __init__(self, count: Leaf, items: Sequence[nn.Module]) -> None:
        nn.Sequential.__init__(self, *items)
        self._count = count

    def forward(self, input: Any) -> Any:
        """What the live items make of the input; in a mixture, the weighed sum over depths."""
        mixing = self._count._active.mixture
        if mixing is not None and mixing.is_mixed(self._count.path):
            return self._mixed(input, mixing)
        for module in list(self._modules.values())[: self._count._now()]:
            input = module(input)
        return input

    def _mixed(self, input: Any, mixing: Mixing) -> Any:
        path = self._count.path
        depths: Any = list(self._count.domain.values())
        position = {depths[k]: k for k in mixing.mixture.positions(path)}
        outputs = [(position[0], input)] if 0 in position else []
        for n, module in enumerate(list(self._modules.values())[: max(position)], start=1):
            input = module(input)
            if n in position:
                outputs.append((position[n], input))
        return mixed_sum(path, mixing.weights[path], outputs)


class ElasticList(_Live, nn.ModuleList):
    """Holds the most items of a `repeat(..., as_list=True)`; iterates over the live ones."""

    def __init__(self, count: Leaf, items: Sequence[nn.Module]) -> None:
        nn.ModuleList.__init__(self)
        for i, item in enumerate(items):
            self.add_module(str(i), item)
        self._count = count


class _Loose(Elastic):
    """The number of nodes of a cell that no edge starts from."""

    __slots__ = ()
    _places_vary = True

    def _evaluate(self, values: Mapping[str, Any]) -> int:
        wires, prefix = self._args[0], self._args[1]
        used: set[int] = set()
        for node in wires.nodes:
            joins = node.joins
            if node.inputs:
                joins = [joins[j] for j in values[prefix + node.inputs]]
            for join in joins:
                source = join.source
                used.add(values[prefix + join.choose] if source is None else source)
        return len(output_numbers(wires, used))

    def _find_bounds(self) -> tuple[int, int]:
        return 1, len(self._args[0].nodes)


class ElasticCell(nn.Module):
    """Holds all operations of a cell; computes what the active architecture wired.

    Args:
        wires: the wiring.
        path: the cell's path.
        active: what is active.
        wiring_leaves: the elastic values that choose inputs and sources.
        layers: module name -> the operations at that place.
        kinds: module name -> option -> DROP, PASS or MODULE.
        dim: along which outputs are concatenated.
    """

    def __init__(
        self,
        wires: Wiring,
        path: str,
        active: Active,
        wiring_leaves: Sequence[Leaf],
        layers: Mapping[str, nn.Module],
        kinds: Mapping[str, Mapping[Any, int]],
        dim: int,
    ) -> None:
        super().__init__()
        self._wiring = wires
        self._prefix = path + "/"
        self._active = active
        self._kinds = dict(kinds)
        self._domains = {leaf.path: leaf.domain for leaf in wiring_leaves}
        self._dim = dim
        self._plan: Plan | None = None
        self._version = -1
        self._paths = tuple(
            self._prefix + name
            for node in wires.nodes
            for name in (node.inputs, node.op, *(n for j in node.joins for n in (j.op, j.choose)))
            if name
        )
        for name, layer in layers.items():
            self.add_module(name, layer)
        n_outputs: Any = 1
        if wires.output == "concat":
            n_outputs = len(wires.nodes)
        elif wires.output == "loose" and not wiring_leaves:
            n_outputs = len(output_numbers(wires, _all_sources(wires)))
        elif wires.output == "loose":
            n_outputs = _Loose(active, None, (wires, self._prefix, *wiring_leaves), "n_outputs")
        self.n_outputs = n_outputs

    def inputs(self, node: Node) -> tuple[int, ...]:
        """Which of a node's joins are there (asked by `plan`)."""
        return self._value(node.inputs)

    def source(self, node: Node, join: Join) -> int:
        """Where a join comes from (asked by `plan`)."""
        return self._value(join.choose)

    def op(self, path: str, place: Place, name: str) -> int:
        """What the operation at a path is (asked by `plan`)."""
        return self._kinds[name][self._value(path)]

    def _value(self, path: str) -> Any:
        assert self._active.values is not None
        return self._active.values[self._prefix + path]

    def forward(self, *inputs: Tensor) -> Tensor:
        """What the wired cell makes of its inputs."""
        active = self._active
        if active.values is None:
            raise SpaceError(
                "no architecture is active: call the supernet inside `with supernet.active(arch):`"
            )
        if len(inputs) != self._wiring.n_inputs:
            raise TypeError(
                f"cell {self._prefix[:-1]!r} takes {self._wiring.n_inputs} inputs, got "
                f"{len(inputs)}"
            )
        mixing = active.mixture
        if mixing is not None and any(map(mixing.is_mixed, self._paths)):
            from archwright.nn.mixed_cells import mixed

            return mixed(self, inputs, mixing.full(self._prefix))
        if self._plan is None or self._version != active.version:
            self._plan, self._version = plan(self._wiring, self, self._dim), active.version
        return run(self._plan, self._modules, inputs)

    def extra_repr(self) -> str:
        """The cell's path."""
        return self._prefix[:-1]


def _all_sources(wires: Wiring) -> set[int]:
    return {join.source for node in wires.nodes for join in node.joins if join.source is not None}


class ElasticInputs(nn.Module):
    """Answers the inputs that the active architecture takes, merged."""

    def __init__(self, taken: Leaf, selection: Selection) -> None:
        super().__init__()
        self._taken = taken
        self._selection = selection
        width = selection.width(taken)
        if width is not None:
            self.width = width

    def forward(self, inputs: Sequence[Any]) -> Any:
        """What is taken of the inputs, merged."""
        own = self._selection
        mixing = self._taken._active.mixture
        if mixing is not None and mixing.is_mixed(self._taken.path):
            if own.merge != "sum":
                mixing.refuse(self._taken)
            path = self._taken.path
            outputs = [(j, inputs[j]) for j in mixing.mixture.positions(path)]
            if not outputs:
                return torch.zeros_like(inputs[0])
            return mixed_sum(path, mixing.weights[path], outputs)
        taken = [inputs[j] for j in self._taken._now()]
        return merged(own.merge, own.dim, taken, inputs[0])

    def extra_repr(self) -> str:
        """The path of the decision."""
        return self._taken.path
