"""Strict fairness: every value of a decision is trained as often as every other (FairNAS)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archwright.errors import ArchitectureError, whole_number
from archwright.space import Architecture, Decision, Real
from archwright.supernet.rules.base import Pass, Step, compose

MOST_PASSES = 8
MOST_CARDS = 64
N_TRIES = 20


@dataclass(frozen=True)
class StrictFairness:
    """Values are dealt, not drawn: each decision has a shuffled deck of them, used to its end.

    A step makes as many passes as the decision with the most values has values (at most 8), and
    then one update. Each time a deck is used up, every value of its decision has been trained
    exactly as often as every other.

    What breaks a limit is put back and dealt anew; where that does not help after 20 tries, an
    architecture within the limits is drawn instead, and its values are not counted.

    Args:
        n: passes a step; None: see above.

    Raises:
        InputError: `n` is no whole number of at least 1.

    Source: Xiangxiang Chu et al., "FairNAS: Rethinking Evaluation Fairness of Weight Sharing
    Neural Architecture Search", ICCV 2021, arXiv:1907.01845.

    Differences from the paper: decisions may have different numbers of values, so that with fewer
    than the most a deck ends within a step and is shuffled anew; decisions that hang on another
    are dealt when they are live; real numbers, and subsets of more than 64 values, are drawn.

    >>> StrictFairness().n is None
    True
    """

    n: int | None = None

    def __post_init__(self) -> None:
        if self.n is not None:
            whole_number("n", self.n)

    def plan(self, step: Step) -> Sequence[Pass]:
        """See `Rule.plan`."""
        n = self.n
        if n is None:
            if "n" not in step.scratch:
                step.scratch["n"] = _most_values(step)
            n = step.scratch["n"]
        return [Pass(_dealt(step)) for _ in range(n)]


def _most_values(step: Step) -> int:
    pending, most = list(step.space.decisions), 1
    while pending:
        decision = pending.pop()
        if _is_dealt(decision):
            most = max(most, int(decision.domain.size))
        for branch in decision.branches:
            pending.extend(branch.decisions)
    return min(most, MOST_PASSES)


def _is_dealt(decision: Decision) -> bool:
    return not isinstance(decision.domain, Real) and decision.domain.size <= MOST_CARDS


def _dealt(step: Step) -> Architecture:
    decks: dict[str, list[int]] = step.memory.setdefault("decks", {})
    for _ in range(N_TRIES):
        taken: dict[str, list[int]] = {}

        def pick(decision: Decision, taken: dict[str, list[int]] = taken) -> Any:
            domain = decision.domain
            if not _is_dealt(decision):
                return domain.sample(step.rng)
            values = list(domain.values())
            deck = decks.get(decision.path) or step.rng.sample(range(len(values)), len(values))
            taken[decision.path] = deck[:-1]
            return values[deck[-1]]

        try:
            arch = compose(step.space, pick)
        except ArchitectureError:
            arch = None
        if arch is not None and step.sizes.feasible(arch):
            decks.update(taken)
            return arch
        for path in taken:
            # Put back, in another order: the same cards would break the same limit again.
            whole = decks.get(path)
            if whole:
                decks[path] = step.rng.sample(whole, len(whole))
    return step.draw()
