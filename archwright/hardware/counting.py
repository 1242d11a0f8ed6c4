"""What a network costs before it is trained: parameters, FLOPs, memory."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Final

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from archwright.errors import InputError, unknown_name
from archwright.hardware.kinds import COMPUTED, COSTS
from archwright.hardware.timing import latency
from archwright.hardware.tracing import check_shape, trace


def costs(
    model: nn.Module,
    input_shape: Sequence[int] | None = None,
    *,
    names: Iterable[str] = COMPUTED,
    batch_size: int = 1,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
    threads: int = 1,
) -> dict[str, float]:
    """What a network costs in inference, computed without running it.

    The forward pass is followed on the meta device, with neither the weights nor any activation
    in memory; only what `names` asks for is computed, and parameters need no forward pass. FLOPs
    follow the field's convention: those of matrix products, convolutions and attention, one
    multiply-add being two; normalisation, activations and pooling are not counted.

    `activation_bytes` is the most memory that results occupy at one time if each is freed after
    its last use, the input included; in-place operations and views take none. It is what a runtime
    without operator fusion needs, and does not include the scratch memory of kernels.

    Args:
        model: any network; it may be on the meta device itself.
        input_shape: the shape of one sample, without the batch: `(3, 32, 32)`. Not needed for
            costs of the weights alone.
        names: names from `COSTS`; by default all that need no measurement.
        batch_size: samples in one forward pass.
        dtype: type of the input; by default the weights', or int64 for embeddings.
        device: where `latency_ms` is measured, if it is asked for.
        threads: CPU threads while `latency_ms` is measured.

    Returns:
        One number for each name, in the order asked: whole numbers but for `latency_ms`.

    Raises:
        UnknownNameError: a name is not in `COSTS`.
        InputError: the network cannot take such an input.

    Example:
        >>> from torch import nn
        >>> net = nn.Sequential(
        ...     nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16 * 16, 10)
        ... )
        >>> costs(net, (3, 16, 16), names=["params", "macs", "n_layers"])
        {'params': 20714, 'macs': 75776, 'n_layers': 2}
    """
    wanted = [names] if isinstance(names, str) else list(names)
    for name in wanted:
        if name not in COSTS:
            raise unknown_name("cost", name, COSTS)
    if not isinstance(model, nn.Module):
        raise InputError(f"expected a torch.nn.Module, got {model!r} ({type(model).__name__})")
    _refuse_lazy(model)
    found: dict[str, float] = {}
    needs_input = [n for n in wanted if COSTS[n].needs_forward or COSTS[n].needs_measurement]
    if needs_input:
        if input_shape is None:
            raise InputError(f"input_shape is needed to compute {', '.join(needs_input)}")
        check_shape(model, input_shape, batch_size)
    if any(COSTS[n].needs_forward for n in wanted):
        assert input_shape is not None
        recorder, _ = trace(model, input_shape, batch_size=batch_size, dtype=dtype)
        found["flops"] = recorder.flops
        found["macs"] = recorder.flops // 2
        if not {"activation_bytes", "memory_bytes"}.isdisjoint(wanted):
            found["activation_bytes"] = recorder.peak_bytes()
            found["memory_bytes"] = found["activation_bytes"] + weight_bytes(model)
    for name in wanted:
        if name == "latency_ms":
            assert input_shape is not None
            found[name] = latency(
                model,
                input_shape,
                device=device,
                batch_size=batch_size,
                threads=threads,
                dtype=dtype,
            ).median_ms
        elif name not in found:
            found[name] = _OF_WEIGHTS[name](model)
    return {name: found[name] for name in wanted}


def n_params(model: nn.Module, *, trainable: bool = False) -> int:
    """The number of parameters, shared ones counted once.

    >>> n_params(nn.Linear(3, 2))
    8
    """
    if trainable:
        return sum(p.numel() for p in model.parameters() if p.requires_grad)
    return sum(p.numel() for p in model.parameters())


def weight_bytes(model: nn.Module) -> int:
    """The memory of parameters and buffers in bytes, shared ones counted once.

    >>> weight_bytes(nn.Linear(3, 2))
    32
    """
    tensors = itertools.chain(model.parameters(), model.buffers())
    return sum(t.numel() * t.element_size() for t in tensors)


_SAFETENSORS_TYPES: Final = {
    torch.float32: "F32",
    torch.float64: "F64",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def size_bytes(model: nn.Module) -> int:
    """The size of the weights file that export writes: a safetensors file, shared tensors once.

    The format is an 8-byte length, a JSON header padded to a multiple of 8, and the raw tensors.

    >>> size_bytes(nn.Linear(3, 2))
    160
    """
    header: dict[str, object] = {}
    offset = 0
    seen: set[int] = set()
    entries = []
    for name, tensor in model.state_dict(keep_vars=True).items():
        if not isinstance(tensor, torch.Tensor) or id(tensor) in seen:
            continue
        seen.add(id(tensor))
        entries.append((name, tensor))
    # safetensors lays tensors out by descending alignment, then by name
    entries.sort(key=lambda entry: (-entry[1].element_size(), entry[0]))
    for name, tensor in entries:
        end = offset + tensor.numel() * tensor.element_size()
        header[name] = {
            "dtype": _SAFETENSORS_TYPES.get(tensor.dtype, "F32"),
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    length = len(json.dumps(header, separators=(",", ":")).encode())
    return 8 + length + (-length) % 8 + offset


def n_layers(model: nn.Module) -> int:
    """The number of modules that own a weight of two or more dimensions.

    Convolutions, linear and recurrent layers, embeddings and attention count; normalisation and
    activations do not.

    >>> n_layers(nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2)))
    2
    """
    return sum(
        any(p is not None and p.dim() > 1 for p in module._parameters.values())
        for module in model.modules()
    )


_OF_WEIGHTS: Final = {
    "params": n_params,
    "trainable_params": lambda model: n_params(model, trainable=True),
    "weight_bytes": weight_bytes,
    "size_bytes": size_bytes,
    "n_layers": n_layers,
}


def _refuse_lazy(model: nn.Module) -> None:
    for parameter in model.parameters():
        if isinstance(parameter, UninitializedParameter):
            raise InputError(
                f"{type(model).__name__} has a lazy layer that is not initialised: give the layer "
                "its input size, or run one batch through the network first"
            )
