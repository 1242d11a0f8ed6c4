"""ZiCo: how steady gradients are from batch to batch.

Source: Li, Yang, Bhardwaj and Marculescu, "ZiCo: Zero-shot NAS via Inverse Coefficient of Variation
on Gradients", ICLR 2023, arXiv:2301.11300.

With g the gradients of the loss by a weight on each of two batches: sum over layers of
log(sum over weights of mean |g| / std(g)), weights without spread left out.

Differences from the paper: the two batches are the halves of the one given.
"""

from __future__ import annotations

import math

import torch

from archwright.proxies.base import Proxy, Undefined
from archwright.proxies.probe import Probe


def zico(probe: Probe) -> float:
    """Two forward and backward passes of half a batch each."""
    half = len(probe.inputs) // 2
    if half < 1:
        raise Undefined("it takes a batch of at least 2")
    chosen = probe.matrices()
    by = [probe.weights.tensors[i] for i in chosen]
    seen = []
    for part in (slice(0, half), slice(half, 2 * half)):
        output = probe.forward(probe.inputs[part])
        loss = probe.loss(output, probe.labels_for(output, part))
        seen.append(probe.gradient(loss, by))
    total, n = 0.0, 0
    for a, b in zip(*seen, strict=True):
        if a is None or b is None:
            continue
        spread = (a - b).abs() / 2  # the standard deviation of two numbers
        moving = spread > 0
        ratio = ((a.abs() + b.abs())[moving] / 2 / spread[moving]).double().sum()
        if torch.isfinite(ratio) and ratio > 0:
            total += math.log(ratio.item())
            n += 1
    if not n:
        raise Undefined("no gradient differs between two batches")
    return total


PROXIES = (
    Proxy(
        "zico",
        zico,
        "networks with weights and a gradient",
        "two forward and backward passes of half the batch of its own",
        "Li, Yang, Bhardwaj and Marculescu, ZiCo: Zero-shot NAS via Inverse Coefficient of "
        "Variation on Gradients, ICLR 2023, arXiv:2301.11300",
        labels=True,
    ),
)
