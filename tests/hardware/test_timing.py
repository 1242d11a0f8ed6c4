import copy
import random
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from archwright.errors import InputError, MissingExtraError, UnknownNameError
from archwright.hardware import costs, device_name, example_input, latency, machine, n_cores
from archwright.hardware.timing import median_interval


def net():
    return nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 2))


def test_fields():
    measured = latency(net(), (8,), batch_size=3, seconds=0.02)
    assert 0 < measured.min_ms <= measured.low_ms <= measured.median_ms <= measured.high_ms
    assert measured.p90_ms >= measured.median_ms
    assert measured.n >= 5
    assert (measured.device, measured.runtime, measured.batch_size) == ("cpu", "torch", 3)
    assert "95 % interval" in str(measured)


def test_restores_mode_and_threads_and_leaves_weights():
    model = net()
    model[0].eval()
    before = copy.deepcopy(model.state_dict())
    threads = torch.get_num_threads()
    state = torch.random.get_rng_state()
    latency(model, (8,), seconds=0.01, threads=threads + 1)
    assert torch.get_num_threads() == threads
    assert [m.training for m in model] == [False, True, True, True]
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())


def test_threads_inside():
    seen = []

    class Spy(nn.Module):
        def forward(self, x):
            seen.append((torch.get_num_threads(), torch.is_inference_mode_enabled()))
            return x

    latency(Spy(), (2,), seconds=0.001, threads=2)
    assert set(seen) == {(2, True)}


def test_slow_networks_are_run_a_few_times_only():
    calls = []

    class Counting(nn.Module):
        def forward(self, x):
            calls.append(1)
            return x

    measured = latency(Counting(), (2,), seconds=1e-9)
    assert measured.n == 5
    assert len(calls) == 1 + 2 + 5


def test_costs_can_measure():
    assert costs(net(), (8,), names=["latency_ms"])["latency_ms"] > 0


def test_embedding():
    model = nn.Sequential(nn.Embedding(10, 4), nn.Flatten(), nn.Linear(20, 2))
    assert latency(model, (5,), seconds=0.001).n >= 5
    assert example_input(model, (5,), batch_size=2).max() < 10


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=60))
def test_interval_holds_the_median(values):
    median, low, high = median_interval(values)
    assert low <= median <= high
    assert {low, high} <= set(values)


def test_interval_covers_the_true_median():
    rng = random.Random(0)
    hits = 0
    for _ in range(400):
        _, low, high = median_interval([rng.expovariate(1.0) for _ in range(40)])
        hits += low <= 0.693147 <= high
    assert 0.93 <= hits / 400 <= 1.0


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"device": "gpu"}, "unknown device 'gpu'"),
        ({"device": "meta"}, "'cpu' and 'cuda'"),
        ({"threads": 0}, "threads"),
        ({"threads": True}, "threads"),
        ({"seconds": 0}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
        ({"batch_size": 0}, "batch_size"),
    ],
)
def test_bad_arguments(kwargs, message):
    with pytest.raises(InputError, match=message):
        latency(net(), (8,), **kwargs)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a CUDA device")
def test_no_cuda():
    with pytest.raises(InputError, match="no CUDA device"):
        latency(net(), (8,), device="cuda")


def test_wrong_input_and_meta():
    with pytest.raises(InputError, match="cannot take an input of shape"):
        latency(net(), (9,))
    with pytest.raises(InputError, match="meta device"):
        latency(net().to("meta"), (8,))


def test_unknown_runtime():
    with pytest.raises(UnknownNameError, match="did you mean 'onnxruntime'"):
        latency(net(), (8,), runtime="onnxrutime")


def test_missing_file_and_missing_extra(monkeypatch, tmp_path):
    pytest.importorskip("onnxruntime")
    with pytest.raises(InputError, match="no ONNX file"):
        latency(tmp_path / "none.onnx", (8,), runtime="onnxruntime")
    (tmp_path / "bad.onnx").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot read"):
        latency(tmp_path / "bad.onnx", (8,), runtime="onnxruntime")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"archwright\[export\]"):
        latency(tmp_path / "bad.onnx", (8,), runtime="onnxruntime")


@pytest.mark.slow
def test_onnxruntime():
    pytest.importorskip("onnxruntime")
    measured = latency(net(), (8,), runtime="onnxruntime", seconds=0.02, batch_size=3)
    assert (measured.runtime, measured.batch_size) == ("onnxruntime", 3)


@pytest.mark.gpu
def test_cuda():
    measured = latency(net(), (8,), device="cuda", seconds=0.05)
    assert measured.device == "cuda:0"
    assert 0 < measured.min_ms <= measured.median_ms


def test_machine():
    found = machine()
    assert found.n_cores >= 1
    assert found.torch == torch.__version__
    assert device_name() == found.cpu
    assert found.to_dict()["gpus"] == list(found.gpus)
    assert found.cpu in str(found)
    with pytest.raises(InputError, match="no device"):
        device_name("cuda:99")


def test_quiet_silences_its_own_thread_only(capsys):
    import sys
    import threading

    from archwright.hardware.onnx_file import quiet

    before = sys.stdout
    with quiet():
        print("from here")
        other = threading.Thread(target=lambda: print("from another"))
        other.start()
        other.join()
    assert sys.stdout is before
    assert capsys.readouterr().out == "from another\n"


def test_threads_of_numpy_are_threads():
    assert latency(nn.Linear(2, 2), (2,), threads=np.int64(1), seconds=0.01).threads == 1


def test_cores_are_counted_without_torch():
    code = "import sys; from archwright.hardware.cores import n_cores; n_cores()"
    code += "; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert 1 <= n_cores() == machine().n_cores
