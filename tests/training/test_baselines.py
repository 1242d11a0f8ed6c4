from __future__ import annotations

import numpy as np
import pytest

import archwright.training.baselines as module
from archwright.errors import InputError
from archwright.tasks import Task
from archwright.training.baselines import _fit, _Model, baselines
from tests.training.conftest import make_image_task, make_task


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (
            "classification",
            ["most frequent class", "logistic regression", "extra trees", "gradient boosting"],
        ),
        (
            "multilabel",
            ["most frequent labels", "logistic regression", "extra trees", "gradient boosting"],
        ),
        ("regression", ["mean", "ridge regression", "extra trees", "gradient boosting"]),
    ],
)
def test_every_kind_of_table_has_its_baselines(kind, names):
    task = make_task(kind=kind)
    scores = baselines(task, seconds=20)
    assert [score.name for score in scores] == names
    plain, *others = [score.validation[task.metric.name] for score in scores]
    assert all(other > plain for other in others)
    assert all(score.test is None for score in scores)
    assert all(score.n_rows == len(task.train) for score in scores)


def test_images_are_read_as_pixels():
    scores = baselines(make_image_task(), seconds=20, score_test=True)
    assert scores[-1].name == "support vector machine"
    assert all(score.test["accuracy"] > 0.9 for score in scores[1:])


def test_test_rows_are_read_only_when_asked_and_there():
    assert all(score.test for score in baselines(make_task(), seconds=20, score_test=True))
    task = Task.load("iris", test=0)
    assert all(score.test is None for score in baselines(task, seconds=20, score_test=True))


def test_the_same_seed_gives_the_same_scores():
    first, second = ([s.validation for s in baselines(make_task(), seed=1)] for _ in range(2))
    assert first == second


class Slow:
    """A model whose fitting time is counted, not spent."""

    def __init__(self, clock: list[float], seconds) -> None:
        self.clock, self.seconds = clock, seconds

    def fit(self, x, y):
        self.clock[0] += self.seconds(len(x))
        self.n_rows = len(x)
        return self


@pytest.mark.parametrize(
    "seconds", [lambda n: 1e-3 * n, lambda n: 1.0 + 1e-4 * n, lambda n: 2e-7 * n * n]
)
@pytest.mark.parametrize("allowance", [3.0, 10.0, 60.0])
def test_fitting_keeps_to_its_allowance(monkeypatch, seconds, allowance):
    clock = [0.0]
    monkeypatch.setattr(module, "perf_counter", lambda: clock[0])
    x = np.zeros((10_000, 1))
    model = _Model("slow", lambda: Slow(clock, seconds))
    fitted, n_rows = _fit(model, x, x, allowance, 0)
    assert fitted.n_rows == n_rows
    assert clock[0] <= 1.15 * allowance
    if allowance == 60.0:
        assert n_rows == 10_000


@pytest.mark.parametrize("arguments", [{"seconds": 0}, {"seconds": None}, {"n_threads": 0}])
def test_bad_arguments_are_input_errors(arguments):
    with pytest.raises(InputError):
        baselines(make_task(), **arguments)
