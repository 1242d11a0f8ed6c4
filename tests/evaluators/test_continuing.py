import pytest

from archwright.evaluators import Candidate, StopCandidate, Train, run_evaluation
from archwright.nn import ModelSpace
from archwright.space import Choice, Space
from archwright.tasks import Task
from archwright.zoo import build_space

SPACE = Space({"a": Choice((1, 2))})


@pytest.fixture(scope="module")
def trained():
    task = Task.load("iris")
    space = build_space("mlp", input_shape=task.input_shape, n_outputs=3, n_rows=len(task.train))
    assert isinstance(space, ModelSpace)
    return Train(task, epochs=6), space


def test_training_goes_on_from_a_checkpoint(trained, tmp_path):
    train, space = trained
    assert train.full_budget == 6

    def candidate(budget, **places):
        return Candidate(
            space, space.default, seed=1, budget=budget, staged=True, n_threads=1, **places
        )

    first = candidate(2, checkpoint=tmp_path / "00000")
    train.evaluate(first)
    assert [point["step"] for point in first.curve] == [1, 2]
    assert [p.name for p in (tmp_path / "00000").iterdir()] == ["checkpoint.pt"]
    second = candidate(6, previous=tmp_path / "00000")
    metrics = train.evaluate(second)
    assert [point["step"] for point in second.curve] == [2, 3, 4, 5, 6]
    assert second.notes == []
    assert metrics["accuracy"] > 0.4
    assert not (tmp_path / "00001").exists()


def test_what_is_no_checkpoint_of_training_trains_anew(trained, tmp_path):
    train, space = trained
    other = Candidate(space, space.default, checkpoint=tmp_path / "00003")
    other.save_checkpoint({"weights": 1})
    candidate = Candidate(space, space.default, budget=1, staged=True, previous=tmp_path / "00003")
    outcome = run_evaluation(train, candidate, "accuracy")
    assert outcome.state == "complete"
    assert outcome.note.startswith("trained anew")


def test_checkpoints_hold_no_code(tmp_path):
    candidate = Candidate(SPACE, SPACE.default, checkpoint=tmp_path / "00000")
    candidate.save_checkpoint({"a": 1, "b": [2.0, "c"], "hook": print})
    later = Candidate(SPACE, SPACE.default, previous=tmp_path / "00000")
    assert later.load_checkpoint() is None
    assert "trial 0 cannot be read" in later.notes[0]
    candidate.save_checkpoint({"a": 1, "b": [2.0, "c"]})
    assert later.load_checkpoint() == {"a": 1, "b": [2.0, "c"]}
    assert Candidate(SPACE, SPACE.default).load_checkpoint() is None
    Candidate(SPACE, SPACE.default).save_checkpoint({"a": 1})  # nobody wants it: nothing is kept


def test_a_judge_stops_a_candidate():
    candidate = Candidate(
        SPACE, SPACE.default, judge=lambda curve: "enough" if len(curve) > 1 else None
    )
    candidate.report(1, score=1.0)
    with pytest.raises(StopCandidate, match="enough"):
        candidate.report(2, score=1.0)

    def evaluate(candidate):
        for step in range(1, 9):
            candidate.report(step, score=1.0)

    again = Candidate(
        SPACE, SPACE.default, judge=lambda curve: "enough" if len(curve) > 2 else None
    )
    outcome = run_evaluation(evaluate, again, "score")
    assert (outcome.state, outcome.error, len(outcome.curve)) == ("pruned", "enough", 3)
