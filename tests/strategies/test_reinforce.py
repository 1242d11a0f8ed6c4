from random import Random

import numpy as np
import pytest

from archwright.space import Branch, Choice, Decision, Space
from archwright.strategies import Reinforce
from archwright.strategies.controller import Learner
from archwright.trials import History
from tests.strategies.problems import ONE, flat, memory_of, run, total


def two_decisions():
    kernel = Decision("op=conv/kernel", Choice((3, 5)))
    return Space([Decision("op", Choice(("conv", "skip")), branches=(Branch({"conv"}, [kernel]),))])


def test_gradient_of_two_decisions_by_hand():
    """Advantage times (one-hot less probability) at the scores, one step of plain ascent."""
    space = two_decisions()
    history = History(space, ONE)
    strategy = Reinforce(entropy=0.0)
    learner = memory_of(strategy, history)
    network = learner.network
    network.theta[:] = 0.0
    network.bias[:] = np.log([0.6, 0.4, 0.2, 0.8])  # op, then kernel
    episode = learner.course.read(space.check({"op": "conv", "op=conv/kernel": 3}))
    batch = network.batch([episode])
    done = network.forward(batch)
    np.testing.assert_allclose(done.taken[:, 0], np.log([0.6, 0.2]))
    gradient = network.gradient(batch, done, np.full((2, 1), 2.0), 0.0)
    bias = network.views(gradient)["bias"]
    np.testing.assert_allclose(bias, 2.0 * np.array([1 - 0.6, -0.4, 1 - 0.2, -0.8]))
    # Entropy: dH/dscore_k = -p_k (log p_k + H).
    p = np.array([0.6, 0.4])
    entropy = -(p * np.log(p)).sum()
    bias = network.views(network.gradient(batch, done, np.zeros((2, 1)), 1.0))["bias"]
    np.testing.assert_allclose(bias[:2], -p * (np.log(p) + entropy))
    # What is not live gets no gradient.
    skip = network.batch([learner.course.read(space.check({"op": "skip"}))])
    bias = network.views(network.gradient(skip, network.forward(skip), np.ones((1, 1)), 0.5))[
        "bias"
    ]
    assert not bias[2:].any()


def test_gradient_is_that_of_the_expected_reward_of_the_next_new_architecture():
    """Summed over what is new, with the mean reward as baseline, against finite differences."""
    space = Space({"a": Choice(range(3)), "b": Choice(range(2))})
    history = History(space, ONE)
    learner = memory_of(Reinforce(), history)
    network, course = learner.network, learner.course
    network.theta *= 8
    known = [{"a": 0, "b": 0}, {"a": 2, "b": 1}]
    new = [a for a in space.enumerate() if dict(a) not in known]
    rewards = np.array([Random(a.id).random() for a in new])
    batch = network.batch([course.read(a) for a in new])

    def chances():
        p = np.exp(network.forward(batch).taken.sum(axis=0))
        return p / p.sum()

    q = chances()
    advantages = rewards - q @ rewards
    ours = network.gradient(batch, network.forward(batch), batch.real * (q * advantages), 0.0)
    theta = network.theta
    for i in np.random.default_rng(0).choice(len(theta), 25, replace=False):
        kept = theta[i]
        theta[i] = kept + 1e-6
        up = chances() @ rewards
        theta[i] = kept - 1e-6
        down = chances() @ rewards
        theta[i] = kept
        assert ours[i] == pytest.approx((up - down) / 2e-6, abs=1e-8)


def test_a_policy_that_has_settled_still_finds_what_is_new():
    space = flat(3, 3)
    strategy = Reinforce(learning_rate=1.0, entropy=0.0)
    history = run(strategy, space, 27, evaluate=total)
    assert strategy.propose(history, Random(0)) is None
    assert isinstance(history.memory[strategy], Learner)
