"""NSGA-III: non-dominated sorting and reference lines, for many objectives."""

from __future__ import annotations

import contextlib
import itertools
import math
from dataclasses import dataclass
from random import Random

import numpy as np
import numpy.typing as npt

from archwright.strategies.base import random_proposal
from archwright.strategies.fronts import Candidate, Generations
from archwright.strategies.population import breed, check_at_least, check_share, followed
from archwright.trials import History, Objective, Proposal

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class NSGA3:
    """Keep the fronts that dominate, and of the last that fits those on the emptiest lines.

    As `NSGA2`, but the places of the last front that fits go to those that lie nearest to
    reference lines which few have taken so far. The lines spread evenly over the objectives, each
    scaled by the best value and by what the extreme members give up for it, so that the method
    keeps a spread in four objectives and more too. Parents are drawn at random, as the paper
    does: of members in one front none is better than another.

    Args:
        population: how many members there are.
        divisions: parts into which each objective is cut; the lines are the ways to share so many
            parts among the objectives. None: the most that make no more lines than members.
        offspring: how many new trials make a generation; None: as many as members.
        crossover: probability that a child takes each decision from one of two parents by a fair
            coin; else it begins as a copy of one.
        mutation: probability that one of its decisions is then drawn anew; None: each decision is
            drawn anew with one over their number as its probability, and at least one is.

    Raises:
        InputError: an argument is out of range.

    Source: Deb and Jain, An Evolutionary Many-Objective Optimization Algorithm Using
    Reference-Point-Based Nondominated Sorting Approach, Part I, IEEE Transactions on Evolutionary
    Computation 2014; the lines are those of Das and Dennis, Normal-Boundary Intersection, SIAM
    Journal on Optimization 1998; for architectures Lu, Deb, Goodman, Banzhaf and Boddeti,
    NSGANetV2, ECCV 2020, arXiv 2007.10396.

    Differences from the paper: population 10 by default, for searches of tens to hundreds of
    evaluations; the ideal point is that of the first front, not of all that were ever seen; where
    the paper draws at random among the last front, the draw follows from the
    trials' seeds, so that the members follow from the history; a tournament between members with
    and without broken limits as in the paper's part II; a child that was evaluated before is
    drawn again, with more mutations after every four vain draws.

    >>> from archwright.space import Choice, Space
    >>> from archwright.trials import Objective, Trial
    >>> space = Space({"width": Choice((16, 32, 64)), "kernel": Choice((3, 5, 7))})
    >>> history = History(space, Objective.of(maximize="accuracy", minimize="params"))
    >>> for number, score in enumerate((0.5, 0.6)):
    ...     metrics = {"accuracy": score, "params": 100.0 * score}
    ...     history.add(Trial(number, space.sample(seed=number), metrics=metrics))
    >>> NSGA3(population=2).propose(history, Random(0)).origin
    'child'
    """

    population: int = 10
    divisions: int | None = None
    offspring: int | None = None
    crossover: float = 0.9
    mutation: float | None = None

    def __post_init__(self) -> None:
        check_at_least(
            population=(self.population, 2),
            divisions=(1 if self.divisions is None else self.divisions, 1),
            offspring=(1 if self.offspring is None else self.offspring, 1),
        )
        check_share(crossover=self.crossover, mutation=self.mutation or 0.0)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        members = followed(history, self, lambda: self._generations(history.objective))
        if not members.full:
            return random_proposal(history, rng)
        alive, draw = members.alive, rng.random

        def parent() -> Candidate:
            a, b = alive[int(draw() * len(alive))], alive[int(draw() * len(alive))]
            return b if b.excess < a.excess else a

        parents = (parent().trial for _ in itertools.count())
        return breed(history, parents, rng, crossover=self.crossover, mutation=self.mutation)

    def _generations(self, objective: Objective) -> Generations:
        size, m = self.population, len(objective.goals)
        lines = reference_points(m, self.divisions or _divisions(m, size))
        return Generations(size, self.offspring or size, lambda fronts, n: niched(fronts, n, lines))


def reference_points(n_objectives: int, divisions: int) -> Array:
    """All ways to share `divisions` equal parts of 1 among the objectives (Das and Dennis).

    Shape (binomial(n_objectives + divisions - 1, divisions), n_objectives).

    >>> reference_points(2, 2).tolist()
    [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    >>> len(reference_points(3, 12))
    91
    """
    bars = itertools.combinations(range(n_objectives + divisions - 1), n_objectives - 1)
    ends = np.array([(-1, *b, n_objectives + divisions - 1) for b in bars])
    return (np.diff(ends) - 1) / divisions


def _divisions(n_objectives: int, n_at_most: int) -> int:
    if n_objectives == 1:
        return 1
    divisions = 1
    while math.comb(n_objectives + divisions, divisions + 1) <= n_at_most:
        divisions += 1
    return divisions


def niched(fronts: list[list[Candidate]], n: int, lines: Array) -> list[Candidate]:
    """The best `n`: whole fronts, and of the last that fits those on the emptiest lines.

    Args:
        fronts: best first, at least `n` candidates in all.
        n: how many live on.
        lines: reference points, one line through each and the ideal point.
    """
    kept: list[Candidate] = []
    for front in fronts:
        if len(kept) + len(front) > n:
            break
        kept += front
    else:
        return kept
    if len(kept) == n:
        return kept
    if front[0].excess:
        return kept + front[: n - len(kept)]
    good = kept + front
    costs = _normalised(-np.array([c.values for c in good]), n_first=len(fronts[0]))
    niches, distances = _nearest_lines(costs, lines)
    counts = [0] * len(lines)
    for niche in niches[: len(kept)]:
        counts[niche] += 1
    left: dict[int, list[int]] = {}
    for i in range(len(kept), len(good)):
        left.setdefault(niches[i], []).append(i)
    rng = Random(sum(c.trial.seed + c.trial.number for c in good))
    for _ in range(n - len(kept)):
        fewest = min(counts[niche] for niche in left)
        niche = rng.choice([k for k in left if counts[k] == fewest])
        some = left[niche]
        chosen = min(some, key=distances.__getitem__) if fewest == 0 else rng.choice(some)
        some.remove(chosen)
        if not some:
            del left[niche]
        counts[niche] += 1
        kept.append(good[chosen])
    return kept


def _normalised(costs: Array, n_first: int) -> Array:
    """Costs (smaller is better) less the ideal point, as shares of the intercepts.

    Args:
        costs: shape (candidates, objectives), those of the first front in front.
        n_first: how many those are; the ideal and the extreme points are theirs.
    """
    shifted = costs - costs[:n_first].min(0)
    first = shifted[:n_first]
    m = costs.shape[1]
    # The extreme point of an objective: the one that gives up least in all others.
    weights = np.where(np.eye(m, dtype=bool), 1.0, 1e6)
    extremes = first[[int((first * w).max(1).argmin()) for w in weights]]
    spans = first.max(0)
    with contextlib.suppress(np.linalg.LinAlgError), np.errstate(all="ignore"):
        intercepts = 1 / np.linalg.solve(extremes, np.ones(m))
        # Extreme points on no proper plane: the front's own ranges serve.
        if np.isfinite(intercepts).all() and (intercepts > 1e-9 * spans).all():
            spans = np.where(spans > 0, intercepts, spans)
    return shifted / np.where(spans > 0, spans, 1.0)


def _nearest_lines(costs: Array, lines: Array) -> tuple[list[int], list[float]]:
    """The nearest line of each candidate, and how far it is."""
    directions = lines / np.linalg.norm(lines, axis=1, keepdims=True)
    along = costs @ directions.T
    squared = np.maximum((costs**2).sum(1)[:, None] - along**2, 0.0)
    nearest = squared.argmin(1)
    return nearest.tolist(), np.sqrt(squared[np.arange(len(costs)), nearest]).tolist()
