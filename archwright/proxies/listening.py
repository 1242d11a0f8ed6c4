"""Listening to a forward pass: what goes into and out of its layers, norms and activations.

Operations are heard, not modules, so that `torch.relu(x)` counts as `nn.ReLU()(x)` does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch.overrides import TorchFunctionMode


@dataclass(slots=True)
class Heard:
    """One operation of the forward pass.

    Attributes:
        kind: "layer", "norm" or "activation".
        name: of the function: "conv2d", "linear", "batch_norm", "relu", ...
        input: what it was applied to.
        output: what came out, as the network goes on with it.
        arguments: all its arguments by name, for layers and norms.
    """

    kind: str
    name: str
    input: torch.Tensor
    output: torch.Tensor
    arguments: Mapping[str, Any]


Listener = Callable[[Heard], None]

# In the order in which torch takes them.
_CONVOLUTION: Final = ("input", "weight", "bias", "stride", "padding", "dilation", "groups")
_TRANSPOSED: Final = (*_CONVOLUTION[:5], "output_padding", "groups", "dilation")
_LAYERS: Final[dict[Any, tuple[str, ...]]] = {
    torch.conv1d: _CONVOLUTION,
    torch.conv2d: _CONVOLUTION,
    torch.conv3d: _CONVOLUTION,
    torch.conv_transpose1d: _TRANSPOSED,
    torch.conv_transpose2d: _TRANSPOSED,
    torch.conv_transpose3d: _TRANSPOSED,
    F.linear: ("input", "weight", "bias"),
    F.multi_head_attention_forward: ("input",),
    torch._VF.lstm: ("input",),
    torch._VF.gru: ("input",),
    torch._VF.rnn_tanh: ("input",),
    torch._VF.rnn_relu: ("input",),
}
_BATCH_NORM: Final = (
    "input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps"
)  # fmt: skip
_NORMS: Final[dict[Any, tuple[str, ...]]] = {
    F.batch_norm: _BATCH_NORM,
    F.instance_norm: (*_BATCH_NORM[:5], "use_input_stats", "momentum", "eps"),
    F.layer_norm: ("input", "normalized_shape", "weight", "bias", "eps"),
    F.group_norm: ("input", "num_groups", "weight", "bias", "eps"),
}
if hasattr(F, "rms_norm"):
    _NORMS[F.rms_norm] = ("input", "normalized_shape", "weight", "eps")
_ACTIVATIONS: Final = frozenset(
    getattr(home, name)
    for home in (F, torch, torch.Tensor)
    for name in (
        "relu", "relu_", "relu6", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "prelu",
        "rrelu", "elu", "elu_", "celu", "celu_", "selu", "selu_", "gelu", "silu", "mish",
        "hardswish", "softplus", "tanh", "tanh_", "threshold", "logsigmoid", "softsign",
    )
    if hasattr(home, name)
)  # fmt: skip
PIECEWISE_LINEAR: Final = frozenset(
    {"relu", "relu_", "relu6", "hardtanh", "hardtanh_", "leaky_relu", "leaky_relu_", "prelu"}
)
_DROPOUTS: Final = frozenset(
    getattr(F, name) for name in ("dropout", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout")
) | {F.feature_alpha_dropout}


class Listening(TorchFunctionMode):
    """While it is entered, tells a listener of each operation, and may change normalisations.

    Args:
        listener: called after each layer, norm and activation, in order.
        norms: how normalisations compute. "batch": as in training, without running statistics
            being read or written. "sample": batch normalisation normalises each sample by itself,
            so that no sample depends on another. "none": they pass their input on.
        twice: whether activations must have a second derivative.

    Dropout passes its input on.
    """

    def __init__(
        self, listener: Listener | None = None, *, norms: str = "batch", twice: bool = False
    ) -> None:
        super().__init__()
        self._listener = listener
        self._norms = norms
        self._twice = twice

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """See `TorchFunctionMode`."""
        kwargs = kwargs or {}
        if func in _LAYERS:
            out = func(*args, **kwargs)
            names = _LAYERS[func]
            return self._tell("layer", func, names, args, kwargs, out)
        if func in _NORMS:
            given = _by_name(_NORMS[func], args, kwargs)
            out = self._norm(func, given, args, kwargs)
            return self._tell("norm", func, _NORMS[func], args, kwargs, out)
        if func in _ACTIVATIONS:
            before = args[0] if args else kwargs["input"]
            if self._listener is None or not isinstance(before, torch.Tensor):
                return func(*args, **kwargs)
            in_place = kwargs.get("inplace") or func.__name__.endswith("_")
            if in_place:
                before = before.clone()  # what came in is gone afterwards
            out = func(*args, **kwargs)
            self._listener(Heard("activation", func.__name__, before, out, {}))
            return out
        if self._twice and func is F.hardsigmoid:  # torch lacks the second derivative of its kernel
            return F.relu6((args[0] if args else kwargs["input"]) + 3) / 6
        if func is F.scaled_dot_product_attention and kwargs.get("dropout_p"):
            kwargs = kwargs | {"dropout_p": 0.0}
        if func in _DROPOUTS:
            return args[0] if args else kwargs["input"]
        return func(*args, **kwargs)

    def _norm(self, func: Any, given: dict[str, Any], args: Any, kwargs: Any) -> torch.Tensor:
        x: torch.Tensor = given["input"]
        if self._norms == "none":
            return x
        if func is not F.batch_norm:
            return func(*args, **kwargs)
        eps = given.get("eps", 1e-5)
        weight, bias = given.get("weight"), given.get("bias")
        if self._norms == "sample":
            if x.dim() > 2 and x[0, 0].numel() > 1:
                return F.instance_norm(x, weight=weight, bias=bias, eps=eps)
            # One value a channel cannot be normalised by itself: the batch's statistics, held still
            mean, variance = x.detach().mean(0), x.detach().var(0, unbiased=False)
            if len(x) == 1:
                mean, variance = torch.zeros_like(mean), torch.ones_like(variance)
            return _affine((x - mean) / (variance + eps).sqrt(), weight, bias)
        if x.numel() // x.shape[1] < 2:
            raise ValueError("batch normalisation needs more than one value a channel")
        return torch.batch_norm(x, weight, bias, None, None, True, 0.0, eps, False)

    def _tell(
        self, kind: str, func: Any, names: tuple[str, ...], args: Any, kwargs: Any, out: Any
    ) -> Any:
        if self._listener is not None:
            given = _by_name(names, args, kwargs)
            source = given.get("input", kwargs.get("query"))
            first = out[0] if isinstance(out, tuple) else out
            self._listener(Heard(kind, func.__name__, source, first, given))
        return out


def _affine(
    x: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None
) -> torch.Tensor:
    shape = (1, -1, *(1,) * (x.dim() - 2))
    if weight is not None:
        x = x * weight.reshape(shape)
    return x if bias is None else x + bias.reshape(shape)


def _by_name(names: tuple[str, ...], args: Any, kwargs: Any) -> dict[str, Any]:
    return dict(zip(names, args, strict=False)) | kwargs
