"""Gradients of single samples: GradSign and the condition number of the NTK.

Sources: Zhang and Jia, "GradSign: Model Performance Inference with Theoretical Insights", ICLR
2022, arXiv:2110.08616; Chen, Gong and Wang, "Neural Architecture Search on ImageNet in Four GPU
Hours: A Theoretically Inspired Perspective", ICLR 2021, arXiv:2102.11535 (TE-NAS).

GradSign: sum over the weights of |sum over samples of sign(gradient of the sample's loss)|. NTK:
with G the gradient of the sum of a sample's outputs, one row for each sample, the largest over the
smallest eigenvalue of G G^T; smaller is better.

Differences from the papers: 16 samples at most. Each sample passes by itself, so that batch
normalisation works with the sample's own statistics (TE-NAS: the batch's); one value a channel is
not normalised.
"""

from __future__ import annotations

import torch

from archwright.proxies.base import Proxy, Undefined
from archwright.proxies.probe import Probe

N_SAMPLES = 16


def gradsign(probe: Probe) -> float:
    """Agreement of the signs of gradients."""
    by = [probe.weights.tensors[i] for i in probe.matrices()]
    totals: list[torch.Tensor | None] = [None] * len(by)
    for n in range(min(N_SAMPLES, len(probe.inputs))):
        output = probe.forward(probe.inputs[n : n + 1], norms="sample")
        loss = probe.loss(output, probe.labels_for(output, slice(n, n + 1)))
        for i, g in enumerate(probe.gradient(loss, by)):
            if g is not None:
                total = totals[i]
                totals[i] = g.sign() if total is None else total + g.sign()
    return sum(total.abs().sum().item() for total in totals if total is not None)


def ntk(probe: Probe) -> float:
    """Condition number of the neural tangent kernel."""
    by = [probe.weights.tensors[i] for i in probe.matrices()]
    rows = []
    for n in range(min(N_SAMPLES, len(probe.inputs))):
        output = probe.forward(probe.inputs[n : n + 1], norms="sample")
        found = probe.gradient(output.sum(), by)
        rows.append(torch.cat([g.flatten() for g in found if g is not None]))
    if len(rows) < 2:
        raise Undefined("it takes a batch of at least 2")
    matrix = torch.stack(rows)
    values = torch.linalg.eigvalsh((matrix @ matrix.T).double())
    if values[0] <= values[-1] * torch.finfo(matrix.dtype).eps:
        raise Undefined("its kernel is singular: the gradients of the samples depend on each other")
    return float((values[-1] / values[0]).item())


PROXIES = (
    Proxy(
        "gradsign",
        gradsign,
        "networks with weights and a gradient",
        "a forward and a backward pass of each of up to 16 samples of its own",
        "Zhang and Jia, GradSign: Model Performance Inference with Theoretical Insights, ICLR "
        "2022, arXiv:2110.08616",
        labels=True,
    ),
    Proxy(
        "ntk",
        ntk,
        "networks with weights and a gradient",
        "a forward and a backward pass of each of up to 16 samples of its own",
        "Chen, Gong and Wang, Neural Architecture Search on ImageNet in Four GPU Hours, ICLR "
        "2021, arXiv:2102.11535",
        larger_is_better=False,
    ),
)
