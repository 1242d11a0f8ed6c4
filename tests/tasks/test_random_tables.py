"""Random tables of odd columns: each gives a usable task or a clear error, never a traceback."""

import json

import numpy as np
import pandas as pd
import pytest
import torch

from archwright.errors import InputError
from archwright.tasks import Preprocessing, Task

COLUMNS = (
    lambda rng, n: rng.normal(size=n),
    lambda rng, n: rng.integers(0, 5, n),
    lambda rng, n: rng.choice(list("abc"), n),
    lambda rng, n: rng.choice([True, False], n),
    lambda rng, n: pd.date_range("2020", periods=n, freq="h"),
    lambda rng, n: [f"id{k}" for k in range(n)],
    lambda rng, n: np.arange(n),
    lambda rng, n: rng.lognormal(0, 5, n),
    lambda rng, n: np.zeros(n),
    lambda rng, n: [None] * n,
    lambda rng, n: rng.choice(["1", "2", "?"], n),
    lambda rng, n: rng.choice(["1", "2", "x"], n),
    lambda rng, n: [str(value) for value in rng.normal(size=n)],
    lambda rng, n: pd.Categorical(rng.choice(list("xy"), n)),
    lambda rng, n: pd.to_timedelta(rng.integers(0, 100, n), "h"),
    lambda rng, n: rng.choice(["2020-01-05", "2021-02-03", "31/12/2020"], n),
    lambda rng, n: pd.array(rng.integers(0, 3, n), dtype="Int64"),
    lambda rng, n: np.array([1, "a", 2.5, None, True], object)[rng.integers(0, 5, n)],
    lambda rng, n: 1e90 * rng.normal(size=n),
    lambda rng, n: rng.integers(-(2**62), 2**62, n),
    lambda rng, n: rng.choice(["", "a", " "], n),
    lambda rng, n: 1e-30 * rng.normal(size=n).astype(np.float32),
    lambda rng, n: [b"x", b"y"] * (n // 2),
    lambda rng, n: pd.array(rng.choice(["a", "b"], n), dtype="string"),
)


def random_table(rng):
    n = int(rng.choice([20, 30, 60, 200]))
    made = {}
    for place in range(rng.integers(2, 7)):
        column = pd.Series(COLUMNS[rng.integers(len(COLUMNS))](rng, n))
        if rng.random() < 0.4:
            column = column.mask(rng.random(n) < rng.choice([0.05, 0.5, 0.98]))
        made[f"c{place}"] = column
    return pd.DataFrame(made)


@pytest.mark.parametrize("seed", range(8))
def test_a_table_gives_a_task_or_a_clear_error(seed, tmp_path):
    rng = np.random.default_rng(seed)
    n_tasks = 0
    for number in range(12):
        table = random_table(rng)
        try:
            task = Task.from_frame(
                table, table.columns[-1], seed=number, drop_missing_labels=bool(rng.integers(2))
            )
        except InputError:
            continue
        n_tasks += 1
        kept = Preprocessing.from_dict(json.loads(json.dumps(task.preprocessing.to_dict())))
        made = kept.apply(table)
        assert made.shape == (len(table), *task.input_shape)
        assert np.isfinite(made).all()
        outputs = torch.randn(len(task.validation), task.n_outputs)
        metrics = task.metrics(outputs, task.validation.y)
        assert all(np.isfinite(value) for value in metrics.values())
        assert torch.isfinite(task.loss(outputs, task.validation.y))
        json.dumps(task.summary())
        assert len(kept.decode(outputs).frame()) == len(outputs)
        table.to_csv(tmp_path / "table.csv", index=False)
        try:
            loaded = Task.load(tmp_path / "table.csv", table.columns[-1], drop_missing_labels=True)
        except InputError:
            continue
        assert loaded.preprocessing.read(tmp_path / "table.csv")[1].shape[0] == len(table)
    assert n_tasks > 0
