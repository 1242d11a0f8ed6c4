"""Learning from a teacher's outputs beside the labels."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def distillation_loss(
    outputs: Tensor, teacher_outputs: Tensor, *, kind: str, temperature: float = 2.0
) -> Tensor:
    """How far a student's outputs are from its teacher's.

    For classification the Kullback-Leibler divergence of the softened probabilities, multiplied by
    the square of the temperature so that its gradients stay comparable with the labels'; for
    several labels the binary cross-entropy against the teacher's softened probabilities, likewise
    multiplied; for regression the mean squared difference.

    Args:
        outputs: the student's, batch x outputs.
        teacher_outputs: the teacher's, batch x outputs, without gradient.
        kind: "classification", "multilabel" or "regression".
        temperature: divides the logits; higher values show more of the teacher's doubts.

    Returns:
        A scalar.

    Source: Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", 2015,
    arXiv:1503.02531.

    >>> import torch
    >>> logits = torch.tensor([[2.0, -1.0, 0.5]])
    >>> round(distillation_loss(logits, logits, kind="classification").item(), 6)
    0.0
    """
    if kind == "regression":
        return F.mse_loss(outputs, teacher_outputs)
    if kind == "multilabel":
        soft = (teacher_outputs / temperature).sigmoid()
        return F.binary_cross_entropy_with_logits(outputs / temperature, soft) * temperature**2
    return (
        F.kl_div(
            F.log_softmax(outputs / temperature, dim=1),
            F.log_softmax(teacher_outputs / temperature, dim=1),
            reduction="batchmean",
            log_target=True,
        )
        * temperature**2
    )
