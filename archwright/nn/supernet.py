"""The supernet: one module that holds every architecture of a space."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from archwright.errors import SpaceError
from archwright.nn.containers import ElasticLayer
from archwright.nn.elastic import Active
from archwright.nn.mixture import Mixing, Mixture
from archwright.nn.parameters import ElasticParameter

if TYPE_CHECKING:
    from archwright.nn.model_space import ModelSpace


class Supernet(nn.Module):
    """All architectures of a space in one module with shared weights.

    Made by `space.supernet()`. It computes only while an architecture is active:

    >>> import archwright as aw
    >>> class Net(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         width = aw.choice("width", [4, 8])
    ...         self.body = nn.Sequential(aw.linear(2, width), nn.ReLU(), aw.linear(width, 1))
    ...
    ...     def forward(self, x):
    ...         return self.body(x)
    >>> space = aw.ModelSpace(Net)
    >>> supernet = space.supernet()
    >>> with supernet.active({"width": 4}):
    ...     y = supernet(torch.zeros(3, 2))
    >>> supernet.extract({"width": 4}).body[0]
    Linear(in_features=2, out_features=4, bias=True)

    Attributes:
        space: the space it was made of.
        model: the user's module, with elastic layers.
    """

    def __init__(self, space: ModelSpace, model: nn.Module, state: Active) -> None:
        super().__init__()
        self.space = space
        self.model = model
        self._active = state

    @property
    def architecture(self) -> Mapping[str, Any] | None:
        """The active architecture, or None."""
        return self._active.values

    @contextmanager
    def active(self, arch: Mapping[str, Any]) -> Iterator[Supernet]:
        """Inside, the supernet computes what `arch` computes; afterwards what it did before.

        Args:
            arch: an architecture of the space.

        Raises:
            ArchitectureError: it is not in the space.
        """
        with self._switched(self.space.check(arch), None):
            yield self

    @contextmanager
    def mixed(self, mixture: Mixture) -> Iterator[Supernet]:
        """Inside, the supernet computes a mixture of architectures.

        With weights of one and zero that are those of an architecture (`Mixture.one_hot`) it
        computes what it computes under `active`.

        Args:
            mixture: weights, or else a value, for every decision that is live.

        Raises:
            SpaceError: weights are missing or too few; a decision is used such that its values
                cannot be mixed (`NotRelaxable`, when the supernet is called).
        """
        mixing = Mixing(self.space, mixture)
        with self._switched(mixing.values, mixing):
            yield self

    @contextmanager
    def _switched(self, values: Mapping[str, Any], mixing: Mixing | None) -> Iterator[None]:
        mixed_before = self._active.mixture
        before = self._active.switch(values, mixing)
        try:
            yield
        finally:
            self._active.switch(before, mixed_before)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the active architecture answers.

        Raises:
            SpaceError: none is active.
        """
        if self._active.values is None:
            raise SpaceError(
                "the supernet computes only while an architecture is active: call it inside "
                "`with supernet.active(arch):`"
            )
        return self.model(*args, **kwargs)

    def extract(self, arch: Mapping[str, Any]) -> nn.Module:
        """The network of one architecture, plain torch, with a copy of its weights.

        Shares nothing with the supernet. Mode (training or not), type and device are the
        supernet's.

        Args:
            arch: an architecture of the space.

        Raises:
            ArchitectureError: it is not in the space.
        """
        with self.active(arch) as own:
            assert own._active.values is not None
            # The weights drawn here are overwritten; the seed keeps the caller's generators as
            # they are.
            model = self.space.build(own._active.values, seed=0)
            with torch.no_grad():
                _copy(self.model, model, "")
        return model


def _copy(source: nn.Module | None, target: nn.Module, path: str) -> None:
    """Copy what the active architecture uses of `source` into the plain module `target`."""
    while isinstance(source, ElasticLayer):
        source = source.live()
    for name, parameter in target._parameters.items():
        if parameter is not None:
            found = _tensor(source, name, path)
            parameter.data = _own(found, parameter, f"{path}{name}")
            parameter.requires_grad_(found.requires_grad)
    for name, buffer in target._buffers.items():
        if buffer is not None:
            found = _tensor(source, name, path)
            target._buffers[name] = _own(found, buffer, f"{path}{name}")
    assert source is not None
    target.training = source.training
    for name, child in target._modules.items():
        if child is not None:
            if name not in source._modules:
                raise _differs(f"{path}{name}", "the supernet has no such module")
            _copy(source._modules[name], child, f"{path}{name}.")


def _tensor(source: nn.Module | None, name: str, path: str) -> Tensor:
    found = getattr(source, name, None)
    if isinstance(found, ElasticParameter):
        found = found.live()
    if not isinstance(found, Tensor):
        raise _differs(f"{path}{name}", "the supernet has no such tensor")
    return found


def _own(found: Tensor, wanted: Tensor, path: str) -> Tensor:
    if found.shape != wanted.shape:
        raise _differs(
            path, f"its shape is {tuple(wanted.shape)}, in the supernet {tuple(found.shape)}"
        )
    own = found.detach().clone()
    return own if own.is_contiguous() or found.is_contiguous() else own.contiguous()


def _differs(path: str, what: str) -> SpaceError:
    return SpaceError(
        f"{path}: the constructor builds another module than it put into the supernet ({what}); "
        "it must make the same modules in the same places each time it is called"
    )
