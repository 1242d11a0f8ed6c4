"""The whole command on real data, each step as a user types it."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from PIL import Image

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def archwright(*words, cwd):
    return subprocess.run(
        [sys.executable, "-m", "archwright.cli", *[str(w) for w in words]],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=600,
    )


def check(done, code=0):
    assert done.returncode == code, f"{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def test_a_table_from_search_to_predictions(tmp_path):
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=300), "b": rng.choice(list("xyz"), 300)})
    frame["label"] = np.where(frame["a"] + (frame["b"] == "x") > 0.3, "yes", "no")
    frame.loc[::17, "a"] = np.nan
    frame.to_csv(tmp_path / "train.csv", index=False)
    frame.drop(columns="label").head(20).to_csv(tmp_path / "new.csv", index=False)

    words = ["search", "train.csv", "--target", "label", "--trials", "3", "--out", "run"]
    done = check(archwright(*words, "--workers", "1", "--limit", "params=50k", cwd=tmp_path))
    assert "Test accuracy" in done.stdout
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["parameters"] <= 50_000
    assert result["n_trials"] == 3
    assert (tmp_path / "run" / "report.html").stat().st_size < 1_000_000

    again = check(archwright("resume", "run", "--trials", "4", "--quiet", cwd=tmp_path))
    assert again.stdout.startswith("test accuracy")
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["n_trials"] == 4

    check(archwright("show", "run", cwd=tmp_path))
    check(archwright("report", "run", "--out", "other.html", cwd=tmp_path))
    assert (tmp_path / "other.html").exists()
    check(archwright("export", "run", "--out", "mine", cwd=tmp_path))
    words = ["predict", "mine", "new.csv", "--out", "predictions.csv"]
    check(archwright(*words, cwd=tmp_path))
    made = pd.read_csv(tmp_path / "predictions.csv")
    assert list(made.columns) == ["row", "prediction", "probability_no", "probability_yes"]
    assert len(made) == 20
    assert np.allclose(made[["probability_no", "probability_yes"]].sum(axis=1), 1, atol=1e-5)

    check(archwright("export", "run", "--trial", "0", "--out", "first", cwd=tmp_path))
    check(archwright("predict", "first", "new.csv", cwd=tmp_path))


def test_a_folder_of_images(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(120):
        kind = ("dark", "light")[i % 2]
        pixels = rng.integers(0, 120, (10, 12)) + (i % 2) * 110
        path = tmp_path / "photos" / kind / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    words = ["search", "photos", "--trials", "2", "--out", "run", "--quiet"]
    check(archwright(*words, cwd=tmp_path))
    words = ["predict", "run/export", "photos", "--out", "predictions.csv"]
    check(archwright(*words, cwd=tmp_path))
    made = pd.read_csv(tmp_path / "predictions.csv")
    assert len(made) == 120
    truth = made["file"].str.split("/").str[0]
    assert (truth == made["prediction"]).mean() > 0.9


def test_a_limit_that_cannot_be_kept(tmp_path):
    words = ["search", "wine", "--trials", "3", "--limit", "params=3", "--out", "run"]
    done = check(archwright(*words, cwd=tmp_path), code=2)
    assert "keeps the limits" in done.stderr
    assert "report.html" in done.stderr


def test_sigterm_ends_a_search_tidily(tmp_path):
    words = ["search", "iris", "--trials", "500", "--workers", "1", "--out", "run"]
    command = [sys.executable, "-m", "archwright.cli", *words]
    journal = tmp_path / "run" / "journal.log"
    with subprocess.Popen(
        command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        while process.poll() is None and not (
            journal.exists() and '"state":1' in journal.read_text()
        ):
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=120)
    assert process.returncode == 130, f"{out}\n{err}"
    result = json.loads((tmp_path / "run" / "result.json").read_text())
    assert result["stopped"] == "interrupted"
    assert result["n_trials"] >= 1
    assert (tmp_path / "run" / "report.html").exists()
