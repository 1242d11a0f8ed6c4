import json
from types import SimpleNamespace

import numpy as np
import pytest

import archwright as aw
from archwright.errors import InputError, LedgerError
from archwright.runs.judges import pool_within, record_of, with_judges, with_pool
from archwright.runs.networks import remembering
from archwright.strategies import Cascade, RandomSearch, Stage, WarmStart
from archwright.tasks import Task
from archwright.trials import History, Objective
from archwright.zoo import build_space

PLAIN = aw.Space({"width": aw.choice([1, 2, 3])})


def task():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(80, 6)).astype("float32")
    return Task.from_arrays(x, (x[:, 0] + x[:, 1] > 0).astype(int))


def small():
    return build_space("mlp", input_shape=(6,), n_outputs=2)


def cascade(**options):
    return Cascade([Stage("zero_cost", keep=0.4), 0.5], pool=10, **options)


def search(tmp_path, trials, strategy=None):
    return aw.search(
        small(),
        aw.Train(task(), epochs=2),
        strategy=strategy or cascade(),
        trials=trials,
        workers=0,
        final=False,
        baselines=False,
        out=tmp_path / "run",
    )


def test_a_search_records_its_stages_and_its_resumption_does_not_judge_again(tmp_path, monkeypatch):
    first = search(tmp_path, 5)
    names = [stage["name"] for stage in first.info["cascade"]]
    assert names == ["pool", "zero-cost", "training, budget 1 of 2", "training in full"]
    assert first.info["cascade"][1]["n_in"] >= 10
    run = json.loads((tmp_path / "run" / "run.json").read_text())
    assert run["info"]["cascade"] == first.info["cascade"]
    assert "The stages of the cascade" in (tmp_path / "run" / "report.html").read_text()

    def refuse(*_):
        raise AssertionError("judged again")

    monkeypatch.setattr("archwright.proxies.ZeroCost.rank", refuse)
    again = search(tmp_path, 6)
    assert again.trials[:5] == first.trials
    assert len(again.trials) == 6


def test_a_run_that_stopped_is_as_one_that_did_not(tmp_path):
    whole = search(tmp_path / "a", 8)
    search(tmp_path / "b", 4)
    resumed = search(tmp_path / "b", 8)
    assert [t.architecture for t in resumed.trials] == [t.architecture for t in whole.trials]
    assert [t.metrics for t in resumed.trials] == [t.metrics for t in whole.trials]


def test_another_cascade_is_another_search(tmp_path):
    search(tmp_path, 3)
    with pytest.raises(LedgerError, match="strategy"):
        search(tmp_path, 4, strategy=cascade(explore=0.5))


def test_the_name_is_enough(tmp_path):
    result = search(tmp_path, 1, strategy="cascade")
    assert result.info["strategy"] == "cascade"
    assert [s["n_in"] for s in result.info["cascade"]] == [1, 0]


def test_proxies_are_filled_in_where_there_are_networks():
    space = small()
    filled = with_judges(Cascade(), space, (6,), "cpu")
    assert filled.stages[0].judge() is not None
    assert with_judges(Cascade(), PLAIN, (6,), "cpu").stages[0].judge() is None
    assert with_judges(Cascade(), space, None, "cpu").stages[0].judge() is None
    other = RandomSearch()
    assert with_judges(other, space, (6,), "cpu") is other
    wrapped = with_judges(WarmStart(Cascade(), [space.default]), space, (6,), "cpu")
    assert wrapped.wrapped.stages[0].judge() is not None


def test_a_pool_is_made_for_the_time(monkeypatch):
    space, ticks = small(), iter(range(0, 1000, 3))
    clock = SimpleNamespace(perf_counter=lambda: float(next(ticks)))
    monkeypatch.setattr("archwright.runs.judges.time", clock)
    filled = with_judges(Cascade(pool=150), space, (6,), "cpu")
    # Judging takes a second each, by this clock.
    assert pool_within(filled, space, None, seed=0) is None
    assert pool_within(filled, space, 100.0, seed=0) == 0
    assert pool_within(filled, space, 1000.0, seed=0) == 50
    assert pool_within(filled, space, 1e6, seed=0) is None
    assert pool_within(Cascade(), space, 100.0, seed=0) is None
    assert with_pool(filled, 50).n_entrants == filled.n_entrants
    assert with_pool(RandomSearch(), 50) == RandomSearch()


def test_a_judge_that_the_time_does_not_suffice_for_is_not_asked():
    def slow(architecture):
        raise AssertionError("asked")

    filled = with_pool(Cascade([Stage(slow, keep=0.2), "predictor", 1 / 3], pool=50), 0)
    assert [stage.name for stage in filled.cheap] == ["slow", "predictor"]
    assert filled.cheap[0].judge() is None
    assert filled.n_entrants == 3


def test_a_cascade_and_a_fidelity_of_all_trials_exclude_each_other():
    with pytest.raises(InputError, match="by its stages"):
        aw.search(
            small(), aw.Train(task(), epochs=2), strategy="cascade", fidelity=aw.Fidelity(data=0.5)
        )


@pytest.mark.parametrize("full", [-1, 0, "9", float("nan")])
def test_a_full_budget_that_cannot_be_is_refused(full):
    def evaluate(candidate):
        return {"accuracy": 1.0}

    evaluate.full_budget = full
    with pytest.raises(InputError, match="full_budget must be a positive number"):
        aw.search(PLAIN, evaluate, maximize="accuracy", strategy=Cascade([1 / 3]), trials=3)


def test_only_a_cascade_has_stages_to_record():
    history = History(PLAIN, Objective.of(maximize="accuracy"))
    assert record_of(RandomSearch(), history) is None
    assert record_of(Cascade(), history)[-1]["n_in"] == 0


def test_costs_are_computed_once():
    calls = []
    costs = remembering(lambda architecture: calls.append(architecture) or {"params": 1.0})
    assert costs(PLAIN.default) == costs(PLAIN.default) == {"params": 1.0}
    assert len(calls) == 1
    assert remembering(None) is None
