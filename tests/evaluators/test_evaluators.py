import math

import numpy as np
import pytest
import torch
from torch import nn

import archwright as aw
from archwright.errors import InputError, NotFinite, UnknownNameError
from archwright.evaluators import Candidate, StopCandidate, check_evaluator, run_evaluation
from archwright.evaluators.evaluate import as_metrics
from archwright.space import Choice, Real, Space

SPACE = Space({"width": Choice((4, 8))})


class Net(nn.Module):
    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        width = aw.choice("width", [4, 8])
        self.body = nn.Sequential(
            aw.linear(n_inputs, width), nn.ReLU(), aw.linear(width, n_outputs)
        )

    def forward(self, x):
        return self.body(x)


@pytest.fixture(scope="module")
def task():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 5)).astype("float32")
    return aw.Task.from_arrays(x, (x[:, 0] + x[:, 1] > 0).astype(int))


def _candidate(space, **options):
    return Candidate(space, space.default, **options)


def test_candidate_builds_reports_and_saves(tmp_path):
    space = aw.ModelSpace(Net, 5, 2)
    candidate = _candidate(space, seed=3, folder=tmp_path / "c")
    one, two = candidate.model(), candidate.model()
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert torch.equal(a, b)
    candidate.report(1, accuracy=0.5, loss=math.nan)
    assert candidate.curve == [{"step": 1, "accuracy": 0.5}]
    candidate.save(one)
    assert (tmp_path / "c" / "weights.safetensors").exists()
    with pytest.raises(InputError, match="no networks to build"):
        _candidate(SPACE).model()


def test_as_metrics():
    assert as_metrics(1, "score") == {"score": 1.0}
    assert as_metrics({"score": np.float32(0.5), "n": 3}, "score") == {"score": 0.5, "n": 3.0}
    with pytest.raises(NotFinite, match="score is nan"):
        as_metrics(math.nan, "score")
    with pytest.raises(InputError, match="number"):
        as_metrics("much", "score")
    with pytest.raises(InputError, match="'score'"):
        as_metrics({"other": 1}, "score")


def test_run_evaluation_classifies():
    def out_of_memory(candidate):
        raise RuntimeError("CUDA out of memory. Tried to allocate")

    def stops(candidate):
        raise StopCandidate("no better than the median")

    assert run_evaluation(out_of_memory, _candidate(SPACE), "score").error.startswith("OutOfMemory")
    outcome = run_evaluation(stops, _candidate(SPACE), "score")
    assert (outcome.state, outcome.error) == ("pruned", "no better than the median")
    with pytest.raises(KeyboardInterrupt):
        run_evaluation(lambda c: (_ for _ in ()).throw(KeyboardInterrupt), _candidate(SPACE), "s")


def test_what_is_no_evaluator():
    for bad in (3, "name", dict, None):
        with pytest.raises(InputError, match="evaluator must be"):
            check_evaluator(bad)


def test_train_trains_and_tests_once(task):
    space = aw.ModelSpace(Net, 5, 2)
    evaluator = aw.Train(task, epochs=15, recipe=aw.Recipe(lr=0.02))
    candidate = _candidate(space)
    metrics = evaluator.evaluate(candidate)
    assert metrics["accuracy"] > 0.85
    assert len(candidate.curve) == 15
    assert {"accuracy", "val_loss", "train_loss"} <= set(candidate.curve[-1])
    assert evaluator.evaluate(_candidate(space)) == metrics
    trained = evaluator.final(_candidate(space))
    assert trained.n_epochs == 15
    assert trained.trained_on == "train+validation"
    low, high = trained.interval
    assert low <= trained.test["accuracy"] <= high
    assert evaluator.objective.primary.metric == "accuracy"


def test_a_budget_is_a_number_of_epochs(task):
    candidate = _candidate(aw.ModelSpace(Net, 5, 2), budget=2)
    aw.Train(task, epochs=9).evaluate(candidate)
    assert len(candidate.curve) == 2


def test_hyper_parameters_override_the_recipe(task):
    both = aw.ModelSpace(Net, 5, 2) & Space({"lr": Real(1e-3, 1e-1, log=True)})
    evaluator = aw.Train(task, epochs=2)
    rates = set()
    for seed in range(3):
        candidate = Candidate(both, both.sample(seed=seed))
        evaluator.evaluate(candidate)
        rates.add(max(point["lr"] for point in candidate.curve))
    assert len(rates) == 3
    other = aw.ModelSpace(Net, 5, 2) & Space({"learning_rat": Real(1e-3, 1e-1)})
    with pytest.raises(UnknownNameError, match="learning_rat"):
        aw.search(other, evaluator, trials=1, baselines=False)


def test_train_refuses(task):
    with pytest.raises(InputError, match="needs a Task"):
        aw.Train(np.zeros((3, 3)))
    with pytest.raises(InputError, match="epochs"):
        aw.Train(task, epochs=0)


def test_fewer_rows_for_candidates(task):
    few = aw.Train(task, epochs=1).with_rows(50)
    assert len(few._search_task.train) == pytest.approx(50, abs=1)
    assert len(few.task.train) == len(task.train)


@pytest.mark.parametrize(
    ("factory", "word"),
    [
        (lambda: nn.Linear(4, 2), "does not run on this task's inputs"),
        (lambda: nn.Linear(5, 3), r"must return a tensor of shape \(2, 2\)"),
    ],
)
def test_a_space_that_does_not_fit_the_task_is_refused_at_once(task, factory, word):
    with pytest.raises(InputError, match=word):
        aw.search(aw.ModelSpace(factory), task, trials=1, baselines=False)


def test_training_needs_networks(task):
    with pytest.raises(InputError, match="needs a space of networks"):
        aw.search(SPACE, task, trials=1)


def test_metrics_that_training_does_not_give_are_refused(task):
    space = aw.ModelSpace(Net, 5, 2)
    with pytest.raises(UnknownNameError, match="did you mean 'params'"):
        aw.search(space, task, limits={"parms": 3}, trials=1)
    with pytest.raises(UnknownNameError, match="unknown metric 'r2'"):
        aw.search(space, task, maximize="r2", trials=1)
