"""`nasbench101`: the published cell space of up to seven vertices and nine edges.

Source: Chris Ying et al., "NAS-Bench-101: Towards Reproducible Neural Architecture Search", ICML
2019, arXiv:1902.09635, and its published code.

As published: a 3 x 3 convolution to C channels; three stacks of N equal cells with C, 2C and 4C
channels, a 2 x 2 max pooling between them; the average over the image, the classifier. A cell is a
graph of an input, up to five vertices that convolve or pool, and an output; what lies on no path
from the input to the output is taken away. The output joins the vertices that lead to it, which
share its channels evenly; other vertices have as many channels as the widest of those they lead to;
vertices that receive from a wider one take its first channels; a 1 x 1 convolution brings the input
to the channels of each vertex that takes it. Convolutions are convolution without bias, batch
normalisation, ReLU.

The architectures are those of `archwright.benchmarks`' space of the same name, so that what the
published table says of one and the network that it is about are found under one name.

Differences from the paper: a graph in which no path leads from the input to the output, which the
paper does not have, answers zeros; odd sizes are halved rounding up. In a supernet a vertex's
narrower forms are the first channels of the widest; its channels follow from the wiring, so that
they cannot be relaxed (`nasbench1shot1` can).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

import archwright.nn as aw
from archwright.nn.elastic import active_of, is_elastic
from archwright.nn.reading import ORDINARY, current
from archwright.space import CellGraph, EdgeLimit, Subset
from archwright.zoo.blocks import conv_bn, image_head
from archwright.zoo.shapes import check_count, check_image_shape

NASBENCH101_OPS = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")
"""The three operations, in the published order."""

OUTPUT = 6  # the number of the output vertex; 0 is the input
MAX_EDGES = 9

Wires = tuple[tuple[int, ...], ...]


class NASBench101(nn.Module):
    """The network around a NAS-Bench-101 cell.

    Args:
        input_shape: (channels, height, width); published with (3, 32, 32).
        n_outputs: classes; 10 for CIFAR-10.
        C: channels of the first stack, at least 5.
        N: cells in each stack.

    Decisions: `cell/1/inputs` to `cell/6/inputs`, which vertices each takes, and `cell/1/op` to
    `cell/5/op`. All cells of a network are the same.

    Raises:
        InputError: it is no image of at least 4 x 4 pixels, or a number too small.

    >>> space = nasbench101_space()
    >>> model = space.build(space.default, device="meta")
    >>> model(torch.zeros(1, 3, 32, 32, device="meta")).shape
    torch.Size([1, 10])
    """

    def __init__(
        self,
        input_shape: Sequence[int] = (3, 32, 32),
        n_outputs: int = 10,
        *,
        C: int = 128,
        N: int = 3,
    ) -> None:
        super().__init__()
        n_channels, _, _ = check_image_shape("nasbench101", input_shape)
        check_count("nasbench101", "n_outputs", n_outputs)
        check_count("nasbench101", "C", C, low=OUTPUT - 1)
        check_count("nasbench101", "N", N)
        self.stem = conv_bn(n_channels, C, activation=nn.ReLU)
        stacks: list[nn.Module] = []
        channels = C
        for stack in range(3):
            if stack:
                stacks.append(nn.MaxPool2d(2, 2, ceil_mode=True))
            for _ in range(N):
                stacks.append(NASBench101Cell(channels, C * 2**stack))
                channels = C * 2**stack
        self.stacks = nn.Sequential(*stacks)
        self.head = image_head(channels, n_outputs)

    def forward(self, x: Tensor) -> Tensor:
        """`batch x channels x height x width` to `batch x n_outputs`."""
        return self.head(self.stacks(self.stem(x)))


class NASBench101Cell(nn.Module):
    """One cell.

    Args:
        in_channels: channels of the input.
        channels: channels of the output.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.channels = channels
        with aw.scope("cell", shared=True):
            self.taken = ((), *(_taken(v) for v in range(1, OUTPUT + 1)))
            # While the space is read every vertex is made; a network holds what is on a path.
            symbolic = is_elastic(*self.taken)
            there = range(OUTPUT + 1) if symbolic else sorted(on_a_path(self.taken))
            self.projections = nn.ModuleDict()
            self.vertices = nn.ModuleDict()
            for v in there:
                if v == 0:
                    continue
                width = channels if v == OUTPUT else _width(v, channels, self.taken)
                if symbolic or 0 in self.taken[v]:
                    self.projections[str(v)] = conv_bn(
                        in_channels, width, kernel=1, activation=nn.ReLU
                    )
                if v < OUTPUT:
                    self.vertices[str(v)] = _vertex(v, width)

    def forward(self, x: Tensor) -> Tensor:
        """`batch x in_channels x H x W` to `batch x channels x H x W`."""
        taken = tuple(tuple(own) for own in self.taken)
        there = on_a_path(taken)
        found: dict[int, Tensor] = {}
        for v in range(1, OUTPUT):
            if v not in there:
                continue
            width = n_channels(v, self.channels, *taken)
            terms = [found[u][:, :width] for u in taken[v] if u in found]
            if 0 in taken[v]:
                terms.append(self.projections[str(v)](x))
            found[v] = self.vertices[str(v)](_total(terms))
        joined = [found[u] for u in taken[OUTPUT] if u in found]
        terms = [torch.cat(joined, 1)] if joined else []
        if 0 in taken[OUTPUT]:
            terms.append(self.projections[str(OUTPUT)](x))
        if not terms:
            return x.new_zeros(len(x), self.channels, *x.shape[2:])
        return _total(terms)


def nasbench101_space(
    input_shape: Sequence[int] = (3, 32, 32), n_outputs: int = 10, *, C: int = 128, N: int = 3
) -> aw.ModelSpace:
    """The space of `NASBench101` networks, of at most nine edges.

    Args:
        input_shape: (channels, height, width) of the images.
        n_outputs: classes.
        C: channels of the first stack.
        N: cells in each stack.

    >>> nasbench101_space().paths[:3]
    ('cell/1/inputs', 'cell/1/op', 'cell/2/inputs')
    """
    space = aw.ModelSpace(
        NASBench101, input_shape, n_outputs, C=C, N=N, scaled={"C": "width", "N": "depth"}
    )
    inputs = [f"cell/{v}/inputs" for v in range(1, OUTPUT + 1)]
    ops = [f"cell/{v}/op" for v in range(1, OUTPUT)]
    graph = CellGraph.on_nodes("cell", 1, [*ops, None], inputs=inputs, output="last")
    decisions = sorted(space.decisions, key=lambda decision: decision.path)
    space = space._derive(decisions, [graph], [EdgeLimit(inputs, MAX_EDGES)])
    space.name = "nasbench101"
    return space


@cache
def on_a_path(taken: Wires) -> frozenset[int]:
    """The vertices on a path from the input to the output, these two included; none without one.

    Args:
        taken: for each vertex those it takes.

    >>> sorted(on_a_path(((), (0,), (0,), (), (), (), (1,))))
    [0, 1, 6]
    """
    reached = {0}
    for v, own in enumerate(taken):
        if reached.intersection(own):
            reached.add(v)
    leading = {OUTPUT} & reached
    for v in reversed(range(OUTPUT + 1)):
        if v in leading:
            leading.update(reached.intersection(taken[v]))
    return frozenset(leading)


@cache
def n_channels(v: int, channels: int, *taken: tuple[int, ...]) -> int:
    """The channels of an inner vertex, by the published rule; 1 where it is on no path.

    Args:
        v: its number.
        channels: of the output.
        *taken: for each vertex those it takes.

    >>> [n_channels(v, 8, (), (0,), (1,), (2,), (0,), (0,), (3, 4, 5)) for v in range(1, 6)]
    [3, 3, 3, 3, 2]
    """
    there = on_a_path(taken)
    if v not in there:
        return 1
    joined = [u for u in taken[OUTPUT] if u in there and u > 0]
    if v in joined:
        share, rest = divmod(channels, len(joined))
        return share + (joined.index(v) < rest)
    following = [u for u in range(v + 1, OUTPUT) if u in there and v in taken[u]]
    return max(n_channels(u, channels, *taken) for u in following)


class _Channels(aw.Elastic):
    """The channels of a vertex; `args` are its number, the output's channels and the wires."""

    __slots__ = ()

    def _find_bounds(self) -> tuple[Any, Any]:
        # A vertex may be the only one before the output.
        return 1, self._args[1]


def _width(v: int, channels: int, taken: tuple[Any, ...]) -> Any:
    if not is_elastic(*taken):
        return n_channels(v, channels, *taken)
    return _Channels(
        active_of(*taken), n_channels, (v, channels, *taken), f"channels of vertex {v}"
    )


def _taken(v: int) -> Any:
    """What a vertex takes: an elastic tuple, or the tuple itself in a network."""
    low = 1 if v == OUTPUT else 0
    reading = current.get() or ORDINARY
    with aw.scope(str(v), shared=True):
        return reading.decide("inputs", lambda: Subset(v, low, v), (v - 1,), True)


def _vertex(v: int, width: Any) -> nn.Module:
    with aw.scope(str(v), shared=True):
        return aw.layer(
            "op",
            {
                "conv3x3-bn-relu": lambda: conv_bn(width, width, kernel=3, activation=nn.ReLU),
                "conv1x1-bn-relu": lambda: conv_bn(width, width, kernel=1, activation=nn.ReLU),
                "maxpool3x3": lambda: nn.MaxPool2d(3, 1, 1),
            },
            shared=True,
        )


def _total(terms: Sequence[Tensor]) -> Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total
