from random import Random

import numpy as np

from archwright.strategies import PPO
from archwright.strategies.ppo import clipped_weight
from archwright.trials import History, Trial
from tests.strategies.problems import ONE, flat, memory_of


def test_ppo_clips():
    ratio = np.array([1.0, 1.1, 1.3, 0.7, 1.3, 0.7])
    advantage = np.array([2.0, 2.0, 2.0, 2.0, -2.0, -2.0])
    ours = clipped_weight(np.log(ratio), advantage, 0.2)

    def objective(log_ratio):
        r = np.exp(log_ratio)
        return np.minimum(r * advantage, np.clip(r, 0.8, 1.2) * advantage)

    step = 1e-6
    numeric = (objective(np.log(ratio) + step) - objective(np.log(ratio) - step)) / (2 * step)
    np.testing.assert_allclose(ours, numeric, atol=1e-6)
    assert ours[2] == 0
    assert ours[5] == 0


def test_ppo_holds_a_round_within_the_clip():
    space = flat(1, 4)
    moved = {}
    for clip in (0.05, 10.0):
        history = History(space, ONE)
        strategy = PPO(batch=2, epochs=60, clip=clip, entropy=0.0, learning_rate=0.005)
        learner = memory_of(strategy, history)
        p = lambda: np.exp(learner.network.bias) / np.exp(learner.network.bias).sum()  # noqa: B023, E731
        before = p()
        for number, score in enumerate([1.0, 0.0]):
            arch = space.check({"d0": number})
            history.add(Trial(number, arch, metrics={"score": score}, origin="policy"))
        strategy.propose(history, Random(0))
        moved[clip] = p()[0] / before[0]
    assert 1.0 < moved[0.05] < 1.15
    assert moved[10.0] > 1.3
