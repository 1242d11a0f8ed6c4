import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from archwright.cli.app import app
from archwright.cli.inputs import read_inputs
from archwright.errors import DataError
from archwright.tasks import Predictions

runner = CliRunner()


class Modality:
    def __init__(self, modality):
        self.modality = modality


class FakePredictor:
    """Predicts the class "b" for every row, with probabilities."""

    def __init__(self, modality):
        self.preprocessing = Modality(modality)

    def predict(self, raw, *, batch_size):
        n = len(raw)
        values = np.array(["b"] * n, object)
        return Predictions(values, np.tile([0.25, 0.75], (n, 1)), ("a", "b"))


@pytest.fixture
def exported(tmp_path, monkeypatch):
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "export.json").write_text("{}")

    def install(modality):
        monkeypatch.setattr("archwright.export.load_exported", lambda _: FakePredictor(modality))
        return folder

    return install


def picture(path, size=(4, 5)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, 128).save(path)


def test_a_table(exported, tmp_path):
    pd.DataFrame({"x": [1, 2, 3], "z": [4, 5, 6]}).to_csv(tmp_path / "new.csv", index=False)
    out = tmp_path / "deep" / "predictions.csv"
    done = runner.invoke(
        app, ["predict", str(exported("tabular")), str(tmp_path / "new.csv"), "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    assert "3 predictions" in done.stdout
    table = pd.read_csv(out)
    assert list(table.columns) == ["row", "prediction", "probability_a", "probability_b"]
    assert table["row"].tolist() == [0, 1, 2]
    assert table["prediction"].tolist() == ["b"] * 3


def test_to_standard_output(exported, tmp_path):
    pd.DataFrame({"x": [1], "z": [2]}).to_parquet(tmp_path / "new.parquet")
    done = runner.invoke(app, ["predict", str(exported("tabular")), str(tmp_path / "new.parquet")])
    assert done.stdout == "row,prediction,probability_a,probability_b\n0,b,0.25,0.75\n"


@pytest.mark.parametrize("nested", [True, False])
def test_a_folder_of_images(exported, tmp_path, nested):
    names = ["cat/1.png", "dog/2.png"] if nested else ["1.png", "2.png"]
    for name in names:
        picture(tmp_path / "photos" / name)
    out = tmp_path / "p.csv"
    done = runner.invoke(
        app, ["predict", str(exported("image")), str(tmp_path / "photos"), "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    table = pd.read_csv(out)
    assert table["file"].tolist() == names


def test_one_image_and_arrays(tmp_path):
    picture(tmp_path / "one.png")
    inputs = read_inputs(str(tmp_path / "one.png"), Modality("image"))
    assert inputs.files == ("one.png",)
    np.save(tmp_path / "a.npy", np.zeros((3, 4, 4)))
    assert read_inputs(str(tmp_path / "a.npy"), Modality("image")).raw.shape == (3, 4, 4)
    np.savez(tmp_path / "b.npz", x=np.ones((2, 3)), y=np.zeros(2))
    assert read_inputs(str(tmp_path / "b.npz"), None).raw.shape == (2, 3)
    np.savez(tmp_path / "c.npz", own=np.ones((5, 3)))
    assert read_inputs(str(tmp_path / "c.npz"), Modality("tabular")).raw.shape == (5, 3)


def bad(tmp_path):
    picture(tmp_path / "one.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "broken.npy").write_bytes(b"not an array")
    np.savez(tmp_path / "two.npz", p=np.ones(2), q=np.ones(2))
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)


@pytest.mark.parametrize(
    ("name", "modality", "said"),
    [
        ("gone.csv", "tabular", "no file or folder"),
        ("empty", "tabular", "is a folder"),
        ("empty", "image", "holds no image"),
        ("notes.txt", "image", "trained on images"),
        ("notes.txt", "other", "npy or .npz"),
        ("one.png", "tabular", "table"),
        ("broken.npy", "image", "cannot be read"),
        ("objects.npy", "image", "cannot be read"),
        ("two.npz", "image", "name the one to predict x"),
    ],
)
def test_what_cannot_be_predicted(tmp_path, name, modality, said):
    bad(tmp_path)
    with pytest.raises(DataError, match=said):
        read_inputs(str(tmp_path / name), Modality(modality))


def test_an_out_that_cannot_be_written(exported, tmp_path):
    pd.DataFrame({"x": [1], "z": [2]}).to_csv(tmp_path / "new.csv", index=False)
    (tmp_path / "file").write_text("")
    done = runner.invoke(
        app,
        [
            "predict",
            str(exported("tabular")),
            str(tmp_path / "new.csv"),
            "--out",
            str(tmp_path / "file" / "p.csv"),
        ],
    )
    assert done.exit_code == 2
    assert "cannot be written" in done.stderr


def test_the_run_instead_of_its_export(tmp_path):
    (tmp_path / "run" / "export").mkdir(parents=True)
    (tmp_path / "new.csv").write_text("x\n1\n")
    done = runner.invoke(app, ["predict", str(tmp_path / "run"), str(tmp_path / "new.csv")])
    assert done.exit_code == 2
    assert "did you mean" in done.stderr
