"""VKDNW: the spectrum of the Fisher information of a few weights of each layer.

Source: Tybl and Neumann, "Training-free Neural Architecture Search through Variance of Knowledge of
Deep Network Weights", CVPR 2025, arXiv:2502.04975.

The network's weights are drawn anew (normal, variance 2 / fan-in). From each parameter tensor of a
layer or norm one entry is taken; J is the gradient of a sample's logits by these P entries, p its
probabilities, F = mean over samples of J^T (diag(p) - p p^T) J. VKDNW is the entropy of the nine
deciles of F's eigenvalues, normalised; `vkdnw` adds P, the number of tensors, as the paper's
VKDNW_single does, and `vkdnw_entropy` is the entropy alone. Larger is better.

Differences from the paper: entries are the first of each tensor, as in the published code, of
linear, convolution and normalisation layers. 16 samples at most (paper: 64), each normalised by
itself as in the published code. With more than 10 classes the covariance of the logits is replaced
by its estimate from 10 random directions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F

from archwright.proxies.base import Proxy, Undefined
from archwright.proxies.drawing import drawn_weights
from archwright.proxies.gathering import entropy
from archwright.proxies.listening import Heard
from archwright.proxies.probe import Probe

N_SAMPLES = 16
N_DIRECTIONS = 10


def vkdnw(probe: Probe) -> float:
    """Number of tensors plus entropy."""
    n, value = _spectrum(probe)
    return n + value


def vkdnw_entropy(probe: Probe) -> float:
    """Entropy of the deciles of the eigenvalues."""
    return _spectrum(probe)[1]


def _spectrum(probe: Probe) -> tuple[int, float]:
    known = probe.memory.get("vkdnw")
    if known is None:
        rows = fisher_rows(probe)
        # n rows and P columns: the P eigenvalues of rows^T rows, the rest being zero
        singular = torch.linalg.svdvals(rows.double())
        values = torch.zeros(rows.shape[1], dtype=torch.float64, device=rows.device)
        values[: len(singular)] = singular.square()
        deciles = torch.arange(1, 10, dtype=torch.float64, device=rows.device) / 10
        value = entropy(torch.quantile(values, deciles)).item()
        known = probe.memory["vkdnw"] = (rows.shape[1], value)
    return known


@dataclass
class _Entry:
    """One entry of one parameter tensor.

    Attributes:
        output: of the layer.
        factor: what the gradient of the output's first channel is multiplied with; None: by 1.
        last: whether the channels are the last dimension.
    """

    output: torch.Tensor
    factor: torch.Tensor | None
    last: bool


class _Entries:
    """A listener that finds one entry of each parameter."""

    def __init__(self, batch: int) -> None:
        self.batch = batch
        self.found: list[_Entry] = []

    def __call__(self, heard: Heard) -> None:
        out, given = heard.output, heard.arguments
        if heard.kind == "activation" or len(out) != self.batch or not out.requires_grad:
            return
        last = heard.name in ("linear", "layer_norm", "rms_norm")
        with torch.no_grad():
            if isinstance(given.get("weight"), torch.Tensor):
                factor = _factor(heard.name, heard.input, given)
                if factor is not None:
                    self.found.append(_Entry(out, factor, last))
            if isinstance(given.get("bias"), torch.Tensor):
                self.found.append(_Entry(out, None, last))


def _factor(name: str, x: torch.Tensor, given: Any) -> torch.Tensor | None:
    """What the gradient of a layer's first output is multiplied with to give its first weight's."""
    if name == "linear":
        return x[..., 0]
    if name.startswith("conv") and "transpose" not in name:
        one = torch.zeros_like(given["weight"][:1, :1])
        one.view(-1)[0] = 1
        options = {k: given[k] for k in ("stride", "padding", "dilation") if k in given}
        convolve = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}[x.dim() - 2]
        return convolve(x[:, :1], one, **options)[:, 0]
    if name == "batch_norm":
        first = x[:, 0]
        # As `Listening` normalises each sample by itself; one value a channel, by the batch's.
        over = tuple(range(1, first.dim())) if first[0].numel() > 1 else None
        mean, spread = first.mean(over, keepdim=True), first.var(over, unbiased=False, keepdim=True)
        return (first - mean) / (spread + given.get("eps", 1e-5)).sqrt()
    if name == "layer_norm":
        normed = F.layer_norm(x, given["normalized_shape"], eps=given.get("eps", 1e-5))
        return normed.flatten(-len(given["normalized_shape"]))[..., 0]
    if name == "group_norm":
        return F.group_norm(x, given["num_groups"], eps=given.get("eps", 1e-5))[:, 0]
    return None


def fisher_rows(probe: Probe) -> torch.Tensor:
    """A matrix R with F = R^T R: `(directions * samples) x P`.

    Raises:
        Undefined: no layer's weights were heard, or the output is not `batch x classes`.
    """
    x = probe.noise(min(N_SAMPLES, len(probe.inputs)), stream=8)
    entries = _Entries(len(x))
    weights = drawn_weights(probe, "kaiming", stream=5)
    output = probe.forward(x, weights=weights, listener=entries, norms="sample")
    if output.dim() != 2 or output.shape[1] < 2:
        raise Undefined(f"its output of shape {tuple(output.shape)} is not batch x classes")
    if not entries.found:
        raise Undefined("no linear, convolution or normalisation layer takes the batch")
    root = covariance_root(output.detach())
    if root.shape[2] > N_DIRECTIONS:
        draw = torch.randn(root.shape[2], N_DIRECTIONS, generator=probe.generator(9))
        root = root @ draw.to(root) / N_DIRECTIONS**0.5
    rows = []
    outputs = [entry.output for entry in entries.found]
    for d in range(root.shape[2]):
        keep = d + 1 < root.shape[2]
        found = torch.autograd.grad(
            output, outputs, root[:, :, d], retain_graph=keep, allow_unused=True
        )
        columns = [_column(entry, g) for entry, g in zip(entries.found, found, strict=True)]
        rows.append(torch.stack(columns, dim=1))
    return torch.cat(rows) / len(x) ** 0.5


def _column(entry: _Entry, g: torch.Tensor | None) -> torch.Tensor:
    """The gradient of one entry, for each sample."""
    if g is None:
        return entry.output.new_zeros(len(entry.output))
    first = g[..., 0] if entry.last else g[:, 0]
    product = first if entry.factor is None else first * entry.factor
    return product.reshape(len(product), -1).sum(1)


def covariance_root(logits: torch.Tensor) -> torch.Tensor:
    """A with A A^T = diag(p) - p p^T for p = softmax(logits), `batch x classes x classes`.

    >>> a = covariance_root(torch.zeros(1, 2))[0]
    >>> (a @ a.T).round(decimals=4).tolist()
    [[0.25, -0.25], [-0.25, 0.25]]
    """
    root = F.softmax(logits, dim=1).sqrt()  # of length 1, so that 1 - root root^T is a projection
    eye = torch.eye(root.shape[1], device=root.device, dtype=root.dtype)
    return root[:, :, None] * (eye - root[:, :, None] * root[:, None, :])


_REFERENCE = (
    "Tybl and Neumann, Training-free Neural Architecture Search through Variance of Knowledge of "
    "Deep Network Weights, CVPR 2025, arXiv:2502.04975"
)
_PASSES = "a forward pass and up to 10 backward passes of up to 16 samples of its own"
PROXIES = tuple(
    Proxy(name, compute, "classifiers with linear, convolution or norm layers", _PASSES, _REFERENCE)
    for name, compute in (("vkdnw", vkdnw), ("vkdnw_entropy", vkdnw_entropy))
)
