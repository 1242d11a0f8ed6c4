"""What the controllers of reinforcement learning share: rewards, learning, drawing.

A strategy here is its update rule; this file turns a history into episodes and advantages for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol, TypeAlias

import numpy as np

from archwright.errors import InputError
from archwright.space import Architecture, Space
from archwright.strategies.base import random_proposal, remembered
from archwright.strategies.episode_coders import Episode
from archwright.strategies.episodes import Course
from archwright.strategies.lstm import Adam, Array, Controller
from archwright.strategies.population import check_at_least, check_share
from archwright.trials import History, Objective, Proposal, Trial

OWN = ("policy", "strategy")
"""Origins of the trials that count as the controller's own ("strategy": nobody said)."""

N_DRAWS = 16
TEMPERATURES = (1.0, 2.0, 4.0)


class Settings(Protocol):
    """The options that every policy-gradient strategy has."""

    @property
    def batch(self) -> int:
        """Finished trials of the controller's own for each update."""
        ...

    @property
    def units(self) -> int:
        """Size of the controller's hidden state."""
        ...

    @property
    def learning_rate(self) -> float:
        """Step size of Adam."""
        ...

    @property
    def decay(self) -> float:
        """How much of the baseline a new reward leaves standing."""
        ...

    @property
    def entropy(self) -> float:
        """Weight of the entropy bonus."""
        ...


class Rewards:
    """Rewards of finished trials, in the order in which they finished.

    A complete trial within the limits earns its score. One that failed earns the lowest score
    seen so far: whatever was wrong, the controller should not come back to it. One that breaks a
    limit earns less than that by its excess over the limit, up to as much again as the scores
    spread, so that a controller which has seen nothing feasible yet learns in which direction
    feasible ones lie. What was stopped early, or not evaluated for a reason that is not known,
    earns nothing that can be compared, and teaches nothing.
    """

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._low = math.inf
        self._high = -math.inf

    def of(self, trial: Trial) -> float | None:
        """The reward of the next finished trial; None where it has none."""
        if trial.state == "pruned":
            return None
        excess = self._objective.violation(trial.metrics)
        if trial.state == "complete" and excess == 0:
            score = self._objective.score(trial.metrics)
            if math.isfinite(score):
                self._low = min(self._low, score)
                self._high = max(self._high, score)
                return score
        if trial.state == "infeasible" and excess == 0:
            return None
        low = self._low if math.isfinite(self._low) else 0.0
        spread = self._high - self._low
        return low - min(excess, 1.0) * (spread if 0 < spread < math.inf else 1.0)


class Advantages:
    """How much better than expected each reward is, in units of the rewards' own spread.

    The expectation is a moving average of the controller's own rewards. The spread is their
    standard deviation so far, so that neither the metric's unit nor its sign matters.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self.baseline: float | None = None
        self._n = 0
        self._mean = 0.0
        self._squares = 0.0

    def of(self, rewards: Sequence[float]) -> list[float]:
        """Advantages of a batch over the batches before it."""
        for reward in rewards:
            self._n += 1
            off = reward - self._mean
            self._mean += off / self._n
            self._squares += off * (reward - self._mean)
        spread = math.sqrt(self._squares / self._n)
        baseline = sum(rewards) / len(rewards) if self.baseline is None else self.baseline
        found = [(r - baseline) / spread if spread > 0 else 0.0 for r in rewards]
        for reward in rewards:
            baseline = self._decay * baseline + (1 - self._decay) * reward
        self.baseline = baseline
        return found


Update: TypeAlias = Callable[["Learner", Sequence[Episode], Array], None]
"""Changes a learner's weights, given episodes and the advantage of each."""


class Learner:
    """A controller with what it has learnt from the trials it has read."""

    def __init__(self, settings: Settings, space: Space, objective: Objective) -> None:
        self.course = Course(space)
        self.network = Controller(self.course.widths, units=settings.units, scale=0.1)
        self.adam = Adam(settings.learning_rate, len(self.network.theta))
        self._rewards = Rewards(objective)
        self._advantages = Advantages(settings.decay)
        self._batch = settings.batch
        self._waiting: list[tuple[Episode, float]] = []
        self._n_read = 0

    def read(self, trials: Sequence[Trial], update: Update) -> None:
        """Learn from the trials that were not read before."""
        while self._n_read < len(trials):
            trial = trials[self._n_read]
            self._n_read += 1
            reward = self._rewards.of(trial)
            if reward is None or trial.origin not in OWN:
                continue
            self._waiting.append((self.course.read(trial.architecture), reward))
            if len(self._waiting) == self._batch:
                episodes = [episode for episode, _ in self._waiting]
                advantages = self._advantages.of([reward for _, reward in self._waiting])
                self._waiting.clear()
                if self.course.widths:
                    update(self, episodes, np.asarray(advantages))

    def draw(self, rng: Random, temperature: float) -> Architecture | None:
        """An architecture of the policy; None where it breaks an edge limit."""
        network = self.network
        state = network.begin()

        def pick(step: int, allowed: Sequence[int] | None) -> int:
            nonlocal state
            scores, (hidden, cell) = network.advance(state, step)
            if allowed is not None:
                scores = scores[list(allowed)]
            weights = np.exp((scores - scores.max()) / temperature).tolist()
            option = rng.choices(range(len(weights)), weights)[0]
            option = option if allowed is None else allowed[option]
            state = (hidden, cell, int(network.first[step]) + option)
            return option

        return self.course.make(pick, rng)


def propose(strategy: Settings, update: Update, history: History, rng: Random) -> Proposal | None:
    """Bring the learner up to date with the history and draw something new from its policy.

    What was evaluated before is drawn again, with a temperature that rises after every
    16 vain draws; when nothing new is found so, the proposal is random.
    """
    learner = remembered(
        history, strategy, lambda: Learner(strategy, history.space, history.objective)
    )
    learner.read(history.trials, update)
    for temperature in TEMPERATURES:
        for _ in range(N_DRAWS):
            drawn = learner.draw(rng, temperature)
            if drawn is not None and history.is_new(drawn):
                return Proposal(drawn, origin="policy")
    return random_proposal(history, rng)


def check_controller(settings: Settings) -> None:
    """Refuse options out of range.

    Raises:
        InputError: naming the option, the value and the rule.
    """
    check_at_least(batch=(settings.batch, 1), units=(settings.units, 1))
    check_at_least(entropy=(settings.entropy, 0))
    check_share(decay=settings.decay)
    if not 0 < settings.learning_rate < math.inf:
        raise InputError(
            f"learning_rate must be above 0 and finite, got {settings.learning_rate!r}"
        )
