"""Ranks and correlations of feature maps: NEAR and MeCo.

Sources: Husistein, Reiher and Eckhoff, "NEAR: A Training-Free Pre-Estimator of Machine Learning
Model Performance", ICLR 2025, arXiv:2408.08776; Jiang, Wang and Bie, "MeCo: Zero-Shot NAS with One
Data and Single Forward Pass via Minimum Eigenvalue of Correlation", NeurIPS 2023.

NEAR: the effective rank (exponential of the entropy of the normalised singular values) of the
inputs and of the outputs of every activation function, summed; rows are samples and positions,
columns channels. MeCo: for one sample the smallest eigenvalue of the correlations between the
channels of each operation's output, summed.

Differences from the papers: NEAR uses all rows of the batch, where the paper draws as many as there
are columns. MeCo hears layers, normalisations and activations, where the published code hears every
module, containers too, so that an output counts once for each container around it. The mean
over the first 4 samples of the batch is taken, where the paper has one sample.
"""

from __future__ import annotations

import torch

from archwright.proxies.base import Proxy, Undefined
from archwright.proxies.patterns import NO_ACTIVATION
from archwright.proxies.probe import Probe


def near(probe: Probe) -> float:
    """Sum of effective ranks."""
    ranks = probe.gathered.ranks
    if not ranks:
        raise Undefined(NO_ACTIVATION)
    return float(torch.stack(ranks).sum().item())


def meco(probe: Probe) -> float:
    """Sum of the smallest eigenvalues of correlations."""
    found = probe.gathered.correlations
    if not found:
        raise Undefined("no output has two channels and two positions")
    return float(torch.stack(found).sum().item())


PROXIES = (
    Proxy(
        "near",
        near,
        "networks with activation functions",
        "the shared forward pass",
        "Husistein, Reiher and Eckhoff, NEAR: A Training-Free Pre-Estimator of Machine Learning "
        "Model Performance, ICLR 2025, arXiv:2408.08776",
        hears=frozenset({"ranks"}),
    ),
    Proxy(
        "meco",
        meco,
        "networks with maps or sequences of several channels",
        "the shared forward pass",
        "Jiang, Wang and Bie, MeCo: Zero-Shot NAS with One Data and Single Forward Pass via "
        "Minimum Eigenvalue of Correlation, NeurIPS 2023",
        hears=frozenset({"correlations"}),
    ),
)
