"""`nasnet`: a normal and a reduction cell, stacked.

Source: Barret Zoph et al., "Learning Transferable Architectures for Scalable Image Recognition",
CVPR 2018, arXiv:1707.07012. Each of a cell's five nodes adds what two of thirteen operations make
of two of all tensors before it; the cell answers the nodes that no other uses, concatenated. The
default architecture is the published NASNet-A.

Differences from the paper: the number of stages, where the image is halved and the filters follow
from the image's size; the two ways of joining (adding, concatenating) are one, adding, which all
published cells use; only nodes are concatenated (the published code of NASNet-A adds the tensor
before last to those of the normal cell); the tensor before last is halved by average pooling and a
1 x 1 convolution; neither drop path nor an auxiliary head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

import archwright.nn as aw
from archwright.space import Branch, Decision
from archwright.zoo.blocks import image_head
from archwright.zoo.shapes import ImageScale, check_count, image_scale

N_NODES = 5

# (node, edge): (from, operation); 0 is the tensor before last, 1 the last, 2 the first node.
NASNET_A: dict[str, dict[str, tuple[int, str]]] = {
    "normal": {
        "2.0": (1, "separable_3x3"),
        "2.1": (1, "identity"),
        "3.0": (0, "separable_3x3"),
        "3.1": (1, "separable_5x5"),
        "4.0": (1, "avg_pool_3x3"),
        "4.1": (0, "identity"),
        "5.0": (0, "avg_pool_3x3"),
        "5.1": (0, "avg_pool_3x3"),
        "6.0": (0, "separable_5x5"),
        "6.1": (0, "separable_3x3"),
    },
    "reduction": {
        "2.0": (0, "separable_7x7"),
        "2.1": (1, "separable_5x5"),
        "3.0": (1, "max_pool_3x3"),
        "3.1": (0, "separable_7x7"),
        "4.0": (1, "avg_pool_3x3"),
        "4.1": (0, "separable_5x5"),
        "5.0": (1, "max_pool_3x3"),
        "5.1": (2, "separable_3x3"),
        "6.0": (2, "avg_pool_3x3"),
        "6.1": (3, "identity"),
    },
}
"""The published cells, figure 4 of the paper."""


class NASNet(nn.Module):
    """A network of normal and reduction cells.

    Args:
        input_shape: (channels, height, width) of the images.
        n_outputs: classes, or numbers to predict.
        N: normal cells in each stage.
        filters: channels of a node in the first stage; left out, by the image's size.

    Decisions: for both cells, nodes 2 to 6 and both edges: `normal/2.0/from`, `normal/2.0/op`, ...

    Raises:
        InputError: it is no image of at least 4 x 4 pixels, or a number below 1.

    >>> import torch
    >>> space = nasnet_space((3, 32, 32), 10, N=1)
    >>> space.build(space.default)(torch.zeros(2, 3, 32, 32)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        *,
        N: int = 2,
        filters: int | None = None,
    ) -> None:
        super().__init__()
        scale = image_scale("nasnet", input_shape)
        check_count("nasnet", "n_outputs", n_outputs)
        check_count("nasnet", "N", N)
        if filters is None:
            filters = usual_filters(scale)
        check_count("nasnet", "filters", filters)
        channels: Any = 3 * filters
        self.stem = nn.Sequential(
            nn.Conv2d(scale.channels, channels, 3, min(2, scale.stem_stride), 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        if scale.stem_stride == 4:
            self.stem.append(nn.MaxPool2d(3, 2, 1))
        before, halved = channels, False
        cells = []
        for i, stride in enumerate(scale.strides):
            if i and stride > 1:
                filters *= 2
            for j in range(N + (stride > 1)):
                reduction = stride > 1 and j == 0
                cell = StackedCell(before, channels, filters, reduction=reduction, halved=halved)
                n_joined: Any = cell.cell.n_outputs
                before, channels, halved = channels, n_joined * filters, reduction
                cells.append(cell)
        self.cells = nn.ModuleList(cells)
        self.activation = nn.ReLU()
        self.head = image_head(channels, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x height x width` to `batch x n_outputs`."""
        before = x = self.stem(x)
        for cell in self.cells:
            before, x = x, cell(before, x)
        return self.head(self.activation(x))


class StackedCell(nn.Module):
    """A cell, and what brings its two inputs to one number of channels and one size."""

    def __init__(
        self, before: Any, channels: Any, filters: int, *, reduction: bool, halved: bool
    ) -> None:
        super().__init__()
        self.adapt_before = _adapt(before, filters, halve=halved)
        self.adapt = _adapt(channels, filters, halve=False)
        self.cell = aw.cell(
            "reduction" if reduction else "normal",
            (lambda place: _options(filters, 2 if place.from_input else 1))
            if reduction
            else _options(filters, 1) | {"identity": None},
            nodes=N_NODES,
            inputs=2,
            select=2,
            replacement=True,
            output="loose",
            # Where a cell halves the image, the identity does so, too, and passes nothing on as is.
            identity=None if reduction else "identity",
            default="separable_3x3",
            shared=True,
        )

    def forward(self, before: Tensor, x: Tensor) -> Tensor:
        """The tensor before last and the last, to `batch x n_outputs * filters x H' x W'`."""
        return self.cell(self.adapt_before(before), self.adapt(x))


def _adapt(in_channels: Any, filters: int, *, halve: bool) -> nn.Module:
    pool = [nn.AvgPool2d(3, 2, 1, count_include_pad=False)] if halve else []
    return nn.Sequential(
        nn.ReLU(),
        *pool,
        aw.conv2d(in_channels, filters, kernel=1, bias=False),
        nn.BatchNorm2d(filters),
    )


def _options(C: int, stride: int) -> dict[str, Callable[[], nn.Module] | None]:
    """The thirteen operations."""
    return {
        "identity": lambda: _conv(C, 1, stride) if stride > 1 else nn.Identity(),
        "conv_1x3_3x1": lambda: _two_convs(C, 3, stride),
        "conv_1x7_7x1": lambda: _two_convs(C, 7, stride),
        "dilated_3x3": lambda: _conv(C, 3, stride, dilation=2),
        "avg_pool_3x3": lambda: nn.AvgPool2d(3, stride, 1, count_include_pad=False),
        "max_pool_3x3": lambda: nn.MaxPool2d(3, stride, 1),
        "max_pool_5x5": lambda: nn.MaxPool2d(5, stride, 2),
        "max_pool_7x7": lambda: nn.MaxPool2d(7, stride, 3),
        "conv_1x1": lambda: _conv(C, 1, stride),
        "conv_3x3": lambda: _conv(C, 3, stride),
        "separable_3x3": lambda: _separable(C, 3, stride),
        "separable_5x5": lambda: _separable(C, 5, stride),
        "separable_7x7": lambda: _separable(C, 7, stride),
    }


NASNET_OPS = tuple(_options(1, 1))
"""The thirteen operations, in the paper's order."""


def _conv(C: int, kernel: int, stride: int, *, dilation: int = 1) -> nn.Module:
    padding = dilation * (kernel // 2)
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(C, C, kernel, stride, padding, dilation, bias=False),
        nn.BatchNorm2d(C),
    )


def _two_convs(C: int, kernel: int, stride: int) -> nn.Module:
    side = kernel // 2
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(C, C, (1, kernel), (1, stride), (0, side), bias=False),
        nn.Conv2d(C, C, (kernel, 1), (stride, 1), (side, 0), bias=False),
        nn.BatchNorm2d(C),
    )


def _separable(C: int, kernel: int, stride: int) -> nn.Module:
    parts: list[nn.Module] = []
    for s in (stride, 1):  # applied twice, as published
        parts += [
            nn.ReLU(),
            nn.Conv2d(C, C, kernel, s, kernel // 2, groups=C, bias=False),
            nn.Conv2d(C, C, 1, bias=False),
            nn.BatchNorm2d(C),
        ]
    return nn.Sequential(*parts)


def nasnet_space(
    input_shape: Sequence[int], n_outputs: int, *, N: int = 2, filters: int | None = None
) -> aw.ModelSpace:
    """The space of `NASNet` networks, NASNet-A by default.

    Args:
        input_shape: (channels, height, width) of the images.
        n_outputs: classes, or numbers to predict.
        N: normal cells in each stage.
        filters: channels of a node in the first stage; left out, by the image's size.

    >>> nasnet_space((3, 32, 32), 10).default["normal/3.1/op"]
    'separable_5x5'
    """
    if filters is None:  # as NASNet chooses them; a number, so that it can be scaled
        filters = usual_filters(image_scale("nasnet", input_shape))
    space = aw.ModelSpace(
        NASNet,
        input_shape,
        n_outputs,
        N=N,
        filters=filters,
        scaled={"filters": "width", "N": "depth"},
    )
    defaults = {
        f"{name}/{edge}/{what}": value
        for name, edges in NASNET_A.items()
        for edge, values in edges.items()
        for what, value in zip(("from", "op"), values, strict=True)
    }
    space = with_defaults(space, defaults)
    space.name = "nasnet"
    return space


def usual_filters(scale: ImageScale) -> int:
    """Channels of a node in the first stage: a cell answers up to five nodes, concatenated."""
    return scale.widths()[0] // 2


def with_defaults(space: aw.ModelSpace, defaults: Mapping[str, Any]) -> aw.ModelSpace:
    """The same space with other defaults of some decisions.

    Args:
        space: the space.
        defaults: path -> value; paths that the space does not have are passed over.

    >>> space = aw.ModelSpace(lambda: aw.linear(2, aw.choice("width", [2, 4])))
    >>> with_defaults(space, {"width": 4}).default["width"]
    4
    """

    def changed(decision: Decision) -> Decision:
        branches = [
            Branch(branch.values, [changed(inner) for inner in branch.decisions])
            for branch in decision.branches
        ]
        return replace(
            decision,
            default=defaults.get(decision.path, decision.default),
            branches=tuple(branches),
        )

    return space._derive([changed(d) for d in space.decisions], space.cells, space.constraints)
