"""The constructor call that makes a layer of torch.nn again, read off the layer itself."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import nn

from archwright.export.literals import CannotWriteError, Hole

REQUIRED: Final = inspect.Parameter.empty

_SKIPPED: Final = {
    "self",
    "device",
    "dtype",
    "_weight",
    "_freeze",
    "init",
    "min_value",
    "max_value",
}
_PLAIN: Final = (bool, int, float, str, type(None))


@dataclass(frozen=True)
class Argument:
    """One argument of a call.

    Attributes:
        name: its keyword, or None when it is written by position.
        value: a literal, or another call.
        default: the value at which it is left out, or `REQUIRED`.
    """

    name: str | None
    value: Any
    default: Any = REQUIRED


@dataclass(frozen=True)
class Call:
    """A call in the source.

    Attributes:
        function: what is called, as written.
        arguments: in order.
    """

    function: str
    arguments: tuple[Argument, ...]


def is_torch_layer(module: nn.Module) -> bool:
    """Whether a module is a layer of torch.nn, or a subclass that changes nothing about it."""
    return torch_class(type(module)) is not None


def torch_class(kind: type[nn.Module]) -> type[nn.Module] | None:
    """The class of torch.nn whose forward a class runs, or None when it has its own."""
    for base in kind.__mro__:
        if base.__module__.startswith("torch.nn.modules.") and base is not nn.Module:
            public = getattr(nn, base.__name__, None) is base
            same = getattr(kind, "forward", None) is getattr(base, "forward", None)
            return base if public and same else None
        if "forward" in vars(base):
            return None
    return None


def constructor(module: nn.Module) -> Call:
    """The call that makes a layer like this one (with other weights).

    Args:
        module: a layer of torch.nn that holds no layers of the user's.

    Returns:
        The call, whose arguments that equal the defaults are marked as such.

    Raises:
        CannotWriteError: the layer is not of torch.nn, or was changed after it was made.
    """
    kind = torch_class(type(module))
    if kind is None:
        raise CannotWriteError(f"{type(module).__name__} is no layer of torch.nn")
    special = _SPECIAL.get(kind)
    call = special(module) if special else _generic(kind, module)
    _check(call, module)
    return call


def evaluate(call: Call) -> nn.Module:
    """Make what a call makes, on the meta device."""
    args: list[Any] = []
    kwargs: dict[str, Any] = {}
    for argument in call.arguments:
        value = argument.value
        value = evaluate(value) if isinstance(value, Call) else value.value
        if argument.name is None:
            args.append(value)
        else:
            kwargs[argument.name] = value
    with torch.device("meta"):
        made = getattr(nn, call.function.removeprefix("nn."))(*args, **kwargs)
    assert isinstance(made, nn.Module)
    return made


def _generic(kind: type[nn.Module], module: nn.Module) -> Call:
    arguments = []
    for name, parameter in inspect.signature(kind.__init__).parameters.items():
        if name in _SKIPPED or parameter.kind in (
            inspect.Parameter.VAR_POSITIONAL,
            inspect.Parameter.VAR_KEYWORD,
        ):
            continue
        arguments.append(_argument(name, _attribute(module, name), parameter.default))
    return Call(f"nn.{kind.__name__}", tuple(arguments))


def _argument(name: str, value: Any, default: Any = REQUIRED) -> Argument:
    if not _is_literal(value):
        raise CannotWriteError(f"argument {name}={value!r} is no literal")
    return Argument(None if default is REQUIRED else name, Hole(value, name), default)


def _is_literal(value: Any) -> bool:
    if isinstance(value, (tuple, list)):
        return all(_is_literal(v) for v in value)
    return isinstance(value, _PLAIN)


def _attribute(module: nn.Module, name: str) -> Any:
    """The value that a constructor's argument had, from the attributes that keep it."""
    if name == "bias" and not isinstance(module.bias, bool):
        if isinstance(module, nn.LayerNorm) and not module.elementwise_affine:
            return True  # without weights the argument means nothing: leave it at its default
        return module.bias is not None
    if not hasattr(module, name):
        raise CannotWriteError(f"{type(module).__name__} does not tell its argument {name!r}")
    value = getattr(module, name)
    if isinstance(module, nn.modules.conv._ConvNd) and isinstance(value, tuple):
        return _collapse(value)
    pools = (nn.modules.pooling._MaxPoolNd, nn.modules.pooling._AvgPoolNd)
    if isinstance(module, pools):
        if name == "stride" and value == module.kernel_size:
            return None
        return _collapse(value) if isinstance(value, tuple) and len(value) > 1 else value
    if isinstance(module, nn.MultiheadAttention) and name in ("kdim", "vdim"):
        return None if value == module.embed_dim else value
    if isinstance(value, (torch.Size, list)):
        value = tuple(value)
    if isinstance(module, (nn.LayerNorm, nn.RMSNorm)) and name == "normalized_shape":
        return _collapse(value) if len(value) == 1 else value
    return value


def _collapse(value: tuple[Any, ...]) -> Any:
    """(3, 3) as 3."""
    return value[0] if len(set(value)) == 1 else value


def _rnn(module: nn.Module) -> Call:
    assert isinstance(module, nn.RNNBase)
    defaults = {
        "num_layers": 1,
        "nonlinearity": "tanh",
        "bias": True,
        "batch_first": False,
        "dropout": 0.0,
        "bidirectional": False,
        "proj_size": 0,
    }
    arguments = [_argument(n, getattr(module, n)) for n in ("input_size", "hidden_size")]
    for name, default in defaults.items():
        if (name == "nonlinearity") != isinstance(module, nn.RNN) and name == "nonlinearity":
            continue
        if name == "proj_size" and not isinstance(module, nn.LSTM):
            continue
        arguments.append(_argument(name, getattr(module, name), default))
    kind = torch_class(type(module))
    assert kind is not None
    return Call(f"nn.{kind.__name__}", tuple(arguments))


def _attention(module: nn.Module) -> Call:
    assert isinstance(module, nn.MultiheadAttention)
    signature = inspect.signature(nn.MultiheadAttention.__init__).parameters
    values = {
        "bias": module.in_proj_bias is not None,
        "add_bias_kv": module.bias_k is not None,
    }
    arguments = [
        _argument(name, values[name] if name in values else _attribute(module, name), p.default)
        for name, p in signature.items()
        if name not in _SKIPPED
    ]
    return Call("nn.MultiheadAttention", tuple(arguments))


def _activation(value: Any) -> Any:
    if value is F.relu or isinstance(value, nn.ReLU):
        return Hole("relu", "activation")
    if value is F.gelu or (isinstance(value, nn.GELU) and value.approximate == "none"):
        return Hole("gelu", "activation")
    if isinstance(value, nn.Module):
        return constructor(value)
    raise CannotWriteError(f"activation {value!r} is no module of torch.nn")


def _transformer_layer(module: nn.Module) -> Call:
    assert isinstance(module, (nn.TransformerEncoderLayer, nn.TransformerDecoderLayer))
    attention = module.self_attn
    arguments = [
        _argument("d_model", attention.embed_dim),
        _argument("nhead", attention.num_heads),
        _argument("dim_feedforward", module.linear1.out_features, 2048),
        _argument("dropout", module.dropout.p, 0.1),
        Argument("activation", _activation(module.activation), "relu"),
        _argument("layer_norm_eps", module.norm1.eps, 1e-5),
        _argument("batch_first", attention.batch_first, False),
        _argument("norm_first", module.norm_first, False),
        _argument("bias", module.linear1.bias is not None, True),
    ]
    kind = torch_class(type(module))
    assert kind is not None
    return Call(f"nn.{kind.__name__}", tuple(arguments))


def _transformer_encoder(module: nn.Module) -> Call:
    assert isinstance(module, nn.TransformerEncoder)
    layers = list(module.layers)
    calls = [constructor(layer) for layer in layers]
    if not calls or any(call != calls[0] for call in calls):
        raise CannotWriteError("the layers of a TransformerEncoder differ")
    norm = Hole(None, "norm") if module.norm is None else constructor(module.norm)
    arguments = (
        Argument(None, calls[0]),
        _argument("num_layers", module.num_layers),
        Argument("norm", norm, None),
        _argument("enable_nested_tensor", module.enable_nested_tensor, True),
        _argument("mask_check", module.mask_check, True),
    )
    return Call("nn.TransformerEncoder", arguments)


def _identity(_: nn.Module) -> Call:
    return Call("nn.Identity", ())


_SPECIAL: Final[dict[type[nn.Module], Callable[[nn.Module], Call]]] = {
    nn.LSTM: _rnn,
    nn.GRU: _rnn,
    nn.RNN: _rnn,
    nn.MultiheadAttention: _attention,
    nn.TransformerEncoderLayer: _transformer_layer,
    nn.TransformerDecoderLayer: _transformer_layer,
    nn.TransformerEncoder: _transformer_encoder,
    nn.Identity: _identity,
}


def _check(call: Call, module: nn.Module) -> None:
    """Make the layer and compare: a layer changed after its making must not pass unnoticed."""
    name = type(module).__name__
    try:
        made = evaluate(call)
    except Exception as error:
        raise CannotWriteError(f"{name} cannot be made again: {error}") from error
    here, there = module.state_dict(), made.state_dict()
    if [*here] != [*there] or any(here[k].shape != there[k].shape for k in here):
        raise CannotWriteError(f"{name} holds other weights than its constructor makes")
    parts = list(made.named_modules())
    originals = dict(module.named_modules())
    for path, part in parts:
        original = originals.get(path)
        if original is None:
            raise CannotWriteError(f"{name} lacks its part {path}")
        for key, value in _scalars(part):
            if getattr(original, key, None) != value:
                raise CannotWriteError(
                    f"{name} was changed after it was made: {key} is "
                    f"{getattr(original, key, None)!r} where its constructor sets {value!r}"
                )


def _scalars(module: nn.Module) -> Sequence[tuple[str, Any]]:
    return [
        (key, value)
        for key, value in vars(module).items()
        if not key.startswith("_") and key != "training" and _is_literal(value)
    ]
