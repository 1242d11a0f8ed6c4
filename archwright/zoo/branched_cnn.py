"""`branched_cnn`: chains of nodes with parallel branches, and skip connections between nodes.

Sources: the spaces of "chain-structured networks, multi-branch networks and skip connections" in
Thomas Elsken et al., "Neural Architecture Search: A Survey", JMLR 2019, arXiv:1808.05377; branches
as in Christian Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, arXiv:1409.4842; skip
connections chosen among all layers before as in Barret Zoph, Quoc V. Le, "Neural Architecture
Search with Reinforcement Learning", ICLR 2017, arXiv:1611.01578.

Differences from the papers: nodes of one stage have one width and are added up, not concatenated,
so that skip connections need no projections; the image is halved between stages only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

import archwright.nn as aw
from archwright.zoo.blocks import conv_bn, image_head
from archwright.zoo.shapes import around, check_count, image_scale


class Node(nn.Module):
    """Some of the tensors before it, added up; then the sum of what its branches make of them."""

    def __init__(self, n_before: int, width: Any, max_branches: int) -> None:
        super().__init__()
        # By default the two last: each node then adds to what the one before has made.
        usual = tuple(range(max(0, n_before - 2), n_before))
        self.take = aw.inputs("from", n_before, (1, min(3, n_before)), default=usual)
        self.branches = aw.repeat(
            "branches", 1, max_branches, lambda i: _operation(width, i), as_list=True
        )
        self.activation = nn.ReLU()

    def forward(self, before: list[Tensor]) -> Tensor:
        """A list of `batch x width x H x W` to one such tensor."""
        x = self.take(before)
        y = None
        for branch in self.branches:  # type: ignore[attr-defined]
            y = branch(x) if y is None else y + branch(x)
        return self.activation(y)


class Stage(nn.Module):
    """A convolution that widens (and halves), then nodes that may see all before them."""

    def __init__(
        self, in_channels: Any, width: Any, stride: int, max_nodes: int, max_branches: int
    ) -> None:
        super().__init__()
        self.widen = conv_bn(in_channels, width, stride=stride, activation=nn.ReLU)
        self.nodes = aw.repeat(
            "nodes",
            1,
            max_nodes,
            lambda i: Node(i + 1, width, max_branches),
            default=min(2, max_nodes),
            as_list=True,
        )

    def forward(self, x: Tensor) -> Tensor:
        """`batch x in_channels x H x W` to `batch x width x H/stride x W/stride`."""
        made = [self.widen(x)]
        for node in self.nodes:  # type: ignore[attr-defined]
            made.append(node(made))
        return made[-1] + made[0]


class BranchedCNN(nn.Module):
    """Stages of nodes with several branches and skip connections.

    Args:
        input_shape: (channels, height, width) of the images.
        n_outputs: classes, or numbers to predict.
        max_nodes: the most nodes in a stage.
        max_branches: the most branches in a node.

    Decisions: `stem/width`; for each stage `width` and `nodes` (their number); for each node
    `from` (which of the stage's tensors it adds up), `branches` (their number) and for each branch
    `op`; `dropout`.

    Raises:
        InputError: it is no image of at least 4 x 4 pixels, or a number below 1.

    >>> import torch
    >>> net = BranchedCNN((1, 8, 8), 10)  # the default network
    >>> net(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        n_outputs: int,
        *,
        max_nodes: int = 4,
        max_branches: int = 3,
    ) -> None:
        super().__init__()
        scale = image_scale("branched_cnn", input_shape)
        check_count("branched_cnn", "n_outputs", n_outputs)
        check_count("branched_cnn", "max_nodes", max_nodes)
        check_count("branched_cnn", "max_branches", max_branches)
        base = scale.widths()[0] if scale.strides[0] == 1 else scale.base // 2
        with aw.scope("stem"):
            channels = aw.choice("width", around(base, 0.5, 1, 2), default=base)
        self.stem = conv_bn(
            scale.channels, channels, stride=min(2, scale.stem_stride), activation=nn.ReLU
        )
        if scale.stem_stride == 4:
            self.stem.append(nn.MaxPool2d(3, 2, 1))
        stages = []
        # Small images get narrower late stages, where most of the parameters are.
        usual_widths = scale.widths(1.75 if scale.is_small else 2.0)
        for i, (stride, usual) in enumerate(zip(scale.strides, usual_widths, strict=True)):
            with aw.scope(f"stage{i + 1}"):
                width = aw.choice("width", around(usual, 0.5, 0.75, 1, 1.5), default=usual)
                stages.append(Stage(channels, width, stride, max_nodes, max_branches))
                channels = width
        self.stages = nn.Sequential(*stages)
        self.head = image_head(
            channels, n_outputs, dropout=aw.choice("dropout", [0.0, 0.1, 0.2, 0.3])
        )

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x height x width` to `batch x n_outputs`."""
        return self.head(self.stages(self.stem(x)))


def _operation(width: Any, i: int) -> nn.Module:
    return aw.layer(
        "op",
        {
            "conv3": lambda: conv_bn(width, width, kernel=3),
            "conv5": lambda: conv_bn(width, width, kernel=5),
            "separable3": lambda: _separable(width, 3),
            "separable5": lambda: _separable(width, 5),
            "max_pool": lambda: nn.MaxPool2d(3, 1, 1),
            "avg_pool": lambda: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
            "identity": nn.Identity,
        },
        # A second branch that passes on what comes makes a node a residual block.
        default="conv3" if i == 0 else "identity",
    )


def _separable(width: Any, kernel: int) -> nn.Module:
    return nn.Sequential(
        *conv_bn(width, width, kernel=kernel, groups=width), *conv_bn(width, width, kernel=1)
    )
