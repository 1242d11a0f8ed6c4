"""Losses on a network's raw outputs, each a mean over the batch."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor

LossFunction = Callable[[Tensor, Tensor, float], Tensor]


def cross_entropy(outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Cross-entropy of each row, `n`.

    Args:
        outputs: logits, `n x classes`.
        targets: class indices, `n`, or probabilities, `n x classes`.
        label_smoothing: share of the probability that is spread over all classes.
    """
    return F.cross_entropy(outputs, targets, label_smoothing=label_smoothing, reduction="none")


def binary_cross_entropy(outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Binary cross-entropy of each row, the mean over its labels, `n`."""
    if label_smoothing:
        targets = targets * (1 - label_smoothing) + 0.5 * label_smoothing
    return F.binary_cross_entropy_with_logits(outputs, targets, reduction="none").mean(1)


def squared_error(outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Squared error of each row, the mean over its targets, `n`."""
    return (outputs.reshape(targets.shape) - targets).square().flatten(1).mean(1)


def huber(outputs: Tensor, targets: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Huber's loss of each row: squared up to two standard deviations, linear beyond, `n`.

    Source: Peter J. Huber, "Robust Estimation of a Location Parameter", The Annals of
    Mathematical Statistics 35 (1), 1964.
    """
    difference = outputs.reshape(targets.shape)
    return F.huber_loss(difference, targets, reduction="none", delta=2.0).flatten(1).mean(1)


LOSSES: dict[str, LossFunction] = {
    "cross_entropy": cross_entropy,
    "binary_cross_entropy": binary_cross_entropy,
    "squared_error": squared_error,
    "huber": huber,
}
"""Every loss by its name."""

DEFAULT_LOSSES = {
    "classification": "cross_entropy",
    "multilabel": "binary_cross_entropy",
    "regression": "squared_error",
}
"""The loss of each kind of task."""


def weighted_mean(losses: Tensor, weight: Tensor | None) -> Tensor:
    """The mean of row losses, weighted by row where weights are given.

    >>> import torch
    >>> weighted_mean(torch.tensor([1.0, 3.0]), torch.tensor([3.0, 1.0]))
    tensor(1.5000)
    """
    if weight is None:
        return losses.mean()
    return (losses * weight).sum() / weight.sum()
