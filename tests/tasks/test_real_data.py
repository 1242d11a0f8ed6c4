"""Public data sets, where they are at hand (`../shared/data`)."""

import gzip
import io
import lzma
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from archwright.tasks import Task
from archwright.tasks.columns import fit_columns
from archwright.tasks.tables import read_table
from tests.tasks.test_columns import by_scikit_learn

SETS = Path(__file__).parents[3] / "shared" / "data" / "sets"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not SETS.exists(), reason="the shared data sets are not here"),
]


def idx(path):
    with gzip.open(path) as file:
        data = file.read()
    shape = [int.from_bytes(data[4 + 4 * i : 8 + 4 * i], "big") for i in range(data[3])]
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(shape)


@pytest.mark.parametrize(
    ("name", "target", "kind", "n_rows"),
    [
        ("adult_train", -1, "classification", 32561),
        ("california_housing", "median_house_value", "regression", 20640),
        ("titanic", "survived", "classification", 891),
        ("telco_churn", None, "classification", 7043),
        ("bank_full", None, "classification", 45211),
        ("auto_imports", 25, "regression", 201),
        ("abalone", 8, "regression", 4177),
        ("diamonds", "price", "regression", 53940),
        ("german_credit", None, "classification", 1000),
        ("mpg", "mpg", "regression", 398),
        ("penguins", "species", "classification", 344),
        ("pima_diabetes", None, "classification", 768),
        ("winequality_white", None, "classification", 4898),
    ],
)
def test_tables_load_with_no_word_of_help(name, target, kind, n_rows):
    task = Task.load(SETS / "tabular" / f"{name}.csv.gz", target)
    assert task.kind == kind
    parts = [task.split(part) for part in ("train", "validation", "test")]
    assert sum(len(part) for part in parts) == n_rows
    for part in parts:
        assert np.isfinite(part.x.numpy()).all()
        assert part.x.abs().max() <= 8


@pytest.mark.parametrize("name", ["adult_train", "california_housing", "titanic", "telco_churn"])
def test_constants_give_what_scikit_learn_gives(name):
    frame = read_table(SETS / "tabular" / f"{name}.csv.gz").frame
    frame.columns = [str(one) for one in frame.columns]
    half = len(frame) // 2
    fitted = fit_columns(frame.iloc[:half])
    fresh = frame.iloc[half:]
    np.testing.assert_allclose(
        fitted.columns.apply(fresh), by_scikit_learn(fitted, fresh), rtol=1e-5, atol=1e-5
    )


def test_a_missing_label_of_real_data_is_told():
    with pytest.raises(ValueError, match=r"1 of 300 is missing \(rows 132"):
        Task.load(SETS / "tabular" / "horse_colic.csv.gz", 22)
    task = Task.load(SETS / "tabular" / "horse_colic.csv.gz", 22, drop_missing_labels=True)
    assert task.kind == "classification"


def test_fashion_mnist():
    x = idx(SETS / "fashion_mnist" / "t10k-images-idx3-ubyte.gz")
    y = idx(SETS / "fashion_mnist" / "t10k-labels-idx1-ubyte.gz")
    task = Task.from_arrays(x, y)
    assert (task.kind, task.input_shape, task.n_outputs) == ("classification", (1, 28, 28), 10)
    assert not task.augment.flip
    assert task.augment.shift == 1
    assert task.augment.fill == (0.0,)


def test_cifar10_is_mirrored():
    folder = SETS / "cifar10"
    with np.load(folder / "test_index.npz") as index:
        offset, label = index["offset"], index["label"]
    with lzma.open(folder / "test.jpegs.xz") as file:
        data = file.read()
    pictures = [
        Image.open(io.BytesIO(data[offset[k] : offset[k + 1]])).convert("RGB") for k in range(3000)
    ]
    task = Task.from_arrays(np.stack([np.asarray(one) for one in pictures]), label[:3000])
    assert (task.kind, task.input_shape) == ("classification", (3, 32, 32))
    assert task.augment.flip
    assert task.augment.shift == 2
