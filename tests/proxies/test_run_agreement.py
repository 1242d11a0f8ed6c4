import csv

import pytest
from typer.testing import CliRunner

import archwright as aw
from archwright.cli.app import app
from archwright.space import Integer
from archwright.zoo import build_space


def wide(candidate):
    """The measured value is the number of layers of the network, less a little for its size."""
    model = candidate.space.build(candidate.architecture, seed=candidate.seed)
    sizes = [p.numel() for p in model.parameters()]
    return {"accuracy": len(sizes) - 1e-9 * sum(sizes)}


def plain(candidate):
    return {"accuracy": float(candidate.architecture["x"])}


def invoke(*words):
    return CliRunner().invoke(app, ["proxies", *[str(w) for w in words]])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "one"
    space = build_space("mlp", input_shape=(5,), n_outputs=3)
    aw.search(space, wide, maximize="accuracy", trials=8, strategy="random", seed=0, out=folder)
    return folder


def test_which_proxies_would_have_ranked_a_run(run, tmp_path):
    out = tmp_path / "scores.csv"
    done = invoke("--run", run, "--names", "snip,grasp", "--batch", 8, "--csv", out)
    assert done.exit_code == 0, done.output
    lines = {x.split()[0]: x.split() for x in done.stdout.splitlines() if x.strip()}
    assert {"params", "flops", "n_layers", "snip", "grasp"} <= set(lines)
    # The number of layers, with biases and norms, is what was measured.
    assert float(lines["n_layers"][1]) > 0.8
    order = [float(lines[p][1]) for p in lines if p in ("params", "n_layers", "snip", "grasp")]
    assert order == sorted(order, reverse=True)
    assert "8 networks, accuracy" in done.stdout
    with out.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 8
    assert rows[0]["network"] == "trial 0"


def test_the_combination_stands_beside_the_baselines(run):
    done = invoke("--run", run, "--batch", 8, "--n", 5)
    assert done.exit_code == 0, done.output
    assert "5 networks" in done.stdout
    for name in ("combination", "params", "synflow"):
        assert any(x.startswith(name) for x in done.stdout.splitlines()), name


def test_runs_that_cannot_be_compared(run, tmp_path):
    few = tmp_path / "few"
    space = build_space("mlp", input_shape=(5,), n_outputs=3)
    aw.search(space, wide, maximize="accuracy", trials=3, strategy="random", seed=0, out=few)
    values = tmp_path / "values"
    numbers = aw.Space({"x": Integer(0, 50)})
    aw.search(numbers, plain, maximize="accuracy", trials=8, strategy="random", out=values)
    for words, message in (
        (("--run", few), "takes at least 5"),
        (("--run", values), "has no networks"),
        (("--run", tmp_path / "none"), "there is no folder"),
        (("mlp", "--run", run), "one of them"),
    ):
        done = invoke(*words)
        assert done.exit_code == 2, done.output
        assert message in " ".join(done.output.split())
