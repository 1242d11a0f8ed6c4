"""Random search: the line that every other strategy has to stay above."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from archwright.strategies.base import random_proposal
from archwright.trials import History, Proposal


@dataclass(frozen=True)
class RandomSearch:
    """Architectures at random, none twice.

    Each decision is drawn in turn, so that options with many architectures below them are not
    preferred to those with few.

    Source: Bergstra and Bengio, Random Search for Hyper-Parameter Optimization, JMLR 2012; as a
    baseline for architectures Li and Talwalkar, Random Search and Reproducibility for Neural
    Architecture Search, UAI 2019, arXiv 1902.07638.

    >>> from archwright.space import Choice, Space
    >>> from archwright.trials import Objective
    >>> history = History(Space({"width": Choice((16, 32))}), Objective.of(maximize="accuracy"))
    >>> RandomSearch().propose(history, Random(0)).origin
    'random'
    """

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        return random_proposal(history, rng)
