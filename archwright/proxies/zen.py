"""Zen-score: how much the last feature maps change with the input.

Source: Lin, Wang, Sun, Chen, Sun, Qian, Li and Jin, "Zen-NAS: A Zero-Shot NAS for High-Performance
Deep Image Recognition", ICCV 2021, arXiv:2102.01063.

Weights are standard normal. With f the last feature maps, x and e standard normal batches:
log(mean_n sum |f(x) - f(x + 0.01 e)|) + sum over batch normalisations of log(sqrt(mean of the
channels' variances)).

Differences from the paper: one repetition; variances are the batch's own (the published code reads
running averages after two updates). The last feature maps are the last output with positions of any
layer, norm or activation, before positions are averaged away; of a network without positions the
input of its last layer. Where weights of variance 1 make the numbers overflow it is not defined.
"""

from __future__ import annotations

import math

import torch

from archwright.proxies.base import Proxy, Undefined
from archwright.proxies.drawing import drawn_weights
from archwright.proxies.listening import Heard
from archwright.proxies.probe import Probe

GAMMA = 1e-2


class _Last:
    """Keeps the last feature map; sums the logarithms of batch normalisations' spread if asked."""

    def __init__(self, batch: int, *, spread: bool) -> None:
        self.batch = batch
        self.spread = spread
        self.map: torch.Tensor | None = None
        self.flat: torch.Tensor | None = None
        self.scale = 0.0

    def __call__(self, heard: Heard) -> None:
        x = heard.output
        if heard.kind == "layer" and heard.input.shape[:1] == (self.batch,):
            self.flat = heard.input
        if x.dim() > 2 and x.shape[0] == self.batch and x[0, 0].numel() > 1:
            self.map = x
        if self.spread and heard.name == "batch_norm":
            axes = [d for d in range(heard.input.dim()) if d != 1]
            spread = heard.input.var(axes, unbiased=False).mean().clamp_min(1e-12)
            self.scale += 0.5 * math.log(spread.item())


def zen(probe: Probe) -> float:
    """Two forward passes."""
    if not probe.inputs.is_floating_point():
        raise Undefined("its inputs are whole numbers, to which nothing small can be added")
    weights = drawn_weights(probe, "normal", stream=1)
    x = probe.noise(len(probe.inputs), stream=2)
    e = probe.noise(len(probe.inputs), stream=3)
    with torch.no_grad():
        first, second = _Last(len(x), spread=True), _Last(len(x), spread=False)
        probe.forward(x, weights=weights, listener=first)
        probe.forward(x + GAMMA * e, weights=weights, listener=second)
    a, b = (last.map if last.map is not None else last.flat for last in (first, second))
    if a is None or b is None:
        raise Undefined("it has no layer that takes a batch")
    change = (a - b).abs().flatten(1).sum(1).mean().item()
    if not math.isfinite(change) or change <= 0:
        raise Undefined(f"the change of its features with random weights is {change:.3g}")
    return math.log(change) + first.scale


PROXIES = (
    Proxy(
        "zen",
        zen,
        "networks of continuous inputs",
        "two forward passes of its own with weights of its own",
        "Lin et al., Zen-NAS: A Zero-Shot NAS for High-Performance Deep Image Recognition, ICCV "
        "2021, arXiv:2102.01063",
    ),
)
