"""Costs layer by layer: where a network's parameters and FLOPs sit."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from archwright.hardware.tracing import Recorder, tensors_in, trace


@dataclass(frozen=True, slots=True)
class LayerProfile:
    """The costs of one layer in one forward pass.

    Attributes:
        name: the layer's path in the model, as in its `state_dict`; `""` is the model itself.
        kind: the class name.
        input_shape: shape of its first input, batch first; None when it was not called.
        output_shape: shape of its first output, batch first; None when it was not called.
        params: its parameters; those shared with an earlier layer are counted there.
        flops: its FLOPs over all its calls.
        output_bytes: memory of its output.
        n_calls: how often it ran.
    """

    name: str
    kind: str
    input_shape: tuple[int, ...] | None
    output_shape: tuple[int, ...] | None
    params: int
    flops: int
    output_bytes: int
    n_calls: int

    def to_dict(self) -> dict[str, object]:
        """The row as plain values for JSON or a data frame."""
        return asdict(self)


def is_unit(module: nn.Module) -> bool:
    """Whether a module is one layer to a reader: it holds no others, or torch's code runs them."""
    return isinstance(module, (nn.MultiheadAttention, nn.RNNBase)) or not any(module.children())


class LayerRecorder(Recorder):
    """A recorder that knows in which layer an operation runs."""

    def __init__(self, model: nn.Module, *, real: bool = False) -> None:
        super().__init__(model, real=real)
        self.names = {id(module): name for name, module in model.named_modules()}
        self.stack: list[nn.Module] = []
        self.unit: nn.Module | None = None

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Hooks on every module during the pass."""
        handles = []
        for module in self.model.modules():
            handles.append(module.register_forward_pre_hook(self._enter))
            handles.append(module.register_forward_hook(self._leave))
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: nn.Module, args: Any) -> None:
        self.stack.append(module)
        if self.unit is None and is_unit(module):
            self.unit = module
            self.on_enter(module)

    def _leave(self, module: nn.Module, args: Any, output: Any) -> None:
        self.on_return(module, args, output)
        if self.unit is module and module not in self.stack[:-1]:
            self.on_leave(module, output)
            self.unit = None
        self.stack.pop()

    # -- what subclasses may listen to -------------------------------------------------------
    def on_enter(self, module: nn.Module) -> None:
        """Called when a layer begins to run."""

    def on_leave(self, module: nn.Module, output: Any) -> None:
        """Called when a layer has run."""

    def on_return(self, module: nn.Module, args: Any, output: Any) -> None:
        """Called when any module has run."""


class _Profiler(LayerRecorder):
    def __init__(self, model: nn.Module, *, real: bool = False) -> None:
        super().__init__(model, real=real)
        self.layer_flops: dict[int, int] = {}
        self.calls: dict[int, list[tuple[Any, Any, int]]] = {}

    def on_op(self, kind: str, inputs: list[torch.Tensor], outputs: list[Any], flops: int) -> None:
        if flops:
            module = self.unit or (self.stack[-1] if self.stack else self.model)
            self.layer_flops[id(module)] = self.layer_flops.get(id(module), 0) + flops

    def on_return(self, module: nn.Module, args: Any, output: Any) -> None:
        first_in = next(tensors_in(args), None)
        outs = list(tensors_in(output))
        self.calls.setdefault(id(module), []).append(
            (
                None if first_in is None else tuple(first_in.shape),
                tuple(outs[0].shape) if outs else None,
                sum(t.numel() * t.element_size() for t in outs),
            )
        )


def profile(
    model: nn.Module,
    input_shape: Sequence[int],
    *,
    batch_size: int = 1,
    dtype: torch.dtype | None = None,
) -> list[LayerProfile]:
    """A table of the layers with their parameters and FLOPs, in the order of the model.

    A layer is a module that holds no others, or attention and recurrent layers. A module that
    holds layers has a row of its own only for what it owns itself: parameters, or products in its
    forward. So the columns `params` and `flops` add up to those of the whole network.

    Args:
        model: the network.
        input_shape: the shape of one sample, without the batch.
        batch_size: samples in one forward pass.
        dtype: type of the input; by default what the network takes.

    Returns:
        One row for each layer that has parameters or was called.

    Raises:
        InputError: the network cannot take such an input.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10))
        >>> for row in profile(net, (1, 8, 8)):
        ...     print(row.name, row.kind, row.output_shape, row.params, row.flops)
        0 Conv2d (1, 4, 6, 6) 40 2592
        1 ReLU (1, 4, 6, 6) 0 0
        2 Flatten (1, 144) 0 0
        3 Linear (1, 10) 1450 2880
    """
    recorder, _ = trace(model, input_shape, batch_size=batch_size, dtype=dtype, recorder=_Profiler)
    assert isinstance(recorder, _Profiler)
    rows = []
    seen: set[int] = set()
    covered: set[int] = set()
    for name, module in recorder.model.named_modules():
        if id(module) in covered:
            continue
        unit = is_unit(module)
        parameters = module.parameters() if unit else iter(module._parameters.values())
        params = 0
        for parameter in parameters:
            if parameter is not None and id(parameter) not in seen:
                seen.add(id(parameter))
                params += parameter.numel()
        flops = recorder.layer_flops.get(id(module), 0)
        calls = recorder.calls.get(id(module), [])
        if unit:
            covered.update(id(m) for m in module.modules())
        if not (params or flops or (unit and calls)):
            continue
        shapes = calls[0] if calls else (None, None, 0)
        rows.append(
            LayerProfile(
                name=name,
                kind=type(module).__name__,
                input_shape=shapes[0],
                output_shape=shapes[1],
                params=params,
                flops=flops,
                output_bytes=shapes[2],
                n_calls=len(calls),
            )
        )
    return rows
