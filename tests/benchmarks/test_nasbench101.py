import base64
import json
import struct
from pathlib import Path

import numpy as np
import pytest

from archwright.benchmarks import ListedSpace, NasBench101, run_strategy
from archwright.benchmarks.nasbench101 import (
    OPS,
    GraphKey,
    architecture_of,
    graph_hash,
    nasbench101_space,
)
from archwright.benchmarks.tfrecord import model_metrics
from archwright.errors import DataError

NAMES = ("conv3x3-bn-relu", "conv1x1-bn-relu", "maxpool3x3")


def graphs(n, seed=0):
    """Different valid cells: adjacency and operations."""
    rng = np.random.default_rng(seed)
    found = {}
    while len(found) < n:
        size = int(rng.integers(3, 8))
        matrix = np.triu(rng.integers(0, 2, (size, size)), 1).astype(np.uint8)
        ops = [-1, *rng.integers(0, 3, size - 2).tolist(), -2]
        key = graph_hash([np.flatnonzero(matrix[:, v]).tolist() for v in range(size)], ops)
        reached = matrix[0].any() and matrix[:, -1].any() and (matrix.sum(0)[1:-1] > 0).all()
        if key and matrix.sum() <= 9 and reached and (matrix.sum(1)[1:-1] > 0).all():
            found[key] = matrix, ops
    return found


def varint(n):
    out = b""
    while True:
        n, low = n >> 7, n & 127
        out += bytes([low | (128 if n else 0)])
        if not n:
            return out


def message(evaluations, params=7, total=9.0):
    """A ModelMetrics message, as protobuf writes it."""
    out = b""
    for epoch, seconds, train, valid, test in evaluations:
        inner = b"".join(
            varint(i << 3 | 1) + struct.pack("<d", v)
            for i, v in enumerate((epoch, seconds, train, valid, test), start=1)
        )
        inner += varint(6 << 3 | 2) + varint(4) + b"path"
        out += varint(1 << 3 | 2) + varint(len(inner)) + inner
    return out + varint(2 << 3) + varint(params) + varint(3 << 3 | 1) + struct.pack("<d", total)


def record(content):
    return struct.pack("<QI", len(content), 0) + content + struct.pack("<I", 0)


def tfrecord(path, cells, epochs=(108,)):
    with open(path, "wb") as file:
        for i, (key, (matrix, ops)) in enumerate(cells.items()):
            names = [{-1: "input", -2: "output"}.get(o, NAMES[o]) for o in ops]
            for e in epochs:
                for repeat in range(3):
                    final = (float(e), 10.0 * e + repeat, 1.0, 0.5 + i / 100, 0.4 + repeat / 100)
                    raw = message([(0.0, 0.0, 0.1, 0.1, 0.1), (e / 2, 5.0, 0.2, 0.2, 0.2), final])
                    text = "".join(str(int(v)) for v in matrix.ravel())
                    row = [key, e, text, ",".join(names), base64.b64encode(raw).decode()]
                    file.write(record(json.dumps(row).encode()))


def test_the_official_file(tmp_path):
    cells = graphs(12)
    tfrecord(tmp_path / "nasbench_only108.tfrecord", cells)
    benchmark = NasBench101(path=tmp_path)
    assert benchmark.budgets == (108,)
    assert isinstance(benchmark.space, ListedSpace)
    assert benchmark.space.size == 12
    for i, (matrix, ops) in enumerate(cells.values()):
        architecture = architecture_of(matrix, ops)
        reading = benchmark.read(benchmark.space.check(architecture))
        assert reading.metrics["valid_accuracy"] == pytest.approx(50 + i)
        assert reading.seconds == pytest.approx(1081.0)
        assert benchmark.test(architecture) == pytest.approx(41.0)
    assert benchmark.optimum == pytest.approx(61)
    run = run_strategy(benchmark, "random", queries=50)
    assert (run.queries, run.ended, run.last.regret) == (12, "exhausted", 0.0)
    assert "12 of the 423,624" in benchmark.notes[0]


def test_the_official_file_with_all_epochs(tmp_path):
    tfrecord(tmp_path / "nasbench_full.tfrecord", graphs(3), epochs=(4, 12, 36, 108))
    benchmark = NasBench101(path=tmp_path / "nasbench_full.tfrecord")
    assert benchmark.budgets == (4, 12, 36, 108)
    first = next(benchmark.space.enumerate())
    assert benchmark.seconds(first, 12) == pytest.approx(121.0)


def compact(path, cells):
    n = len(cells)
    matrices = np.zeros((n, 7, 7), np.uint8)
    ops = np.full((n, 7), -3, np.int8)
    sizes = np.zeros(n, np.uint8)
    for i, (matrix, own) in enumerate(cells.values()):
        sizes[i] = len(own)
        matrices[i, : len(own), : len(own)] = matrix
        ops[i, : len(own)] = own
    values = np.linspace(0.5, 0.9, n, dtype=np.float32)
    np.savez(
        path,
        key=np.array(list(cells)),
        adjacency=matrices,
        ops=ops,
        n_vertices=sizes,
        train_time_s=np.full(n, 1080.0, np.float32),
        params=np.ones(n, np.int64),
        **{f"valid_acc_{e}": values * (1 if e == 108 else 0.5) for e in (4, 12, 36, 108)},
    )


def test_the_compact_file(tmp_path):
    cells = graphs(20, seed=1)
    compact(tmp_path / "nasbench101_subset.npz", cells)
    benchmark = NasBench101(path=tmp_path)
    assert benchmark.budgets == (4, 12, 36, 108)
    assert benchmark.optimum == pytest.approx(90)
    assert benchmark.test_optimum is None
    assert benchmark.seconds(next(benchmark.space.enumerate()), 4) == pytest.approx(40.0)
    for architecture, key in zip(benchmark.space.enumerate(), cells, strict=True):
        assert GraphKey()(architecture) == key
    for name in ("evolution", "local", "genetic"):
        run = run_strategy(benchmark, name, queries=50)
        assert (run.queries, run.last.regret) == (20, 0.0)


def test_the_hash_does_not_depend_on_order_or_on_what_has_no_effect():
    one = [(), (0,), (0,), (1, 2)]
    labels = [-1, 0, 1, -2]
    assert graph_hash(one, labels) == graph_hash(one, [-1, 1, 0, -2])
    assert graph_hash(one, labels) != graph_hash(one, [-1, 1, 1, -2])
    # A vertex that leads nowhere, and one that nothing leads to.
    more = [(), (0,), (0,), (0,), (), (1, 2, 4)]
    assert graph_hash(more, [-1, 0, 1, 2, 2, -2]) == graph_hash(one, labels)
    assert graph_hash([(), (), (1,)], [-1, 0, -2]) is None


def test_the_hash_and_the_canonical_form_make_the_same_classes():
    space = nasbench101_space()
    key = GraphKey()
    by_key, by_form = {}, {}
    for seed in range(500):
        architecture = space.sample(seed=seed)
        found = key(architecture)
        if found is not None:
            form = space.canonical(architecture)
            assert by_key.setdefault(found, form) == form
            assert by_form.setdefault(form, found) == found
    assert len(by_key) > 150


def test_mutations_stay_among_what_is_listed(tmp_path):
    import random

    compact(tmp_path / "nasbench101_subset.npz", graphs(200, seed=2))
    space = NasBench101(path=tmp_path).space
    rng = random.Random(0)
    for _ in range(30):
        parent = space.sample(rng=rng)
        child = space.mutate(parent, rng=rng)
        assert space.is_listed(child)
        assert space.canonical(child) != space.canonical(parent)
        assert space.is_listed(space.crossover(parent, child, rng=rng))
        assert all(space.is_listed(n) for n in space.neighbours(parent))


def test_files_that_are_something_else(tmp_path):
    cells = graphs(2)
    tfrecord(tmp_path / "good.tfrecord", cells)
    content = (tmp_path / "good.tfrecord").read_bytes()
    bad = {
        "cut.tfrecord": (content[:-10], "not copied whole"),
        "text.tfrecord": (b"this is no such file", "no TFRecord file"),
        "other.tfrecord": (record(b"[1, 2]"), "record 0 is none of"),
        "empty.tfrecord": (b"", "no records"),
        "a.npz": (b"PK", "cannot be read"),
        "a.json": (b"{}", "expected one of"),
    }
    for name, (text, message) in bad.items():
        (tmp_path / name).write_bytes(text)
        with pytest.raises(DataError, match=message):
            NasBench101(path=tmp_path / name)
    with pytest.raises(DataError, match="not a message"):
        model_metrics(b"\xff\xff")


DATA = Path(__file__).parents[3] / "shared" / "data" / "bench" / "nasbench101"


@pytest.mark.slow
def test_the_published_sample():
    if not (DATA / "nasbench101_subset.npz").exists():
        pytest.skip(f"the sample of NAS-Bench-101 is not at {DATA}")
    benchmark = NasBench101(path=DATA)
    key = GraphKey()
    assert benchmark.optimum == pytest.approx(94.91186)
    cells = benchmark.space.member
    for i in range(0, 30_001, 10):
        assert key(benchmark.space.check(cells(i))) == cells.keys[i]
    assert set(OPS) == set(NAMES)
