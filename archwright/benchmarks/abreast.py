"""Many small networks trained side by side, as one network with grouped layers.

With networks this small, starting a kernel takes longer than running it: side by side they share
the starts, and compute the same.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from archwright.benchmarks.digits_network import WIDTH

N_NODES = 3


def abreast(modules: Sequence[nn.Module]) -> nn.Module:
    """One module that computes what `modules` compute, each on its own share of the channels.

    Takes `batch x (n * channels) x H x W`, the first module's channels first, and answers the
    same way.

    Args:
        modules: of one structure: convolutions, batch normalisation, layers without weights that
            work on each channel alone, and `nn.Sequential` of these. Their weights are copied.

    Raises:
        TypeError: a layer with weights of another kind.

    >>> nets = [nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)) for _ in range(3)]
    >>> abreast(nets)(torch.zeros(2, 3, 8, 8)).shape
    torch.Size([2, 12, 6, 6])
    """
    first, n = modules[0], len(modules)
    if isinstance(first, nn.Sequential):
        return nn.Sequential(*(abreast(list(parts)) for parts in zip(*modules, strict=True)))
    if not first.state_dict():
        return copy.deepcopy(first)
    made: Any
    if isinstance(first, nn.Conv2d):
        same = ("kernel_size", "stride", "padding", "dilation", "padding_mode")
        kept: dict[str, Any] = {name: getattr(first, name) for name in same}
        made = nn.Conv2d(
            n * first.in_channels,
            n * first.out_channels,
            groups=n * first.groups,
            bias=first.bias is not None,
            **kept,
        )
    elif isinstance(first, nn.BatchNorm2d):
        made = nn.BatchNorm2d(n * first.num_features, first.eps, first.momentum)
    else:
        raise TypeError(f"abreast knows no {type(first).__name__}, which has weights of its own")
    states = [module.state_dict() for module in modules]
    made.load_state_dict(
        {
            key: torch.cat([state[key] for state in states]) if value.dim() else value
            for key, value in states[0].items()
        }
    )
    return made


class CellsAbreast(nn.Module):
    """Networks of digits-cells with the same operations, differently wired, as one network.

    Takes `batch x n x 8 x 8`, an image for each network, and answers `batch x n x 10`. Wiring is
    a weight of zero or one on each step between nodes; what is not wired gets no gradient.

    Args:
        networks: built `DigitsCell` networks; their weights are copied.
        takes: for each network, what each of its nodes takes (0 is the stem).

    >>> from archwright.benchmarks.digits_cells import digits_cells_networks
    >>> space = digits_cells_networks()
    >>> CellsAbreast([space.build(space.default)], [wiring(space.default)])(
    ...     torch.zeros(2, 1, 8, 8)
    ... ).shape
    torch.Size([2, 1, 10])
    """

    wires: Tensor
    loose: Tensor

    def __init__(self, networks: Sequence[Any], takes: Sequence[Sequence[tuple[int, ...]]]) -> None:
        super().__init__()
        n = len(networks)
        self.stem = abreast([network.stem for network in networks])
        self.nodes = nn.ModuleList()
        for number in range(1, N_NODES + 1):
            parts: list[Any] = [getattr(net.cell, f"node_{number}", None) for net in networks]
            self.nodes.append(nn.Identity() if parts[0] is None else abreast(parts))
        wires = torch.zeros(N_NODES, N_NODES, n)
        loose = torch.ones(n, N_NODES)
        for g, wired in enumerate(takes):
            for node, sources in enumerate(wired):
                for source in sources:
                    wires[node, source, g] = 1
                    if source:
                        loose[g, source - 1] = 0
        self.register_buffer("wires", wires.repeat_interleave(WIDTH, 2)[..., None, None])
        self.register_buffer("loose", loose[:, None, :, None])  # n x 1 x nodes x 1
        weight = torch.zeros(n, 10, N_NODES, WIDTH)
        for g, network in enumerate(networks):
            weight[g, :, loose[g] > 0] = network.head[-1].weight.detach().unflatten(1, (-1, WIDTH))
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.stack([net.head[-1].bias.detach() for net in networks]))

    def forward(self, x: Tensor) -> Tensor:
        """`batch x n x 8 x 8` to `batch x n x 10`."""
        made = [self.stem(x)]  # each: batch x (n * WIDTH) x 4 x 4
        for node, operation in enumerate(self.nodes):
            taken = sum(self.wires[node, i] * made[i] for i in range(node + 1))
            made.append(operation(taken))
        n = len(self.weight)
        pooled = [m.relu().mean((2, 3)).view(-1, n, 1, WIDTH) for m in made[1:]]
        features = torch.cat(pooled, 2).flatten(2).transpose(0, 1)  # n x batch x features
        weight = (self.weight * self.loose).flatten(2)
        return torch.baddbmm(self.bias.unsqueeze(1), features, weight.mT).transpose(0, 1)


def wiring(architecture: Any) -> tuple[tuple[int, ...], ...]:
    """What each node of an architecture takes.

    >>> wiring({"cell/2/inputs": (0, 1), "cell/3/inputs": (2,)})
    ((0,), (0, 1), (2,))
    """
    return (0,), tuple(architecture["cell/2/inputs"]), tuple(architecture["cell/3/inputs"])
