"""Proximal policy optimisation with an LSTM controller, as for NASNet."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

import numpy as np

from archwright.errors import InputError
from archwright.space import Space
from archwright.strategies.controller import Learner, check_controller, propose
from archwright.strategies.episode_coders import Episode
from archwright.strategies.lstm import Array
from archwright.strategies.population import check_at_least, refuse_several
from archwright.strategies.vectors import refuse_dynamic
from archwright.trials import History, Objective, Proposal


@dataclass(frozen=True)
class PPO:
    """Several careful steps on each batch of evaluations, instead of one.

    The controller, its rewards and what it learns from are those of `Reinforce`. After every
    `batch` evaluations the weights take `epochs` steps that raise, for each choice,

        min(ratio * advantage, clip(ratio, 1 - clip, 1 + clip) * advantage)

    where ratio is the choice's probability over the one it had before these steps: a choice whose
    probability has moved by `clip` in the direction that its reward asks for moves no further.

    Args:
        learning_rate: step size of Adam.
        batch: evaluations for each round of updates.
        epochs: steps in each round.
        clip: how far the probability of a choice may move in a round, as a share of it.
        decay: how much of the baseline a new reward leaves standing.
        entropy: weight of the entropy bonus, in units of the rewards' standard deviation.
        units: size of the LSTM's hidden state.

    Raises:
        InputError: an argument is out of range.

    Source: Zoph, Vasudevan, Shlens and Le, Learning Transferable Architectures for Scalable Image
    Recognition, CVPR 2018, arXiv 1707.07012; the rule is that of Schulman, Wolski, Dhariwal,
    Radford and Klimov, Proximal Policy Optimization Algorithms, 2017, arXiv 1707.06347.

    Differences from the paper: 32 hidden units instead of 100, rounds of 5 architectures instead
    of 20 and a learning rate of 0.01 instead of 0.00035, for searches of hundreds of evaluations
    instead of 20,000; the paper names neither the clip nor the number of steps: 0.2 and 4 are
    usual; the baseline stands before the round, and advantages are divided by the standard
    deviation of the rewards so far; with parallel workers the old probabilities are those before
    the round, not those when an architecture was proposed; no architecture is evaluated twice.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32, 64))})
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> PPO().propose(history, Random(0)).origin
    'policy'
    """

    learning_rate: float = 0.01
    batch: int = 5
    epochs: int = 4
    clip: float = 0.2
    decay: float = 0.9
    entropy: float = 0.05
    units: int = 32

    def __post_init__(self) -> None:
        check_controller(self)
        check_at_least(epochs=(self.epochs, 1))
        if not 0 < self.clip < math.inf:
            raise InputError(f"clip must be above 0 and finite, got {self.clip!r}")

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse several objectives, and a dynamic space."""
        refuse_several("ppo", objective)
        refuse_dynamic("ppo", space)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        return propose(self, self._update, history, rng)

    def _update(self, learner: Learner, episodes: Sequence[Episode], advantages: Array) -> None:
        network = learner.network
        batch = network.batch(episodes)
        n = len(episodes)
        before = network.forward(batch).taken
        for _ in range(self.epochs):
            done = network.forward(batch)
            weight = clipped_weight(done.taken - before, advantages, self.clip) * batch.real
            gradient = network.gradient(batch, done, weight / n, self.entropy / n)
            learner.adam.ascend(network.theta, gradient)


def clipped_weight(log_ratio: Array, advantage: Array, clip: float) -> Array:
    """Derivative of PPO's clipped objective by the log-probability of a choice.

    It is ratio * advantage, and 0 where the ratio has left its range in the direction in which
    the advantage pushes.

    >>> clipped_weight(np.log([1.0, 1.5, 0.5, 1.5]), np.array([2.0, 2.0, 2.0, -2.0]), 0.2)
    array([ 2.,  0.,  1., -3.])
    """
    ratio = np.exp(log_ratio)
    beyond = np.where(advantage > 0, ratio > 1 + clip, ratio < 1 - clip)
    return np.where(beyond, 0.0, ratio * advantage)
