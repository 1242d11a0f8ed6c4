"""Relaxations: how the strengths of a decision's values become the weights of a mixture.

A relaxation takes a vector of strengths (logits) and answers one weight a value, and which values
are computed at all. It is called once a step for each decision, and draws from torch's current
generator, which the search has seeded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

Phase = Literal["weights", "architecture"]
Weighed = tuple[Tensor, tuple[int, ...] | None]


class Relaxation(Protocol):
    """What a search needs of a relaxation."""

    def __call__(self, strengths: Tensor, *, progress: float, phase: Phase) -> Weighed:
        """Weights of a decision's values, and the positions that are computed (None: all).

        Args:
            strengths: `n`, with a gradient in the architecture step.
            progress: 0 at the beginning of the search, 1 at its end.
            phase: which step it is.
        """

    def probabilities(self, strengths: Tensor) -> Tensor:
        """What the strengths say of each value, without chance: `n`, at least 0."""


def hard(soft: Tensor) -> Weighed:
    """The greatest weight as exactly one, alone computed, with the gradient of the soft weights.

    >>> hard(torch.tensor([0.2, 0.5, 0.3]))
    (tensor([0., 1., 0.]), (1,))
    """
    k = int(soft.argmax())
    one = torch.zeros_like(soft)
    one[k] = 1.0
    return one + (soft - soft.detach()), (k,)


def gumbel(strengths: Tensor, temperature: float) -> Tensor:
    """A draw from the concrete distribution: softmax of strengths and Gumbel noise.

    Sources: Eric Jang et al., "Categorical Reparameterization with Gumbel-Softmax", ICLR 2017,
    arXiv:1611.01144; Chris J. Maddison et al., "The Concrete Distribution", ICLR 2017,
    arXiv:1611.00712.

    Args:
        strengths: `n`.
        temperature: above 0; the lower, the nearer to one value.

    >>> from archwright.nn import seeded
    >>> with seeded(0):
    ...     round(float(gumbel(torch.zeros(3), 1.0).sum()), 5)
    1.0
    """
    noise = -torch.empty_like(strengths).exponential_().log()
    return ((F.log_softmax(strengths, 0) + noise) / temperature).softmax(0)


class _BySoftmax:
    def probabilities(self, strengths: Tensor) -> Tensor:
        """The softmax of the strengths."""
        return strengths.softmax(0)


@dataclass(frozen=True)
class Softmax(_BySoftmax):
    """All values, weighed by the softmax of their strengths (DARTS).

    >>> Softmax()(torch.zeros(2), progress=0.0, phase="weights")
    (tensor([0.5000, 0.5000]), None)
    """

    def __call__(self, strengths: Tensor, *, progress: float, phase: Phase) -> Weighed:
        """See `Relaxation`."""
        return strengths.softmax(0), None


@dataclass(frozen=True)
class Gumbel(_BySoftmax):
    """All values, weighed by a draw from the concrete distribution (SNAS, FBNet).

    Args:
        first: temperature at the beginning.
        last: temperature at the end; between them it falls by equal factors.
        straight: computes the greatest alone, with weight one and the soft gradient (GDAS).
        linear: whether the temperature falls by equal amounts instead.

    >>> from archwright.nn import seeded
    >>> with seeded(0):
    ...     Gumbel(10.0, 0.1, straight=True)(torch.zeros(3), progress=0.5, phase="weights")[1]
    (2,)
    """

    first: float = 1.0
    last: float = 0.03
    straight: bool = False
    linear: bool = False

    @property
    def of_numbers(self) -> Gumbel:
        """What weighs numbers: all sizes are computed in one pass, so that none need be drawn.

        A single size with a factor of one would get no gradient either, as a normalisation behind
        it undoes the factor.
        """
        return replace(self, straight=False)

    def __call__(self, strengths: Tensor, *, progress: float, phase: Phase) -> Weighed:
        """See `Relaxation`."""
        if self.linear:
            temperature = self.first + (self.last - self.first) * progress
        else:
            temperature = self.first * (self.last / self.first) ** progress
        soft = gumbel(strengths, temperature)
        return hard(soft) if self.straight else (soft, None)


@dataclass(frozen=True)
class Dirichlet:
    """All values, weighed by a draw from a Dirichlet distribution (DrNAS).

    The concentration is `elu(strength) + 1`; gradients pass through the draw.

    >>> from archwright.nn import seeded
    >>> with seeded(0):
    ...     round(float(Dirichlet()(torch.zeros(3), progress=0.0, phase="weights")[0].sum()), 5)
    1.0
    """

    def concentration(self, strengths: Tensor) -> Tensor:
        """The distribution's parameters."""
        return F.elu(strengths) + 1.0

    def __call__(self, strengths: Tensor, *, progress: float, phase: Phase) -> Weighed:
        """See `Relaxation`."""
        drawn = torch.distributions.Dirichlet(
            self.concentration(strengths).clamp_min(1e-4), validate_args=False
        ).rsample()
        return drawn, None

    def probabilities(self, strengths: Tensor) -> Tensor:
        """The distribution's mean."""
        concentration = self.concentration(strengths)
        return concentration / concentration.sum()


@dataclass(frozen=True)
class Sigmoid:
    """All values, each weighed by the sigmoid of its own strength (FairDARTS).

    >>> Sigmoid()(torch.zeros(2), progress=0.0, phase="weights")
    (tensor([0.5000, 0.5000]), None)
    """

    @property
    def of_numbers(self) -> Softmax:
        """What weighs numbers, whose weights must add up to one."""
        return Softmax()

    @property
    def of_subsets(self) -> Softmax:
        """What weighs subsets of inputs, whose weights must add up to one."""
        return Softmax()

    def __call__(self, strengths: Tensor, *, progress: float, phase: Phase) -> Weighed:
        """See `Relaxation`."""
        return strengths.sigmoid(), None

    def probabilities(self, strengths: Tensor) -> Tensor:
        """The sigmoids, which need not add up to one."""
        return strengths.sigmoid()


@dataclass(frozen=True)
class TwoPaths(_BySoftmax):
    """One value a step in the weight step; in the architecture step two, one of them at weight one.

    Both are drawn by the softmax of the strengths; the second gets its gradient though its weight
    is zero (ProxylessNAS' binarised gates).

    >>> from archwright.nn import seeded
    >>> with seeded(0):
    ...     weights, computed = TwoPaths()(torch.zeros(4), progress=0.0, phase="architecture")
    >>> sorted(weights.tolist()), len(computed)
    ([0.0, 0.0, 0.0, 1.0], 2)
    """

    def __call__(self, strengths: Tensor, *, progress: float, phase: Phase) -> Weighed:
        """See `Relaxation`."""
        p = strengths.softmax(0)
        n = 1 if phase == "weights" else min(2, len(p))
        drawn = torch.multinomial(p.detach().clamp_min(1e-12), n)
        if n == 1:
            one = torch.zeros_like(p)
            one[drawn] = 1.0
            return one.detach(), (int(drawn),)
        between = strengths[drawn].softmax(0)
        chosen = torch.multinomial(between.detach(), 1)
        gates = torch.zeros_like(between)
        gates[chosen] = 1.0
        gates = gates + (between - between.detach())
        weights = torch.zeros_like(p).index_put((drawn,), gates)
        return weights, tuple(sorted(drawn.tolist()))
