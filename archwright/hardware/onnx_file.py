"""ONNX files: written without noise, run by onnxruntime."""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import sys
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from archwright.errors import ExportError, InputError, MissingExtraError
from archwright.hardware.length import first_size, len_as
from archwright.hardware.tracing import first_line

_LOGGERS: Final = (
    "torch.onnx",
    "torch.export",
    "onnxscript",
    "onnx_ir",
    "torch._dynamo",
    "torch.fx.experimental.symbolic_shapes",
)


def require_onnx(why: str, packages: tuple[str, ...] = ("onnx", "onnxscript")) -> None:
    """Raise `MissingExtraError` unless all the packages of the `export` extra are installed."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise MissingExtraError(package, "export", why)


class _OtherThreads:
    """A stream that takes nothing from the thread that made it: a progress line goes on."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._thread = threading.get_ident()

    def write(self, text: str) -> int:
        if threading.get_ident() == self._thread:
            return len(text)
        return int(self._stream.write(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what torch's exporters print, log and warn about their own insides."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(_OtherThreads(sys.stdout)),
            contextlib.redirect_stderr(_OtherThreads(sys.stderr)),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def capture(model: nn.Module, example: torch.Tensor) -> torch.export.ExportedProgram:
    """The network as a `torch.export` program whose first dimension, the batch, is free.

    Args:
        model: a network in evaluation mode.
        example: a batch of at least two samples: with one, torch takes the size for a constant.

    Returns:
        The program, for `write_onnx` or `torch.export.save`.

    Raises:
        ExportError: torch cannot follow the model; the message says why.
    """
    if example.shape[0] < 2:
        raise InputError(f"the example needs a batch of two or more, got {example.shape[0]}")
    try:
        with quiet(), torch.no_grad(), len_as(first_size, model):
            return torch.export.export(model, (example,), dynamic_shapes=_free_batch())
    except Exception as error:  # exporters raise every kind
        reason = first_line(error)
        if "DataDependent" in type(error).__name__ or "data-dependent" in reason:
            reason = "its path depends on the values of tensors"
        raise ExportError(f"torch.export cannot follow {type(model).__name__}: {reason}") from error


def _free_batch() -> tuple[dict[int, Any]]:
    return ({0: torch.export.Dim("batch", min=1)},)


def write_onnx(
    model: nn.Module | torch.export.ExportedProgram, example: torch.Tensor, path: str | Path
) -> Path:
    """Write the model as one ONNX file whose first dimension, the batch, is free.

    Args:
        model: a network in evaluation mode, or what `capture` made of it.
        example: a batch of at least two samples: with one, exporters take the size for a constant.
        path: the file to write.

    Returns:
        The path.

    Raises:
        MissingExtraError: onnx or onnxscript is not installed.
        ExportError: the model cannot be written as ONNX; the message says why.
    """
    require_onnx("to write an ONNX file")
    path = Path(path)
    program = capture(model, example) if isinstance(model, nn.Module) else model
    try:
        with quiet(), torch.no_grad():
            written = torch.onnx.export(
                program,
                (example,),
                dynamo=True,
                input_names=["input"],
                output_names=["output"],
                dynamic_shapes=_free_batch(),
                verbose=False,
            )
            assert written is not None
            # one file is easier to hand on; protobuf ends at 2 GB, there the data go beside it
            large = sum(p.numel() * p.element_size() for p in program.parameters()) > 1_900_000_000
            written.save(str(path), external_data=large)
    except Exception as error:  # exporters raise every kind
        raise ExportError(f"the network cannot be written as ONNX: {first_line(error)}") from error
    return path


class OnnxModel:
    """An ONNX file held open by onnxruntime.

    Args:
        path: the file.
        threads: CPU threads for one run.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        InputError: the file cannot be read.
    """

    def __init__(self, path: str | Path, *, threads: int = 1) -> None:
        require_onnx("to run an ONNX file", ("onnxruntime",))
        import onnxruntime  # heavy and optional

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        if not Path(path).is_file():
            raise InputError(f"there is no ONNX file at {path}")
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:
            raise InputError(f"onnxruntime cannot read {path}: {first_line(error)}") from error
        self._input = self._session.get_inputs()[0]

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one sample, without the batch."""
        return tuple(int(n) for n in self._input.shape[1:])

    @property
    def input_dtype(self) -> np.dtype[Any]:
        """The type of the input's numbers."""
        kind = self._input.type.removeprefix("tensor(").removesuffix(")")
        return np.dtype({"float": "float32", "double": "float64"}.get(kind, kind))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """The model's first output for a batch."""
        return np.asarray(self._session.run(None, {self._input.name: x})[0])
