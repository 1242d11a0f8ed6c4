"""`nasbench1shot1`: cells of NAS-Bench-101's kind whose wiring can be relaxed.

Source: Arber Zela, Julien Siems, Frank Hutter, "NAS-Bench-1Shot1: Benchmarking and Dissecting
One-shot Neural Architecture Search", ICLR 2020, arXiv:2001.10422, and its published code.

As published: the network of NAS-Bench-101 around a cell of four or five choice blocks, each with
three operations on the sum of what it takes; how many inputs each block and the output take is
fixed, so that weights on the inputs can be learnt. The three search spaces differ in these numbers.

Differences from the paper: the output is the sum of what it takes, each of all channels, instead of
their concatenation, each of a part: a network is therefore near, but not equal to the one of the
same wiring in NAS-Bench-101 (`nasbench101` has those). The input goes through one 1 x 1 convolution
a cell, instead of one for each block that takes it. What does not reach the output ("loose ends")
belongs to the space, as there, and is not built. Odd sizes are halved rounding up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor, nn

import archwright.nn as aw
from archwright.errors import InputError
from archwright.space import Subset
from archwright.zoo.blocks import conv_bn, image_head
from archwright.zoo.shapes import check_count, check_image_shape

PARENTS = {1: (1, 2, 2, 2, 2), 2: (1, 1, 2, 2, 3), 3: (1, 1, 1, 2, 2, 2)}
"""Search space -> how many inputs each choice block and, last, the output take."""


class NASBench1Shot1(nn.Module):
    """The network around the cell. `nasbench1shot1_space` fixes how many inputs are taken.

    Args:
        input_shape: (channels, height, width); published with (3, 32, 32).
        n_outputs: classes; 10 for CIFAR-10.
        search_space: 1, 2 or 3.
        C: channels of the first stack; published: 16 in search.
        N: cells in each of the three stacks.

    Decisions: `cell/2/inputs` (where there is something to choose), ..., `cell/output/inputs` and
    `cell/1/op`, ... All cells of a network are the same.

    Raises:
        InputError: it is no image of at least 4 x 4 pixels, or a number out of its range.

    >>> nasbench1shot1_space(search_space=2).size == (2 * 3 * 6 * 10) * 3**4  # as published
    True
    """

    def __init__(
        self,
        input_shape: Sequence[int] = (3, 32, 32),
        n_outputs: int = 10,
        *,
        search_space: int = 1,
        C: int = 16,
        N: int = 3,
    ) -> None:
        super().__init__()
        n_channels, _, _ = check_image_shape("nasbench1shot1", input_shape)
        check_count("nasbench1shot1", "n_outputs", n_outputs)
        if search_space not in PARENTS:
            raise InputError(
                f"nasbench1shot1: search_space must be 1, 2 or 3, got {search_space!r}"
            )
        check_count("nasbench1shot1", "C", C)
        check_count("nasbench1shot1", "N", N)
        self.stem = conv_bn(n_channels, C, activation=nn.ReLU)
        stacks: list[nn.Module] = []
        channels = C
        for stack in range(3):
            if stack:
                stacks.append(nn.MaxPool2d(2, 2, ceil_mode=True))
            for _ in range(N):
                stacks.append(conv_bn(channels, C * 2**stack, kernel=1, activation=nn.ReLU))
                channels = C * 2**stack
                stacks.append(_cell(channels, PARENTS[search_space]))
        self.stacks = nn.Sequential(*stacks)
        self.head = image_head(channels, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x height x width` to `batch x n_outputs`."""
        return self.head(self.stacks(self.stem(x)))


def nasbench1shot1_space(
    input_shape: Sequence[int] = (3, 32, 32),
    n_outputs: int = 10,
    *,
    search_space: int = 1,
    C: int = 16,
    N: int = 3,
) -> aw.ModelSpace:
    """The space of `NASBench1Shot1` networks.

    Args:
        input_shape: (channels, height, width) of the images.
        n_outputs: classes.
        search_space: 1, 2 or 3.
        C: channels of the first stack.
        N: cells in each stack.

    >>> [nasbench1shot1_space(search_space=i).size for i in (1, 2, 3)]
    [14580, 29160, 1312200]
    """
    space = aw.ModelSpace(
        NASBench1Shot1,
        input_shape,
        n_outputs,
        search_space=search_space,
        C=C,
        N=N,
        scaled={"C": "width", "N": "depth"},
    )
    parents = PARENTS[search_space]
    fixed = {
        f"cell/{name}/inputs": Subset(n, k, k)
        for n, (name, k) in enumerate(
            zip([*range(1, len(parents)), "output"], parents, strict=True), start=1
        )
    }
    # By default each takes the latest, so that no end is loose.
    decisions = [
        replace(d, domain=domain, default=tuple(range(domain.n - domain.low, domain.n)))
        if (domain := fixed.get(d.path))
        else d
        for d in space.decisions
    ]
    space = space._derive(decisions, space.cells, space.constraints)
    space.name = "nasbench1shot1"
    return space


def _cell(width: int, parents: Sequence[int]) -> nn.Module:
    *blocks, _ = parents
    fewest = min(blocks[1:])
    return aw.cell(
        "cell",
        {
            "conv3x3-bn-relu": lambda: conv_bn(width, width, kernel=3, activation=nn.ReLU),
            "conv1x1-bn-relu": lambda: conv_bn(width, width, kernel=1, activation=nn.ReLU),
            "maxpool3x3": lambda: nn.MaxPool2d(3, 1, 1),
        },
        nodes=len(blocks),
        select=(fewest, max(blocks)),
        op_on="node",
        output="select",
        shared=True,
    )
