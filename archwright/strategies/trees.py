"""Search guided by a random forest, as in SMAC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt

from archwright.predictors.gp import expected_improvement, normal_scores
from archwright.predictors.memo import Memo, Remembered
from archwright.space import Architecture, Space
from archwright.strategies.base import random_proposal, remembered
from archwright.strategies.population import check_counts, check_share, refuse_several
from archwright.strategies.surrogates import Pool, Scores, best_trials, evidence
from archwright.strategies.vectors import refuse_dynamic
from archwright.trials import History, Objective, Proposal

_MOST_STEPS = 10
_MOST_NEIGHBOURS = 60


@dataclass(frozen=True)
class TreeEnsembleSearch:
    """A random forest predicts scores; the architecture that improves most in expectation is next.

    Mean and variance of a prediction are those of the trees' predictions. The expected improvement
    is climbed from the best architectures, and compared with that of random ones; now and then a
    random architecture comes without being asked for. The forest reads `Space.encode`. Trials that
    failed count as the worst; what is being evaluated counts with the median score.

    Args:
        n_initial: random architectures before the model is asked.
        n_trees: trees in the forest.
        n_random: random architectures that are judged each time.
        n_starts: how many of the best are climbed from.
        random_share: probability of a random proposal.

    Raises:
        InputError: an argument out of range.

    Source: Hutter, Hoos and Leyton-Brown, Sequential Model-Based Optimization for General Algorithm
    Configuration, LION 2011; Lindauer et al., SMAC3: A Versatile Bayesian Optimization Package for
    Hyperparameter Optimization, JMLR 2022, arXiv 2109.09831.

    Differences from the paper: scores are replaced by the normal quantiles of their ranks; fewer
    random architectures are judged (the paper's thousands gain little and cost most of the time),
    and a climb looks at no more than 60 neighbours a step, for 10 steps; no intensification, as
    every architecture is evaluated once.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32, 64))})
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> TreeEnsembleSearch().propose(history, Random(0)).origin
    'random'
    """

    n_initial: int = 10
    n_trees: int = 10
    n_random: int = 200
    n_starts: int = 5
    random_share: float = 0.08

    def __post_init__(self) -> None:
        check_counts(
            n_initial=self.n_initial,
            n_trees=self.n_trees,
            n_random=self.n_random,
            n_starts=self.n_starts,
        )
        check_share(random_share=self.random_share)

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse several objectives, and a dynamic space."""
        refuse_several("trees", objective)
        refuse_dynamic("trees", space)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        few = len(history.complete) + len(history.running) < self.n_initial
        if few or not history.complete or rng.random() < self.random_share:
            return random_proposal(history, rng)
        trials, scores = evidence(history)
        scores = normal_scores(scores)
        pending = list(history.running.values())
        believed = np.zeros(len(pending))
        forest = _Forest.fit(
            self._rows(history, [t.architecture for t in (*trials, *pending)]),
            np.concatenate([scores, believed]),
            n_trees=self.n_trees,
            seed=rng.getrandbits(32),
        )
        best = float(scores.max())
        pool = Pool(history)
        for trial in best_trials(history, self.n_starts):
            self._climb(history, rng, pool, forest, trial.architecture, trial.number, best)
        pool.add_random(rng, self.n_random)
        if not pool:
            return random_proposal(history, rng)
        gains = self._gains(history, forest, pool.architectures, best)
        top = int(np.argmax(gains))
        return Proposal(pool.architectures[top], origin="model", parent=pool.parents[top])

    def _climb(
        self,
        history: History,
        rng: Random,
        pool: Pool,
        forest: _Forest,
        here: Architecture,
        parent: int,
        best: float,
    ) -> None:
        gain = -np.inf
        for _ in range(_MOST_STEPS):
            near = history.space.neighbours(here)
            if len(near) > _MOST_NEIGHBOURS:
                near = rng.sample(near, _MOST_NEIGHBOURS)
            near = [a for a in near if history.is_new(a)]
            if not near:
                return
            gains = self._gains(history, forest, near, best)
            top = int(np.argmax(gains))
            pool.add(near[top], parent)
            if gains[top] <= gain:
                return
            here, gain = near[top], float(gains[top])

    def _gains(
        self,
        history: History,
        forest: _Forest,
        architectures: Sequence[Architecture],
        best: float,
    ) -> Scores:
        mean, deviation = forest.predict(self._rows(history, architectures))
        return expected_improvement(mean, deviation, best)

    def _rows(
        self, history: History, architectures: Sequence[Architecture]
    ) -> npt.NDArray[np.float32]:
        known = remembered(history, self, lambda: Remembered(history.space.encode))
        return np.asarray([known[architecture] for architecture in architectures], np.float32)


class _Forest:
    """Regression trees on bootstrap samples; a prediction has a mean and a deviation."""

    def __init__(self, trees: list[Any]) -> None:
        self._trees = trees

    @classmethod
    def fit(cls, x: npt.NDArray[np.float32], y: Scores, *, n_trees: int, seed: int) -> _Forest:
        return _FITTED.of([x, y], n_trees, seed, make=lambda: cls._grown(x, y, n_trees, seed))

    @classmethod
    def _grown(cls, x: npt.NDArray[np.float32], y: Scores, n_trees: int, seed: int) -> _Forest:
        from sklearn.tree import DecisionTreeRegressor

        rng = np.random.default_rng(seed)
        trees = []
        for _ in range(n_trees):
            tree = DecisionTreeRegressor(
                max_features=5 / 6,
                min_samples_split=3,
                min_samples_leaf=3 if len(x) >= 20 else 1,
                random_state=int(rng.integers(2**31)),
            )
            rows = rng.integers(len(x), size=len(x))
            trees.append(tree.fit(x[rows], y[rows], check_input=False).tree_)
        return cls(trees)

    def predict(self, x: npt.NDArray[np.float32]) -> tuple[Scores, Scores]:
        predicted = np.array([tree.value[tree.apply(x), 0, 0] for tree in self._trees])
        # Where all trees agree there is still a little to gain, so that means decide.
        return predicted.mean(axis=0), np.maximum(predicted.std(axis=0), 1e-6)


_FITTED: Memo[_Forest] = Memo(128)
