"""REINFORCE: the policy gradient, with an LSTM controller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from archwright.space import Space
from archwright.strategies.controller import Learner, check_controller, propose
from archwright.strategies.episode_coders import Episode
from archwright.strategies.lstm import Array
from archwright.strategies.population import refuse_several
from archwright.strategies.vectors import refuse_dynamic
from archwright.trials import History, Objective, Proposal


@dataclass(frozen=True)
class Reinforce:
    """A recurrent network writes architectures decision by decision, and is paid their score.

    The controller, an LSTM, gives the probabilities of each decision's values, given the
    decisions made before it. After every `batch` evaluations its weights take one step along

        sum over episodes of (reward - baseline) * gradient of log p(episode)
        + entropy * gradient of the entropy of each choice

    where the baseline is a moving average of the rewards. Decisions that are not live are not
    made, and values that would break an edge limit have no probability.

    Architectures evaluated before are drawn again. The gradient remains that of what the search
    wants, the expected reward of the next *new* architecture: its probability is p divided by the
    share of p that is still new, and the gradient of that share, the same for whatever is drawn,
    vanishes on average when the baseline is the mean reward.

    Trials that the controller did not propose (the default architecture, random ones, repairs)
    are no draws from its policy and teach it nothing. Failed trials earn the lowest score seen;
    those that break a limit earn less, the farther from it; those that were stopped early are
    left out.

    Args:
        learning_rate: step size of Adam.
        batch: evaluations for each update.
        decay: how much of the baseline a new reward leaves standing.
        entropy: weight of the entropy bonus, in units of the rewards' standard deviation.
        units: size of the LSTM's hidden state.

    Raises:
        InputError: an argument is out of range.

    Source: Zoph and Le, Neural Architecture Search with Reinforcement Learning, ICLR 2017,
    arXiv 1611.01578; the rule is that of Williams, Simple Statistical Gradient-Following
    Algorithms for Connectionist Reinforcement Learning, Machine Learning 8, 1992.

    Differences from the paper: one layer of 32 units instead of two of 35, a learning rate of
    0.03 instead of 0.0006 and an update after every evaluation instead of every eight, for
    searches of hundreds of evaluations instead of 12,800; the reward is not cubed but divided by
    the standard deviation of the rewards so far, so that the metric's unit does not matter; the
    entropy bonus (not in the paper, usual since) keeps the policy from settling too early; no
    architecture is evaluated twice; real numbers and long integers are chosen in two steps (see
    `archwright.strategies.episodes`), and skip connections are subsets chosen like any other
    decision instead of by attention.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32, 64))})
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> Reinforce().propose(history, Random(0)).origin
    'policy'
    """

    learning_rate: float = 0.03
    batch: int = 1
    decay: float = 0.9
    entropy: float = 0.1
    units: int = 32

    def __post_init__(self) -> None:
        check_controller(self)

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse several objectives, and a dynamic space."""
        refuse_several("reinforce", objective)
        refuse_dynamic("reinforce", space)

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        return propose(self, self._update, history, rng)

    def _update(self, learner: Learner, episodes: Sequence[Episode], advantages: Array) -> None:
        network = learner.network
        batch = network.batch(episodes)
        n = len(episodes)
        gradient = network.gradient(
            batch, network.forward(batch), batch.real * advantages / n, self.entropy / n
        )
        learner.adam.ascend(network.theta, gradient)
