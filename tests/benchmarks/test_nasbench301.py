import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from archwright.benchmarks import NasBench301, run_strategy
from archwright.benchmarks.nasbench301 import OPS, nasbench301_space
from archwright.errors import DataError

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
PREFIX = "NetworkSelectorDatasetInfo_COLON_darts_COLON_"


def encoding():
    """The encoding as YAHPO Gym's file has it: columns by name, '#na#' first."""
    columns = {}
    for cell in ("normal", "reduce"):
        for k in range(14):
            columns[f"{PREFIX}edge_{cell}_{k}"] = ["#na#", *sorted(OPS)]
        for node in (3, 4, 5):
            pairs = [f"{i}_{j}" for i in range(node) for j in range(i + 1, node)]
            columns[f"{PREFIX}inputs_node_{cell}_{node}"] = ["#na#", *pairs]
    return {c: {v: i for i, v in enumerate(columns[c])} for c in sorted(columns)}


@pytest.fixture
def folder(tmp_path):
    """A surrogate of the official form whose answer is a weighted sum of the codes."""
    from onnx import TensorProto, helper, numpy_helper

    weights = np.zeros((34, 4), np.float32)
    weights[:, 0] = np.linspace(0.0001, 0.004, 34)
    by_epoch = np.array([[0.001, -0.01, 50.0, 0.0]], np.float32)
    nodes = [
        helper.make_node("Cast", ["x_cat"], ["cat"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["cat", "w"], ["a"]),
        helper.make_node("MatMul", ["x_cont", "e"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "surrogate",
        [
            helper.make_tensor_value_info("x_cat", TensorProto.INT32, ["n", 34]),
            helper.make_tensor_value_info("x_cont", TensorProto.FLOAT, ["n", 1]),
        ],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, ["n", 4])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(by_epoch, "e")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "model_v2.onnx")
    (tmp_path / "encoding_v2.json").write_text(json.dumps(encoding()))
    return tmp_path


def test_answers_are_the_surrogates(folder):
    benchmark = NasBench301(path=folder)
    assert benchmark.budgets == tuple(range(1, 99))
    space = benchmark.space
    codes = encoding()
    weights = np.linspace(0.0001, 0.004, 34)
    for seed in range(20):
        architecture = space.sample(seed=seed)
        place = benchmark.source.place(architecture)
        # The encoding is that of the architecture up to the order of its nodes: as many edges.
        words = dict(zip(codes, place, strict=True))
        for cell in ("normal", "reduce"):
            ops = [v for k, v in words.items() if k.startswith(f"{PREFIX}edge_{cell}_") and v != 0]
            own = [
                sorted(OPS).index(v) + 1
                for p, v in architecture.items()
                if p.startswith(cell) and p.endswith("/op")
            ]
            assert sorted(ops) == sorted(own)
        expected = 100 * (weights @ np.array(place) + 0.001 * 50)
        found = benchmark.read(architecture, 50)
        assert found.metrics["valid_accuracy"] == pytest.approx(expected, rel=1e-4)
        assert found.seconds == pytest.approx(2500.0)


def test_the_order_of_nodes_does_not_count(folder):
    benchmark = NasBench301(path=folder)
    space = benchmark.space
    base = dict.fromkeys(("normal/2/0/op", "normal/2/1/op", "reduce/2/0/op"), "skip_connect") | {
        "reduce/2/1/op": "max_pool_3x3"
    }
    for cell in ("normal", "reduce"):
        base |= {f"{cell}/5/inputs": (0, 1), f"{cell}/5/0/op": OPS[0], f"{cell}/5/1/op": OPS[0]}
    three = {"inputs": (0, 1), "0/op": "sep_conv_3x3", "1/op": "dil_conv_3x3"}
    four = {"inputs": (0, 1), "0/op": "sep_conv_5x5", "1/op": "avg_pool_3x3"}

    def put(first, second):
        values = dict(base)
        for cell in ("normal", "reduce"):
            values |= {f"{cell}/3/{k}": v for k, v in first.items()}
            values |= {f"{cell}/4/{k}": v for k, v in second.items()}
        return space.check(values)

    one, two = put(three, four), put(four, three)
    assert one != two
    assert space.canonical(one) == space.canonical(two)
    assert benchmark.source.place(one) == benchmark.source.place(two)
    assert benchmark.read(one).metrics == benchmark.read(two).metrics


def test_equal_forms_have_equal_answers(folder):
    benchmark = NasBench301(path=folder)
    space = benchmark.space
    seen = {}
    import random

    rng = random.Random(0)
    architecture = space.default
    for _ in range(300):
        form = space.canonical(architecture)
        place = benchmark.source.place(architecture)
        assert seen.setdefault(form, place) == place
        architecture = space.mutate(architecture, rng=rng)
    assert len(seen) == len(set(seen.values()))


def test_the_best_is_not_known_and_said_so(folder):
    from archwright.benchmarks import compare

    benchmark = NasBench301(path=folder)
    assert benchmark.optimum is None
    run = run_strategy(benchmark, "evolution", queries=30)
    assert run.last.regret is None
    assert run.queries_to_optimum is None
    result = compare(benchmark, "evolution", seeds=2, queries=30, workers=2)
    assert "optimum not known" in result.table()
    assert result.records()[0]["regret_20"] is None
    last = next(r.last for r in result.runs if r.strategy == "evolution")
    assert last.value == run.last.value


def test_official_pickles_are_refused(tmp_path):
    (tmp_path / "xgb_v1.0").mkdir()
    for path in (tmp_path, tmp_path / "surrogate_model.model"):
        (tmp_path / "surrogate_model.model").write_bytes(pickle.dumps(1))
        with pytest.raises(DataError, match="which run code when read"):
            NasBench301(path=path)


def test_what_lies_beside_is_checked(folder):
    (folder / "encoding_v2.json").write_text("{}")
    with pytest.raises(DataError, match="not the encoding"):
        NasBench301(path=folder)
    (folder / "encoding_v2.json").unlink()
    with pytest.raises(DataError, match="beside its model"):
        NasBench301(path=folder)


def test_the_number_of_architectures():
    # Zela et al.: 10^18 with both cells.
    assert nasbench301_space().size == (7**8 * 3 * 6 * 10) ** 2


DATA = Path(__file__).parents[3] / "shared" / "data" / "bench" / "yahpo_nb301"


def test_the_published_surrogate():
    if not (DATA / "model_v2.onnx").exists():
        pytest.skip(f"the surrogate of NAS-Bench-301 is not at {DATA}")
    benchmark = NasBench301(path=DATA)
    assert benchmark.optimum == pytest.approx(94.2995, abs=1e-3)
    run = run_strategy(benchmark, "local", queries=100)
    assert 0 < run.last.regret < 3
    assert 90 < run.last.value < 94.3
    assert 100_000 < run.simulated_s < 2_000_000
