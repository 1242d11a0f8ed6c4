"""digits-cells: complete over its space, quick to load, and what its documentation says it is."""

import random
import subprocess
import sys

import numpy as np
import pytest

import archwright as aw
from archwright.benchmarks.digits_cells import (
    EPOCHS,
    FILE,
    DigitsCells,
    DigitsTable,
    digits_cells_networks,
    digits_cells_space,
)
from archwright.errors import InputError
from archwright.testing import check_law, check_space


@pytest.fixture(scope="module")
def table():
    return DigitsTable.load()


@pytest.fixture(scope="module")
def space():
    return digits_cells_space()


def test_the_plain_space_is_that_of_the_networks(space):
    networks = digits_cells_networks()
    assert networks == space
    assert networks.fingerprint == space.fingerprint


def test_the_space_keeps_the_promises_of_spaces(space):
    check_space(space, 30)


def test_the_networks_keep_the_law():
    import torch

    check_law(digits_cells_networks(), lambda: torch.randn(2, 1, 8, 8), n=20)


def test_every_canonical_class_has_one_row(space, table):
    forms = [space.canonical(arch)["cell"] for arch in table.architectures]
    assert forms == list(table.forms)
    assert set(forms) == {space.canonical(arch)["cell"] for arch in space.enumerate()}
    assert len(set(forms)) == len(forms) == 3255


def test_readings_are_complete_and_possible(table):
    shape = (3255, 3, len(EPOCHS))
    for name in ("valid_accuracy", "test_accuracy"):
        values = getattr(table, name)
        assert values.shape == shape
        assert values.min() > 0
        assert values.max() < 100
    for name in ("valid_loss", "train_loss"):
        values = getattr(table, name)
        assert values.shape == shape
        assert 0 < values.min() < values.max() < 65
    assert (np.diff(table.seconds, axis=1) > 0).all()
    # Whole images of 700 and 697.
    assert np.allclose(table.valid_accuracy * 7, np.rint(table.valid_accuracy * 7))
    assert np.allclose(table.test_accuracy * 6.97, np.rint(table.test_accuracy * 6.97))


def test_parameters_and_flops_are_those_of_the_networks(table):
    from archwright.hardware import costs

    networks = digits_cells_networks()
    for row in random.Random(0).sample(range(3255), 5):
        model = networks.build(table.architectures[row], device="meta")
        found = costs(model, (1, 8, 8), names=("params", "flops"))
        assert found == {"params": table.params[row], "flops": table.flops[row]}


def test_duplicates_answer_the_same(space):
    benchmark = DigitsCells()
    first = {"cell/1/op": "skip", "cell/2/inputs": (1,), "cell/2/op": "skip"}
    second = {"cell/1/op": "skip", "cell/2/inputs": (0,), "cell/2/op": "skip"}
    pool = {"cell/3/op": "pool", "cell/3/op=pool/kind": "avg", "cell/3/inputs": (2,)}
    a, b = (space.check(given | pool) for given in (first, second))
    assert space.canonical(a) != space.canonical(b)  # the unused node is an output, too
    c = space.check(first | pool | {"cell/3/inputs": (0,)})
    d = space.check(second | pool | {"cell/3/inputs": (1,)})
    assert c != d
    assert benchmark.read(c) == benchmark.read(d)
    assert benchmark.read(c) != benchmark.read(a)


def test_the_mean_is_of_the_three_seeds(space):
    arch = space.default
    each = [DigitsCells(seed=seed).read(arch).metrics["valid_accuracy"] for seed in (0, 1, 2)]
    mean = DigitsCells().read(arch).metrics["valid_accuracy"]
    assert mean == pytest.approx(sum(each) / 3)
    assert len(set(each)) > 1


def test_budgets_are_points_of_one_training(space):
    benchmark = DigitsCells(epochs=8)
    assert benchmark.budgets == (1, 2, 4, 8)
    assert benchmark.seconds(space.default, 4) * 2 == pytest.approx(
        benchmark.seconds(space.default), rel=1e-4
    )
    assert benchmark.read(space.default, 3).level == 2
    with pytest.raises(InputError, match="8"):
        benchmark.read(space.default, 16)


def test_goals_and_limits():
    benchmark = DigitsCells(minimize="params", limits={"flops": 15_000})
    assert [goal.metric for goal in benchmark.objective.goals] == ["valid_accuracy", "params"]
    assert len(benchmark.front) > 5
    assert benchmark.optimum < DigitsCells().optimum


@pytest.mark.parametrize(
    ("options", "word"),
    [({"seed": 3}, "seed"), ({"epochs": 5}, "epochs"), ({"minimize": "size"}, "minimize")],
)
def test_unknown_options_are_refused(options, word):
    with pytest.raises(InputError, match=f"digits-cells: {word}"):
        DigitsCells(**options)


def test_a_search_finds_a_good_cell():
    benchmark = DigitsCells()
    result = aw.search(
        benchmark.space,
        benchmark,
        maximize="valid_accuracy",
        strategy="evolution",
        trials=200,
        seed=0,
    )
    accuracy = result.best.metrics["valid_accuracy"]
    every = DigitsTable.load().valid_accuracy[:, :, -1].mean(1)
    assert (every > accuracy).mean() < 0.01


def test_it_loads_without_what_is_slow_to_import():
    code = (
        "import sys; from archwright.benchmarks.digits_cells import DigitsCells; DigitsCells(); "
        "print(*sorted({'torch', 'pandas', 'scipy', 'sklearn', 'optuna'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


def test_it_is_small():
    assert FILE.stat().st_size < 500_000


def test_a_frame_has_everything(table):
    frame = table.frame()
    assert len(frame) == 3255 * 3
    row = frame.iloc[3 * 100 + 2]
    assert row["seed"] == 2
    assert row["test_accuracy_16"] == table.test_accuracy[100, 2, -1]
    assert row["cell/1/op"] == table.architectures[100]["cell/1/op"]


@pytest.mark.slow
def test_rows_are_what_training_gives(table):
    """Two groups trained anew: equal where torch and machine are, else alike."""
    from archwright.benchmarks import digits_training

    networks, data = digits_cells_networks(), digits_training.load()
    for row in (1, 1700):
        architecture = table.architectures[row]
        read = digits_training.train(networks, [architecture], data)
        valid = read.valid_correct[0] / 7
        # Training is chaotic: sums in another order part two runs, up to the noise between seeds.
        assert np.abs(valid[:, 0] - table.valid_accuracy[row, :, 0]).max() < 5
        assert abs(valid[:, -1].mean() - table.valid_accuracy[row, :, -1].mean()) < 5
        assert read.train_loss[0, :, 0] == pytest.approx(table.train_loss[row, :, 0], abs=2e-2)


@pytest.mark.slow
def test_the_command_goes_on_where_it_was_stopped(tmp_path, monkeypatch):
    from archwright.benchmarks import make_digits_cells

    whole = make_digits_cells.groups(digits_cells_space())
    monkeypatch.setattr(make_digits_cells, "groups", lambda space: whole[:2])
    out, folder = tmp_path / "table.npz", tmp_path / "parts"
    make_digits_cells.make(folder, out)
    made = DigitsTable.load(out)
    known = DigitsTable.load()
    n = len(made.forms)
    assert made.forms == known.forms[:n]
    assert (made.codes == known.codes[:n]).all()
    assert np.abs(made.valid_accuracy.mean(1) - known.valid_accuracy[:n].mean(1)).mean() < 3
    monkeypatch.setattr(make_digits_cells, "train", None)  # nothing is left to train
    make_digits_cells.make(folder, out)
    assert (DigitsTable.load(out).valid_accuracy == made.valid_accuracy).all()
