"""`score`: the values of proxies on one network."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from archwright.errors import InputError, unknown_name, whole_number
from archwright.hardware.tracing import check_shape, first_line
from archwright.proxies.base import Scores, Undefined
from archwright.proxies.holding import held
from archwright.proxies.probe import (
    ForwardError,
    Loss,
    Probe,
    natural_images,
    random_inputs,
)
from archwright.proxies.registry import PROXIES, resolve

Data = Any


def score(
    model: nn.Module,
    names: str | Iterable[str],
    *,
    input_shape: Sequence[int] | None = None,
    batch: int = 64,
    seed: int = 0,
    data: Data = None,
    device: str | torch.device | None = None,
    loss: Loss | None = None,
) -> Scores:
    """Judge an untrained network by zero-cost proxies.

    What the proxies share - a forward pass, the gradient of the loss, the gradient by the inputs -
    is computed once, whichever are asked for. The network is as it was afterwards: weights,
    buffers, mode, hooks, gradients and the process's random state.

    Args:
        model: any network that takes one tensor, batch first, freshly initialised.
        names: names from `PROXIES`, or of `GROUPS`.
        input_shape: shape of one input without the batch; not needed where `data` is given.
        batch: samples in the batch; of `data` the first so many.
        seed: seeds random inputs and labels, and what proxies draw.
        data: inputs, or (inputs, labels), as tensors or arrays. By default inputs are standard
            normal (for a network that begins with an embedding: random indices) and labels random.
            "natural": random images with the spectrum of photographs, where the input is one
            (channels, height, width); several proxies agree better with accuracy on these.
        device: where to compute; by default where the network's weights are. The network must be
            there.
        loss: (output, labels) -> mean loss; by default cross-entropy, or the mean squared error
            where labels are not whole numbers.

    Returns:
        The values; those that have none on this network are in `Scores.undefined` with the reason.

    Raises:
        UnknownNameError: a name is not known.
        InputError: the network cannot take such an input.

    >>> net = nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3))
    >>> found = score(net, ["params", "naswot"], input_shape=(4,), batch=8)
    >>> found["params"], found.undefined["naswot"][:22]
    (67.0, 'not defined here, beca')
    """
    wanted = resolve(names)
    if not isinstance(model, nn.Module):
        raise InputError(f"expected a torch.nn.Module, got {model!r} ({type(model).__name__})")
    if any(isinstance(p, UninitializedParameter) for p in model.parameters()):
        raise InputError(
            f"{type(model).__name__} has a lazy layer that is not initialised: give the layer its "
            "input size, or run one batch through the network first"
        )
    batch = whole_number("batch", batch)
    seed = whole_number("seed", seed, least=0)
    where = torch.device(device) if device is not None else _device_of(model)
    if where.type != _device_of(model).type:
        raise InputError(
            f"the network is on {_device_of(model)}, but device={str(where)!r} was asked for; "
            f"move it there first: model.to({str(where)!r})"
        )
    inputs, labels = _data(model, data, input_shape, batch, seed, where)
    hears = frozenset().union(*(PROXIES[name].hears for name in wanted))
    values: dict[str, float] = {}
    undefined: dict[str, str] = {}
    seconds: dict[str, float] = {}
    with held(model, seed=seed), torch.enable_grad():
        probe = Probe(model, inputs, labels, hears=hears, seed=seed, loss=loss)
        for name in wanted:
            start = time.perf_counter()
            try:
                value = float(PROXIES[name].compute(probe))
                if math.isfinite(value):
                    values[name] = value
                else:
                    undefined[name] = f"not defined here, because it comes to {value}"
            except Undefined as reason:
                undefined[name] = f"not defined here, because {reason}"
            except (MemoryError, torch.OutOfMemoryError, ForwardError):
                raise
            except Exception as error:  # whatever a network's forward raises
                undefined[name] = f"not defined here, because the pass failed: {first_line(error)}"
            seconds[name] = time.perf_counter() - start
    return Scores(values, undefined, seconds)


def _device_of(model: nn.Module) -> torch.device:
    for tensor in (*model.parameters(), *model.buffers()):
        return tensor.device
    return torch.device("cpu")


def _data(
    model: nn.Module,
    data: Data,
    input_shape: Sequence[int] | None,
    batch: int,
    seed: int,
    device: torch.device,
) -> tuple[torch.Tensor, torch.Tensor | None]:
    if isinstance(data, str) and data != "natural":
        raise unknown_name("kind of data", data, ["natural"])
    if data is None or isinstance(data, str):
        if input_shape is None:
            raise InputError(
                "input_shape is needed: the shape of one input without the batch, such as "
                "(3, 32, 32); or give data"
            )
        check_shape(model, input_shape, batch)
        x = random_inputs(model, input_shape, batch, seed=seed, device=device)
        if data is not None and x.dim() == 4 and x.is_floating_point():
            x = natural_images(batch, input_shape, seed=seed).to(x)
        return x, None
    given, labels = data if isinstance(data, (tuple, list)) and len(data) == 2 else (data, None)
    x = _tensor("inputs", given, device)
    if x.dim() < 2 or not len(x):
        raise InputError(f"data must be a batch of inputs, got a tensor of shape {tuple(x.shape)}")
    if input_shape is not None and tuple(x.shape[1:]) != tuple(input_shape):
        raise InputError(
            f"data has inputs of shape {tuple(x.shape[1:])}, but input_shape is "
            f"{tuple(input_shape)}; leave input_shape out"
        )
    if labels is None:
        return x[:batch], None
    y = _tensor("labels", labels, device)
    if len(y) != len(x):
        raise InputError(f"data has {len(x)} inputs but {len(y)} labels")
    return x[:batch], y[:batch]


def _tensor(what: str, given: Any, device: torch.device) -> torch.Tensor:
    try:
        tensor = given if isinstance(given, torch.Tensor) else torch.as_tensor(np.asarray(given))
    except (TypeError, ValueError) as error:
        raise InputError(f"{what} must be a tensor or an array of numbers: {error}") from None
    if tensor.dtype == torch.float64:
        tensor = tensor.float()
    return tensor.detach().to(device)
