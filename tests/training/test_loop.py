from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import archwright.training.loop as loop
from archwright.errors import InputError, NotFinite, OutOfMemory
from archwright.training import Pace, Recipe, StopTraining, evaluate, fit
from tests.training.conftest import make_task
from tests.training.networks import Watched, equal, linear, perceptron, small_cnn

SHORT = Recipe(epochs=4, batch_size=32, lr=0.02)


# What it learns


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
@pytest.mark.parametrize(
    ("kind", "n_outputs", "least"),
    [("classification", 2, 0.9), ("multilabel", 3, 0.85), ("regression", 1, 0.9)],
)
def test_every_kind_of_task_is_learnt(kind, n_outputs, least, optimizer):
    task = make_task(kind=kind)
    fitted = fit(perceptron(n_outputs), task, Recipe(epochs=30, optimizer=optimizer))
    assert fitted.metrics[task.metric.name] > least


def test_images_are_learnt(image_task):
    fitted = fit(small_cnn(), image_task, Recipe(epochs=10, mixup=0.2, cutmix=0.2))
    assert fitted.metrics["accuracy"] > 0.9
    assert all(tensor.is_contiguous() for tensor in fitted.model.state_dict().values())


def test_the_weights_kept_are_those_of_the_best_epoch(task):
    fitted = fit(perceptron(), task, SHORT.replace(epochs=8))
    assert evaluate(fitted.model, task) == pytest.approx(fitted.metrics)
    best = max(fitted.curve, key=lambda record: (record["accuracy"], -record["val_loss"]))
    assert fitted.best_epoch == best["epoch"]
    assert fitted.metrics["accuracy"] == best["accuracy"]
    assert not fitted.model.training
    assert all(parameter.grad is None for parameter in fitted.model.parameters())


def test_all_labelled_rows_are_used_without_validation(task):
    seen = []
    fitted = fit(
        Watched(linear(), lambda x: seen.append(len(x))), task, SHORT, data="train+validation"
    )
    n_rows = len(task.train) + len(task.validation)
    assert sum(seen) == 4 * n_rows
    assert fitted.metrics == {}
    assert "val_loss" not in fitted.curve[0]
    assert fitted.best_epoch == 4


def test_a_teacher_is_followed_and_left_alone(task):
    teacher = fit(perceptron(seed=1), task, Recipe(epochs=20)).model
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    teacher.train()
    recipe = Recipe(epochs=40, lr=0.03, distill_alpha=1.0, distill_temperature=1.0)
    fitted = fit(perceptron(), task, recipe, teacher=teacher)
    assert teacher.training
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())
    teacher.eval()
    x = task.train.x
    agree = (fitted.model(x).argmax(1) == teacher(x).argmax(1)).float().mean()
    assert agree > 0.95


def test_parameters_frozen_on_purpose_stay(task):
    network = perceptron()
    network[0].weight.requires_grad_(False)
    before = network[0].weight.clone()
    fit(network, task, SHORT)
    assert torch.equal(network[0].weight, before)


# What it reports


def test_the_curve_has_every_epoch_and_on_epoch_sees_it(task):
    seen = []
    fitted = fit(perceptron(), task, SHORT, on_epoch=lambda epoch, record: seen.append(record))
    assert seen == fitted.curve
    assert [record["epoch"] for record in seen] == [1, 2, 3, 4]
    for record in seen:
        assert {"train_loss", "val_loss", "accuracy", "lr", "seconds"} <= set(record)
    assert fitted.recipe.label_smoothing is not None
    assert (fitted.n_epochs, fitted.n_steps) == (4, 4 * math.ceil(len(task.train) / 32))


def test_validation_may_be_skipped_but_not_at_the_end(task):
    fitted = fit(perceptron(), task, SHORT.replace(epochs=5, validate_every=3))
    assert ["val_loss" in record for record in fitted.curve] == [False, False, True, False, True]


def test_part_of_an_epoch(task):
    fitted = fit(linear(), task, SHORT.replace(epochs=0.5))
    assert fitted.n_steps == round(0.5 * math.ceil(len(task.train) / 32))
    assert fitted.n_epochs == pytest.approx(0.5, abs=0.1)
    assert "accuracy" in fitted.metrics


def test_on_epoch_can_stop_the_run(task):
    def stop(epoch, record):
        if epoch == 2:
            raise StopTraining

    fitted = fit(perceptron(), task, SHORT, on_epoch=stop)
    assert fitted.stopped
    assert len(fitted.curve) == 2
    assert evaluate(fitted.model, task) == pytest.approx(fitted.metrics)


@pytest.mark.parametrize("n_rows", [33, 64, 65, 97])
def test_no_batch_is_larger_than_asked_or_tiny(n_rows):
    task = make_task(400)
    part = task.subset(n_rows)
    sizes = []
    fit(
        Watched(linear(), lambda x: sizes.append(len(x))),
        part,
        SHORT.replace(epochs=1),
        data="train",
    )
    n_steps = math.ceil(n_rows / 32)
    assert max(sizes[:n_steps]) <= 32
    assert max(sizes[:n_steps]) - min(sizes[:n_steps]) <= 1
    assert sum(sizes[:n_steps]) == n_rows


# Repeatability


@pytest.mark.parametrize("optimizer", ["adamw", "sgd"])
def test_the_same_seed_gives_the_same_weights(image_task, optimizer):
    recipe = Recipe(epochs=2, optimizer=optimizer, mixup=0.3, cutmix=0.3)
    first, second = (fit(small_cnn(), image_task, recipe, seed=3).model for _ in range(2))
    assert equal(first, second)
    assert not equal(first, fit(small_cnn(), image_task, recipe, seed=4).model)


def test_global_random_state_is_neither_read_nor_changed(task):
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = fit(perceptron(), task, SHORT).model
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    assert equal(first, fit(perceptron(), task, SHORT).model)


def test_threads_are_set_and_put_back(task):
    before = torch.get_num_threads()
    inside = []
    network = Watched(linear(), lambda x: inside.append(torch.get_num_threads()))
    fit(network, task, SHORT, n_threads=before + 1)
    assert set(inside) == {before + 1}
    assert torch.get_num_threads() == before


# Time


class Clock:
    """Time that passes only when a network computes."""

    def __init__(self) -> None:
        self.now = 0.0
        self.cost = 0.01

    def __call__(self) -> float:
        return self.now

    def work(self, x: torch.Tensor) -> None:
        self.now += self.cost


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(loop, "perf_counter", clock)
    return clock


LONG = Recipe(epochs=500, batch_size=32, lr=0.02)


def test_a_schedule_ends_inside_its_allowance_and_uses_it(task, clock):
    fitted = fit(Watched(linear(), clock.work), task, LONG, seconds=10.0)
    assert 8.5 < clock.now <= 10.0
    assert fitted.pace == Pace.straight(fitted.n_steps)
    assert fitted.curve[-1]["lr"] < 1e-3 * LONG.lr
    assert "accuracy" in fitted.curve[-1]


def test_a_timed_run_is_repeated_exactly_by_its_epochs(task, clock):
    timed = fit(Watched(perceptron(), clock.work), task, LONG, seconds=5.0)
    again = fit(Watched(perceptron(), clock.work), task, LONG.replace(epochs=timed.n_epochs))
    assert equal(timed.model, again.model)


def test_epochs_are_the_most_that_a_timed_run_makes(task, clock):
    fitted = fit(Watched(linear(), clock.work), task, SHORT, seconds=1e6)
    assert fitted.n_epochs == 4


def test_a_machine_that_slows_down_gets_a_shorter_schedule_with_an_end(task, clock):
    def slow_down(epoch, record):
        if epoch == 60:
            clock.cost = 0.03

    fitted = fit(Watched(perceptron(), clock.work), task, LONG, seconds=10.0, on_epoch=slow_down)
    assert clock.now <= 10.3
    assert len(fitted.pace.pieces) > 1
    assert fitted.pace.n_steps == fitted.n_steps
    assert fitted.curve[-1]["lr"] < 0.02 * LONG.lr
    again = fit(Watched(perceptron(), clock.work), task, LONG, pace=fitted.pace)
    assert equal(fitted.model, again.model)


def test_an_allowance_for_less_than_an_epoch_still_anneals(task, clock):
    clock.cost = 1.0
    fitted = fit(Watched(linear(), clock.work), task, LONG, seconds=6.0)
    assert 0 < fitted.n_epochs < 1
    assert clock.now <= 7.0
    assert fitted.curve[-1]["lr"] < LONG.lr


def test_early_stopping_cools_down_instead_of_cutting(task):
    recipe = Recipe(epochs=200, batch_size=32, lr=1e-9, patience=5, ema=False)
    fitted = fit(linear(), task, recipe)
    # Nothing is learnt at such a rate: the first epochs stay best.
    assert fitted.n_epochs < 30
    assert fitted.pace.progress(fitted.n_steps) == 1.0
    assert fitted.curve[-1]["lr"] < 0.5 * max(record["lr"] for record in fitted.curve)
    assert equal(fitted.model, fit(linear(), task, recipe, pace=fitted.pace).model)


# What goes wrong


def out_of_memory_above(most: int, error: Exception):
    def check(x: torch.Tensor) -> None:
        if torch.is_grad_enabled() and len(x) > most:
            raise error

    return check


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate"),
        torch.OutOfMemoryError("CUDA out of memory"),
        MemoryError(),
    ],
)
def test_a_smaller_share_of_the_batch_gives_the_same_training(task, error):
    recipe = SHORT.replace(optimizer="sgd", clip_norm=1.0, lr=0.1)
    whole = fit(linear(), task, recipe)
    parts = fit(Watched(linear(), out_of_memory_above(10, error)), task, recipe)
    assert (parts.batch_size, parts.n_accumulate) == (8, 4)
    assert parts.n_steps == whole.n_steps
    for left, right in zip(whole.model.parameters(), parts.model.parameters(), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-6)


def test_memory_that_runs_out_late_starts_again_from_the_initial_weights(task):
    steps = []

    def fail_late(x: torch.Tensor) -> None:
        if torch.is_grad_enabled():
            steps.append(len(x))
            if len(x) > 16 and len(steps) > 12:
                raise MemoryError

    recipe = SHORT.replace(batch_size=32)
    late = fit(Watched(linear(), fail_late), task, recipe)
    at_once = fit(Watched(linear(), out_of_memory_above(16, MemoryError())), task, recipe)
    assert equal(late.model, at_once.model)
    assert [record["epoch"] for record in late.curve] == [1, 2, 3, 4]


def test_single_rows_that_do_not_fit_are_out_of_memory(task):
    with pytest.raises(OutOfMemory, match="even one row at a time"):
        fit(Watched(linear(), out_of_memory_above(0, MemoryError())), task, SHORT)


def test_other_errors_come_through(task):
    with pytest.raises(ZeroDivisionError):
        fit(Watched(linear(), lambda x: 1 / 0), task, SHORT)


def test_a_loss_that_is_not_finite_names_its_step(task):
    calls = []
    network = linear()

    def spoil(x: torch.Tensor) -> None:
        if torch.is_grad_enabled():
            calls.append(1)
            if len(calls) == 8:
                with torch.no_grad():
                    network.weight.fill_(float("nan"))

    with pytest.raises(NotFinite, match=r"nan at step 8 \(epoch 2, learning rate"):
        fit(Watched(network, spoil), task, SHORT)


def test_outputs_that_are_not_finite_in_validation_are_told(task):
    class OnlyInEval(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = linear()

        def forward(self, x):
            outputs = self.inner(x)
            return outputs if self.training else outputs / 0.0

    with pytest.raises(NotFinite, match="validation after epoch 1: the network's outputs"):
        fit(OnlyInEval(), task, SHORT)


class Tuples(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = linear()

    def forward(self, x):
        return self.inner(x), None


@pytest.mark.parametrize(
    ("network", "came"),
    [(linear(3), "a tensor of 29 x 3"), (nn.Sequential(linear(), nn.Flatten(0)), "58"),
     (Tuples(), "tuple")],
)  # fmt: skip
def test_another_output_shape_names_expected_and_got(network, came):
    task = make_task(192)
    with pytest.raises(InputError, match=r"29 x 2 \(batch x outputs\)") as caught:
        fit(network, task, SHORT)
    assert came in str(caught.value)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"data": "test"}, "data must be"),
        ({"seconds": 0}, "seconds must be a number above 0"),
        ({"seconds": "long"}, "got 'long'"),
        ({"seed": 1.5}, "seed must be a whole number"),
        ({"device": "gpu"}, "device must be"),
        ({"n_threads": 0}, "n_threads must be"),
        ({"recipe": Recipe(precision="bf16")}, "needs a GPU"),
    ],
)
def test_bad_arguments_are_input_errors(task, arguments, said):
    with pytest.raises(InputError, match=said):
        fit(linear(), task, **arguments)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("precision", ["auto", "float32", "bf16", "fp16"])
def test_every_precision_learns_on_a_gpu(image_task, precision):
    recipe = Recipe(epochs=10, precision=precision)
    fitted = fit(small_cnn(), image_task, recipe, device="cuda")
    assert fitted.metrics["accuracy"] > 0.9
    assert next(fitted.model.parameters()).is_cuda
    assert next(fitted.model.parameters()).dtype == torch.float32
