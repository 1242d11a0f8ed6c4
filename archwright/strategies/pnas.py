"""PNAS: from simple to complex, with a model that ranks the next level."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np

from archwright.predictors.complexity import Levels
from archwright.predictors.gp import normal_scores
from archwright.predictors.mlp import MlpEnsemble
from archwright.predictors.vectors import Vectors
from archwright.space import Space
from archwright.strategies.base import random_proposal, remembered
from archwright.strategies.population import check_counts, refuse_several
from archwright.strategies.surrogates import Pool, best_trials, evidence, settled
from archwright.strategies.vectors import refuse_dynamic
from archwright.trials import History, Objective, Proposal, Trial

_MOST_STEPS = 12
_MOST_DRAWS = 200


@dataclass(frozen=True)
class PNAS:
    """Evaluate simple architectures; of those that are one level up, the most promising ones next.

    Architectures have levels, from simple to complex. A beam of random ones of the first level is
    evaluated. Those evaluated are then made more complex by mutations until they reach the next
    level; an ensemble of networks that has learnt from all evaluations says which of these to
    evaluate; and so on to the last level. After that the ensemble ranks mutations of the best of
    any level. Trials that failed count as the worst and take their place in the beam, as do those
    that are being evaluated.

    How complex an architecture is depends on the space (`archwright.predictors.complexity`): in
    spaces of cells it is the number of operations left in them when what is skipped or does not
    reach the output is gone; in other spaces with conditions the number of live decisions, which
    for repeated blocks is their depth; else the number of decisions that are not at their default.
    Levels hold about equally many random architectures each.

    Args:
        beam: evaluations on each level.
        levels: how many levels there are, at most.
        n_candidates: architectures of the next level that are ranked each time.
        n_networks: networks in the ensemble.
        depth: hidden layers of each network.
        width: units in each hidden layer.
        epochs: passes of a training over the data, though at most 1,000 steps.

    Raises:
        InputError: an argument below 1.

    Source: Liu, Zoph, Neumann, Shlens, Hua, Li, Fei-Fei, Yuille, Huang and Murphy, Progressive
    Neural Architecture Search, ECCV 2018, arXiv 1712.00559.

    Differences from the paper: a level is a range of complexity in any space, not a number of
    blocks; the extensions ranked are a sample, not all; a beam of 8 by default, not 256; the
    ensemble is of feed-forward networks, of which each sees four fifths of the evaluations, as the
    paper's MLP variant (its other one is an LSTM), and reads the paths of cells or `Space.encode`;
    the search does not end with the last level.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"a": Choice((1, 2)), "b": Choice((1, 2))})
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> PNAS().propose(history, Random(0)).architecture == space.default
    True
    """

    beam: int = 8
    levels: int = 5
    n_candidates: int = 100
    n_networks: int = 5
    depth: int = 2
    width: int = 64
    epochs: int = 100

    def __post_init__(self) -> None:
        check_counts(**vars(self))

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse several objectives, and a dynamic space."""
        refuse_several("pnas", objective)
        refuse_dynamic("pnas", space)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        ladder = remembered(history, self, lambda: _Ladder(history.space, self.levels))
        ladder.follow(history)
        n_on = list(ladder.n_on)
        for trial in history.running.values():
            n_on[ladder.levels.of(trial.architecture)] += 1
        for level, n in enumerate(n_on):
            if n < self.beam:
                pool = self._extensions(history, ladder, level, rng)
                if pool:
                    return self._pick(history, ladder, pool, rng)
        if not history.complete:
            return random_proposal(history, rng)
        pool = Pool(history)
        pool.add_mutations(rng, best_trials(history, self.beam), self.n_candidates)
        return self._pick(history, ladder, pool, rng) if pool else random_proposal(history, rng)

    def _extensions(self, history: History, ladder: _Ladder, level: int, rng: Random) -> Pool:
        """What is on a level: random on the first, else made of what is on the one below."""
        pool, levels, space = Pool(history), ladder.levels, history.space
        parents = ladder.complete_on[level - 1] if level else []
        for i in range(_MOST_DRAWS if not parents else self.n_candidates):
            if not parents:
                architecture = space.sample(rng=rng)
                if levels.of(architecture) == level and pool.add(architecture):
                    break
                continue
            parent = parents[i % len(parents)]
            here = parent.architecture
            reached = levels.complexity(here)
            for _ in range(_MOST_STEPS):
                child = space.mutate(here, rng=rng)
                if (more := levels.complexity(child)) > reached:
                    here, reached = child, more
                    if levels.at(reached) >= level:
                        break
            if levels.at(reached) == level:
                pool.add(here, parent.number)
        return pool

    def _pick(self, history: History, ladder: _Ladder, pool: Pool, rng: Random) -> Proposal:
        n = settled(history, self.beam, self.beam)
        if len(pool) == 1 or n is None:
            i = rng.randrange(len(pool))
            return Proposal(pool.architectures[i], origin="random", parent=pool.parents[i])
        trials, scores = evidence(history, n_complete=n)
        seen = [trial.architecture for trial in trials]
        ensemble = MlpEnsemble.fit(
            ladder.vectors.of(seen, like=seen),
            normal_scores(scores),
            seed=n,
            n_networks=self.n_networks,
            depth=self.depth,
            width=self.width,
            epochs=self.epochs,
            share=0.8,
        )
        predicted = ensemble.predict(ladder.vectors.of(pool.architectures, like=seen))
        i = int(np.argmax(predicted.mean(axis=0)))
        return Proposal(pool.architectures[i], origin="model", parent=pool.parents[i])


class _Ladder:
    """How many trials there are on each level: a cache that the history's trials determine."""

    def __init__(self, space: Space, n_levels: int) -> None:
        self.levels = Levels(space, n_levels)
        self.vectors = Vectors(space)
        self.n_on = [0] * self.levels.n
        self.complete_on: list[list[Trial]] = [[] for _ in self.n_on]
        self._n_read = self._n_complete = 0

    def follow(self, history: History) -> None:
        for trial in history.trials[self._n_read :]:
            self.n_on[self.levels.of(trial.architecture)] += 1
        for trial in history.complete[self._n_complete :]:
            self.complete_on[self.levels.of(trial.architecture)].append(trial)
        self._n_read, self._n_complete = len(history.trials), len(history.complete)
