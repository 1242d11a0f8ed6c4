import json
import math
import pickle

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from archwright.errors import DataError, UnknownNameError
from archwright.tasks import LOSSES, METRICS, Metric, Task
from archwright.tasks.losses import weighted_mean

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 4))


def tasks():
    return {
        "classification": Task.from_arrays(X, np.arange(80) % 3),
        "multilabel": Task.from_arrays(X, RNG.integers(0, 2, (80, 3))),
        "regression": Task.from_arrays(X, 1000 + 50 * X[:, :1] @ np.ones((1, 1)) + X[:, 1:2]),
        "images": Task.from_arrays(RNG.integers(0, 256, (80, 9, 9)).astype(np.uint8), X[:, 0] > 0),
    }


TASKS = tasks()


def perfect(task, y):
    """Outputs of a network that knows the answers."""
    if task.kind == "classification":
        return F.one_hot(y, task.n_outputs).float() * 20
    return y * 40 - 20 if task.kind == "multilabel" else y


@pytest.mark.parametrize("name", TASKS)
def test_perfect_outputs_have_perfect_metrics(name):
    task = TASKS[name]
    metrics = task.metrics(perfect(task, task.test.y), task.test.y)
    assert next(iter(metrics)) == task.metric.name
    assert set(metrics) == {one.name for one in METRICS.values() if task.kind in one.kinds}
    for key, value in metrics.items():
        assert value == pytest.approx(1.0 if METRICS[key].maximize else 0.0, abs=1e-3)


@pytest.mark.parametrize("name", TASKS)
def test_outputs_that_are_not_finite_give_no_metric(name):
    task = TASKS[name]
    outputs = torch.zeros(len(task.test), task.n_outputs)
    outputs[0, 0] = math.nan
    assert all(math.isnan(value) for value in task.metrics(outputs, task.test.y).values())


@pytest.mark.parametrize("name", TASKS)
def test_the_loss_falls_towards_the_answers_and_has_gradients(name):
    task = TASKS[name]
    y = task.train.y
    outputs = torch.zeros(len(y), task.n_outputs, requires_grad=True)
    loss = task.loss(outputs, y)
    loss.backward()
    assert loss.shape == ()
    assert outputs.grad.abs().sum() > 0
    assert task.loss(perfect(task, y), y) < 1e-3 < loss


def test_losses_are_torch_own():
    task = TASKS["classification"]
    outputs, y = torch.randn(len(task.train), 3), task.train.y
    expected = F.cross_entropy(outputs, y, label_smoothing=0.1)
    assert task.loss(outputs, y, label_smoothing=0.1).item() == pytest.approx(expected.item())
    mixed = F.one_hot(y, 3).float() * 0.7 + 0.1
    assert task.loss(outputs, mixed).item() == pytest.approx(F.cross_entropy(outputs, mixed).item())
    task = TASKS["regression"]
    y = task.train.y
    assert task.loss(y + 2, y).item() == pytest.approx(4.0)
    assert LOSSES["huber"](y + 3, y, 0.0).mean().item() == pytest.approx(4.0)
    task = TASKS["multilabel"]
    y = task.train.y
    outputs = torch.randn(len(y), 3)
    expected = F.binary_cross_entropy_with_logits(outputs, y * 0.8 + 0.1)
    assert task.loss(outputs, y, label_smoothing=0.2).item() == pytest.approx(expected.item())


def test_rows_can_be_weighted():
    task = TASKS["classification"]
    outputs, y = torch.randn(6, 3), task.train.y[:6]
    weight = torch.tensor([1.0, 1, 1, 0, 0, 0])
    expected = task.loss(outputs[:3], y[:3])
    assert task.loss(outputs, y, weight=weight).item() == pytest.approx(expected.item())
    assert weighted_mean(torch.ones(3), None) == 1.0


def test_regression_metrics_are_in_the_unit_of_the_target():
    task = TASKS["regression"]
    scale = task.preprocessing.target.scale[0]
    metrics = task.metrics(task.test.y + 1.0, task.test.y)
    assert metrics["mae"] == pytest.approx(scale, rel=1e-4)
    assert metrics["rmse"] == pytest.approx(scale, rel=1e-4)
    y = task.train.y
    assert abs(y.mean()) < 1e-4
    assert y.std(correction=0) == pytest.approx(1.0, abs=1e-4)


def test_half_precision_outputs_are_judged_too():
    task = TASKS["classification"]
    outputs = perfect(task, task.test.y).to(torch.bfloat16)
    assert task.metrics(outputs, task.test.y)["accuracy"] == 1.0


def test_a_metric_of_ones_own_leads():
    own = Metric("hits", True, lambda scores, targets: float((scores.argmax(1) == targets).sum()))
    task = TASKS["classification"].with_metric(own)
    metrics = task.metrics(perfect(task, task.test.y), task.test.y)
    assert next(iter(metrics.items())) == ("hits", float(len(task.test)))
    with pytest.raises(UnknownNameError, match="judges regression"):
        task.with_metric("rmse")


@pytest.mark.parametrize("name", TASKS)
def test_intervals_surround_the_metric(name):
    task = TASKS[name]
    noise = torch.randn(len(task.train), task.n_outputs, generator=torch.Generator().manual_seed(0))
    outputs = perfect(task, task.train.y) / 20 + noise
    value = task.metrics(outputs, task.train.y)[task.metric.name]
    low, high = task.confidence_interval(outputs, task.train.y)
    assert low < value < high
    assert task.confidence_interval(outputs, task.train.y) == (low, high)


def test_images_are_normalised_by_training_images():
    task = TASKS["images"]
    assert task.train.x.dtype == torch.uint8
    x = task.prepare(task.train.x)
    assert x.dtype == torch.float32
    assert abs(x.mean()) < 1e-4
    assert x.std(correction=0) == pytest.approx(1.0, abs=1e-4)
    np.testing.assert_allclose(
        task.preprocessing.apply(task.test.x), task.prepare(task.test.x), atol=1e-6
    )


def test_tables_are_prepared_already():
    task = TASKS["classification"]
    assert task.prepare(task.train.x) is task.train.x


def test_splits_by_name():
    task = TASKS["classification"]
    assert task.split("validation") is task.validation
    both = task.split("train+validation")
    assert len(both) == len(task.train) + len(task.validation)
    assert torch.equal(both.y[-1], task.validation.y[-1])
    with pytest.raises(UnknownNameError, match="unknown split 'valid': did you mean 'validation'"):
        task.split("valid")
    with pytest.raises(DataError, match="has no test rows"):
        Task.from_arrays(X, np.arange(80) % 3, test=None).split("test")


def test_parts_of_one_deal_share_no_row():
    x = np.arange(90.0)[:, None]
    task = Task.from_arrays(x, np.arange(90) % 3)
    values = [
        task.preprocessing.inputs.mean[0]
        + task.split(name).x[:, 0] * task.preprocessing.inputs.scale[0]
        for name in ("train", "validation", "test")
    ]
    assert torch.cat(values).round().sort().values.tolist() == x[:, 0].tolist()


def test_the_preparation_sees_training_rows_only():
    x = X.copy()
    task = Task.from_arrays(x, np.arange(80) % 3, seed=3)
    mean = task.preprocessing.inputs.mean
    rows = task.train.x.numpy() * task.preprocessing.inputs.scale + mean
    np.testing.assert_allclose(rows.mean(0), mean, atol=1e-5)
    assert not np.allclose(X.mean(0), mean, atol=1e-3)


@pytest.mark.parametrize("name", TASKS)
def test_tasks_travel_to_other_processes(name):
    task = TASKS[name]
    task.prepare(task.train.x)
    again = pickle.loads(pickle.dumps(task))
    assert again.fingerprint == task.fingerprint
    assert torch.equal(again.prepare(again.test.x), task.prepare(task.test.x))
    assert again.metric == task.metric


def test_fingerprints_tell_data_apart():
    y = np.arange(80) % 3
    first = Task.from_arrays(X, y).fingerprint
    assert first == Task.from_arrays(X.copy(), y.copy()).fingerprint
    assert first != Task.from_arrays(X, y, seed=1).fingerprint
    assert first != Task.from_arrays(X + 1e-3 * X**2, y).fingerprint
    assert first != Task.from_arrays(X, y, test=None).fingerprint
    assert first != Task.from_arrays(X, y[::-1].copy()).fingerprint
    assert len(first) == 32


@pytest.mark.parametrize("name", TASKS)
def test_summaries_are_json(name):
    task = TASKS[name]
    summary = json.loads(json.dumps(task.summary()))
    assert summary["kind"] == task.kind
    assert summary["n_train"] == len(task.train)
    assert summary["notes"] == list(task.notes)
    if task.kind == "classification":
        assert sum(summary["class_counts"]) == len(task.train)


def test_subsets_are_stratified_and_seeded():
    task = TASKS["classification"]
    small = task.subset(0.5)
    assert len(small.train) == 24
    assert small.validation is task.validation
    assert np.bincount(small.train.y).tolist() == [8, 8, 8]
    assert torch.equal(small.train.x, task.subset(0.5).train.x)
    assert not torch.equal(small.train.x, task.subset(0.5, seed=1).train.x)
    assert task.subset(1.0) is task
    assert len(task.subset(12).train) == 12
    assert len(task.subset(3).train) == 3
    assert len(TASKS["regression"].subset(0.1).train) == 5


@pytest.mark.parametrize("size", [0, 0.0, 1.5, -3, 10_000])
def test_subsets_out_of_range_are_refused(size):
    with pytest.raises(DataError, match="a subset is a fraction"):
        TASKS["classification"].subset(size)


def test_the_same_seed_makes_the_same_task_and_leaves_random_states_alone():
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002
    first, second = tasks()["images"], tasks()["images"]
    assert first.input_shape == second.input_shape
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert (np.random.get_state()[1] == before[1]).all()  # noqa: NPY002


def test_an_uneven_task_says_so():
    y = np.array([0] * 75 + [1] * 5)
    assert any("accuracy says little" in note for note in Task.from_arrays(X, y).notes)
    rare = np.array(["a", "b"] * 39 + ["c", "d"])
    task = Task.from_arrays(X, rare)
    assert any("one or two training rows only (c, d)" in note for note in task.notes)
    assert set(task.train.y.tolist()) == {0, 1, 2, 3}
