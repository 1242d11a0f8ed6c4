"""The sandwich rule with in-place distillation (Slimmable networks, BigNAS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archwright.errors import InputError, whole_number
from archwright.supernet.rules.base import FIRST, Pass, Step


@dataclass(frozen=True)
class Sandwich:
    """Each step trains the largest architecture, some random ones, and the smallest.

    The largest learns from the labels; with `distill`, the others learn from its outputs.

    Args:
        n: random architectures a step.
        distill: whether the others learn from the largest's outputs; else from the labels, too.

    Raises:
        InputError: an argument is out of range.

    Sources: Jiahui Yu, Thomas Huang, "Universally Slimmable Networks and Improved Training
    Techniques", ICCV 2019, arXiv:1903.05134; Jiahui Yu et al., "BigNAS: Scaling Up Neural
    Architecture Search with Big Single-Stage Models", ECCV 2020, arXiv:2003.11142.

    Differences from the papers: largest and smallest are by FLOPs, found decision by decision, as
    a space may choose operations as well as sizes; the losses are averaged, not summed; BigNAS's
    initialisation, learning-rate schedule and regularisation of the largest alone are the
    recipe's and the space's business and are not here.

    >>> Sandwich(n=2).distill
    True
    """

    n: int = 2
    distill: bool = True

    def __post_init__(self) -> None:
        whole_number("n", self.n, least=0)
        if not isinstance(self.distill, bool):
            raise InputError(f"distill must be True or False, got {self.distill!r}")

    def plan(self, step: Step) -> Sequence[Pass]:
        """See `Rule.plan`."""
        teacher = FIRST if self.distill else None
        others = [step.smallest, *(step.draw() for _ in range(self.n))]
        return [Pass(step.largest), *(Pass(arch, teacher) for arch in others)]
