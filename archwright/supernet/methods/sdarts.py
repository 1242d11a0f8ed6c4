"""SDARTS: weights are learnt for strengths that are moved a little, at random or adversarially.

Source: Xiangning Chen, Cho-Jui Hsieh, "Stabilizing Differentiable Architecture Search via
Perturbation-based Regularization" (SmoothDARTS), ICML 2020, arXiv:2002.05283.

Differences from the paper: see `archwright.supernet.perturbations.perturbed`.
"""

from archwright.supernet.method import Method

SDARTS = Method(
    "sdarts",
    "Chen and Hsieh, SmoothDARTS, ICML 2020, arXiv:2002.05283",
    perturbation=0.03,
)
"""Random: SDARTS-RS."""

SDARTS_ADV = SDARTS.replace(name="sdarts-adv", adversarial=3)
"""Adversarial: SDARTS-ADV, with three steps of ascent."""
