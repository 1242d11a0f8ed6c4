"""Linear regions: how many pieces the network is made of along straight lines of inputs.

Sources: Chen, Gong and Wang, "Neural Architecture Search on ImageNet in Four GPU Hours", ICLR
2021, arXiv:2102.11535 (TE-NAS); the count along lines: Hanin and Rolnick, "Complexity of Linear
Regions in Deep Networks", ICML 2019, arXiv:1901.09021.

On the straight lines between pairs of random inputs, at evenly spaced points: how many units of
piecewise linear activations change side from one point to the next, plus one for each line.

Differences from the paper: TE-NAS counts different patterns among random 3 x 3 images in a network
rebuilt with one channel; patterns of real inputs in a full network nearly all differ, so that the
count would be the batch, whatever the network. Crossings between the same two points that undo each
other are not seen.
"""

from __future__ import annotations

import torch

from archwright.proxies.base import Proxy, Undefined
from archwright.proxies.listening import PIECEWISE_LINEAR, Heard
from archwright.proxies.probe import Probe

N_POINTS = 16


def linear_regions(probe: Probe) -> float:
    """One forward pass."""
    if not probe.inputs.is_floating_point():
        raise Undefined("its inputs are whole numbers, between which there is no line")
    n_lines = max(1, len(probe.inputs) // N_POINTS)
    ends = probe.noise(2 * n_lines, stream=4)
    shape = (-1, *(1,) * len(probe.input_shape))
    steps = torch.linspace(0, 1, N_POINTS).reshape(shape).to(ends)
    lines = [a + steps * (b - a) for a, b in ends.split(2)]
    x = torch.cat(lines)
    crossings = torch.zeros((), dtype=torch.int64, device=x.device)
    heard_any = False

    def listen(heard: Heard) -> None:
        nonlocal crossings, heard_any
        if heard.kind != "activation" or heard.name not in PIECEWISE_LINEAR:
            return
        if len(heard.input) != len(x):
            return
        heard_any = True
        on = (heard.input > 0).reshape(n_lines, N_POINTS, -1)
        crossings = crossings + (on[:, 1:] != on[:, :-1]).sum()

    with torch.no_grad():
        probe.forward(x, listener=listen)
    if not heard_any:
        raise Undefined("it has no piecewise linear activation, such as ReLU")
    return float(n_lines + crossings.item())


PROXIES = (
    Proxy(
        "linear_regions",
        linear_regions,
        "networks of continuous inputs with piecewise linear activations",
        "a forward pass of its own",
        "Chen, Gong and Wang, Neural Architecture Search on ImageNet in Four GPU Hours, ICLR "
        "2021, arXiv:2102.11535",
    ),
)
