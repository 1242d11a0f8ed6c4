import bz2
import os
import pickle
from collections import OrderedDict

import numpy as np
import pandas as pd
import pytest
import torch

from archwright.benchmarks import NasBench201, run_strategy
from archwright.benchmarks.nasbench201 import (
    EDGES,
    OPS,
    cell_of,
    codes_of,
    distinct,
    filled,
    nasbench201_space,
)
from archwright.errors import DataError, InputError, UnknownNameError


def all_codes():
    grid = np.indices((5,) * 6).reshape(6, -1).T
    return grid[np.random.default_rng(0).permutation(len(grid))]


@pytest.fixture(scope="module")
def compact(tmp_path_factory):
    """A file laid out as the compact table, with made-up values."""
    folder = tmp_path_factory.mktemp("nb201")
    codes = all_codes()
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"arch_index": np.arange(len(codes))})
    for k, (i, j) in enumerate(EDGES):
        frame[f"op_e{i}{j}"] = codes[:, k]
    for short in ("c10", "c100", "in16"):
        for column in ("valid_ep12", "valid_ep200", "test_ep200"):
            frame[f"{short}_{column}"] = rng.uniform(10, 90, len(codes)).astype(np.float32)
    frame.sample(frac=1, random_state=0).to_parquet(folder / "nasbench201.parquet")
    times = pd.DataFrame(
        {
            "arch_index": np.repeat(np.arange(1000), 2),
            "dataset": "cifar100",
            "epochs": [12, 200] * 1000,
            "train_time_s": [120.0, 2000.0] * 1000,
            "test_time_s": [12.0, 200.0] * 1000,
        }
    )
    times.to_parquet(folder / "nb201_traintime_1000archs.parquet")
    return folder, frame


def test_the_space_is_that_of_the_zoo():
    from archwright.zoo.nasbench201 import nasbench201_space as zoo

    ours, theirs = nasbench201_space(), zoo()
    assert ours.decisions == theirs.decisions
    assert ours.cells == theirs.cells


def test_the_compact_file(compact):
    folder, frame = compact
    benchmark = NasBench201("c100", path=folder)
    assert (benchmark.dataset, benchmark.budgets) == ("cifar100", (12, 200))
    assert len(benchmark.source) == 6466
    space = benchmark.space
    # The rule of duplicates: the cell of lowest index answers for its class.
    lowest = {}
    for row in frame.sort_values("arch_index").itertuples():
        cell = {f"cell/{i}-{j}": OPS[getattr(row, f"op_e{i}{j}")] for i, j in EDGES}
        lowest.setdefault(space.canonical(space.check(cell)), row)
    for row in list(lowest.values())[:300]:
        cell = {f"cell/{i}-{j}": OPS[getattr(row, f"op_e{i}{j}")] for i, j in EDGES}
        architecture = space.check(cell)
        for epochs in (12, 200):
            expected = getattr(row, f"c100_valid_ep{epochs}")
            found = benchmark.read(architecture, epochs).metrics["valid_accuracy"]
            assert found == pytest.approx(expected, abs=1e-4)
        assert benchmark.test(architecture) == pytest.approx(row.c100_test_ep200)
    best = max(row.c100_valid_ep200 for row in lowest.values())
    assert benchmark.optimum == pytest.approx(best)
    # 2,000 seconds of training and a 200th of 200 seconds for one pass over the validation images.
    assert benchmark.seconds(space.default) == pytest.approx(2001.0)
    assert benchmark.seconds(space.default, 12) == pytest.approx(121.0)


def test_twelve_epochs_as_a_training_in_full(compact):
    benchmark = NasBench201("c100", path=compact[0], epochs=12)
    assert benchmark.name == "nasbench201-12"
    run = run_strategy(benchmark, "random", queries=10)
    assert run.simulated_s == pytest.approx(1210.0)
    assert run.last.test is not None


def test_times_are_optional(compact, tmp_path):
    (tmp_path / "nasbench201.parquet").write_bytes(
        (compact[0] / "nasbench201.parquet").read_bytes()
    )
    benchmark = NasBench201(path=tmp_path)
    assert benchmark.seconds(benchmark.space.default) is None
    assert run_strategy(benchmark, "random", queries=10).simulated_s is None


def result(values, seed, epochs):
    """A ResultsCount as the official files hold it."""
    last = epochs - 1
    return {
        "name": "infer.tiny",
        "params": 1.0,
        "flop": 2.0,
        "seed": seed,
        "epochs": epochs,
        "train_acc1es": {last: 99.0},
        "train_times": dict.fromkeys(range(epochs), 2.0),
        "eval_names": list(values),
        "eval_acc1es": {f"{name}@{last}": v for name, v in values.items()},
        "eval_times": {f"{name}@{last}": 0.5 for name in values},
    }


def arch_info(index, text, epochs):
    base = 10.0 * index + (epochs == 200)
    results = OrderedDict()
    for seed, shift in ((777, 0.0), (888, 1.0)):
        results["cifar10-valid", seed] = result(
            {"x-valid": base + shift, "ori-test": 1.0}, seed, epochs
        )
        results["cifar10", seed] = result({"ori-test": base + 5 + shift}, seed, epochs)
        results["cifar100", seed] = result(
            {"x-valid": base + 2, "x-test": base + 3, "ori-test": 0.0}, seed, epochs
        )
        results["ImageNet16-120", seed] = result(
            {"x-valid": base + 2, "x-test": base + 3, "ori-test": 0.0}, seed, epochs
        )
    return {
        "arch_index": index,
        "arch_str": text,
        "all_results": results,
        "dataset_seed": {"cifar10-valid": [777, 888]},
    }


TEXTS = [
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|skip_connect~0|none~1|avg_pool_3x3~2|",
    "|none~0|+|none~0|none~1|+|nor_conv_1x1~0|none~1|none~2|",
    "|none~0|+|none~0|none~1|+|nor_conv_3x3~0|none~1|none~2|",
]


def infos(names):
    return OrderedDict(
        (i, {name: arch_info(i, text, e) for name, e in zip(names, (12, 200), strict=True)})
        for i, text in enumerate(TEXTS)
    )


def official(kind, folder):
    if kind == "pth":
        file = folder / "NAS-Bench-201-v1_1-096897.pth"
        torch.save({"meta_archs": TEXTS, "arch2infos": infos(("less", "full"))}, file)
        return file
    if kind == "pbz2":
        file = folder / "NATS-tss-v1_0-3ffb9.pickle.pbz2"
        content = {"meta_archs": TEXTS, "arch2infos": infos(("12", "200"))}
        file.write_bytes(bz2.compress(pickle.dumps(content)))
        return file
    file = folder / "NATS-tss-v1_0-3ffb9-simple"
    file.mkdir()
    (file / "meta.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps({"meta_archs": TEXTS})))
    for i, info in infos(("12", "200")).items():
        (file / f"{i:06d}.pickle.pbz2").write_bytes(bz2.compress(pickle.dumps(info)))
    return file


@pytest.mark.parametrize("kind", ["pth", "pbz2", "simple"])
@pytest.mark.parametrize("by_folder", [False, True])
def test_official_files(kind, by_folder, tmp_path):
    file = official(kind, tmp_path)
    benchmark = NasBench201("cifar10", path=tmp_path if by_folder else file)
    space = benchmark.space
    for i, text in enumerate(TEXTS):
        values = dict(zip([f"cell/{a}-{b}" for a, b in EDGES], codes_of(text), strict=True))
        architecture = space.check({p: OPS[c] for p, c in values.items()})
        assert cell_of(architecture) == text
        assert benchmark.read(architecture).metrics == {"valid_accuracy": 10.0 * i + 1.5}
        assert benchmark.read(architecture, 12).metrics == {"valid_accuracy": 10.0 * i + 0.5}
        assert benchmark.test(architecture) == 10.0 * i + 6.5
        assert benchmark.seconds(architecture) == 400.5
    other = NasBench201("cifar100", path=file)
    assert other.optimum == 23.0
    assert other.test_optimum == 24.0


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    class Evil:
        def __reduce__(self):
            return os.system, ("true",)

    file = tmp_path / "NATS-tss-v1_0-x.pickle.pbz2"
    file.write_bytes(bz2.compress(pickle.dumps({"arch2infos": Evil()})))
    with pytest.raises(DataError, match="not plain numbers"):
        NasBench201(path=file)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("NATS-tss-v1_0-x.pickle.pbz2", b"not bz2", "cannot be read"),
        ("NATS-tss-v1_0-x.pickle.pbz2", bz2.compress(pickle.dumps({})), "not laid out"),
        ("nasbench201.parquet", b"no parquet", "cannot be read"),
        ("NAS-Bench-201-v1_1.pth", b"no torch", "cannot be read"),
        ("table.csv", b"a,b", "expected one of"),
    ],
)
def test_files_that_are_something_else(name, content, message, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        NasBench201(path=tmp_path / name)


def test_arguments(compact, tmp_path, monkeypatch):
    with pytest.raises(UnknownNameError, match="cifar10"):
        NasBench201("mnist", path=compact[0])
    with pytest.raises(InputError, match="12 or 200"):
        NasBench201(path=compact[0], epochs=100)
    with pytest.raises(DataError, match="no file or folder"):
        NasBench201(path=tmp_path / "nowhere")
    with pytest.raises(DataError, match="found none of"):
        NasBench201(path=tmp_path)
    monkeypatch.setenv("ARCHWRIGHT_DATA", str(compact[0]))
    assert NasBench201().dataset == "cifar10"
    monkeypatch.delenv("ARCHWRIGHT_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(DataError, match="ARCHWRIGHT_DATA"):
        NasBench201()


def test_missing_times_are_filled_by_operations():
    codes = all_codes()
    weights = np.random.default_rng(2).uniform(0, 5, (6, 5))
    true = 50 + weights[np.arange(6), codes].sum(1)
    found = filled(codes, np.arange(1000), true[:1000])
    assert np.allclose(found, true)


def test_distinct_takes_the_first_of_each_class():
    space, index, rows = distinct(all_codes()[:500])
    assert space == nasbench201_space()
    assert sorted(index.values()) == list(range(len(rows)))
    assert rows == sorted(rows)


def test_malformed_cells():
    for text in ("", "|conv~0|", TEXTS[0].replace("nor_conv_3x3", "conv"), TEXTS[0][:40]):
        with pytest.raises(DataError, match="not a cell"):
            codes_of(text)
