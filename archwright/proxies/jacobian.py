"""Correlations of input gradients: jacov and EPE-NAS.

Sources: Mellor, Turner, Storkey and Crowley, "Neural Architecture Search without Training", first
version, 2020, arXiv:2006.04647v1 (jacov); Lopes, Alirezazadeh and Alexandre, "EPE-NAS: Efficient
Performance Estimation Without Training for Neural Architecture Search", ICANN 2021,
arXiv:2102.08099.

With J the gradient of the sum of the outputs by each input, flattened, C the correlations between
the rows of J, v its eigenvalues and k = 1e-5: jacov = -sum(log(v + k) + 1 / (v + k)). EPE-NAS: for
each class, e_c = sum log(|C_c| + k) with C_c the correlations within the class; the score is
sum |e_c| up to 100 classes, and for more the sum over pairs |e_c - e_c'| divided by the number of
classes seen, where e_c is first divided by the class's number of samples.

Differences from the papers: none in the formulas. Labels are random unless given; a class seen
once has correlation 1 with itself.
"""

from __future__ import annotations

import torch

from archwright.proxies.base import Proxy, Undefined
from archwright.proxies.probe import Probe, classes_at

_K = 1e-5


def jacov(probe: Probe) -> float:
    """Closeness of the correlation matrix to the identity."""
    values = torch.linalg.eigvalsh(correlations(probe.input_gradient))
    values = values.clamp_min(0) + _K  # of a correlation matrix: below zero is rounding
    return -(values.log() + 1 / values).sum().item()


def correlations(rows: torch.Tensor) -> torch.Tensor:
    """Correlations between rows, in double precision.

    Raises:
        Undefined: fewer than two rows, or a row is constant.
    """
    if len(rows) < 2:
        raise Undefined("it takes a batch of at least 2")
    rows = rows - rows.mean(1, keepdim=True)
    norms = rows.norm(dim=1, keepdim=True)
    if not bool((norms > 0).all()):
        raise Undefined("the output does not depend on some of the inputs")
    rows = rows / norms
    return (rows @ rows.T).double().clamp(-1, 1)


def epe_nas(probe: Probe) -> float:
    """Correlations within the classes."""
    rows, labels = probe.input_gradient, probe.labels_for(probe.output)
    if labels.is_floating_point() or labels.dim() != 1:
        raise Undefined("it needs one class for each sample")
    n_classes = probe.output.shape[classes_at(probe.output.shape)]
    found = []
    for label in labels.unique():
        part = rows[labels == label]
        matrix = correlations(part) if len(part) > 1 else torch.ones(1, 1)
        value = (matrix.abs() + _K).log().sum().item()
        found.append(value / len(part) if n_classes > 100 else value)
    if n_classes <= 100:
        return sum(abs(value) for value in found)
    return sum(abs(a - b) for a in found for b in found) / len(found)


_GRADIENT = frozenset({"input gradient"})
PROXIES = (
    Proxy(
        "jacov",
        jacov,
        "networks of continuous inputs",
        "the shared forward pass and a backward pass to the inputs",
        "Mellor, Turner, Storkey and Crowley, Neural Architecture Search without Training, first "
        "version, 2020, arXiv:2006.04647v1",
        hears=_GRADIENT,
    ),
    Proxy(
        "epe_nas",
        epe_nas,
        "classifiers of continuous inputs",
        "the shared forward pass and a backward pass to the inputs",
        "Lopes, Alirezazadeh and Alexandre, EPE-NAS, ICANN 2021, arXiv:2102.08099",
        labels=True,
        hears=_GRADIENT,
    ),
)
