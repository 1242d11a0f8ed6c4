"""`darts`: the published cell space of differentiable search, a normal and a reduction cell.

Source: Hanxiao Liu et al., "DARTS: Differentiable Architecture Search", ICLR 2019,
arXiv:1806.09055, and its published code.

As published: a 3 x 3 convolution to 3 C channels; cells of two inputs and four nodes, at one third
and two thirds of the depth reduction cells, which halve the image and double the channels; each
node adds what eight operations make of two of all tensors before it; the nodes are concatenated.
Convolutions are ReLU, convolution without bias, batch normalisation; separable ones are applied
twice. Images of about 100 pixels a side and more get the published stem of ImageNet, which halves
them three times.

In the published supernet all edges into a node are mixed, and two of them are kept when a cell is
derived: that is this space's supernet in a mixture in which all inputs have the weight one.

Differences from the paper: derived cells never hold "none", which is an operation of this space
like the others (`none=False` leaves it out, and gives the published number of cells); odd sizes,
which the paper does not have, are halved rounding up; the auxiliary head averages to 2 x 2 whatever
the image's size; what does not reach the output is not built.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import archwright.nn as aw
from archwright.errors import InputError
from archwright.zoo.blocks import GlobalAverage
from archwright.zoo.shapes import check_count, image_scale

DARTS_OPS = (
    "none",
    "max_pool_3x3",
    "avg_pool_3x3",
    "skip_connect",
    "sep_conv_3x3",
    "sep_conv_5x5",
    "dil_conv_3x3",
    "dil_conv_5x5",
)
"""The eight operations, in the published order."""

N_NODES = 4

# For nodes 2 to 5, their two (operation, source); 0 is the tensor before last, 1 the last.
_V2 = {
    "normal": (
        (("sep_conv_3x3", 0), ("sep_conv_3x3", 1)),
        (("sep_conv_3x3", 0), ("sep_conv_3x3", 1)),
        (("skip_connect", 0), ("sep_conv_3x3", 1)),
        (("skip_connect", 0), ("dil_conv_3x3", 2)),
    ),
    "reduction": (
        (("max_pool_3x3", 0), ("max_pool_3x3", 1)),
        (("max_pool_3x3", 1), ("skip_connect", 2)),
        (("max_pool_3x3", 0), ("skip_connect", 2)),
        (("max_pool_3x3", 1), ("skip_connect", 2)),
    ),
}
DARTS_V2: dict[str, Any] = {
    path: value
    for cell, nodes in _V2.items()
    for number, edges in enumerate(nodes, start=2)
    for path, value in [
        *((f"{cell}/{source}-{number}", op) for op, source in edges),
        (f"{cell}/{number}/inputs", tuple(source for _, source in edges)),
    ]
    if path != f"{cell}/2/inputs"  # node 2 has two tensors before it and takes both
}
"""The architecture that the paper found by second-order search (figures 4 and 5)."""


class DARTS(nn.Module):
    """The network around the two cells.

    Args:
        input_shape: (channels, height, width) of the images.
        n_outputs: classes, or numbers to predict.
        C: channels of a node in the first cells; published: 16 in search, 36 in the end.
        n_cells: number of cells; published: 8 in search, 20 in the end.
        relaxed: as in the published search: batch normalisations in the cells without scale and
            shift, and one behind each pooling.
        none: whether "none" is one of the operations.
        drop_path: probability with which, in training, an operation's output is dropped for an
            image (published: growing to 0.2 in the course of training, see `set_drop_path`).
        auxiliary: whether there is an auxiliary head at two thirds of the depth. The network then
            answers a pair (outputs, auxiliary outputs) in training; see `AuxiliaryLoss`.

    Decisions: for both cells, nodes 3 to 5: `normal/3/inputs`, the two tensors it takes; for each
    edge its operation: `normal/0-2`, ...

    Raises:
        InputError: it is no image of at least 4 x 4 pixels, or a number out of its range.

    >>> space = aw.ModelSpace(DARTS, C=36, n_cells=20, none=False)
    >>> space.size == (1 * 3 * 6 * 10 * 7**8) ** 2  # about 10^18, as published
    True
    >>> model = space.build(DARTS_V2, device="meta")
    >>> sum(p.numel() for p in model.parameters())  # 3.349342 M in the published log
    3349342
    """

    def __init__(
        self,
        input_shape: Sequence[int] = (3, 32, 32),
        n_outputs: int = 10,
        *,
        C: int = 16,
        n_cells: int = 8,
        relaxed: bool = False,
        none: bool = True,
        drop_path: float = 0.0,
        auxiliary: bool = False,
    ) -> None:
        super().__init__()
        scale = image_scale("darts", input_shape)
        check_count("darts", "n_outputs", n_outputs)
        check_count("darts", "C", C)
        check_count("darts", "n_cells", n_cells)
        if not 0 <= drop_path < 1:
            raise InputError(f"darts: drop_path must be from 0 to below 1, got {drop_path!r}")
        halved = scale.stem_stride == 4
        channels = C if halved else 3 * C
        self.stem = _large_stem(scale.channels, C) if halved else _conv_bn(scale.channels, channels)
        self.stem_1 = (
            nn.Sequential(nn.ReLU(), *_conv_bn(C, C, stride=2)) if halved else nn.Identity()
        )
        before = channels
        cells = []
        self.auxiliary_at = 2 * n_cells // 3 if auxiliary else None
        for i in range(n_cells):
            reduction = i in (n_cells // 3, 2 * n_cells // 3)
            if reduction:
                C *= 2
            ops = _cell_ops(C, reduction, relaxed, none, drop_path)
            cells.append(DARTSCell(before, channels, C, ops, reduction, halved, affine=not relaxed))
            before, channels, halved = channels, N_NODES * C, reduction
            if i == self.auxiliary_at:
                self.auxiliary = auxiliary_head(channels, n_outputs)
        self.cells = nn.ModuleList(cells)
        self.head = nn.Sequential(GlobalAverage(), nn.Linear(channels, n_outputs))

    def forward(self, x: Tensor) -> Any:
        """`batch x channels x height x width` to `batch x n_outputs`."""
        before = self.stem(x)
        x = self.stem_1(before)
        extra = None
        for i, cell in enumerate(self.cells):
            before, x = x, cell(before, x)
            if i == self.auxiliary_at and self.training:
                extra = self.auxiliary(x)
        outputs = self.head(x)
        return outputs if extra is None else (outputs, extra)


class DARTSCell(nn.Module):
    """A cell, and what brings its two inputs to one number of channels and one size.

    Args:
        before: channels of the tensor before last.
        channels: channels of the last.
        C: channels of a node.
        ops: the operations, for `aw.cell`.
        reduction: whether the cell halves the image.
        halved: whether the cell before did, so that the tensor before last is larger.
        affine: whether batch normalisations have scale and shift.
    """

    def __init__(
        self, before: int, channels: int, C: int, ops: Any, reduction: bool, halved: bool,
        *, affine: bool,
    ) -> None:  # fmt: skip
        super().__init__()
        self.adapt_before = (
            FactorizedReduce(before, C, affine=affine)
            if halved
            else _relu_conv_bn(before, C, affine=affine)
        )
        self.adapt = _relu_conv_bn(channels, C, affine=affine)
        self.cell = aw.cell(
            "reduction" if reduction else "normal",
            ops,
            nodes=N_NODES,
            inputs=2,
            select=2,
            output="concat",
            zero="none",
            # Where a cell halves the image, so does the skip, and passes nothing on as it is.
            identity=None if reduction else "skip_connect",
            default="sep_conv_3x3",
            shared=True,
        )

    def forward(self, before: Tensor, x: Tensor) -> Tensor:
        """The tensor before last and the last, to `batch x 4 C x H' x W'`."""
        return self.cell(self.adapt_before(before), self.adapt(x))


class FactorizedReduce(nn.Module):
    """Halves an image: two 1 x 1 convolutions of stride 2, one pixel apart, side by side.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        affine: whether the batch normalisation has scale and shift.

    >>> FactorizedReduce(4, 6)(torch.zeros(2, 4, 7, 8)).shape
    torch.Size([2, 6, 4, 4])
    """

    def __init__(self, in_channels: int, out_channels: int, *, affine: bool = True) -> None:
        super().__init__()
        self.activation = nn.ReLU()
        self.even = nn.Conv2d(in_channels, out_channels // 2, 1, 2, bias=False)
        self.odd = nn.Conv2d(in_channels, out_channels - out_channels // 2, 1, 2, bias=False)
        self.norm = nn.BatchNorm2d(out_channels, affine=affine)

    def forward(self, x: Tensor) -> Tensor:
        """`batch x in_channels x H x W` to `batch x out_channels x H/2 x W/2`."""
        x = self.activation(x)
        shifted = F.pad(x, (-1, x.shape[3] % 2, -1, x.shape[2] % 2))
        return self.norm(torch.cat([self.even(x), self.odd(shifted)], 1))


class Zero(nn.Module):
    """Answers zeros of half the image's size: "none" where a cell halves the image.

    >>> Zero()(torch.ones(1, 2, 5, 4)).shape
    torch.Size([1, 2, 3, 2])
    """

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x H x W` to `batch x channels x H/2 x W/2`."""
        return x[:, :, ::2, ::2] * 0.0


class DropPath(nn.Module):
    """Drops the whole input of an image with a probability, in training.

    Source: Gustav Larsson et al., "FractalNet", ICLR 2017, arXiv:1605.07648; as in NASNet.

    Args:
        p: the probability.

    >>> DropPath(0.5).eval()(torch.ones(1, 1, 1, 1)).item()
    1.0
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """The input, for each image zero or divided by the probability to be kept."""
        if not self.training or self.p == 0:
            return x
        keep = 1 - self.p
        kept = torch.empty((len(x), *[1] * (x.ndim - 1)), dtype=x.dtype, device=x.device)
        return x * (kept.bernoulli_(keep) / keep)

    def extra_repr(self) -> str:
        """The probability."""
        return f"p={self.p}"


def set_drop_path(model: nn.Module, p: float) -> None:
    """Sets the probability of every `DropPath`: published, p grows linearly with the epochs.

    Args:
        model: the network.
        p: the probability.

    >>> model = nn.Sequential(DropPath(0.1))
    >>> set_drop_path(model, 0.2)
    >>> model
    Sequential(
      (0): DropPath(p=0.2)
    )
    """
    for module in model.modules():
        if isinstance(module, DropPath):
            module.p = p


class AuxiliaryLoss(nn.Module):
    """A loss for networks that in training answer a pair (outputs, auxiliary outputs).

    Args:
        loss: the loss of each.
        weight: of the auxiliary one.

    >>> both = (torch.zeros(1, 2), torch.zeros(1, 2))
    >>> round(AuxiliaryLoss(nn.CrossEntropyLoss())(both, torch.tensor([0])).item(), 3)
    0.97
    """

    def __init__(self, loss: nn.Module, weight: float = 0.4) -> None:
        super().__init__()
        self.loss = loss
        self.weight = weight

    def forward(self, outputs: Any, target: Tensor) -> Tensor:
        """The loss of a pair, or of outputs alone."""
        if not isinstance(outputs, tuple):
            return self.loss(outputs, target)
        return self.loss(outputs[0], target) + self.weight * self.loss(outputs[1], target)


def auxiliary_head(in_channels: int, n_outputs: int) -> nn.Sequential:
    """The published auxiliary head.

    Args:
        in_channels: channels of the input.
        n_outputs: outputs.

    >>> auxiliary_head(8, 10)(torch.zeros(2, 8, 8, 8)).shape
    torch.Size([2, 10])
    """
    return nn.Sequential(
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Conv2d(in_channels, 128, 1, bias=False),
        nn.BatchNorm2d(128),
        nn.ReLU(),
        nn.Conv2d(128, 768, 2, bias=False),
        nn.BatchNorm2d(768),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(768, n_outputs),
    )


def _cell_ops(C: int, reduction: bool, relaxed: bool, none: bool, drop_path: float) -> Any:
    def ops(place: aw.Place) -> dict[str, Callable[[], nn.Module] | None]:
        stride = 2 if reduction and place.from_input else 1
        return _options(C, stride, reduction, relaxed, none, drop_path)

    return ops


def _options(
    C: int, stride: int, reduction: bool, relaxed: bool, none: bool, drop_path: float
) -> dict[str, Callable[[], nn.Module] | None]:
    affine = not relaxed

    def dropped(make: Callable[[], nn.Module]) -> Callable[[], nn.Module]:
        return lambda: nn.Sequential(make(), DropPath(drop_path)) if drop_path else make()

    def pool(kind: Any, **options: Any) -> Callable[[], nn.Module]:
        def make() -> nn.Module:
            layer = kind(3, stride, 1, **options)
            return nn.Sequential(layer, nn.BatchNorm2d(C, affine=False)) if relaxed else layer

        return dropped(make)

    def skip() -> nn.Module:
        if stride == 2:
            return dropped(lambda: FactorizedReduce(C, C, affine=affine))()
        return nn.Identity()

    found: dict[str, Callable[[], nn.Module] | None] = {
        "none": Zero if stride == 2 else None,
        "max_pool_3x3": pool(nn.MaxPool2d),
        "avg_pool_3x3": pool(nn.AvgPool2d, count_include_pad=False),
        "skip_connect": skip if reduction else None,
        "sep_conv_3x3": dropped(lambda: _separable(C, 3, stride, affine)),
        "sep_conv_5x5": dropped(lambda: _separable(C, 5, stride, affine)),
        "dil_conv_3x3": dropped(lambda: _dilated(C, 3, stride, affine)),
        "dil_conv_5x5": dropped(lambda: _dilated(C, 5, stride, affine)),
    }
    if not none:
        del found["none"]
    return found


def _separable(C: int, kernel: int, stride: int, affine: bool) -> nn.Module:
    parts: list[nn.Module] = []
    for s in (stride, 1):  # applied twice, as published
        parts += [
            nn.ReLU(),
            nn.Conv2d(C, C, kernel, s, kernel // 2, groups=C, bias=False),
            nn.Conv2d(C, C, 1, bias=False),
            nn.BatchNorm2d(C, affine=affine),
        ]
    return nn.Sequential(*parts)


def _dilated(C: int, kernel: int, stride: int, affine: bool) -> nn.Module:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(C, C, kernel, stride, kernel - 1, dilation=2, groups=C, bias=False),
        nn.Conv2d(C, C, 1, bias=False),
        nn.BatchNorm2d(C, affine=affine),
    )


def _relu_conv_bn(in_channels: int, out_channels: int, *, affine: bool) -> nn.Module:
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(in_channels, out_channels, 1, bias=False),
        nn.BatchNorm2d(out_channels, affine=affine),
    )


def _conv_bn(in_channels: int, out_channels: int, *, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, stride, 1, bias=False),
        nn.BatchNorm2d(out_channels),
    )


def _large_stem(in_channels: int, C: int) -> nn.Sequential:
    half = max(1, C // 2)
    return nn.Sequential(
        *_conv_bn(in_channels, half, stride=2), nn.ReLU(), *_conv_bn(half, C, stride=2)
    )


def darts_space(
    input_shape: Sequence[int] = (3, 32, 32),
    n_outputs: int = 10,
    *,
    C: int = 16,
    n_cells: int = 8,
    relaxed: bool = False,
    none: bool = True,
    drop_path: float = 0.0,
    auxiliary: bool = False,
) -> aw.ModelSpace:
    """The space of `DARTS` networks; its arguments are those of `DARTS`.

    Args:
        input_shape: (channels, height, width) of the images.
        n_outputs: classes, or numbers to predict.
        C: channels of a node in the first cells.
        n_cells: number of cells.
        relaxed: batch normalisations as in the published search.
        none: whether "none" is one of the operations.
        drop_path: probability of dropping an operation's output.
        auxiliary: whether there is an auxiliary head.

    >>> darts_space((1, 8, 8), C=4, n_cells=3).default["reduction/3/inputs"]
    (0, 1)
    """
    space = aw.ModelSpace(
        DARTS,
        input_shape,
        n_outputs,
        C=C,
        n_cells=n_cells,
        relaxed=relaxed,
        none=none,
        drop_path=drop_path,
        auxiliary=auxiliary,
        scaled={"C": "width", "n_cells": "depth"},
    )
    space.name = "darts"
    return space
