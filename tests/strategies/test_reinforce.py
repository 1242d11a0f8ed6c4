import math
from random import Random

import numpy as np
import pytest

from archwright.errors import InputError
from archwright.space import Branch, Choice, Decision, Space
from archwright.strategies import PPO, RandomSearch, Reinforce
from archwright.strategies.controller import Advantages, Learner, Rewards
from archwright.strategies.ppo import clipped_weight
from archwright.testing import check_strategy
from archwright.trials import History, Objective, Trial
from tests.strategies.synthetic import ONE, TWO, everything, finished, flat, replays, run, zoo
from tests.strategies.synthetic import run_abreast as abreast

BOTH = pytest.mark.parametrize("kind", [Reinforce, PPO])
ZOO = ("mlp", "chain_cnn", "branched_cnn", "mobilenet", "nasnet", "nasbench201", "resnet_cnn")


def learner_of(strategy, history):
    strategy.propose(history, Random(0))
    return history.memory[strategy]


def two_decisions():
    kernel = Decision("op=conv/kernel", Choice((3, 5)))
    return Space([Decision("op", Choice(("conv", "skip")), branches=(Branch({"conv"}, [kernel]),))])


@BOTH
def test_conformance(kind):
    check_strategy(kind, several_objectives=False)


@pytest.mark.parametrize(
    "make", [lambda: Reinforce(batch=3), lambda: PPO(batch=1, epochs=2), lambda: PPO(batch=4)]
)
def test_conformance_with_options(make):
    check_strategy(make, several_objectives=False, n_trials=20)


@BOTH
@pytest.mark.parametrize("name", [*ZOO, "everything"])
def test_every_space_with_pending_and_failed_trials(kind, name):
    space = everything() if name == "everything" else zoo(name)
    history = abreast(kind(), space, 24)
    assert replays(kind, history)


@BOTH
def test_beats_random_search(kind):
    ours = sorted(run(kind(), flat(), 120, seed=s).best.metrics["score"] for s in range(5))[2]
    theirs = sorted(
        run(RandomSearch(), flat(), 120, seed=s).best.metrics["score"] for s in range(5)
    )[2]
    assert ours > theirs + 0.3


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


def test_gradient_of_two_decisions_by_hand():
    """Advantage times (one-hot less probability) at the scores, one step of plain ascent."""
    space = two_decisions()
    history = History(space, ONE)
    strategy = Reinforce(entropy=0.0)
    learner = learner_of(strategy, history)
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
    learner = learner_of(Reinforce(), history)
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
    before = learner_of(strategy, history).network.theta.copy()
    rng = Random(0)
    for number in range(10):
        arch = space.sample(rng=rng)
        history.add(Trial(number, arch, metrics={"score": rng.random()}, origin="random"))
    assert (learner_of(strategy, history).network.theta == before).all()
    for number in range(10, 20):
        arch = space.sample(rng=rng)
        history.add(Trial(number, arch, metrics={"score": rng.random()}, origin="policy"))
    assert (learner_of(strategy, history).network.theta != before).any()


@BOTH
def test_weights_follow_from_the_trials_alone(kind):
    history = run(kind(), everything(), 25)
    replayed = History(history.space, ONE, history.trials)
    a, b = (learner_of(kind(), h).network.theta for h in (history, replayed))
    assert (a == b).all()


@BOTH
def test_refuses(kind):
    name = {Reinforce: "reinforce", PPO: "ppo"}[kind]
    with pytest.raises(InputError, match=f"{name}.*nsga2"):
        kind().check(flat(), TWO)
    kind().check(flat(), ONE)
    for option, value in [
        ("batch", 0),
        ("units", 0),
        ("learning_rate", 0.0),
        ("learning_rate", math.inf),
        ("decay", 1.5),
        ("entropy", -0.1),
    ]:
        with pytest.raises(InputError, match=option):
            kind(**{option: value})


def test_ppo_refuses():
    with pytest.raises(InputError, match="epochs"):
        PPO(epochs=0)
    with pytest.raises(InputError, match="clip"):
        PPO(clip=0.0)


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
        learner = learner_of(strategy, history)
        p = lambda: np.exp(learner.network.bias) / np.exp(learner.network.bias).sum()  # noqa: B023, E731
        before = p()
        for number, score in enumerate([1.0, 0.0]):
            arch = space.check({"d0": number})
            history.add(Trial(number, arch, metrics={"score": score}, origin="policy"))
        strategy.propose(history, Random(0))
        moved[clip] = p()[0] / before[0]
    assert 1.0 < moved[0.05] < 1.15
    assert moved[10.0] > 1.3


def test_a_policy_that_has_settled_still_finds_what_is_new():
    space = flat(3, 3)
    history = History(space, ONE)
    strategy = Reinforce(learning_rate=1.0, entropy=0.0)
    for number in range(27):
        proposal = strategy.propose(history, Random(number))
        assert history.is_new(proposal.architecture)
        value = float(sum(proposal.architecture.values()))
        history.add(finished(number, proposal, {"score": value}, ONE))
    assert strategy.propose(history, Random(0)) is None
    assert isinstance(history.memory[strategy], Learner)
