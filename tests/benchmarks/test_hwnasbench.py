import pickle
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from archwright.benchmarks import HwNasBench, ListedSpace, run_strategy
from archwright.benchmarks.nasbench201 import EDGES
from archwright.errors import DataError, InputError, UnknownNameError


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hw")
    codes = np.indices((5,) * 6).reshape(6, -1).T
    n = len(codes)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"arch_index": np.arange(n)})
    for k, (i, j) in enumerate(EDGES):
        frame[f"op_e{i}{j}"] = codes[:, k]
    for column in ("valid_ep12", "valid_ep200", "test_ep200"):
        frame[f"c10_{column}"] = rng.uniform(10, 90, n)
    frame.to_parquet(folder / "nasbench201.parquet")
    costs = {
        "raspi4_latency": rng.uniform(1, 50, n),
        "edgegpu_energy": rng.uniform(1, 50, n),
        "edgetpu_latency": np.where(codes[:, 0] == 4, -1.0, rng.uniform(1, 50, n)),
    }
    compact = pd.DataFrame({f"c10_{k}": v for k, v in costs.items()})
    compact.insert(0, "arch_index", np.arange(n))
    compact.to_parquet(folder / "hwnasbench_nb201.parquet")
    return folder, costs


def pickled(path, costs):
    metrics = {k: list(v) for k, v in costs.items()} | {"config": [{"arch_str": "x"}] * 3}
    numpy_too = metrics | {"raspi4_latency": np.array(costs["raspi4_latency"])}
    content = {"nasbench201": {"cifar10": numpy_too}, "fbnet": {}}
    path.write_bytes(pickle.dumps(content))


def test_two_goals(folder):
    benchmark = HwNasBench(device="raspi4", path=folder[0])
    assert benchmark.objective.metrics == ("valid_accuracy", "raspi4_latency_ms")
    assert benchmark.space.size == 15625
    reading = benchmark.read(benchmark.space.default)
    assert set(reading.metrics) == {"valid_accuracy", "raspi4_latency_ms"}
    run = run_strategy(benchmark, "nsga2", queries=60)
    assert 0 < run.regret(60) < run.regret(20) < 1


def test_the_official_pickle_says_the_same(folder, tmp_path):
    pickled(tmp_path / "HW-NAS-Bench-v1_0.pickle", folder[1])
    for device, cost in (("raspi4", "latency"), ("edgegpu", "energy")):
        one = HwNasBench(device=device, cost=cost, path=folder[0])
        two = HwNasBench(
            device=device,
            cost=cost,
            path=tmp_path / "HW-NAS-Bench-v1_0.pickle",
            accuracies=folder[0],
        )
        assert one.front == two.front
        assert one.reference == two.reference


def test_what_a_device_does_not_support_is_not_in_the_space(folder):
    benchmark = HwNasBench(device="edgetpu", path=folder[0])
    assert isinstance(benchmark.space, ListedSpace)
    assert benchmark.space.size < 6466
    assert "do not run on edgetpu" in benchmark.notes[0]
    for place in benchmark.source.places():
        assert benchmark.source.metrics(place, 0)["edgetpu_latency_ms"] > 0


def test_a_limit_instead_of_a_second_goal(folder):
    benchmark = HwNasBench(device="raspi4", limit=10, path=folder[0])
    assert benchmark.objective.single
    known = [benchmark.source.metrics(p, 0) for p in benchmark.source.places()]
    best = max(m["valid_accuracy"] for m in known if m["raspi4_latency_ms"] <= 10)
    assert benchmark.optimum == best
    with pytest.raises(InputError, match="no cell keeps"):
        HwNasBench(device="raspi4", limit=0.1, path=folder[0])


def test_arguments(folder, tmp_path):
    with pytest.raises(UnknownNameError, match="did you mean 'raspi4'"):
        HwNasBench(device="raspi", path=folder[0])
    with pytest.raises(InputError, match="cost must be latency"):
        HwNasBench(device="raspi4", cost="energy", path=folder[0])
    with pytest.raises(DataError, match="compact table"):
        HwNasBench(device="fpga", path=folder[0])
    file = tmp_path / "HW-NAS-Bench-v1_0.pickle"
    pickled(file, folder[1])
    with pytest.raises(DataError, match="has no fpga_latency"):
        HwNasBench(device="fpga", path=file, accuracies=folder[0])
    file.write_bytes(b"none")
    with pytest.raises(DataError, match="as a pickle"):
        HwNasBench(path=file, accuracies=folder[0])
    short = {k: v[:5] for k, v in folder[1].items()}
    pickled(file, short)
    with pytest.raises(DataError, match="has 5 cells"):
        HwNasBench(device="raspi4", path=file, accuracies=folder[0])
    (tmp_path / "costs.csv").write_text("a")
    with pytest.raises(DataError, match="expected one of"):
        HwNasBench(path=tmp_path / "costs.csv", accuracies=folder[0])


DATA = Path(__file__).parents[3] / "shared" / "data"


def test_the_published_fronts():
    if not (DATA / "bench" / "hwnasbench").exists():
        pytest.skip(f"HW-NAS-Bench is not at {DATA}")
    benchmark = HwNasBench(device="edgetpu", path=DATA)
    assert 5 <= len(benchmark.front) <= 40
    # 4,699 cells, some of them of one class.
    assert benchmark.space.size == 5648
