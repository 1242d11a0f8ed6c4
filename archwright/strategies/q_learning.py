"""Tabular Q-learning with experience replay, as for MetaQNN."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeAlias

from archwright.errors import InputError
from archwright.space import Architecture, Space
from archwright.strategies.base import random_proposal, remembered
from archwright.strategies.controller import Rewards
from archwright.strategies.episode_coders import DeadEnd, Episode
from archwright.strategies.episodes import Closed, Course
from archwright.strategies.population import check_at_least, refuse_several
from archwright.strategies.vectors import refuse_dynamic
from archwright.trials import History, Objective, Proposal, Trial

PUBLISHED = (
    (1.0, 1500),
    (0.9, 100),
    (0.8, 100),
    (0.7, 100),
    (0.6, 150),
    (0.5, 150),
    (0.4, 150),
    (0.3, 150),
    (0.2, 150),
    (0.1, 150),
)
"""The published schedule: pairs of an epsilon and how many models were drawn with it."""

N_PUBLISHED = sum(n for _, n in PUBLISHED)
N_DRAWS = 16

State: TypeAlias = tuple[int, ...]
"""A step, and before it the steps and options of the choices that it remembers."""


@dataclass(frozen=True)
class QLearning:
    """A table of how good each choice is in each state, if the best follows.

    A choice is made at random with probability epsilon, else the one of greatest value in the
    table. After each evaluation, and then for `replay` evaluations drawn from all so far, the
    values on the way are updated, last choice first:

        Q(s, a) <- (1 - learning_rate) * Q(s, a) + learning_rate * target

    where target is the reward for the last choice and the greatest Q of the next state for the
    others (nothing is paid on the way, and the discount is 1). Epsilon follows the published
    schedule, shrunk to `horizon` trials: 1 for more than half of them, then down in steps to 0.1,
    where it stays.

    The state is the decision to be made and the last `memory` choices before it. Decisions that
    are not live are not made. The method learns from every trial, whoever proposed it. Failed
    trials earn the lowest score seen; those that break a limit earn less, the farther from it;
    those that were stopped early are left out.

    Args:
        learning_rate: share of the new in each update.
        replay: how many known evaluations are gone through after each new one.
        horizon: number of trials over which epsilon falls to its lowest.
        memory: how many of the choices before it a state holds.

    Raises:
        InputError: an argument is out of range.

    Source: Baker, Gupta, Naik and Raskar, Designing Neural Network Architectures using
    Reinforcement Learning, ICLR 2017, arXiv 1611.02167.

    Differences from the paper: epsilon falls over 50 trials instead of 2,700, and the learning
    rate is 0.3 instead of 0.01, for searches of hundreds of evaluations; a state is the last two
    choices, whatever they are, instead of the last layer with all its parameters and its depth;
    values that were never updated count as the mean reward so far instead of 0.5, so that the
    metric's unit does not matter; choices that lead to nothing new are not made (in the paper a
    known network counts as drawn, at no cost), and what is a duplicate under another name is drawn
    again, with a greater epsilon after every 16 vain draws.

    >>> from archwright.space import Choice, Space
    >>> space = Space({"width": Choice((16, 32, 64))})
    >>> history = History(space, Objective.of(maximize="accuracy"))
    >>> QLearning().propose(history, Random(0)).origin
    'q_learning'
    >>> [QLearning(horizon=2700).epsilon(n) for n in (0, 1499, 1500, 2699, 5000)]
    [1.0, 1.0, 0.9, 0.1, 0.1]
    """

    learning_rate: float = 0.3
    replay: int = 100
    horizon: int = 50
    memory: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate <= 1:
            raise InputError(
                f"learning_rate must be above 0 and at most 1, got {self.learning_rate!r}"
            )
        check_at_least(replay=(self.replay, 0), horizon=(self.horizon, 1), memory=(self.memory, 0))

    def check(self, space: Space, objective: Objective) -> None:
        """Refuse several objectives, and a dynamic space."""
        refuse_several("q_learning", objective)
        refuse_dynamic("q_learning", space)

    def epsilon(self, n: int) -> float:
        """The probability of a random choice after n trials."""
        end = 0.0
        for epsilon, models in PUBLISHED:
            end += models * self.horizon / N_PUBLISHED
            if n < end:
                return epsilon
        return PUBLISHED[-1][0]

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        learner = remembered(
            history, self, lambda: QLearner(self, history.space, history.objective)
        )
        learner.read(history.trials)
        drawn = learner.new(history, rng, self.epsilon(len(history) + len(history.running)))
        return drawn or random_proposal(history, rng)


class QLearner:
    """The table of values, and the evaluations to replay.

    Attributes:
        course: how an architecture is made choice by choice.
        mean: the mean reward so far, which stands for values that were never updated.
    """

    def __init__(self, settings: QLearning, space: Space, objective: Objective) -> None:
        self.course = Course(space)
        self.mean = 0.0
        self._settings = settings
        self._table: dict[State, list[float | None]] = {}
        self._rewards = Rewards(objective)
        self._known: list[tuple[list[State], Episode, float]] = []
        self._closed = Closed(self.course)
        self._n_read = 0

    def read(self, trials: Sequence[Trial]) -> None:
        """Learn from the trials that were not read before."""
        while self._n_read < len(trials):
            trial = trials[self._n_read]
            self._n_read += 1
            episode = self.course.read(trial.architecture)
            self._closed.close(episode)
            reward = self._rewards.of(trial)
            if reward is None:
                continue
            self._known.append((self._states(episode), episode, reward))
            self.mean += (reward - self.mean) / len(self._known)
            self._update(*self._known[-1])
            # Not from the search's generator: the table must follow from the trials alone.
            rng = Random(self._n_read)
            for _ in range(self._settings.replay):
                self._update(*rng.choice(self._known))

    def values(self, state: State) -> list[float]:
        """The value of each option in a state."""
        row = self._table.get(state)
        if row is None:
            return [self.mean] * self.course.widths[state[-1]]
        return [self.mean if value is None else value for value in row]

    def new(self, history: History, rng: Random, epsilon: float) -> Proposal | None:
        """A proposal by epsilon-greedy choices, or None when many draws gave nothing new.

        Duplicates of known architectures under other names are met, and closed for this call.
        """
        closed = []
        for trial in history.running.values():
            closed += self._closed.close(self.course.read(trial.architecture))
        try:
            for extra in (0.0, 0.2, 0.4, 1.0):
                for _ in range(N_DRAWS):
                    drawn = self.draw(rng, epsilon + extra)
                    if drawn is None:
                        continue
                    if history.is_new(drawn):
                        return Proposal(drawn, origin="q_learning")
                    closed += self._closed.close(self.course.read(drawn))
        finally:
            # What was met by chance must not be kept: it does not follow from the trials.
            self._closed.open(closed)
        return None

    def draw(self, rng: Random, epsilon: float) -> Architecture | None:
        """An architecture by epsilon-greedy choices among those that are not closed.

        None where all is closed, or where the choices break an edge limit.
        """
        past: State = ()
        before: tuple[int, ...] = ()

        def pick(step: int, allowed: Sequence[int] | None) -> int:
            nonlocal past, before
            options = range(self.course.widths[step]) if allowed is None else allowed
            closed = self._closed.at(before)
            if closed:
                options = [i for i in options if i not in closed]
                if not options:
                    raise DeadEnd
            if rng.random() >= epsilon:
                values = self.values((*past, step))
                best = max(values[i] for i in options)
                options = [i for i in options if values[i] == best]
            option = rng.choice(options)
            past = self._after(past, step, option)
            before = (*before, step, option)
            return option

        return self.course.make(pick, rng)

    def _update(self, states: list[State], episode: Episode, reward: float) -> None:
        rate = self._settings.learning_rate
        target = reward
        for t in reversed(range(len(states))):
            state, option, allowed = states[t], episode.options[t], episode.allowed[t]
            row = self._table.get(state)
            if row is None:
                row = self._table[state] = [None] * self.course.widths[state[-1]]
            old = row[option]
            old = self.mean if old is None else old
            row[option] = old + rate * (target - old)
            some = row if allowed is None else [row[i] for i in allowed]
            target = max([self.mean if value is None else value for value in some])

    def _states(self, episode: Episode) -> list[State]:
        states: list[State] = []
        past: State = ()
        for step, option in zip(episode.steps, episode.options, strict=True):
            states.append((*past, step))
            past = self._after(past, step, option)
        return states

    def _after(self, past: State, step: int, option: int) -> State:
        kept = 2 * self._settings.memory
        return (*past, step, option)[-kept:] if kept else ()
