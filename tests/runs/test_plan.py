import numpy as np
import pytest
from torch import nn

import archwright as aw
from archwright.errors import InputError
from archwright.runs import plan as planning
from archwright.runs.plan import Plan, plan_training


@pytest.fixture(scope="module")
def task():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(4000, 5)).astype("float32")
    return aw.Task.from_arrays(x, (x[:, 0] > 0).astype(int))


@pytest.fixture
def speed(monkeypatch):
    """Every network trains at a given number of seconds a row, by its first layer's width."""
    rates = {}

    def row_seconds(model, *args, **kwargs):
        return rates[model.weight.shape[0]]

    monkeypatch.setattr(planning, "row_seconds", row_seconds)
    return rates


def _plan(task, seconds, speed, rates=(1e-4, 4e-4), **options):
    networks = [nn.Linear(1, 2), nn.Linear(1, 4)]
    speed.update({2: rates[0], 4: rates[1]})
    values = {
        "seconds": seconds,
        "n_trials": None,
        "n_workers": 2,
        "n_threads": 1,
        "n_cores": 2,
        "device": "cpu",
        "exports": True,
        **options,
    }
    return plan_training(aw.Train(task), networks, [1e6, 4e6], **values)


def test_without_a_time_budget_candidates_are_trained_in_full(task):
    evaluator = aw.Train(task)
    plan = plan_training(
        evaluator,
        [nn.Linear(1, 1)],
        [0.0],
        seconds=None,
        n_trials=5,
        n_workers=1,
        n_threads=1,
        n_cores=1,
        device="cpu",
        exports=True,
    )
    assert plan == Plan(epochs=evaluator.epochs_of())


@pytest.mark.parametrize("seconds", [40, 120, 600, 7200])
def test_the_shares_add_up_to_the_time(task, speed, seconds):
    plan = _plan(task, seconds, speed)
    total = plan.search_seconds + plan.final_seconds + plan.reserve_seconds
    assert total <= seconds
    assert total >= 0.9 * seconds
    assert plan.epochs >= 1
    assert plan.trial_seconds >= 30


def test_more_time_means_more_epochs_up_to_the_full_training(task, speed):
    epochs = [_plan(task, seconds, speed).epochs for seconds in (60, 300, 3600, 36000)]
    assert epochs == sorted(epochs)
    assert epochs[-1] == aw.Train(task).epochs_of()


def test_slow_networks_are_judged_on_fewer_rows(task, speed):
    plan = _plan(task, 120, speed, rates=(8e-3, 3e-2))
    assert plan.n_rows is not None
    assert plan.n_rows < len(task.train)
    assert "rows" in plan.notes[0]


def test_networks_too_large_to_be_trained_in_the_end_are_left_out(task, speed):
    plan = _plan(task, 60, speed, rates=(1e-3, 4e-3))
    # No smaller than the default, far smaller than what would take the whole time.
    assert 1e6 <= plan.max_flops < 4e6
    wide = _plan(task, 36000, speed)
    assert wide.max_flops > 4e6


def test_too_little_time_is_refused(task, speed):
    with pytest.raises(InputError, match="the time is too short: 8 s are left"):
        _plan(task, 8, speed)


def test_epochs_that_the_user_gave_are_kept(task, speed):
    speed.update({2: 1e-4})
    plan = plan_training(
        aw.Train(task, epochs=7),
        [nn.Linear(1, 2)],
        [1e6],
        seconds=60,
        n_trials=None,
        n_workers=2,
        n_threads=1,
        n_cores=2,
        device="cpu",
        exports=False,
    )
    assert plan.epochs == 7


def test_a_random_search_beside_halves_the_training(task, speed):
    assert _plan(task, 300, speed, n_searches=2).epochs < _plan(task, 300, speed).epochs


def test_round_trip(task, speed):
    plan = _plan(task, 120, speed)
    assert Plan.from_dict(plan.to_dict()) == plan
