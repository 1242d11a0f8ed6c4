"""Attentive sampling: which architectures deserve the training (AttentiveNAS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archwright.errors import unknown_name, whole_number
from archwright.space import Architecture
from archwright.supernet.costs import ExpectedCost
from archwright.supernet.rules.base import FIRST, Pass, Step

TOWARDS = ("best", "worst")
N_FITTED = 128
N_SEEN = 8


@dataclass(frozen=True)
class Attentive:
    """The sandwich rule, with the best or the worst of several architectures of like FLOPs.

    For each architecture in the middle of the sandwich a level of FLOPs is drawn (that of a random
    architecture); of `k` architectures near it, the one whose loss on this step's batch is the
    least ("best") or the greatest ("worst") is trained. So training attends to what is, or to what
    could still be, near the Pareto front.

    Args:
        towards: "best" or "worst".
        k: architectures among which is chosen.
        n: architectures so chosen, a step.

    Raises:
        InputError: an argument is out of range.

    Source: Dilin Wang et al., "AttentiveNAS: Improving Neural Architecture Search via Attentive
    Sampling", CVPR 2021, arXiv:2011.09011.

    Differences from the paper: near means the nearest in FLOPs of 8 k random architectures, FLOPs
    being those of a table of additive costs fitted to 128 networks, instead of the same bin;
    architectures are judged by the batch's loss (the paper's cheaper variant), not by an accuracy
    predictor, which needs a trained supernet first.

    >>> Attentive().towards
    'best'
    """

    towards: str = "best"
    k: int = 3
    n: int = 2

    def __post_init__(self) -> None:
        if self.towards not in TOWARDS:
            raise unknown_name("direction of attention", self.towards, TOWARDS)
        whole_number("k", self.k)
        whole_number("n", self.n)

    def plan(self, step: Step) -> Sequence[Pass]:
        """See `Rule.plan`."""
        chosen = [self._choose(step) for _ in range(self.n)]
        others = [step.smallest, *chosen]
        return [Pass(step.largest), *(Pass(arch, FIRST) for arch in others)]

    def _choose(self, step: Step) -> Architecture:
        if "flops" not in step.memory:
            cost = ExpectedCost.fit(step.space, step.sizes.flops, name="flops", n=N_FITTED)
            step.memory["flops"] = (cost.base, dict(cost.table))
        flops = ExpectedCost("flops", *step.memory["flops"])
        wanted = flops.of(step.space, step.draw())
        pool = [step.draw() for _ in range(N_SEEN * self.k)]
        pool.sort(key=lambda arch: abs(flops.of(step.space, arch) - wanted))
        assert step.loss is not None
        judge = min if self.towards == "best" else max
        return judge(pool[: self.k], key=step.loss)
