"""A whole run that trains: search, final training, test, export, records, resuming."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch

import archwright as aw
from archwright.errors import InputError
from archwright.runs import load, resume

FIELDS = {
    "metric", "validation", "test", "parameters", "flops", "latency_ms", "n_trials", "n_failed",
    "seconds", "seed", "strategy", "space", "architecture", "random_search",
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "iris"
    task = aw.Task.load("iris")
    result = aw.search(
        "mlp",
        aw.Train(task, epochs=3),
        minimize="params",
        limits={"params": "20k"},
        trials=2,
        final="front",
        baselines=False,
        workers=1,
        out=folder,
        seed=1,
    )
    return result, folder, task


@pytest.mark.integration
def test_everything_is_left_in_the_folder(run):
    result, folder, _ = run
    kept = json.loads((folder / "result.json").read_text())
    assert set(kept) >= FIELDS
    assert kept["parameters"] <= 20_000
    assert kept["n_trials"] == 2
    assert kept["space"] == "mlp"
    assert 0 <= kept["test"] <= 1
    for name in ("model.onnx", "model.pt2", "model.py", "weights.safetensors", "README.md"):
        assert (folder / "export" / name).exists(), name
    assert len(result.finals) == len(result.front)
    for final in result.finals[1:]:
        assert (folder / f"export-{final.trial}" / "model.py").exists()
    assert (folder / "report.html").read_text(encoding="utf-8").count("<svg") >= 2


@pytest.mark.integration
def test_the_network_agrees_with_its_export_where_archwright_is_missing(run):
    result, folder, task = run
    x = task.prepare(task.test.x[:7])
    with torch.no_grad():
        wanted = result.model(x)
    np.save(folder / "x.npy", x.numpy())
    code = (
        "import sys; sys.modules['archwright'] = None\n"
        "import numpy, torch, model\n"
        "x = torch.from_numpy(numpy.load('../x.npy'))\n"
        "print(model.load()(x).detach().numpy().tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder / "export", capture_output=True, text=True,
        check=True, env={"PYTHONPATH": ".", "PATH": ""},
    )  # fmt: skip
    got = torch.tensor(json.loads(done.stdout))
    assert torch.allclose(got, wanted, atol=1e-4)


@pytest.mark.integration
def test_a_finished_run_is_loaded_and_not_repeated(run):
    result, folder, _ = run
    before = (folder / "journal.log").stat().st_size
    again = resume(folder)
    assert (folder / "journal.log").stat().st_size == before
    assert [t.number for t in again.trials] == [t.number for t in result.trials]
    assert again.finals[0].test == result.finals[0].test
    assert load(folder).best == result.best


@pytest.mark.integration
def test_single_files_are_exported(run, tmp_path):
    result, _, _ = run
    assert result.export(tmp_path / "best.onnx").stat().st_size > 0
    with pytest.raises(InputError, match=r"\.onnx or \.pt2"):
        result.export(tmp_path / "best.tflite")


@pytest.mark.integration
def test_the_same_call_with_one_worker_repeats_exactly(run):
    result, _, task = run
    again = aw.search(
        "mlp",
        aw.Train(task, epochs=3),
        minimize="params",
        limits={"params": "20k"},
        trials=2,
        final=False,
        baselines=False,
        workers=1,
        seed=1,
    )
    assert [t.metrics for t in again.trials] == [t.metrics for t in result.trials]


@pytest.mark.integration
def test_a_finished_run_asked_for_more_gives_it(tmp_path):
    task = aw.Task.load("iris")
    call = {"minimize": "params", "trials": 3, "baselines": False, "workers": 1, "seed": 1}
    call |= {"out": tmp_path / "iris", "final": False}
    plain = aw.search("mlp", aw.Train(task, epochs=2), **call)
    assert plain.finals == []
    with pytest.raises(aw.errors.LedgerError, match="its training had epochs=2, now it is 3"):
        aw.search("mlp", aw.Train(task, epochs=3), **call)
    more = aw.search("mlp", aw.Train(task, epochs=2), **{**call, "final": True})
    assert [t.to_dict() for t in more.trials] == [t.to_dict() for t in plain.trials]
    assert len(more.finals) == 1
    front = aw.search(
        "mlp", aw.Train(task, epochs=2), **{**call, "final": "front", "compare_random": True}
    )
    assert len(front.finals) == len(front.front) >= 1
    assert front.info["random_search"] is not None
    told = []
    aw.search("mlp", aw.Train(task, epochs=2), **{**call, "final": "front"}, progress=told.append)
    assert [event["message"] for event in told] == [
        "this search was finished before: its result is read from the folder"
    ]
