import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from archwright.cli.app import app
from archwright.tasks import Task

runner = CliRunner()


class FakePredictor:
    """The outputs favour the second class, whatever goes in."""

    def __init__(self, preprocessing):
        self.preprocessing = preprocessing

    def outputs(self, x, *, batch_size):
        assert x.shape[1:] == self.preprocessing.input_shape
        return np.tile([0.0, np.log(3.0)], (len(x), 1))


@pytest.fixture
def exported(tmp_path, monkeypatch):
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "export.json").write_text(json.dumps({}))

    def install(preprocessing):
        made = FakePredictor(preprocessing)
        monkeypatch.setattr("archwright.export.load_exported", lambda _: made)
        return str(folder)

    return install


@pytest.fixture(scope="module")
def table():
    frame = pd.DataFrame({"x": np.arange(40.0), "z": list("uvuv") * 10, "y": ["a", "b"] * 20})
    return Task.from_frame(frame, target="y").preprocessing


@pytest.fixture(scope="module")
def images():
    pixels = np.random.default_rng(0).integers(0, 255, (40, 8, 8), dtype=np.uint8)
    return Task.from_arrays(pixels, ["cat", "dog"] * 20, kind="classification").preprocessing


def picture(path, size=(4, 5)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, 128).save(path)


def predict(*words):
    return runner.invoke(app, ["predict", *[str(w) for w in words]])


def test_a_table(exported, table, tmp_path):
    pd.DataFrame({"z": ["u", "v", None], "x": [1, None, 3]}).to_csv(tmp_path / "new.csv")
    out = tmp_path / "deep" / "predictions.csv"
    done = predict(exported(table), tmp_path / "new.csv", "--out", out)
    assert done.exit_code == 0, done.output
    assert "3 predictions" in done.stdout
    made = pd.read_csv(out)
    assert list(made.columns) == ["row", "prediction", "probability_a", "probability_b"]
    assert made["row"].tolist() == [0, 1, 2]
    assert made["prediction"].tolist() == ["b"] * 3
    assert np.allclose(made["probability_b"], 0.75)


def test_to_standard_output(exported, table, tmp_path):
    pd.DataFrame({"x": [1], "z": ["u"]}).to_parquet(tmp_path / "new.parquet")
    done = predict(exported(table), tmp_path / "new.parquet")
    assert done.stdout.splitlines()[0] == "row,prediction,probability_a,probability_b"
    assert done.stdout.splitlines()[1].startswith("0,b,0.25")


@pytest.mark.parametrize("nested", [True, False])
def test_a_folder_of_images(exported, images, tmp_path, nested):
    names = ["cat/1.png", "dog/2.png"] if nested else ["1.png", "2.png"]
    for name in names:
        picture(tmp_path / "photos" / name)
    out = tmp_path / "p.csv"
    done = predict(exported(images), tmp_path / "photos", "--out", out)
    assert done.exit_code == 0, done.output
    made = pd.read_csv(out)
    assert made["file"].tolist() == names
    assert made["prediction"].tolist() == ["dog", "dog"]


def test_one_image_and_arrays(exported, images, tmp_path):
    folder = exported(images)
    picture(tmp_path / "one.png")
    assert "one.png,dog" in predict(folder, tmp_path / "one.png").stdout
    np.save(tmp_path / "a.npy", np.zeros((3, 8, 8), np.uint8))
    lines = predict(folder, tmp_path / "a.npy").stdout.splitlines()
    assert lines[0].startswith("row,prediction,probability_cat")
    assert len(lines) == 4
    np.savez(tmp_path / "b.npz", x=np.zeros((2, 8, 8), np.uint8))
    assert len(predict(folder, tmp_path / "b.npz").stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("table", "gone.csv", "no file or folder"),
        ("table", "empty", "folder"),
        ("table", "one.png", "table"),
        ("table", "other.csv", "lacks"),
        ("images", "empty", "holds no image"),
        ("images", "other.csv", "image"),
        ("images", "broken.png", "not an image"),
        ("images", "broken.npy", "cannot be read"),
        ("images", "pickle.npy", "cannot be read"),
        ("images", "two.npz", "named x"),
    ],
)
def test_what_cannot_be_predicted(exported, table, images, tmp_path, kind, name, said):
    picture(tmp_path / "one.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "other.csv").write_text("p,q\n1,2\n")
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "broken.npy").write_bytes(b"no array")
    np.savez(tmp_path / "two.npz", p=np.ones(2), q=np.ones(2))
    np.save(tmp_path / "pickle.npy", np.array([{}], object), allow_pickle=True)
    folder = exported(table if kind == "table" else images)
    done = predict(folder, tmp_path / name)
    assert done.exit_code == 2, done.output
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_an_out_that_cannot_be_written(exported, table, tmp_path):
    pd.DataFrame({"x": [1], "z": ["u"]}).to_csv(tmp_path / "new.csv", index=False)
    (tmp_path / "file").write_text("")
    done = predict(exported(table), tmp_path / "new.csv", "--out", tmp_path / "file" / "p.csv")
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr


def test_a_network_without_the_preparation_of_its_data(exported, tmp_path):
    (tmp_path / "new.csv").write_text("x\n1\n")
    done = predict(exported(None), tmp_path / "new.csv")
    assert done.exit_code == 2
    assert "load_exported" in done.stderr


def test_the_run_instead_of_its_export(tmp_path):
    (tmp_path / "run" / "export").mkdir(parents=True)
    (tmp_path / "new.csv").write_text("x\n1\n")
    done = predict(tmp_path / "run", tmp_path / "new.csv")
    assert done.exit_code == 2
    assert "did you mean" in done.stderr
