"""BANANAS: Bayesian optimisation with an ensemble of networks over paths."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np

from archwright.predictors.mlp import MlpEnsemble
from archwright.predictors.vectors import Vectors
from archwright.space import Space
from archwright.strategies.base import random_proposal, remembered
from archwright.strategies.population import check_counts, refuse_several
from archwright.strategies.surrogates import (
    Pool,
    Scores,
    best_trials,
    evidence,
    settled,
)
from archwright.strategies.vectors import refuse_dynamic
from archwright.trials import History, Objective, Proposal


@dataclass(frozen=True)
class BANANAS:
    """Networks that read the paths through a cell predict scores; Thompson sampling chooses.

    After `n_initial` random architectures, an ensemble of feed-forward networks is trained on the
    path encoding of all that was evaluated (`archwright.predictors.paths`; in spaces without cells
    on `Space.encode`), anew after every `batch` evaluations. The next architecture is, of
    `n_candidates` mutations of the best, the one with the highest draw from a normal distribution
    with the ensemble's mean and deviation for it, each drawn on its own (independent Thompson
    sampling). Trials that failed count as the worst; what is being evaluated is not proposed
    again, and draws keep workers apart.

    Args:
        n_initial: random architectures before the model is asked.
        batch: evaluations between two trainings.
        n_candidates: how many mutations are judged each time.
        n_parents: how many of the best are mutated.
        n_networks: networks in the ensemble.
        depth: hidden layers of each network.
        width: units in each hidden layer.
        epochs: passes of a training over the data, though at most 1,000 steps.

    Raises:
        InputError: an argument below 1.

    Source: White, Neiswanger and Savani, BANANAS: Bayesian Optimization with Neural Architectures
    for Neural Architecture Search, AAAI 2021, arXiv 1910.11858.

    Differences from the paper: the loss weighs errors by the distance of the score from a bound
    above the best score so far (by a tenth of the median distance), as the best possible score is
    not known; the paths encoded are those seen so far (at most 300); proposals come one by one,
    each with draws of its own, in place of the best `batch` of one draw.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32, 64))})
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> BANANAS().propose(history, Random(0)).origin
    'random'
    """

    n_initial: int = 10
    batch: int = 10
    n_candidates: int = 100
    n_parents: int = 10
    n_networks: int = 5
    depth: int = 10
    width: int = 20
    epochs: int = 150

    def __post_init__(self) -> None:
        check_counts(**vars(self))

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse several objectives, and a dynamic space."""
        refuse_several("bananas", objective)
        refuse_dynamic("bananas", space)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        n = settled(history, self.n_initial, self.batch)
        if n is None:
            return random_proposal(history, rng)
        pool = Pool(history)
        pool.add_mutations(rng, best_trials(history, self.n_parents), self.n_candidates)
        pool.add_random(rng, self.n_candidates - len(pool))
        if not pool:
            return random_proposal(history, rng)
        vectors = remembered(history, self, lambda: Vectors(history.space))
        trials, scores = evidence(history, n_complete=n)
        seen = [trial.architecture for trial in trials]
        ensemble = MlpEnsemble.fit(
            vectors.of(seen, like=seen),
            scores,
            weights=_weights(scores),
            seed=n,
            n_networks=self.n_networks,
            depth=self.depth,
            width=self.width,
            epochs=self.epochs,
        )
        predicted = ensemble.predict(vectors.of(pool.architectures, like=seen))
        noise = np.random.default_rng(rng.getrandbits(64)).standard_normal(len(pool))
        drawn = predicted.mean(axis=0) + predicted.std(axis=0) * noise
        best = int(np.argmax(drawn))
        return Proposal(pool.architectures[best], origin="model", parent=pool.parents[best])


def _weights(scores: Scores) -> Scores:
    """What makes the absolute error the paper's: one over the distance from the best possible."""
    behind = scores.max() - scores
    typical = float(np.median(behind)) or float(behind.max()) or 1.0
    return 1 / (behind + 0.1 * typical)
