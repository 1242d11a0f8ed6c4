"""A network lent to the proxies: other weights and mode inside, everything as before outside."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from archwright.nn.seeding import seeded

Place = tuple[nn.Module, str]


@dataclass
class Weights:
    """The parameters of a network, each once, and the places where each is used.

    Attributes:
        tensors: a view of each parameter that requires a gradient, whatever the parameter does;
            they share memory with the network and are never written to.
        owners: the module and attribute of their first place.
        places: every place of each.
    """

    tensors: list[torch.Tensor] = field(default_factory=list)
    owners: list[Place] = field(default_factory=list)
    places: list[list[Place]] = field(default_factory=list)

    @staticmethod
    def of(model: nn.Module) -> Weights:
        """The weights of a network.

        >>> [tuple(tensor.shape) for tensor in Weights.of(nn.Linear(3, 2)).tensors]
        [(2, 3), (2,)]
        """
        found = Weights()
        index: dict[int, int] = {}
        for module in model.modules():
            for attribute, parameter in module._parameters.items():
                if parameter is None:
                    continue
                at = index.get(id(parameter))
                if at is None:
                    at = index[id(parameter)] = len(found.tensors)
                    floating = parameter.is_floating_point() or parameter.is_complex()
                    found.tensors.append(parameter.detach().requires_grad_(floating))
                    found.owners.append((module, attribute))
                    found.places.append([])
                found.places[at].append((module, attribute))
        return found

    def matrices(self) -> list[int]:
        """Which of them are weights of layers: two dimensions or more, and no norm's."""
        return [
            i
            for i, tensor in enumerate(self.tensors)
            if tensor.dim() > 1 and tensor.requires_grad and not is_norm(self.owners[i][0])
        ]


_NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    *((nn.RMSNorm,) if hasattr(nn, "RMSNorm") else ()),
)


def is_norm(module: nn.Module) -> bool:
    """Whether a module is a normalisation.

    >>> is_norm(nn.BatchNorm2d(3)), is_norm(nn.Linear(3, 2))
    (True, False)
    """
    return isinstance(module, _NORMS)


@contextmanager
def held(model: nn.Module, *, seed: int) -> Iterator[None]:
    """Inside, the network is in training mode and may be run; afterwards nothing of it shows.

    Put back, also after an error: every attribute, parameter, buffer and hook (buffers are replaced
    by copies inside, so that running statistics cannot change), the mode of each module, and the
    random states of torch, NumPy and Python; gradients are not written to. Dropout is off inside.
    """
    modules = list(model.modules())
    saved = [(m, dict(m.__dict__), [(d, dict(d)) for d in _tables(m)]) for m in modules]
    states = (np.random.get_state(), random.getstate())  # noqa: NPY002
    try:
        copies: dict[int, torch.Tensor] = {}
        for module in modules:
            module.__dict__["training"] = not isinstance(module, nn.modules.dropout._DropoutNd)
            if isinstance(module, (nn.MultiheadAttention, nn.RNNBase)):
                module.__dict__["dropout"] = 0.0  # theirs is inside, where nothing can be heard
            for name, buffer in module._buffers.items():
                if buffer is not None:
                    if id(buffer) not in copies:
                        copies[id(buffer)] = buffer.detach().clone()
                    module._buffers[name] = copies[id(buffer)]
        with seeded(seed):
            yield
    finally:
        for module, attributes, tables in saved:
            # What a forward pass assigns to its module (a counter, a cache) goes as well.
            module.__dict__.clear()
            module.__dict__.update(attributes)
            for now, before in tables:
                now.clear()
                now.update(before)
        np.random.set_state(states[0])  # noqa: NPY002
        random.setstate(states[1])


@contextmanager
def wearing(weights: Weights, tensors: Mapping[int, torch.Tensor]) -> Iterator[None]:
    """Inside, the places of some weights hold other tensors. Nothing is copied.

    Args:
        weights: the network's.
        tensors: index in `weights` -> the tensor to use.
    """
    before = []
    recurrent: dict[int, tuple[nn.Module, list[torch.Tensor]]] = {}
    try:
        for i, tensor in tensors.items():
            for module, attribute in weights.places[i]:
                before.append((module, attribute, module._parameters[attribute]))
                module._parameters[attribute] = tensor  # type: ignore[assignment]
                if isinstance(module, nn.RNNBase):
                    recurrent[id(module)] = (module, module.__dict__["_flat_weights"])
        for module, _ in recurrent.values():  # they keep a list of their weights besides
            names = module.__dict__["_flat_weights_names"]
            module.__dict__["_flat_weights"] = [module._parameters.get(n) for n in names]
        yield
    finally:
        for module, attribute, parameter in reversed(before):
            module._parameters[attribute] = parameter
        for module, flat in recurrent.values():
            module.__dict__["_flat_weights"] = flat


def _tables(module: nn.Module) -> list[dict[str, Any]]:
    """The dictionaries that every module is made of: parameters, buffers, hooks, ..."""
    return [value for value in module.__dict__.values() if isinstance(value, dict)]
