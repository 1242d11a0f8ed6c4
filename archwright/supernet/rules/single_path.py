"""Single path: one random architecture a step (SPOS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from archwright.errors import whole_number
from archwright.supernet.rules.base import Pass, Step


@dataclass(frozen=True)
class SinglePath:
    """Each step trains architectures whose decisions are drawn evenly from their values.

    Args:
        n: architectures a step.

    Raises:
        InputError: `n` is no whole number of at least 1.

    Source: Zichao Guo et al., "Single Path One-Shot Neural Architecture Search with Uniform
    Sampling", ECCV 2020, arXiv:1904.00420.

    Differences from the paper: any decision is drawn, not operations alone, those that hang on
    another where they are live; widths share the first channels of the widest instead of being
    found by a procedure of their own.
    """

    n: int = 1

    def __post_init__(self) -> None:
        whole_number("n", self.n)

    def plan(self, step: Step) -> Sequence[Pass]:
        """See `Rule.plan`."""
        return [Pass(step.draw()) for _ in range(self.n)]
