"""Weights of a trained network for another one of the same space: what both have is copied."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.parameter import is_lazy

from archwright.errors import InputError
from archwright.nn.twin import centred, leading


@dataclass(frozen=True)
class Inheritance:
    """How much of a network came from its parent.

    Attributes:
        share: of the network's parameters (single numbers), from 0 to 1.
        by_module: module path -> share of that module's own parameters, in the order of the
            network; modules without parameters are left out.

    >>> Inheritance(0.25, {"0": 0.5, "1": 0.0}).missing
    ('1',)
    """

    share: float
    by_module: Mapping[str, float]

    @property
    def missing(self) -> tuple[str, ...]:
        """Paths of the modules that inherited nothing."""
        return tuple(name for name, share in self.by_module.items() if not share)

    def __str__(self) -> str:
        return f"{self.share:.0%} of the parameters inherited"


def inherit(model: nn.Module, parent: nn.Module) -> Inheritance:
    """Copy into a network the weights that it shares with another one, in place.

    Modules are matched by their path and kind. A tensor of the same shape is copied whole; of
    others the part that both have: the first channels, and of kernels the middle, which is how the
    elastic layers of a supernet share theirs (Han Cai et al., "Once-for-All", ICLR 2020,
    arXiv:1908.09791). Gates of recurrent layers and the three projections of an attention are
    taken one by one. What the parent lacks keeps the network's own initial values. Running
    statistics of batch norm go with the channels they belong to. A depthwise and a dense
    convolution share nothing.

    Passing weights on to a child that was mutated: Esteban Real et al., "Large-Scale Evolution of
    Image Classifiers", ICML 2017, arXiv:1703.01041.

    Differences from the paper: there only tensors of equal shape are passed on.

    Args:
        model: the network that is to be trained; changed in place.
        parent: a trained network; not changed, and nothing is shared with it.

    Returns:
        How much was inherited.

    Raises:
        InputError: one of them is no module, both are the same, or a lazy layer of one has no
            weights yet.

    >>> parent = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 2))
    >>> inherited = inherit(model, parent)
    >>> bool((model[0].weight[:8] == parent[0].weight).all())
    True
    >>> print(inherited)
    51% of the parameters inherited
    """
    check_pair(model, parent)
    for role, one in (("model", model), ("parent", parent)):
        lazy = [n for n, p in one.named_parameters() if is_lazy(p)]
        if lazy:
            raise InputError(
                f"the {role} has lazy layers without weights ({', '.join(lazy[:3])}): call it on a "
                "batch first"
            )
    theirs = dict(parent.named_modules())
    n_all = n_inherited = 0
    by_module: dict[str, float] = {}
    with torch.no_grad():
        for path, module in model.named_modules():
            other = theirs.get(path)
            alike = other is not None and _alike(module, other)
            n_own = n_here = 0
            for name, parameter in module._parameters.items():
                if parameter is None:
                    continue
                n_own += parameter.numel()
                if alike and other is not None:
                    n_here += _copy(parameter, other._parameters.get(name), module, name)
            if alike and other is not None:
                for name, buffer in module._buffers.items():
                    # What is not saved is a constant of the network, such as a table of positions.
                    if buffer is not None and name not in module._non_persistent_buffers_set:
                        _copy(buffer, other._buffers.get(name), module, name)
            if n_own:
                by_module[path] = n_here / n_own
            n_all += n_own
            n_inherited += n_here
    return Inheritance(n_inherited / n_all if n_all else 0.0, by_module)


def check_pair(model: nn.Module, parent: nn.Module) -> None:
    """Refuse what is no pair of two networks.

    Raises:
        InputError: one of them is no module, or both are the same.
    """
    for name, value in (("model", model), ("parent", parent)):
        if not isinstance(value, nn.Module):
            raise InputError(f"{name} must be a torch.nn.Module, got {type(value).__name__}")
    if model is parent:
        raise InputError(
            "model and parent are the same network: build the child first, with space.build(arch)"
        )


def _alike(module: nn.Module, other: nn.Module) -> bool:
    if type(module) is not type(other):
        return False
    if isinstance(module, _ConvNd) and isinstance(other, _ConvNd):
        return module.groups == other.groups or (_is_depthwise(module) and _is_depthwise(other))
    return True


def _is_depthwise(module: _ConvNd) -> bool:
    return module.groups > 1 and module.groups == module.in_channels


def _copy(tensor: Tensor, other: Tensor | None, module: nn.Module, name: str) -> int:
    """Copy the part that both have; returns how many numbers that is."""
    if other is None or other.ndim != tensor.ndim or other.dtype != tensor.dtype:
        return 0
    if tensor.shape != other.shape:
        tensor, other = (_blocks(full, module, name) for full in (tensor, other))
    n_leading = 2 if isinstance(module, _ConvNd) and tensor.ndim > 2 else tensor.ndim
    sizes = [min(a, b) for a, b in zip(tensor.shape, other.shape, strict=True)]
    kernel = tuple(sizes[n_leading:])
    if any((a - b) % 2 for a, b in zip(tensor.shape[n_leading:], kernel, strict=True)) or any(
        (a - b) % 2 for a, b in zip(other.shape[n_leading:], kernel, strict=True)
    ):
        return 0  # an even kernel in an odd one has no middle
    part, theirs = (
        centred(leading(full, *sizes[:n_leading]), n_leading, kernel) for full in (tensor, other)
    )
    part.copy_(theirs)
    return part.numel()


_GATES = {nn.LSTM: 4, nn.LSTMCell: 4, nn.GRU: 3, nn.GRUCell: 3}


def _blocks(full: Tensor, module: nn.Module, name: str) -> Tensor:
    """A view in which what torch stacks in one tensor lies along dimensions of its own.

    Gates of recurrent layers and the projections of an attention are on top of each other: the
    first rows of two of different widths are not of the same gates.
    """
    if isinstance(module, nn.MultiheadAttention) and name.startswith("in_proj_"):
        return full.unflatten(0, (3, -1))
    n_gates = next((n for kind, n in _GATES.items() if isinstance(module, kind)), 1)
    if name.startswith(("weight_ih", "weight_hh", "bias_ih", "bias_hh")):
        full = full.unflatten(0, (n_gates, -1))
    if getattr(module, "bidirectional", False) and (
        name.startswith("weight_ih") and not name.startswith("weight_ih_l0")
    ):
        # The layer below answers its directions side by side.
        full = full.unflatten(-1, (2, -1))
    return full
