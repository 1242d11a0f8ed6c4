"""Supernet forms of `layer` and `repeat`: all options are there, the active ones compute."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import nn

from archwright.nn.elastic import Leaf


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
        """What the chosen module answers."""
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
        """What the live items make of the input, one after the other."""
        for module in list(self._modules.values())[: self._count._now()]:
            input = module(input)
        return input


class ElasticList(_Live, nn.ModuleList):
    """Holds the most items of a `repeat(..., as_list=True)`; iterates over the live ones."""

    def __init__(self, count: Leaf, items: Sequence[nn.Module]) -> None:
        nn.ModuleList.__init__(self)
        for i, item in enumerate(items):
            self.add_module(str(i), item)
        self._count = count
