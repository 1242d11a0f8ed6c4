"""What REINFORCE and PPO have in common."""

import math
from random import Random

import numpy as np
import pytest

from archwright.space import Branch, Choice, Decision, Space
from archwright.strategies import PPO, Reinforce
from archwright.strategies.controller import Advantages, Rewards
from archwright.trials import History, Objective, Trial
from tests.strategies.problems import ONE, everything, finished, flat, memory_of, run

BOTH = pytest.mark.parametrize("kind", [Reinforce, PPO])


@BOTH
def test_learns_where_a_conditional_decision_matters(kind):
    # Fifty architectures, of which those with the kernel 5 score; it is live for "conv" only.
    kernel = Decision("op=conv/kernel", Choice((3, 5, 7)))
    op = Decision("op", Choice(("conv", "a", "b", "c")), branches=(Branch({"conv"}, [kernel]),))
    space = Space([op, Decision("width", Choice(range(300)))])
    history = run(
        kind(), space, 80, evaluate=lambda a: {"score": float(a.get("op=conv/kernel") == 5)}
    )
    early = sum(history.scores[:30]) / 30
    late = sum(history.scores[-30:]) / 30
    assert late > early + 0.4


@BOTH
def test_the_best_arm_of_a_bandit_becomes_likely(kind):
    # Other decisions keep architectures new; only "arm" matters.
    space = Space({"arm": Choice(range(4)), "rest": Choice(range(200))})
    strategy = kind()
    history = History(space, ONE)
    chances = []
    for number in range(60):
        proposal = strategy.propose(history, Random(number))
        network = history.memory[strategy].network
        scores, _ = network.advance(network.begin(), 0)
        chances.append((np.exp(scores) / np.exp(scores).sum())[2])
        good = float(proposal.architecture["arm"] == 2)
        history.add(finished(number, proposal, {"score": good}, ONE))
    assert chances[0] == pytest.approx(0.25, abs=0.05)
    assert chances[-1] > 0.7


def test_rewards_of_what_went_wrong():
    arch = Space({"a": Choice((1, 2))}).default
    rewards = Rewards(Objective.of(maximize="score", limits={"size": 100}))
    far = {"size": 150.0}
    assert rewards.of(Trial(0, arch, "infeasible", metrics=far)) == -0.5  # nothing known yet
    assert rewards.of(Trial(1, arch, "failed")) == 0.0
    assert rewards.of(Trial(2, arch, metrics={"score": 0.4, "size": 90})) == 0.4
    assert rewards.of(Trial(3, arch, metrics={"score": 0.8, "size": 90})) == 0.8
    assert rewards.of(Trial(4, arch, "failed")) == 0.4
    assert rewards.of(Trial(5, arch, metrics={"score": math.nan})) == 0.4
    assert rewards.of(Trial(6, arch, "infeasible", metrics=far)) == pytest.approx(0.2)
    assert rewards.of(Trial(7, arch, "infeasible", metrics={"size": 1e9})) == pytest.approx(0.0)
    assert rewards.of(Trial(8, arch, "pruned", metrics={"score": 0.9})) is None
    assert rewards.of(Trial(9, arch, "infeasible")) is None


def test_advantages():
    advantages = Advantages(decay=0.5)
    assert advantages.of([1.0]) == [0.0]
    # Over the baseline 1, in standard deviations of (1, 3).
    assert advantages.of([3.0]) == [2.0]
    assert advantages.baseline == 2.0
    found = advantages.of([2.0, 4.0])
    spread = np.std([1.0, 3.0, 2.0, 4.0])
    assert found == pytest.approx([0.0, 2.0 / spread])
    assert advantages.baseline == 3.0


@BOTH
def test_the_unit_of_the_metric_does_not_matter(kind):
    def scaled(by, plus):
        evaluate = lambda a: {"score": by * sum(a.values()) + plus}  # noqa: E731
        return [t.architecture for t in run(kind(), flat(), 30, evaluate=evaluate).trials]

    assert scaled(1.0, 0.0) == scaled(1024.0, 0.0) == scaled(0.25, 0.0)


@BOTH
def test_only_its_own_trials_teach_the_policy(kind):
    space = flat()
    strategy = kind()
    history = History(space, ONE)
    before = memory_of(strategy, history).network.theta.copy()
    rng = Random(0)
    for number in range(10):
        arch = space.sample(rng=rng)
        history.add(Trial(number, arch, metrics={"score": rng.random()}, origin="random"))
    assert (memory_of(strategy, history).network.theta == before).all()
    for number in range(10, 20):
        arch = space.sample(rng=rng)
        history.add(Trial(number, arch, metrics={"score": rng.random()}, origin="policy"))
    assert (memory_of(strategy, history).network.theta != before).any()


@BOTH
def test_weights_follow_from_the_trials_alone(kind):
    history = run(kind(), everything(), 25)
    replayed = History(history.space, ONE, history.trials)
    a, b = (memory_of(kind(), h).network.theta for h in (history, replayed))
    assert (a == b).all()
