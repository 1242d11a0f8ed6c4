"""What a layer's weights must be, so that it computes what it should: one rule a kind of layer.

A channel map says of each of the child's channels which of the parent's it repeats; None says that
the whole tensor is the parent's. Dimensions count from the last, so that they broadcast as torch's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd

from archwright.nn.morphism_graph import CannotError

Tensors = dict[str, Tensor]

NORMS = (_BatchNorm, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)


@dataclass(frozen=True)
class Channels:
    """How a child's tensor repeats the parent's.

    Attributes:
        map: child's channel -> parent's channel, or None where the whole tensor is equal.
        dim: the dimension of the channels, below 0.
    """

    map: Tensor | None = None
    dim: int = -1

    def along(self, dim: int, n: int) -> Tensor:
        """The map along a dimension of `n` channels in the child.

        Raises:
            CannotError: the channels lie along another dimension.
        """
        if self.map is None:
            return torch.arange(n)
        if self.dim != dim:
            raise CannotError("widened channels lie along a dimension that the layer does not mix")
        return self.map


SAME = Channels()


def repeated(n_parent: int, n_child: int, dim: int) -> Channels:
    """Channels dealt in turn: 0, 1, ..., n_parent - 1, 0, 1, ...

    Raises:
        CannotError: the child has fewer.
    """
    if n_child < n_parent:
        raise CannotError(f"narrower: {n_child} channels instead of {n_parent}")
    return SAME if n_child == n_parent else Channels(torch.arange(n_child) % n_parent, dim)


def transfer(
    child: nn.Module, parent: nn.Module, given: Channels, noise: float, rng: torch.Generator
) -> tuple[Tensors, Channels]:
    """The weights with which a layer computes what the parent's layer computes.

    Args:
        child: the child's layer.
        parent: the parent's, of the same kind.
        given: what the child's layer is given, in terms of what the parent's is given.
        noise: how unequally the weights of repeated inputs are shared out.
        rng: draws the shares.

    Returns:
        Tensors by their names in the layer, and the channels of what it answers.

    Raises:
        CannotError: no weights do.
    """
    if isinstance(child, _ConvNd) and not isinstance(child, _ConvTransposeNd):
        assert isinstance(parent, _ConvNd)
        return _convolution(child, parent, given, noise, rng)
    if isinstance(child, nn.Linear) and isinstance(parent, nn.Linear):
        weight, out = _mix(child.weight, parent.weight, 1, 1, given.along(-1, child.in_features),
                           noise, rng)  # fmt: skip
        tensors = {"weight": weight}
        _add_bias(tensors, child.bias, parent.bias, out)
        return tensors, _channels(out, parent.out_features, -1)
    if isinstance(child, NORMS):
        return _norm(child, parent, given)
    if isinstance(child, nn.Embedding) and isinstance(parent, nn.Embedding):
        if child.num_embeddings != parent.num_embeddings:
            raise CannotError("another number of embeddings")
        channels = repeated(parent.embedding_dim, child.embedding_dim, -1)
        return {"weight": parent.weight[:, channels.along(-1, child.embedding_dim)]}, channels
    return _whole(child, parent, given)


def _whole(child: nn.Module, parent: nn.Module, given: Channels) -> tuple[Tensors, Channels]:
    """A layer of a kind that is only copied."""
    kind = type(child).__name__
    if given.map is not None:
        raise CannotError(f"{kind} behind widened channels is not known")
    theirs, own = parent.state_dict(), child.state_dict()
    if child.extra_repr() != parent.extra_repr() or {n: t.shape for n, t in own.items()} != {
        n: t.shape for n, t in theirs.items()
    }:
        raise CannotError(f"a changed {kind} is not known")
    return dict(theirs), SAME


def _convolution(
    child: _ConvNd, parent: _ConvNd, given: Channels, noise: float, rng: torch.Generator
) -> tuple[Tensors, Channels]:
    for name in ("stride", "dilation", "padding_mode"):
        if getattr(child, name) != getattr(parent, name):
            raise CannotError(f"{name} {getattr(child, name)} instead of {getattr(parent, name)}")
    sizes = list(zip(child.kernel_size, parent.kernel_size, strict=True))
    if any(own < theirs or (own - theirs) % 2 for own, theirs in sizes):
        raise CannotError(f"kernel {child.kernel_size} instead of {parent.kernel_size}")
    margins = [(own - theirs) // 2 for own, theirs in sizes]
    grown = [m * d for m, d in zip(margins, child.dilation, strict=True)]
    if isinstance(child.padding, str) or isinstance(parent.padding, str):
        fits = child.padding == parent.padding and (child.padding == "same" or not any(grown))
    else:
        own = list(child.padding)
        fits = own == [p + g for p, g in zip(parent.padding, grown, strict=True)]
    if not fits:
        raise CannotError(f"padding {child.padding} instead of {parent.padding}")
    dim = -1 - len(sizes)
    map_in = given.along(dim, child.in_channels)
    mixed, out = _mix(child.weight, parent.weight, child.groups, parent.groups, map_in, noise, rng)
    weight = torch.zeros_like(child.weight)
    middle = tuple(slice(m, m + k) for m, (_, k) in zip(margins, sizes, strict=True))
    weight[(slice(None), slice(None), *middle)] = mixed
    tensors = {"weight": weight}
    _add_bias(tensors, child.bias, parent.bias, out)
    return tensors, _channels(out, parent.out_channels, dim)


def _mix(
    child: Tensor,
    parent: Tensor,
    groups: int,
    parent_groups: int,
    map_in: Tensor,
    noise: float,
    rng: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Weights `out x in/groups x kernel` and the map of the outputs, group by group.

    The weights of an input that is repeated are shared out over its repetitions, by shares that add
    up to one and differ by output: so the function stays, and the repetitions learn apart.
    """
    n_out, n_in = child.shape[0] // groups, child.shape[1]
    parent_out, parent_in = parent.shape[0] // parent_groups, parent.shape[1]
    kernel = (1,) * (parent.ndim - 2)
    parts, maps = [], []
    for group in range(groups):
        inputs = map_in[group * n_in : (group + 1) * n_in]
        one = int(inputs[0]) // parent_in
        local = inputs - one * parent_in
        if bool((local < 0).any()) or bool((local >= parent_in).any()):
            raise CannotError("its groups would mix channels of several groups of the parent")
        counts = torch.bincount(local, minlength=parent_in)
        if bool((counts == 0).any()):
            raise CannotError("a channel that the parent's layer reads is missing")
        if n_out < parent_out:
            raise CannotError(f"narrower: {n_out * groups} channels instead of {parent.shape[0]}")
        outputs = one * parent_out + torch.arange(n_out) % parent_out
        drawn = 1 + noise * (2 * torch.rand(n_out, n_in, generator=rng, dtype=torch.float64) - 1)
        sums = torch.zeros(n_out, parent_in, dtype=torch.float64)
        sums.index_add_(1, local, drawn)
        shares = (drawn / sums[:, local]).to(parent)
        parts.append(parent[outputs][:, local] * shares.reshape(n_out, n_in, *kernel))
        maps.append(outputs)
    out = torch.cat(maps)
    if len(torch.unique(out)) < parent.shape[0]:
        raise CannotError(f"narrower: {len(out)} channels instead of {parent.shape[0]}")
    return torch.cat(parts), out


def _add_bias(tensors: Tensors, child: Tensor | None, parent: Tensor | None, out: Tensor) -> None:
    if child is None and parent is not None and bool((parent != 0).any()):
        raise CannotError("it has no bias, and the parent's has")
    if child is not None:
        tensors["bias"] = torch.zeros_like(child) if parent is None else parent[out]


def _channels(out: Tensor, n_parent: int, dim: int) -> Channels:
    same = len(out) == n_parent and bool((out == torch.arange(n_parent)).all())
    return SAME if same else Channels(out, dim)


def norm_dim(norm: nn.Module, ndim: int) -> int:
    """The dimension of the channels that a normalisation scales."""
    return -1 if isinstance(norm, nn.LayerNorm | nn.RMSNorm) else 1 - ndim


def _norm(child: Any, parent: Any, given: Channels) -> tuple[Tensors, Channels]:
    if child.eps != parent.eps:
        raise CannotError(f"eps {child.eps:g} instead of {parent.eps:g}")
    theirs, own = parent.state_dict(), child.state_dict()
    if set(theirs) != set(own):
        raise CannotError("another set of weights and statistics")
    if given.map is None:
        same = {n: t.shape for n, t in own.items()} == {n: t.shape for n, t in theirs.items()}
        if not same or getattr(child, "num_groups", 0) != getattr(parent, "num_groups", 0):
            raise CannotError(f"a changed {type(child).__name__} is not known")
        return dict(theirs), given
    if isinstance(child, nn.LayerNorm | nn.RMSNorm):
        if len(child.normalized_shape) > 1 or given.dim != -1:
            raise CannotError("it normalises several dimensions, of which one is widened")
        _check_even(given.map, parent.normalized_shape[0])
    if isinstance(child, nn.GroupNorm):
        size, theirs_size = (layer.num_channels // layer.num_groups for layer in (child, parent))
        for channels in given.map.split(size):
            one = int(channels[0]) // theirs_size
            _check_even(channels - one * theirs_size, theirs_size)
    return {n: t[given.map] if t.ndim else t for n, t in theirs.items()}, given


def _check_even(map_in: Tensor, n: int) -> None:
    inside = bool((map_in >= 0).all()) and bool((map_in < n).all())
    if not inside or len(torch.unique(torch.bincount(map_in, minlength=n))) != 1:
        raise CannotError(
            "normalised channels are not all repeated equally often, which would change their "
            "mean: widen by a whole factor"
        )


def as_identity(
    layer: nn.Module, given: Channels, n_parent: int, spread: tuple[Tensor, Tensor] | None
) -> tuple[Tensors, Channels]:
    """The weights with which a new layer passes on what it is given.

    Args:
        layer: the layer.
        given: what it is given.
        n_parent: channels of that in the parent.
        spread: mean and variance of the parent's channels, for normalisations.

    Raises:
        CannotError: no weights do.
    """
    if isinstance(layer, _BatchNorm):
        return _normalised(layer, given, spread), given
    if isinstance(layer, nn.Linear):
        map_in, dim, groups = given.along(-1, layer.in_features), -1, 1
    elif isinstance(layer, _ConvNd) and not isinstance(layer, _ConvTransposeNd):
        dim, groups = -1 - len(layer.kernel_size), layer.groups
        keeps = all(
            s == 1 and k % 2 and (p == "same" or p == d * (k - 1) // 2)
            for s, k, p, d in zip(
                layer.stride,
                layer.kernel_size,
                [layer.padding] * 9 if isinstance(layer.padding, str) else layer.padding,
                layer.dilation,
                strict=False,
            )
        )
        if not keeps:
            raise CannotError("a new layer that changes the size cannot compute the identity")
        map_in = given.along(dim, layer.in_channels)
    else:
        raise CannotError(f"a new {type(layer).__name__} cannot compute the identity")
    weight = torch.zeros_like(layer.weight)
    n_out, n_in = weight.shape[0] // groups, weight.shape[1]
    centre = tuple(size // 2 for size in weight.shape[2:])
    out = torch.empty(len(weight), dtype=torch.long)
    for group in range(groups):
        inputs = map_in[group * n_in : (group + 1) * n_in].tolist()
        # Each of the parent's channels once, then again: wide enough layers pass on all of them.
        kinds = sorted(set(inputs))
        for i in range(n_out):
            kind = kinds[i % len(kinds)]
            # Repetitions are read in turn, so that none is left out.
            places = [j for j, one in enumerate(inputs) if one == kind]
            weight[(group * n_out + i, places[(i // len(kinds)) % len(places)], *centre)] = 1.0
            out[group * n_out + i] = kind
    if len(torch.unique(out)) < n_parent:
        raise CannotError(f"a new layer of {len(out)} channels cannot pass on {n_parent}")
    tensors = {"weight": weight}
    if layer.bias is not None:
        tensors["bias"] = torch.zeros_like(layer.bias)
    return tensors, _channels(out, n_parent, dim)


def _normalised(
    layer: _BatchNorm, given: Channels, spread: tuple[Tensor, Tensor] | None
) -> Tensors:
    if layer.running_mean is None or layer.running_var is None:
        raise CannotError("a new normalisation without running statistics cannot pass on its input")
    zeros, ones = torch.zeros_like(layer.running_mean), torch.ones_like(layer.running_var)
    if not layer.affine or spread is None:
        tensors = {"running_mean": zeros, "running_var": ones - layer.eps}
        return tensors | ({"weight": ones, "bias": zeros} if layer.affine else {})
    # Also near the identity in training mode, which normalises by the statistics of the batch.
    channels = given.along(given.dim, len(zeros))
    mean, var = (part[channels].to(zeros) for part in spread)
    return {
        "running_mean": mean,
        "running_var": var,
        "weight": (var + layer.eps).sqrt(),
        "bias": mean.clone(),
    }


def as_constant(layer: nn.Module, value: float) -> Tensors:
    """The weights with which a layer answers one number everywhere.

    Raises:
        CannotError: it has no scale, or no bias where the number is not 0.
    """
    if isinstance(layer, nn.MultiheadAttention):
        layer, prefix = layer.out_proj, "out_proj."
    else:
        prefix = ""
    weight, bias = getattr(layer, "weight", None), getattr(layer, "bias", None)
    kinds = (nn.Linear, _ConvNd, *NORMS)
    if not isinstance(layer, kinds) or weight is None or (value and bias is None):
        raise CannotError(f"a new {type(layer).__name__} cannot answer {value:g} everywhere")
    tensors = {prefix + "weight": torch.zeros_like(weight)}
    if bias is not None:
        tensors[prefix + "bias"] = torch.full_like(bias, value)
    return tensors
