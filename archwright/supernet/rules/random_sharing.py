"""Random search with weight sharing (RSPS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archwright.supernet.rules.base import Pass, Step


@dataclass(frozen=True)
class RandomSharing:
    """Each step trains one architecture, every architecture of the space being equally likely.

    Where the number of decisions depends on others, as with depths, this prefers the values with
    many variants below them; `SinglePath` does not.

    Source: Liam Li, Ameet Talwalkar, "Random Search and Reproducibility for Neural Architecture
    Search", UAI 2019, arXiv:1902.07638.

    Differences from the paper: the architectures are counted exactly instead of drawn node by
    node; what is searched afterwards is up to the strategy, where the paper takes random ones.
    """

    def plan(self, step: Step) -> Sequence[Pass]:
        """See `Rule.plan`."""
        return [Pass(step.draw(uniform=True))]
