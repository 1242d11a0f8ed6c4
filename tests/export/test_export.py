import json
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import torch
from torch import nn

from archwright.errors import ExportError, InputError, MissingExtraError, UnknownNameError
from archwright.export import FORMATS, export, load_exported
from archwright.export.folder import _Job
from archwright.hardware import costs, example_input
from archwright.tasks import Task
from tests.export.models import MODELS, ByShape, ByValue, FixedBatch, MobileNet, Tied, randomise

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

QUICK = ["cells", "tied"]


class Small(nn.Module):
    def __init__(self, n_in=64, n_out=10):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(n_in, 16), nn.BatchNorm1d(16), nn.ReLU())
        self.head = nn.Linear(16, n_out)

    def forward(self, x):
        return self.head(self.body(x))


@pytest.fixture(scope="module")
def digits():
    return Task.load("digits")


@pytest.fixture(scope="module")
def done(digits, tmp_path_factory):
    """One export with everything, and the network that it is of."""
    net = randomise(Small())
    said = []
    made = export(
        net,
        tmp_path_factory.mktemp("exports") / "digits",
        task=digits,
        architecture={"depth": 2, "op": "linear"},
        space_name="mlp",
        metrics={"accuracy": 0.9876, "params": 1210, "latency_ms": 0.123, "note": "measured once"},
        progress=said.append,
    )
    return net, made, said


# -- all formats agree ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in MODELS]
)
def test_all_formats_agree(name, tmp_path):
    make, shape = MODELS[name]
    net = randomise(make())
    made = export(net, tmp_path / "net", example_shape=shape, formats=FORMATS)
    assert list(made.agreement) == list(FORMATS)
    assert max(made.agreement.values()) <= 1e-4
    x = example_input(net, shape, batch_size=7)
    expected = net(x).detach().numpy()
    for runtime in FORMATS:
        found = load_exported(tmp_path / "net", runtime=runtime).outputs(x, batch_size=3)
        np.testing.assert_allclose(found, expected, atol=1e-4 * abs(expected).max())


def test_folder_holds_what_it_should(done):
    net, made, said = done
    names = {p.name for p in made.folder.iterdir()}
    assert names == set(made.files)
    assert names == {
        "model.onnx",
        "model.pt2",
        "model.py",
        "weights.safetensors",
        "architecture.json",
        "preprocessing.json",
        "export.json",
        "README.md",
    }
    assert made.files["weights.safetensors"] == costs(net, names=["size_bytes"])["size_bytes"]
    decisions = json.loads((made.folder / "architecture.json").read_text())
    assert decisions == {"space": "mlp", "architecture": {"depth": 2, "op": "linear"}}
    assert [p.name for p in made.folder.parent.iterdir()] == ["digits"]  # nothing left beside it
    assert any("model.onnx" in line for line in said)
    assert made.skipped == {}


def test_readme(done):
    text = (done[1].folder / "README.md").read_text()
    for part in (
        "search space `mlp`",
        "| accuracy | 0.9876 |",
        "| latency_ms | 0.123 ms |",
        "| note | measured once |",
        "onnxruntime.InferenceSession",
        "model.load()",
        "torch.export.load",
        "archwright predict",
        "softmax",
        "8 x 8",
        "Latency was measured on",
    ):
        assert part in text, part


def test_snippets_of_the_readme_run(done):
    """Each Python snippet, in a process of its own, in the folder."""
    folder = done[1].folder
    snippets = [s.split("```")[0] for s in (folder / "README.md").read_text().split("```python\n")]
    ran = [s for s in snippets[1:] if "raw" not in s]
    assert len(ran) == 3
    code = "\n".join(ran) + "\nassert tuple(outputs.shape) == (1, 10)"
    subprocess.run([sys.executable, "-c", code], cwd=folder, check=True, timeout=120)


@pytest.mark.integration
def test_source_runs_where_archwright_cannot_be_imported(tmp_path):
    net = randomise(MobileNet())
    export(net, tmp_path / "net", example_shape=(3, 16, 16), formats=["source"])
    x = example_input(net, (3, 16, 16), batch_size=4)
    torch.save((x, net(x).detach()), tmp_path / "expected.pt")
    code = textwrap.dedent(
        """
        import sys

        class Blocked:
            def find_spec(self, name, path=None, target=None):
                if name.split(".")[0] in ("archwright", "safetensors", "onnxruntime", "onnx"):
                    raise ModuleNotFoundError(name)

        sys.meta_path.insert(0, Blocked())
        import torch, model
        state = torch.random.get_rng_state()
        x, expected = torch.load(sys.argv[1])
        network = model.load()
        with torch.inference_mode():
            assert torch.equal(network(x), expected)
        assert torch.equal(state, torch.random.get_rng_state())
        assert not network.training
        assert model.INPUT_SHAPE == (3, 16, 16)
        assert "archwright" not in sys.modules and "safetensors" not in sys.modules
        """
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "expected.pt")],
        cwd=tmp_path / "net",
        env={"OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        check=True,
        timeout=120,
    )


def test_shared_weights_are_stored_once(tmp_path):
    net = randomise(Tied())
    made = export(net, tmp_path / "net", example_shape=(6,), formats=["source"])
    assert made.files["weights.safetensors"] == costs(net, names=["size_bytes"])["size_bytes"]


def test_a_network_that_can_only_be_listed(tmp_path):
    net = randomise(ByShape())
    made = export(net, tmp_path / "net", example_shape=(6,), formats=["pt2", "source"])
    assert max(made.agreement.values()) <= 1e-6
    text = (tmp_path / "net" / "model.py").read_text()
    assert "aten.linear.default(" in text
    x = example_input(net, (6,), batch_size=3)
    found = load_exported(tmp_path / "net", runtime="source").outputs(x)
    np.testing.assert_allclose(found, net(x).detach(), atol=1e-6)


# -- predictions -------------------------------------------------------------------------------
def test_predictions_from_the_folder_alone(done, digits):
    net, made, _ = done
    predictor = load_exported(made.folder)
    assert predictor.format == "source"
    raw = digits.validation.x[:20].numpy()
    found = predictor.predict(raw, batch_size=6)
    with torch.no_grad():
        logits = net(digits.prepare(digits.validation.x[:20]))
    np.testing.assert_allclose(found.probabilities, logits.softmax(1), atol=1e-5)
    expected = digits.preprocessing.decode(logits)
    assert list(found.values) == list(expected.values)
    frame = found.frame()
    assert frame.columns[0] == "prediction"
    assert len(frame) == 20
    with pytest.raises(InputError):
        predictor.predict(np.zeros((2, 3, 4, 5, 6)))


def test_tabular_task_with_missing_values(tmp_path):
    import pandas as pd

    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 9, 80),
            "city": rng.choice(["Rome", "Oslo", "Lima"], 80),
            "price": rng.normal(5, 2, 80),
        }
    )
    frame.loc[::7, "age"] = np.nan
    task = Task.from_frame(frame, target="price", validation=0.25, seed=0)
    net = randomise(Small(task.input_shape[0], task.n_outputs))
    export(net, tmp_path / "net", task=task, formats=["source"])
    predictor = load_exported(tmp_path / "net")
    found = predictor.predict(frame.drop(columns="price"))
    assert found.values.shape[0] == 80
    assert found.probabilities is None
    text = (tmp_path / "net" / "README.md").read_text()
    assert "`age`" in text
    assert "multiply by the target's `scale`" in text


def test_without_preprocessing_the_outputs_are_the_values(tmp_path):
    net = randomise(Small(4, 3))
    export(net, tmp_path / "net", example_shape=(4,), formats=["source"])
    predictor = load_exported(tmp_path / "net")
    found = predictor.predict(np.zeros((5, 4)))
    assert found.values.shape == (5, 3)
    assert list(found.frame().columns) == [f"prediction_output_{i}" for i in range(3)]
    for bad in (np.zeros((5, 3)), np.zeros(4), np.zeros((0, 4)), [["a", "b", "c", "d"]]):
        with pytest.raises(InputError):
            predictor.outputs(bad)
    with pytest.raises(InputError, match="batch_size"):
        predictor.outputs(np.zeros((5, 4)), batch_size=0)


# -- safe to repeat -----------------------------------------------------------------------------
def test_repeating_replaces_the_whole(tmp_path):
    place = tmp_path / "net"
    export(randomise(Small(4, 3)), place, example_shape=(4,), formats=["source"],
           architecture={"a": 1})  # fmt: skip
    net = randomise(Small(4, 3), seed=1)
    export(net, place, example_shape=(4,), formats=["source"])
    assert not (place / "architecture.json").exists()
    x = torch.ones(2, 4)
    np.testing.assert_allclose(load_exported(place).outputs(x), net(x).detach(), rtol=1e-5)
    assert [p.name for p in tmp_path.iterdir()] == ["net"]


def test_a_failed_export_leaves_the_earlier_one(tmp_path, monkeypatch):
    place = tmp_path / "net"
    export(randomise(Small(4, 3)), place, example_shape=(4,), formats=["source"])
    before = (place / "weights.safetensors").read_bytes()

    def broken(self, path):
        raise KeyboardInterrupt

    monkeypatch.setattr(_Job, "source", broken)
    with pytest.raises(KeyboardInterrupt):
        export(randomise(Small(4, 3), 1), place, example_shape=(4,), formats=["source"])
    assert (place / "weights.safetensors").read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["net"]


def test_the_model_is_left_alone(tmp_path, capsys):
    net = Small(4, 3).train()
    net.head.weight.requires_grad_(False)
    threads, state = torch.get_num_threads(), torch.random.get_rng_state()
    before = {k: v.clone() for k, v in net.state_dict().items()}
    export(net, tmp_path / "net", example_shape=(4,))
    assert all(m.training for m in net.modules())
    assert [p.requires_grad for p in net.parameters()].count(False) == 1
    assert all(torch.equal(before[k], v) for k, v in net.state_dict().items())
    assert torch.get_num_threads() == threads
    assert torch.equal(state, torch.random.get_rng_state())
    assert capsys.readouterr() == ("", "")


# -- errors ------------------------------------------------------------------------------------
def test_other_files_are_never_overwritten(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="holds other files"):
        export(Small(4), tmp_path, example_shape=(4,))
    with pytest.raises(InputError, match="is a file"):
        export(Small(4), tmp_path / "thesis.txt", example_shape=(4,))
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


class TwoOutputs(nn.Linear):
    def forward(self, x):
        return super().forward(x), x


class NoBatch(nn.Linear):
    def forward(self, x):
        return super().forward(x).sum()


@pytest.mark.parametrize(
    ("model", "kwargs", "message"),
    [
        (nn.Linear(4, 3), {}, "give task=, preprocessing= or example_shape="),
        (nn.Linear(4, 3), {"example_shape": 4}, "shape of one sample"),
        (nn.Linear(4, 3), {"example_shape": (0,)}, "whole numbers"),
        (nn.Linear(4, 3), {"example_shape": (5,)}, "cannot take an input of shape"),
        (nn.Linear(4, 3), {"example_shape": (4,), "formats": []}, "formats is empty"),
        (nn.Linear(4, 3), {"example_shape": (4,), "tolerance": 0}, "tolerance"),
        (nn.Linear(4, 3), {"example_shape": (4,), "architecture": 3}, "architecture"),
        (nn.Linear(4, 3, device="meta"), {"example_shape": (4,)}, "meta device"),
        (TwoOutputs(4, 3), {"example_shape": (4,)}, "returns one tensor"),
        (NoBatch(4, 3), {"example_shape": (4,)}, "batch first"),
        ("resnet", {"example_shape": (4,)}, "expected a torch"),
    ],
)
def test_bad_input(model, kwargs, message, tmp_path):
    with pytest.raises(InputError, match=message):
        export(model, tmp_path / "net", **kwargs)
    assert not list(tmp_path.iterdir())


def test_unknown_format(tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean 'onnx'"):
        export(nn.Linear(4, 3), tmp_path / "net", example_shape=(4,), formats=["onx"])


def test_outputs_that_are_not_finite(tmp_path):
    net = nn.Linear(4, 3)
    nn.init.constant_(net.weight, torch.nan)
    with pytest.raises(ExportError, match="not finite"):
        export(net, tmp_path / "net", example_shape=(4,))


def test_disagreement_is_an_error(tmp_path, monkeypatch):
    net = randomise(Small(4, 3))
    reference = _Job.pt2

    def shifted(self, path):
        run = reference(self, path)
        return lambda x: run(x) + 1e-2

    monkeypatch.setattr(_Job, "pt2", shifted)
    with pytest.raises(ExportError, match=r"model\.pt2 disagrees with the network"):
        export(net, tmp_path / "net", example_shape=(4,), formats=["pt2"])
    assert not list(tmp_path.iterdir())


def test_a_network_whose_path_depends_on_values(tmp_path):
    with pytest.raises(ExportError, match="cannot be exported"):
        export(ByValue(), tmp_path / "net", example_shape=(3,))
    with pytest.raises(ExportError, match=r"torch\.export cannot follow"):
        export(ByValue(), tmp_path / "net", example_shape=(3,), formats=["pt2"])
    assert not list(tmp_path.iterdir())


def test_a_fixed_batch_is_noticed(tmp_path):
    with pytest.raises(InputError, match=r"cannot take an input of shape \(1, 3\)"):
        export(FixedBatch(), tmp_path / "net", example_shape=(3,))


def test_missing_extra(tmp_path, monkeypatch):
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda n, *a: None if n.startswith("onnx") else found(n, *a)
    )
    net = randomise(Small(4, 3))
    with pytest.raises(MissingExtraError, match=r"archwright\[export\]"):
        export(net, tmp_path / "net", example_shape=(4,), formats=["onnx"])
    made = export(net, tmp_path / "net", example_shape=(4,))
    assert list(made.agreement) == ["pt2", "source"]
    assert "archwright[export]" in made.skipped["onnx"]
    assert "was not written" in (tmp_path / "net" / "README.md").read_text()


def test_not_an_export(tmp_path, done):
    with pytest.raises(InputError, match="there is no folder"):
        load_exported(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"export\.json is missing"):
        load_exported(tmp_path)
    with pytest.raises(InputError, match="did you mean"):
        load_exported(done[1].folder.parent)
    with pytest.raises(UnknownNameError, match="runtime"):
        load_exported(done[1].folder, runtime="tflite")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("export.json", "{", "cannot be read"),
        ("export.json", "[]", "should hold a JSON object"),
        ("export.json", "{}", "lacks what it should say"),
        ("model.py", "def load(): return 1 / 0", "cannot be read"),
        ("model.py", "this is no Python", "cannot be read"),
        ("model.py", None, "holds none of"),
        ("weights.safetensors", "short", "cannot be read"),
        ("weights.safetensors", None, "cannot be read"),
        ("preprocessing.json", None, "is missing"),
        ("preprocessing.json", "{}", "lacks what it should say"),
    ],
)
def test_damaged_folders(file, content, message, tmp_path, digits):
    export(randomise(Small()), tmp_path / "net", task=digits, formats=["source"])
    path = tmp_path / "net" / file
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    with pytest.raises(InputError, match=message):
        load_exported(tmp_path / "net")


def test_missing_format_says_what_is_there(tmp_path):
    export(randomise(Small(4, 3)), tmp_path / "net", example_shape=(4,), formats=["source"])
    with pytest.raises(InputError, match=r"no model\.onnx in .*it holds: source"):
        load_exported(tmp_path / "net", runtime="onnx")
