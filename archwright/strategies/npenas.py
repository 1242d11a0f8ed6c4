"""NPENAS: evolution whose children a neural predictor judges before they are trained."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

import numpy as np

from archwright.predictors.gp import normal_scores
from archwright.predictors.mlp import MlpEnsemble
from archwright.predictors.vectors import Vectors
from archwright.space import Space
from archwright.strategies.base import random_proposal, remembered
from archwright.strategies.population import check_counts, refuse_several
from archwright.strategies.surrogates import Pool, best_trials, evidence, settled
from archwright.strategies.vectors import refuse_dynamic
from archwright.trials import History, Objective, Proposal


@dataclass(frozen=True)
class NPENAS:
    """The best architectures have many children; the one that a network predicts best comes next.

    This is the variant NPENAS-NP: the predictor says how good, not how sure it is, so that the
    search goes straight to what looks best; variety comes from mutation alone. The network is
    trained on all evaluations, anew after every `batch` of them. Trials that failed count as the
    worst; what is being evaluated is not proposed again.

    Args:
        n_initial: random architectures before the model is asked.
        batch: evaluations between two trainings.
        n_children: how many children are judged each time.
        n_parents: how many of the best have children.
        depth: hidden layers of the network.
        width: units in each hidden layer.
        epochs: passes of a training over the data, though at most 1,000 steps.

    Raises:
        InputError: an argument below 1.

    Source: Wei, Niu, Tang, Wang, Hu and Liang, NPENAS: Neural Predictor Guided Evolution for
    Neural Architecture Search, IEEE Transactions on Neural Networks and Learning Systems 2022,
    arXiv 2003.12857.

    Differences from the paper: in place of a graph isomorphism network a feed-forward one reads how
    many operations have each neighbourhood of radius 0, 1 and 2 (`archwright.predictors.wl`; such
    counts are what tells graphs apart for a graph network, too), or `Space.encode` in spaces
    without cells; it learns the normal quantiles of the scores' ranks; half of the children
    have more than one change; where too few children are new, random architectures make up their
    number; 10 random architectures by default, not 20.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32, 64))})
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> NPENAS().propose(history, Random(0)).origin
    'random'
    """

    n_initial: int = 10
    batch: int = 10
    n_children: int = 100
    n_parents: int = 10
    depth: int = 2
    width: int = 64
    epochs: int = 150

    def __post_init__(self) -> None:
        check_counts(**vars(self))

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse several objectives, and a dynamic space."""
        refuse_several("npenas", objective)
        refuse_dynamic("npenas", space)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        n = settled(history, self.n_initial, self.batch)
        if n is None:
            return random_proposal(history, rng)
        pool = Pool(history)
        pool.add_mutations(rng, best_trials(history, self.n_parents), self.n_children, more=0.5)
        pool.add_random(rng, self.n_children - len(pool))
        if not pool:
            return random_proposal(history, rng)
        vectors = remembered(history, self, lambda: Vectors(history.space, cells="neighbourhoods"))
        trials, scores = evidence(history, n_complete=n)
        seen = [trial.architecture for trial in trials]
        network = MlpEnsemble.fit(
            vectors.of(seen, like=seen),
            normal_scores(scores),
            seed=n,
            n_networks=1,
            depth=self.depth,
            width=self.width,
            epochs=self.epochs,
            loss="mse",
        )
        predicted = network.predict(vectors.of(pool.architectures, like=seen))[0]
        best = int(np.argmax(predicted))
        parent = pool.parents[best]
        origin = "random" if parent is None else "mutation"
        return Proposal(pool.architectures[best], origin=origin, parent=parent)
