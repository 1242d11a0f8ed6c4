"""Teachers: what they may be, what is refused, and that rows as they are are judged once."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from torch import nn

from archwright.errors import InputError
from archwright.tasks import Task
from archwright.training import Recipe, Teacher, fit


@pytest.fixture(scope="module")
def task():
    x = np.random.default_rng(0).normal(size=(120, 4)).astype("float32")
    return Task.from_arrays(x, (x[:, 0] > 0).astype(int))


def linear(seed=0):
    rng = torch.Generator().manual_seed(seed)
    model = nn.Linear(4, 2)
    with torch.no_grad():
        model.weight.copy_(torch.randn(2, 4, generator=rng))
        model.bias.zero_()
    return model


def test_network_function_and_exported_file_teach_alike(task, tmp_path):
    teacher = linear(3)
    x = task.prepare(task.train.x[:4])
    program = torch.export.export(
        teacher.eval(), (x,), dynamic_shapes=({0: torch.export.Dim("batch")},)
    )
    (tmp_path / "export").mkdir()
    torch.export.save(program, tmp_path / "export" / "model.pt2")

    def taught_by(source):
        return fit(linear(), task, Recipe(epochs=3, distill_alpha=1.0), teacher=source).model

    expected = taught_by(teacher).weight
    for source in (lambda x: teacher(x), tmp_path, tmp_path / "export" / "model.pt2"):
        assert torch.allclose(taught_by(source).weight, expected, atol=1e-6)
    alone = fit(linear(), task, Recipe(epochs=3)).model.weight
    assert not torch.allclose(alone, expected, atol=1e-4)
    # A worker reads the file itself.
    again = pickle.loads(pickle.dumps(Teacher(tmp_path)))
    assert torch.allclose(again(x), teacher(x).detach(), atol=1e-6)


def test_rows_as_they_are_are_judged_once(task):
    n_rows = []

    def teacher(x):
        n_rows.append(len(x))
        return linear(1)(x)

    fit(linear(), task, Recipe(epochs=5), teacher=teacher)
    checking = n_rows.pop(0)
    assert checking == 2
    assert sum(n_rows) == len(task.train)


def test_augmented_and_mixed_rows_are_judged_each_time():
    rng = np.random.default_rng(0)
    images = Task.from_arrays(rng.random((60, 1, 8, 8)).astype("float32"), rng.integers(0, 2, 60))
    assert images.augment is not None
    net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    seen = []

    def teacher(x):
        seen.append(len(x))
        return net(x)

    n = len(images.train)
    fit(net, images, Recipe(epochs=4, augment_share=0.5, augment_until=1.0), teacher=teacher)
    assert sum(seen) - 2 >= 4 * n // 2 + n
    assert sum(seen) - 2 < 4 * n + n
    seen.clear()
    fit(net, images, Recipe(epochs=4, augment=False, mixup=0.5, augment_until=1.0), teacher=teacher)
    assert sum(seen) - 2 == 4 * n


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (3, "teacher must be a network"),
        ("no/such/folder", "no teacher in no/such/folder"),
        (nn.Linear(4, 3), "the teacher: .* tensor of 2 x 2"),
        (nn.Linear(5, 2), "cannot be run on the task's prepared rows"),
        (lambda x: x[:, :2] / 0, "not finite"),
        (lambda x: "cat", "the teacher: .*got str"),
    ],
)
def test_what_is_no_teacher_is_refused_before_training(task, source, message):
    with pytest.raises(InputError, match=message):
        fit(linear(), task, Recipe(epochs=1), teacher=source)


def test_a_file_that_is_no_program_is_refused(task, tmp_path):
    (tmp_path / "model.pt2").write_text("nothing")
    with pytest.raises(InputError, match=r"no torch\.export program"):
        fit(linear(), task, Recipe(epochs=1), teacher=tmp_path)
