"""Warm starts: architectures to evaluate before a strategy is asked."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

from archwright.errors import InputError
from archwright.space import Architecture, Space
from archwright.strategies.base import Strategy
from archwright.strategies.fidelity import multi_fidelity
from archwright.strategies.population import check_counts
from archwright.trials import History, Objective, Proposal, Result

N_FIRST = 10


@dataclass(frozen=True)
class CheapScores:
    """The best of a random pool by a score that costs little, with some distance between them.

    For instance a zero-cost proxy, minus the FLOPs, or a predictor trained on another task.

    Args:
        score: architecture -> number, larger is better; one that is not finite leaves it out.
        n: how many to begin with.
        pool: how many random architectures are scored.
        distance: decisions in which each must differ from those before; where too few do, the
            best of the others fill up.
        seed: of the pool.

    Raises:
        InputError: an argument is out of range.

    Source: for the use of proxies, Abdelfattah, Mehrotra, Dudziak and Lane, Zero-Cost Proxies for
    Lightweight NAS, ICLR 2021, arXiv 2101.08134 (section 5.1, warmup).

    Differences from the paper: a distance, so that one part of the space does not take all places.

    >>> from archwright.space import Choice
    >>> space = Space({"width": Choice(range(9)), "depth": Choice(range(9))})
    >>> best = CheapScores(lambda a: a["width"] + a["depth"], n=2, pool=81)(space)
    >>> [tuple(a.values()) for a in best]
    [(8, 8), (7, 7)]
    """

    score: Callable[[Architecture], float]
    n: int = N_FIRST
    pool: int = 300
    distance: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if not callable(self.score):
            raise InputError(f"score must be a function architecture -> number, got {self.score!r}")
        check_counts(n=self.n, pool=self.pool)
        check_counts(0, distance=self.distance)

    def __repr__(self) -> str:
        name = getattr(self.score, "__qualname__", type(self.score).__name__)
        return (
            f"CheapScores({name}, n={self.n}, pool={self.pool}, distance={self.distance}, "
            f"seed={self.seed})"
        )

    def __call__(self, space: Space) -> list[Architecture]:
        """The architectures, best first.

        Raises:
            InputError: no score was a finite number.
        """
        rng = Random(self.seed)
        drawn: dict[Architecture, Architecture] = {}
        for _ in range(3 * self.pool):
            if len(drawn) == self.pool:
                break
            architecture = space.sample(rng=rng)
            drawn.setdefault(space.canonical(architecture), architecture)
        scored = [(float(self.score(a)), a) for a in drawn.values()]
        # Stable: of equal ones the earlier drawn.
        known = sorted((s for s in scored if math.isfinite(s[0])), key=lambda s: -s[0])
        if not known:
            raise InputError(
                f"none of {len(scored)} cheap scores is a finite number: {self!r} must return one"
            )
        ordered = [a for _, a in known]
        apart: list[Architecture] = []
        for architecture in ordered:
            if all(_differing(architecture, other) >= self.distance for other in apart):
                apart.append(architecture)
        taken = set(apart[: self.n])
        fill = [a for a in ordered if a not in taken]
        return [*apart[: self.n], *fill][: self.n]


First = Iterable[Mapping[str, Any]] | Result | CheapScores


class WarmStart:
    """Evaluates given architectures first, then asks a strategy, which sees their results.

    Args:
        strategy: the strategy, or its name.
        first: a list of architectures (mappings path -> value); or an earlier `Result`, on this
            task or another, whose best ones are taken where they fit this space; or `CheapScores`.
        n: how many of an earlier result are taken at most: its front, then the next best.

    With a strategy of several budgets they enter with its smallest one, as others do.

    Raises:
        InputError: `first` is empty or none of these.

    >>> from archwright.space import Choice
    >>> space = Space({"width": Choice((16, 32, 64))})
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> proposal = WarmStart("random", [{"width": 64}]).propose(history, Random(0))
    >>> proposal.architecture["width"], proposal.origin
    (64, 'warm start')
    """

    def __init__(self, strategy: str | Strategy, first: First, *, n: int = N_FIRST) -> None:
        from archwright.strategies import as_strategy

        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise InputError(f"n must be a whole number of at least 1, got {n!r}")
        self.wrapped: Any = as_strategy(strategy)
        self.n = n
        self._space: Space | None = None
        self._scores: CheapScores | None = None
        self._given: list[Mapping[str, Any]] = []
        if isinstance(first, CheapScores):
            self._scores = first
            return
        if isinstance(first, Result):
            self._space = first.space
            front = first.front if not first.objective.single else []
            taken = {t.number: t for t in [*front, *first.history.ranking]}
            self._given = [t.architecture for t in taken.values()]
        elif isinstance(first, Mapping) or not isinstance(first, Iterable):
            raise InputError(
                "first must be a list of architectures (mappings path -> value), an earlier Result "
                f"or CheapScores, got {type(first).__name__}"
            )
        else:
            self._given = list(first)
        if not self._given:
            raise InputError("there is nothing to start from: first holds no architecture")

    def __repr__(self) -> str:
        if self._scores is not None:
            return f"WarmStart({self.wrapped!r}, {self._scores!r})"
        text = repr([sorted(dict(a).items()) for a in self._given])
        digest = hashlib.sha256(text.encode()).hexdigest()[:10]
        kind = "architectures" if self._space is None else f"trials, n={self.n}"
        return f"WarmStart({self.wrapped!r}, {len(self._given)} {kind}, {digest})"

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse architectures that are not in the space, and what the strategy refuses."""
        if self._scores is None:
            self._architectures(space)
        check = getattr(self.wrapped, "check", None)
        if check is not None:
            check(space, objective)

    def check_budget(self, full: float | None, available: Sequence[float] | None = None) -> None:
        """Refuse what the strategy refuses of budgets."""
        check = getattr(self.wrapped, "check_budget", None)
        if check is not None:
            check(full, available)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        # Found once for a history, and then shortened as they are started.
        left = history.memory.get(self)
        if left is None:
            left = self._architectures(history.space)
        left = history.memory[self] = [a for a in left if history.is_new(a)] if left else left
        if left:
            staged = multi_fidelity(self.wrapped)
            budget = None if staged is None else staged.entry_budget(history)
            entry = getattr(self.wrapped, "entry_fidelity", None)
            fidelity = None if entry is None else entry(history)
            return Proposal(left[0], budget, origin="warm start", fidelity=fidelity)
        proposal: Proposal | None = self.wrapped.propose(history, rng)
        return proposal

    def _architectures(self, space: Space) -> Sequence[Architecture]:
        if self._scores is not None:
            return self._scores(space)
        if self._space is None:
            return [self._checked(space, given) for given in self._given]
        fitting = [space.check(a) for a in self._given if space.contains(a)]
        if not fitting:
            reason = space.why_not(self._given[0])
            raise InputError(
                f"none of the {len(self._given)} architectures of the earlier search fits this "
                f"space: {reason}. Start from a search of the same space, or give a list of "
                "architectures"
            )
        return fitting[: self.n]

    def _checked(self, space: Space, given: Mapping[str, Any]) -> Architecture:
        try:
            return space.check(given)
        except InputError as error:
            error.add_note("given to start from (first=)")
            raise


def _differing(a: Mapping[str, Any], b: Mapping[str, Any]) -> int:
    """In how many decisions two architectures differ; one live in one of them alone counts."""
    return sum(path not in b or b[path] != value for path, value in a.items()) + sum(
        path not in a for path in b
    )
