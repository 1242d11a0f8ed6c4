"""Normalisation layers whose width (and number of groups) may be elastic."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from archwright.errors import SpaceError
from archwright.nn.elastic import active_of, is_elastic
from archwright.nn.twin import Twin, leading, whole


def batch_norm1d(
    num_features: Any, *, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True
) -> nn.Module:
    """Batch normalisation of `batch x num_features (x length)`; the width may be elastic.

    Given a plain number it is `torch.nn.BatchNorm1d`. In a supernet the narrower architectures
    share the first running statistics with the wider ones: recalibrate before measuring.

    Args:
        num_features: channels.
        eps: added to the variance.
        momentum: of the running statistics (None: a cumulative average).
        affine: whether scale and shift are learnt.

    Source: Sergey Ioffe, Christian Szegedy, "Batch Normalization", ICML 2015,
    arXiv:1502.03167.

    >>> batch_norm1d(8).num_features
    8
    """
    if is_elastic(num_features):
        return ElasticBatchNorm1d(num_features, eps, momentum, affine)
    return nn.BatchNorm1d(num_features, eps, momentum, affine)


def batch_norm2d(
    num_features: Any, *, eps: float = 1e-5, momentum: float | None = 0.1, affine: bool = True
) -> nn.Module:
    """Batch normalisation of `batch x num_features x H x W`; the width may be elastic.

    Given a plain number it is `torch.nn.BatchNorm2d`. In a supernet the narrower architectures
    share the first running statistics with the wider ones: recalibrate before measuring.

    Args:
        num_features: channels.
        eps: added to the variance.
        momentum: of the running statistics (None: a cumulative average).
        affine: whether scale and shift are learnt.

    Source: Sergey Ioffe, Christian Szegedy, "Batch Normalization", ICML 2015,
    arXiv:1502.03167.

    >>> batch_norm2d(8).num_features
    8
    """
    if is_elastic(num_features):
        return ElasticBatchNorm2d(num_features, eps, momentum, affine)
    return nn.BatchNorm2d(num_features, eps, momentum, affine)


class _BatchNorm(Twin):
    _sizes = frozenset({"num_features"})

    def _set_up(
        self, plain: Any, num_features: Any, eps: float, momentum: float | None, affine: bool
    ) -> None:
        name = "batch_norm1d" if plain is nn.BatchNorm1d else "batch_norm2d"
        plain.__init__(self, whole(name, "num_features", num_features), eps, momentum, affine)
        self._become_elastic(active_of(num_features), num_features=num_features)

    def _cut(self, name: str, full: Tensor) -> Tensor:
        return full if name == "num_batches_tracked" else leading(full, self.num_features)


class ElasticBatchNorm1d(_BatchNorm, nn.BatchNorm1d):
    """The elastic twin of `torch.nn.BatchNorm1d`."""

    def __init__(self, *arguments: Any) -> None:
        self._set_up(nn.BatchNorm1d, *arguments)


class ElasticBatchNorm2d(_BatchNorm, nn.BatchNorm2d):
    """The elastic twin of `torch.nn.BatchNorm2d`."""

    def __init__(self, *arguments: Any) -> None:
        self._set_up(nn.BatchNorm2d, *arguments)


def layer_norm(normalized_shape: Any, *, eps: float = 1e-5, affine: bool = True) -> nn.Module:
    """Layer normalisation over the last dimensions, which may be elastic.

    Given plain numbers it is `torch.nn.LayerNorm`.

    Args:
        normalized_shape: size of the last dimension, or a tuple of the last dimensions.
        eps: added to the variance.
        affine: whether scale and shift are learnt.

    Source: Jimmy Lei Ba et al., "Layer Normalization", 2016, arXiv:1607.06450.

    >>> layer_norm(8)
    LayerNorm((8,), eps=1e-05, elementwise_affine=True, bias=True)
    """
    shape = _shape("layer_norm", normalized_shape)
    if is_elastic(shape):
        return ElasticLayerNorm(shape, eps, affine)
    return nn.LayerNorm(shape, eps, affine)


def rms_norm(normalized_shape: Any, *, eps: float | None = None, affine: bool = True) -> nn.Module:
    """Root-mean-square normalisation over the last dimensions, which may be elastic.

    Given plain numbers it is `torch.nn.RMSNorm`.

    Args:
        normalized_shape: size of the last dimension, or a tuple of the last dimensions.
        eps: added to the mean square (None: the machine epsilon of the type).
        affine: whether a scale is learnt.

    Source: Biao Zhang, Rico Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019,
    arXiv:1910.07467.

    >>> rms_norm(8)
    RMSNorm((8,), eps=None, elementwise_affine=True)
    """
    shape = _shape("rms_norm", normalized_shape)
    if is_elastic(shape):
        return ElasticRMSNorm(shape, eps, affine)
    return nn.RMSNorm(shape, eps, affine)


def _shape(name: str, shape: Any) -> tuple[Any, ...]:
    shape = tuple(shape) if isinstance(shape, tuple | list) else (shape,)
    if not shape:
        raise SpaceError(f"aw.{name}: normalized_shape must have at least one dimension, got ()")
    return shape


class ElasticLayerNorm(Twin, nn.LayerNorm):
    """The elastic twin of `torch.nn.LayerNorm`."""

    def __init__(self, shape: tuple[Any, ...], eps: float, affine: bool) -> None:
        full = [whole("layer_norm", "normalized_shape", size) for size in shape]
        nn.LayerNorm.__init__(self, full, eps, affine)
        self._become_elastic(active_of(shape), normalized_shape=shape)

    def _cut(self, name: str, full: Tensor) -> Tensor:
        return leading(full, *self.normalized_shape)


class ElasticRMSNorm(Twin, nn.RMSNorm):
    """The elastic twin of `torch.nn.RMSNorm`."""

    def __init__(self, shape: tuple[Any, ...], eps: float | None, affine: bool) -> None:
        full = [whole("rms_norm", "normalized_shape", size) for size in shape]
        nn.RMSNorm.__init__(self, full, eps, affine)
        self._become_elastic(active_of(shape), normalized_shape=shape)

    def _cut(self, name: str, full: Tensor) -> Tensor:
        return leading(full, *self.normalized_shape)


def group_norm(
    num_groups: Any, num_channels: Any, *, eps: float = 1e-5, affine: bool = True
) -> nn.Module:
    """Group normalisation of `batch x num_channels x ...`; groups and channels may be elastic.

    Given plain numbers it is `torch.nn.GroupNorm`. The groups must divide the channels in
    every architecture.

    Args:
        num_groups: number of groups.
        num_channels: channels.
        eps: added to the variance.
        affine: whether scale and shift are learnt.

    Source: Yuxin Wu, Kaiming He, "Group Normalization", ECCV 2018, arXiv:1803.08494.

    >>> group_norm(2, 8).num_groups
    2
    """
    if is_elastic(num_groups, num_channels):
        return ElasticGroupNorm(num_groups, num_channels, eps, affine)
    return nn.GroupNorm(num_groups, num_channels, eps, affine)


class ElasticGroupNorm(Twin, nn.GroupNorm):
    """The elastic twin of `torch.nn.GroupNorm`."""

    def __init__(self, num_groups: Any, num_channels: Any, eps: float, affine: bool) -> None:
        # With one group torch accepts any number of channels.
        nn.GroupNorm.__init__(
            self, 1, whole("group_norm", "num_channels", num_channels), eps, affine
        )
        whole("group_norm", "num_groups", num_groups)
        self._become_elastic(
            active_of(num_groups, num_channels), num_groups=num_groups, num_channels=num_channels
        )

    def _cut(self, name: str, full: Tensor) -> Tensor:
        return leading(full, self.num_channels)
