import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from archwright.errors import DataError
from archwright.tasks import Preprocessing, Task


def shop(n=80):
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "size": rng.normal(size=n),
            "colour": rng.choice(["red", "green", None], n),
            "sold": rng.choice(["no", "yes"], n),
        }
    )


def again(task):
    return Preprocessing.from_dict(json.loads(json.dumps(task.preprocessing.to_dict())))


TASKS = {
    "table": lambda: Task.from_frame(shop(), "sold"),
    "images": lambda: Task.load("digits"),
    "regression": lambda: Task.load("diabetes"),
    "arrays": lambda: Task.from_arrays(
        np.random.default_rng(0).normal(size=(60, 3, 50)), np.arange(60) % 2
    ),
    "tokens": lambda: Task.from_arrays(
        np.random.default_rng(0).integers(0, 9, (60, 3, 50)), np.arange(60) % 2
    ),
}


@pytest.mark.parametrize("name", TASKS)
def test_it_survives_json_whole(name):
    task = TASKS[name]()
    kept = again(task)
    assert kept == task.preprocessing
    assert (kept.modality, kept.input_shape) == (task.modality, task.input_shape)


def test_it_is_served_without_torch_or_scikit_learn(tmp_path):
    task = TASKS["table"]()
    (tmp_path / "kept.json").write_text(json.dumps(task.preprocessing.to_dict()))
    shop().to_csv(tmp_path / "new.csv", index=False)
    np.save(tmp_path / "expected.npy", task.preprocessing.apply(shop()))
    code = """
import json, sys
for name in ("torch", "sklearn"):
    sys.modules[name] = None
import numpy as np
from archwright.tasks.preprocessing import Preprocessing
kept = Preprocessing.from_dict(json.load(open("kept.json")))
names, x = kept.read("new.csv")
assert np.array_equal(x, np.load("expected.npy"))
print(kept.decode(np.zeros((len(x), 2))).frame(names).to_csv())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(",prediction,probability_no,probability_yes\n0,no,0.5,0.5\n")


def test_tables_to_predict_on_may_hold_more_or_other_order(tmp_path):
    kept = again(TASKS["table"]())
    expected = kept.apply(shop())
    shop()[["sold", "colour", "size"]].assign(more=1).to_csv(
        tmp_path / "a.csv", index=False, sep=";"
    )
    names, made = kept.read(tmp_path / "a.csv")
    np.testing.assert_allclose(made, expected)
    assert names[-1] == "79"
    shop()[["size"]].assign(colour="red").head(2).to_csv(tmp_path / "b.csv", index=False)
    assert kept.read(tmp_path / "b.csv")[1].shape == (2, expected.shape[1])


def test_tables_to_predict_on_must_have_the_columns(tmp_path):
    kept = again(TASKS["table"]())
    shop().rename(columns={"colour": "color"}).to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(
        DataError, match=r"lacks 1 of the 2 columns.*nearest to 'colour' is 'color'"
    ):
        kept.read(tmp_path / "a.csv")
    with pytest.raises(DataError, match="no file"):
        kept.read(tmp_path / "b.csv")


def test_outputs_of_a_network_in_torch_or_numpy_decode_alike():
    import torch

    kept = again(TASKS["images"]())
    outputs = torch.randn(5, 10, requires_grad=True)
    first, second = kept.decode(outputs), kept.decode(outputs.detach().numpy())
    assert first.values.tolist() == second.values.tolist()
    assert first.values[0] in range(10)


def test_a_later_version_is_refused():
    data = TASKS["images"]().preprocessing.to_dict()
    data["inputs"]["modality"] = "graph"
    with pytest.raises(DataError, match="another version"):
        Preprocessing.from_dict(data)
