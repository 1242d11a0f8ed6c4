import json

import pytest

from archwright.errors import InputError, UnknownNameError
from archwright.ledger.optuna_ledger import RECORD, OptunaLedger
from archwright.space import Choice, Space
from archwright.trials import Fidelity, History, Objective, Proposal, Trial
from archwright.trials.fidelity import as_fidelity

SPACE = Space({"width": Choice(range(10))})
GOAL = Objective.of(maximize="accuracy")
LOW = Fidelity(epochs=0.25)


def trial(number, accuracy, *, width=None, **options):
    arch = SPACE.check({"width": number if width is None else width})
    return Trial(number, arch, metrics={"accuracy": accuracy}, **options)


@pytest.mark.parametrize("share", [0, -0.5, 1.5, float("nan"), True, "half", None])
def test_a_share_is_above_0_and_at_most_1(share):
    with pytest.raises(InputError, match="data of a Fidelity must be a share"):
        Fidelity(data=share)


def test_it_is_a_value():
    assert Fidelity(epochs=0.5) == Fidelity(epochs=0.5, width=1)
    assert len({Fidelity(data=0.5), Fidelity(data=0.5), Fidelity(width=0.5)}) == 2
    assert Fidelity().full
    assert Fidelity(depth=0.5).kinds == {"depth"}
    assert Fidelity(0.5, 0.5, 0.5, 0.5, 0.5).cost == 0.5**7
    json.dumps(Fidelity(width=0.5).to_dict())
    with pytest.raises(UnknownNameError, match="epoch"):
        Fidelity.from_dict({"epoch": 0.5})
    with pytest.raises(InputError, match="fidelity must be"):
        as_fidelity(0.5)


@pytest.mark.parametrize("text", ["epochs", "epochs=a", "epochs=200%", "colour=0.5"])
def test_text_that_is_no_fidelity(text):
    with pytest.raises(InputError):
        Fidelity.parse(text)


def test_a_trial_keeps_it_in_its_record():
    kept = trial(0, 0.5, fidelity=LOW)
    assert Trial.from_dict(json.loads(json.dumps(kept.to_dict()))) == kept
    old = trial(1, 0.5).to_dict()
    del old["fidelity"]  # as written before there were fidelities
    assert Trial.from_dict(old).fidelity is None


def test_a_journal_keeps_it(tmp_path):
    path = tmp_path / "journal.log"
    ledger = OptunaLedger(path, "study", SPACE, GOAL)
    full, low = trial(0, 0.5, finished=1.0), trial(1, 0.4, fidelity=LOW, finished=2.0)
    ledger.finish(full)
    ledger.finish(low)
    again = OptunaLedger(path, "study", SPACE, GOAL)
    assert again.load() == ([full, low], [])
    attributes = again.study.trials[1].user_attrs
    assert attributes["fidelity"] == "epochs 25 %"
    assert "fidelity" not in again.study.trials[0].user_attrs
    assert json.loads(attributes[RECORD])["fidelity"] == {"epochs": 0.25}


@pytest.mark.parametrize("full_budget", [None, 100])
def test_a_full_evaluation_ranks_above_a_better_low_one(full_budget):
    history = History(SPACE, GOAL, full_budget=full_budget)
    history.add(trial(0, 0.9, fidelity=LOW))
    history.add(trial(1, 0.8, fidelity=Fidelity(epochs=0.5)))
    assert history.best.number == 1
    history.add(trial(2, 0.3))
    history.add(trial(3, 0.95, fidelity=LOW))
    assert history.best.number == 2
    assert [t.number for t in history.ranking] == [2, 1, 3, 0]
    assert [t.number for t in history.front] == [2]


def test_equal_cost_of_different_kinds_is_not_compared():
    history = History(SPACE, GOAL)
    history.add(trial(0, 0.5, fidelity=Fidelity(data=0.25)))
    history.add(trial(1, 0.6, fidelity=Fidelity(epochs=0.25)))
    assert len(history.front) == 1
    assert history.level_of(history.trials[0]) != history.level_of(history.trials[1])
    # In either order, the same one is first.
    other = History(SPACE, GOAL, reversed(history.trials))
    assert other.best.number == history.best.number


def test_reached_grows_with_the_fidelity():
    history = History(SPACE, GOAL, full_budget=8)
    arch = SPACE.default
    assert history.reached(arch) == float("-inf")
    history.add(trial(0, 0.5, width=0, fidelity=LOW))
    assert history.reached(arch) == 2
    history.add(trial(1, 0.5, width=0))
    assert history.reached(arch) == 8
    history.add(trial(2, 0.5, width=0, fidelity=LOW))
    assert history.reached(arch) == 8


def test_without_fidelities_budgets_rank_as_before():
    history = History(SPACE, GOAL, full_budget=9)
    history.add(trial(0, 0.9, budget=3))
    history.add(trial(1, 0.2))
    history.add(trial(2, 0.4, budget=9))
    assert [t.number for t in history.ranking] == [2, 1, 0]
    assert Proposal(SPACE.default).fidelity is None
