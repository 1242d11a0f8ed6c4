from random import Random

import pytest

from archwright.errors import InputError
from archwright.runs import search
from archwright.space import Choice, Space
from archwright.strategies import ASHA, CheapScores, RandomSearch, WarmStart, name_of
from archwright.testing import check_strategy
from archwright.testing.strategies import example_spaces
from archwright.trials import History, Trial
from tests.strategies.problems import ONE, finished

SPACE = Space({"a": Choice(range(10)), "b": Choice(range(10))})


def total(candidate):
    return float(sum(candidate.architecture.values()))


def test_conformance():
    for name, space in example_spaces().items():
        first = [space.sample(seed=i) for i in range(3)]
        strategy = WarmStart("evolution", first)
        history = History(space, ONE)
        for number in range(10):
            proposal = strategy.propose(history, Random(number))
            if proposal is None:
                break
            again = History(space, ONE, history.trials)
            assert WarmStart("evolution", first).propose(again, Random(number)) == proposal, name
            assert history.is_new(proposal.architecture)
            history.add(Trial(number, proposal.architecture, metrics={"score": 0.5}))
    check_strategy(lambda: WarmStart("random", CheapScores(lambda a: 1.0, n=3)), n_trials=12)


def test_a_list_comes_first_and_nothing_twice():
    first = [{"a": 1, "b": 2}, {"a": 1, "b": 2}, {"a": 3, "b": 4}]
    result = search(SPACE, total, maximize="score", strategy="random", first=first, trials=5)
    assert [t.origin for t in result.trials] == ["warm start"] * 2 + ["random"] * 3
    assert [tuple(t.architecture.values()) for t in result.trials[:2]] == [(1, 2), (3, 4)]
    assert result.info["strategy"] == "random"


def test_what_does_not_fit_is_refused_before_any_work():
    def never(candidate):
        raise AssertionError("evaluated")

    def run(first):
        search(SPACE, never, maximize="score", strategy="random", first=first, trials=3)

    with pytest.raises(InputError, match="a: 11 is not in the domain"):
        run([{"a": 11, "b": 2}])
    with pytest.raises(InputError, match="no architecture"):
        run([])
    with pytest.raises(InputError, match="list of architectures"):
        run({"a": 1, "b": 2})
    with pytest.raises(InputError, match="holds no run"):
        run("no/such/folder")


def test_an_earlier_search_on_another_task(tmp_path):
    search(SPACE, total, maximize="other", strategy="random", trials=30, out=tmp_path / "old")
    smaller = Space({"a": Choice(range(9)), "b": Choice(range(10))})
    result = search(
        smaller, total, maximize="score", strategy="random", first=tmp_path / "old", trials=12
    )
    warm = [t for t in result.trials if t.origin == "warm start"]
    assert len(warm) == 10
    sums = [t.metrics["score"] for t in warm]
    assert sums == sorted(sums, reverse=True)
    elsewhere = Space({"c": Choice((1, 2))})
    with pytest.raises(InputError, match="none of the 30 architectures of the earlier search fits"):
        search(elsewhere, total, maximize="score", first=tmp_path / "old", trials=2)


def test_a_warm_start_is_part_of_what_a_run_is(tmp_path):
    options = {"maximize": "score", "strategy": "random", "out": tmp_path}
    search(SPACE, total, first=[{"a": 1, "b": 2}], trials=3, **options)
    more = search(SPACE, total, first=[{"a": 1, "b": 2}], trials=5, **options)
    assert [t.origin for t in more.trials].count("warm start") == 1
    with pytest.raises(InputError, match="another search"):
        search(SPACE, total, first=[{"a": 1, "b": 3}], trials=6, **options)


def test_cheap_scores_take_the_best_with_some_distance():
    scores = CheapScores(lambda a: a["a"] + 0.1 * a["b"], n=3, pool=100)
    near = CheapScores(scores.score, n=3, pool=100, distance=0)
    assert [tuple(x.values()) for x in near(SPACE)] == [(9, 9), (9, 8), (9, 7)]
    assert [tuple(x.values()) for x in scores(SPACE)] == [(9, 9), (8, 8), (7, 7)]
    assert scores(SPACE) == scores(SPACE)
    with pytest.raises(InputError, match="finite"):
        CheapScores(lambda a: float("nan"))(SPACE)
    for options in ({"n": 0}, {"pool": 0}, {"distance": -1}):
        with pytest.raises(InputError, match="whole number"):
            CheapScores(len, **options)


def test_with_several_budgets_they_enter_with_the_smallest():
    strategy = WarmStart(ASHA(min_budget=1, max_budget=9), [{"a": 9, "b": 9}])
    history = History(SPACE, ONE)
    for number in range(12):
        proposal = strategy.propose(history, Random(number))
        assert (proposal.origin == "warm start") == (number == 0)
        metrics = {"score": float(sum(proposal.architecture.values()))}
        history.add(finished(number, proposal, metrics))
    assert history.trials[0].budget == 1
    assert history.best.architecture == history.trials[0].architecture
    assert history.best.budget > 1


def test_names():
    assert name_of(WarmStart("random", [{"a": 1, "b": 1}])) == "random"
    assert WarmStart(RandomSearch(), [{"a": 1, "b": 1}]).wrapped == RandomSearch()
    with pytest.raises(InputError, match="n must"):
        WarmStart("random", [{"a": 1, "b": 1}], n=0)
