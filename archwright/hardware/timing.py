"""How long a network takes on this machine: measured, with an interval."""

from __future__ import annotations

import copy
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import nn

from archwright.errors import InputError, unknown_name, whole_number
from archwright.hardware.onnx_file import OnnxModel, write_onnx
from archwright.hardware.tracing import check_shape, example_input, first_line
from archwright.nn.contexts import evaluating
from archwright.nn.contexts import threads as torch_threads

#: Below this many timed runs no interval means anything, so they are made even over time.
_FEWEST: Final = 5
_MOST: Final = 10_000


@dataclass(frozen=True, slots=True)
class Latency:
    """The time of one forward pass, in milliseconds.

    Attributes:
        median_ms: the median of the timed runs.
        low_ms: lower end of the 95 % interval of the median, by order statistics.
        high_ms: upper end of that interval.
        min_ms: the fastest run: on a busy machine the figure that repeats best.
        p90_ms: nine of ten runs took no longer.
        n: number of timed runs.
        device: where it ran: `"cpu"`, `"cuda:0"`.
        runtime: what ran it: `"torch"` or `"onnxruntime"`.
        batch_size: samples in one pass.
        threads: CPU threads.
    """

    median_ms: float
    low_ms: float
    high_ms: float
    min_ms: float
    p90_ms: float
    n: int
    device: str
    runtime: str
    batch_size: int
    threads: int

    def __str__(self) -> str:
        where = f"{self.device}, {self.runtime}, batch {self.batch_size}"
        if self.device == "cpu":
            where += f", {self.threads} thread{'s' if self.threads > 1 else ''}"
        return (
            f"{self.median_ms:.3g} ms (95 % interval {self.low_ms:.3g} to {self.high_ms:.3g}, "
            f"fastest {self.min_ms:.3g}; {where})"
        )


def latency(
    model: nn.Module | str | Path,
    input_shape: Sequence[int],
    *,
    device: str | torch.device = "cpu",
    batch_size: int = 1,
    threads: int = 1,
    seconds: float = 0.3,
    runtime: str = "torch",
    dtype: torch.dtype | None = None,
) -> Latency:
    """Measure the time of one forward pass of a network.

    The network runs in evaluation mode without gradients; a fifth of the time warms it up, the
    rest is timed run by run. Its mode and the number of threads are restored. On CUDA each run is
    timed by events on the device.

    The interval is that of the median by order statistics (binomial, 95 %), which assumes runs
    that do not depend on one another. On a machine that others use too the drift between two
    calls can exceed it: compare networks by `min_ms`, or measure them in turns.

    Args:
        model: the network, or the path of an ONNX file for `runtime="onnxruntime"`.
        input_shape: the shape of one sample, without the batch.
        device: `"cpu"`, `"cuda"`, `"cuda:1"`.
        batch_size: samples in one pass.
        threads: CPU threads.
        seconds: about how long to measure; at least five runs are timed in any case.
        runtime: `"torch"` (eager), or `"onnxruntime"` (CPU; a module is first exported, which
            takes seconds).
        dtype: type of the input; by default what the network takes.

    Returns:
        The measured times.

    Raises:
        InputError: unknown device, a network on the meta device, or input that does not fit.
        MissingExtraError: onnxruntime is asked for and not installed.

    Example:
        >>> measured = latency(nn.Linear(16, 4), (16,), seconds=0.02)
        >>> measured.min_ms <= measured.median_ms <= measured.high_ms
        True
    """
    if runtime not in _RUNTIMES:
        raise unknown_name("runtime", runtime, _RUNTIMES)
    threads = whole_number("threads", threads)
    if not seconds > 0 or not math.isfinite(seconds):
        raise InputError(f"seconds must be more than 0, got {seconds!r}")
    where = _device(device)
    with (
        torch_threads(threads),
        _RUNTIMES[runtime](model, input_shape, batch_size, where, threads, dtype) as run,
    ):
        times = _time_on_gpu(run, where, seconds) if where.type == "cuda" else _time(run, seconds)
    median, low, high = median_interval(times)
    return Latency(
        median_ms=median * 1e3,
        low_ms=low * 1e3,
        high_ms=high * 1e3,
        min_ms=min(times) * 1e3,
        p90_ms=float(np.quantile(times, 0.9)) * 1e3,
        n=len(times),
        device=str(where),
        runtime=runtime,
        batch_size=batch_size,
        threads=threads,
    )


def median_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """The median of some values and a 95 % interval of it by order statistics.

    The number of values below the true median is binomial with probability one half, whatever
    the values' distribution; the interval lies between the order statistics at its quantiles.

    >>> median_interval([5.0, 1.0, 3.0, 2.0, 4.0])
    (3.0, 1.0, 5.0)
    """
    ordered = sorted(values)
    n = len(ordered)
    reach = 1.959964 * math.sqrt(n) / 2
    low = max(math.floor(n / 2 - reach), 0)
    high = min(math.ceil(n / 2 + reach), n - 1)
    return float(np.median(ordered)), ordered[low], ordered[high]


@contextmanager
def _torch_runtime(
    model: nn.Module | str | Path,
    input_shape: Sequence[int],
    batch_size: int,
    device: torch.device,
    threads: int,
    dtype: torch.dtype | None,
) -> Iterator[Callable[[], object]]:
    check_shape(model, input_shape, batch_size)
    assert isinstance(model, nn.Module)
    tensors = [*model.parameters(), *model.buffers()]
    if any(t.is_meta for t in tensors):
        raise InputError("a network on the meta device has no weights to run: build it on the CPU")
    if any(t.device != device for t in tensors):
        model = copy.deepcopy(model).to(device)
    x = example_input(model, input_shape, batch_size=batch_size, dtype=dtype, device=device)
    with evaluating(model), torch.inference_mode():
        try:
            model(x)
        except Exception as error:
            raise InputError(
                f"{type(model).__name__} cannot take an input of shape {tuple(x.shape)} (batch "
                f"first): {first_line(error)}"
            ) from error
        yield lambda: model(x)


@contextmanager
def _onnx_runtime(
    model: nn.Module | str | Path,
    input_shape: Sequence[int],
    batch_size: int,
    device: torch.device,
    threads: int,
    dtype: torch.dtype | None,
) -> Iterator[Callable[[], object]]:
    if device.type != "cpu":
        raise InputError(f"runtime 'onnxruntime' is measured on the CPU only, got device {device}")
    if isinstance(model, nn.Module):
        check_shape(model, input_shape, batch_size)
        example = example_input(model, input_shape, batch_size=2, dtype=dtype)
        with tempfile.TemporaryDirectory() as folder, evaluating(model):
            path = write_onnx(model, example, Path(folder) / "model.onnx")
            session = OnnxModel(path, threads=threads)
    else:
        session = OnnxModel(model, threads=threads)
    rng = np.random.default_rng(0)
    shape = (batch_size, *input_shape)
    if np.issubdtype(session.input_dtype, np.floating):
        x = rng.standard_normal(shape).astype(session.input_dtype)
    else:
        x = np.zeros(shape, session.input_dtype)
    try:
        session(x)
    except Exception as error:
        raise InputError(
            f"the ONNX model takes samples of shape {session.input_shape}, got {input_shape}"
        ) from error
    yield lambda: session(x)


_RUNTIMES: Final = {"torch": _torch_runtime, "onnxruntime": _onnx_runtime}


def _device(device: str | torch.device) -> torch.device:
    try:
        where = torch.device(device)
    except (RuntimeError, TypeError):
        raise InputError(f"unknown device {device!r}: expected 'cpu', 'cuda' or 'cuda:0'") from None
    if where.type == "cuda":
        if not torch.cuda.is_available():
            raise InputError(f"device {device!r} is not there: torch sees no CUDA device")
        return torch.device("cuda", where.index or 0)
    if where.type != "cpu":
        raise InputError(f"latency can be measured on 'cpu' and 'cuda', got {device!r}")
    return torch.device("cpu")


def _time(run: Callable[[], object], seconds: float) -> list[float]:
    clock = time.perf_counter
    end = clock() + seconds / 5
    n_warm = 0
    while n_warm < 2 or (clock() < end and n_warm < _MOST):
        run()
        n_warm += 1
    times: list[float] = []
    end = clock() + seconds * 4 / 5
    while len(times) < _FEWEST or (clock() < end and len(times) < _MOST):
        start = clock()
        run()
        times.append(clock() - start)
    return times


def _time_on_gpu(run: Callable[[], object], device: torch.device, seconds: float) -> list[float]:
    with torch.cuda.device(device):
        clock = time.perf_counter
        end = clock() + seconds / 5
        n_warm = 0
        while n_warm < 3 or (clock() < end and n_warm < _MOST):
            run()
            n_warm += 1
            torch.cuda.synchronize()
        times: list[float] = []
        end = clock() + seconds * 4 / 5
        while len(times) < _FEWEST or (clock() < end and len(times) < _MOST):
            start = torch.cuda.Event(enable_timing=True)
            stop = torch.cuda.Event(enable_timing=True)
            start.record()
            run()
            stop.record()
            stop.synchronize()
            times.append(start.elapsed_time(stop) / 1e3)
        return times
