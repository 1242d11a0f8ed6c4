from random import Random

import pytest

from archwright.space import Branch, Choice, Decision, Space
from archwright.strategies import QLearning
from archwright.strategies.q_learning import N_PUBLISHED, QLearner
from archwright.trials import History, Trial
from tests.strategies.problems import (
    ONE,
    everything,
    flat,
    history_of,
    memory_of,
    run,
    run_abreast,
    total,
    zoo,
)


def test_updates_are_bellmans():
    """By hand: last choice first, discount 1, nothing paid on the way."""
    kernel = Decision("op=conv/kernel", Choice((3, 5)))
    op = Decision("op", Choice(("conv", "skip")), branches=(Branch({"conv"}, [kernel]),))
    space = Space([op, Decision("width", Choice((8, 16)))])
    learner = QLearner(QLearning(learning_rate=0.5, replay=0, memory=1), space, ONE)
    trials = [
        Trial(0, space.check({"op": "skip", "width": 8}), metrics={"score": 1.0}),
        Trial(
            1, space.check({"op": "conv", "op=conv/kernel": 5, "width": 16}), metrics={"score": 3.0}
        ),
        Trial(2, space.check({"op": "skip", "width": 16}), metrics={"score": 5.0}),
    ]
    learner.read(trials[:1])
    start, width_after_skip = (0,), (0, 1, 2)  # step 0; step 0 took option 1, then step 2
    assert learner.mean == 1.0
    assert learner.values(width_after_skip) == [1.0, 1.0]

    learner.read(trials[:2])
    assert learner.mean == 2.0
    # width: 2 + (3 - 2)/2; kernel: 2 + (max(2, 2.5) - 2)/2; op: 2 + (max(2, 2.25) - 2)/2.
    assert learner.values((1, 1, 2)) == [2.0, 2.5]
    assert learner.values((0, 0, 1)) == [2.0, 2.25]
    assert learner.values(start) == [2.125, 1.0]

    learner.read(trials)
    assert learner.mean == 3.0
    # width: 3 + (5 - 3)/2 = 4; op: 1 + (max(1, 4) - 1)/2.
    assert learner.values(width_after_skip) == [1.0, 4.0]
    assert learner.values(start) == [2.125, 2.5]


def test_replay_converges_to_the_best_that_follows():
    space = flat(3, 2)
    history = history_of(space, zip(space.enumerate(), range(8), strict=True))
    learner = QLearner(QLearning(replay=200, memory=3), space, ONE)
    learner.read(history.trials)
    # With the whole past in the state, the values are the best that follows.
    assert learner.values((0,)) == pytest.approx([3.0, 7.0], abs=0.01)
    assert learner.values((0, 1, 1)) == pytest.approx([5.0, 7.0], abs=0.01)
    assert learner.draw(Random(0), 0.0) is None  # all is known


def test_epsilon_follows_the_published_schedule():
    assert N_PUBLISHED == 2700
    strategy = QLearning(horizon=27)
    assert [strategy.epsilon(n) for n in (0, 14, 15, 16, 17, 18, 19, 26, 1000)] == [
        1.0,
        1.0,
        0.9,
        0.8,
        0.7,
        0.6,
        0.6,
        0.1,
        0.1,
    ]


def test_what_is_being_evaluated_counts_for_epsilon(monkeypatch):
    seen = []
    monkeypatch.setattr(QLearner, "new", lambda self, history, rng, epsilon: seen.append(epsilon))
    strategy = QLearning(horizon=27)
    run_abreast(strategy, flat(), 20)
    assert seen == [strategy.epsilon(n) for n in range(20)]


def test_epsilon_one_draws_each_new_option_evenly():
    space = Space({"a": Choice(range(4))})
    learner = QLearner(QLearning(), space, ONE)
    learner.read([Trial(0, space.check({"a": 1}), metrics={"score": 1.0})])
    rng = Random(0)
    drawn = [learner.draw(rng, 1.0)["a"] for _ in range(2000)]
    assert all(590 < drawn.count(value) < 740 for value in (0, 2, 3))


def test_greedy_choices_go_where_something_new_is_left():
    # The best is known, so the best of what is left is taken: the same arm, another rest.
    space = flat(2, 3)
    learner = QLearner(QLearning(replay=100), space, ONE)
    trials = [Trial(0, space.check({"d0": 0, "d1": 0}), metrics={"score": 0.0})]
    trials += [
        Trial(1 + i, space.check({"d0": 2, "d1": i}), metrics={"score": 9.0}) for i in range(2)
    ]
    learner.read(trials)
    assert dict(learner.draw(Random(0), 0.0)) == {"d0": 2, "d1": 2}
    learner.read([*trials, Trial(3, space.check({"d0": 2, "d1": 2}), metrics={"score": 9.0})])
    assert learner.draw(Random(0), 0.0)["d0"] != 2


def test_what_was_met_in_a_vain_draw_is_not_kept():
    space = zoo("nasbench201")
    history = run_abreast(QLearning(horizon=5), space, 30)
    strategy = QLearning(horizon=5)
    closed = memory_of(strategy, history)._closed
    before = {k: set(v) for k, v in closed._closed.items() if v}
    assert before
    for seed in range(20):
        strategy.propose(history, Random(seed))
    assert {k: v for k, v in closed._closed.items() if v} == before


def test_learns_from_trials_of_others():
    space = flat(2, 3)
    history = History(space, ONE)
    for number, arch in enumerate(list(space.enumerate())[:6]):
        history.add(Trial(number, arch, metrics={"score": float(number)}, origin="random"))
    strategy = QLearning(horizon=1)
    values = memory_of(strategy, history).values((0,))
    assert values[1] > values[0]


def test_the_best_arm_of_a_bandit_is_taken():
    space = Space({"arm": Choice(range(4)), "rest": Choice(range(200))})
    history = run(
        QLearning(horizon=40), space, 80, evaluate=lambda a: {"score": float(a["arm"] == 2)}
    )
    late = [t.architecture["arm"] for t in history.trials[-30:]]
    assert late.count(2) > 20


def test_the_table_follows_from_the_trials_alone():
    history = run(QLearning(), everything(), 25)
    replayed = History(history.space, ONE, history.trials)
    a, b = (memory_of(QLearning(), h)._table for h in (history, replayed))
    assert a == b


def test_goes_on_until_all_is_known():
    strategy = QLearning(horizon=1)
    history = run(strategy, flat(2, 3), 9, evaluate=total)
    assert strategy.propose(history, Random(0)) is None
