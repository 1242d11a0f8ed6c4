"""The default: a strategy chosen by the space and by how far the search is."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from archwright.errors import InputError
from archwright.strategies.additive_gp import AdditiveGP
from archwright.strategies.base import Strategy
from archwright.strategies.evolution import RegularizedEvolution
from archwright.trials import History, Proposal


@dataclass(frozen=True)
class Auto:
    """A Gaussian process while evaluations are few, evolution when they are many.

    The rule: `AdditiveGP` proposes until `n_guided` evaluations have succeeded; then
    `RegularizedEvolution` goes on from the youngest of them, at a hundredth of the time for each
    proposal. In a dynamic space, whose decisions are not known beforehand, evolution proposes from
    the beginning. The rule looks at the history alone, not at the clock, so that a search repeats.

    Args:
        n_guided: evaluations after which evolution takes over.

    Raises:
        InputError: `n_guided` is negative.

    Source: none; the comparison that the rule rests on is in ``benchmarks/RESULTS.md``, and
    ``archwright bench --strategies auto,evolution,random`` repeats it.

    >>> from archwright.space import Choice, Space
    >>> from archwright.trials import Objective
    >>> space = Space({"width": Choice((16, 32, 64))})
    >>> Auto().propose(History(space, Objective.of(maximize="accuracy")), Random(0)).origin
    'random'
    """

    n_guided: int = 500

    def __post_init__(self) -> None:
        if self.n_guided < 0:
            raise InputError(f"n_guided must be at least 0, got {self.n_guided}")

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        return self._chosen(history).propose(history, rng)

    def _chosen(self, history: History) -> Strategy:
        if len(history.complete) >= self.n_guided or getattr(history.space, "dynamic", False):
            return RegularizedEvolution()
        return AdditiveGP()
