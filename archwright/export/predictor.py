"""Predictions from an exported folder alone."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from archwright.errors import InputError, unknown_name, whole_number
from archwright.hardware.onnx_file import OnnxModel, quiet
from archwright.hardware.tracing import first_line
from archwright.tasks import Predictions, Preprocessing

MANIFEST: Final = "export.json"
FILES: Final = {"source": "model.py", "pt2": "model.pt2", "onnx": "model.onnx"}


@dataclass(frozen=True)
class Predictor:
    """An exported network with its preprocessing.

    Attributes:
        folder: where it came from.
        run: prepared input (`n x *input_shape`) to outputs, both arrays.
        input_shape: the shape of one prepared sample.
        input_dtype: the type of prepared numbers, as numpy names it.
        format: what runs: `"source"`, `"pt2"` or `"onnx"`.
        preprocessing: raw data to input and outputs to predictions, or None.
        manifest: what export.json says: metrics, agreement, versions.
    """

    folder: Path
    run: Callable[[np.ndarray], np.ndarray]
    input_shape: tuple[int, ...]
    input_dtype: str
    format: str
    preprocessing: Preprocessing | None
    manifest: Mapping[str, Any]

    def outputs(self, x: Any, *, batch_size: int = 256) -> np.ndarray:
        """The network's outputs for prepared input.

        Args:
            x: array or tensor, `n x *input_shape`.
            batch_size: samples in one pass.

        Returns:
            float array, `n x *output_shape`.

        Raises:
            InputError: the input has another shape.
        """
        batch_size = whole_number("batch_size", batch_size)
        if isinstance(x, torch.Tensor):
            x = x.detach().cpu().numpy()
        try:
            array = np.asarray(x, dtype=self.input_dtype)
        except (TypeError, ValueError) as error:
            raise InputError(f"the input is no array of numbers: {error}") from error
        if array.shape[1:] != self.input_shape or not len(array):
            raise InputError(
                f"the network in {self.folder} takes samples of shape {self.input_shape}, got an "
                f"array of shape {array.shape}: the first dimension is the sample"
            )
        parts = [self.run(array[i : i + batch_size]) for i in range(0, len(array), batch_size)]
        return np.concatenate(parts)

    def predict(self, raw: Any, *, batch_size: int = 256) -> Predictions:
        """Predictions for raw data.

        Args:
            raw: what the preprocessing takes: a data frame, an array of images. Without
                preprocessing, prepared input.
            batch_size: samples in one pass.

        Returns:
            The predictions: `.values`, `.probabilities` (None for regression), `.frame()`.
            Without preprocessing the values are the outputs themselves.

        Raises:
            InputError: the data does not fit the network.
        """
        if self.preprocessing is None:
            outputs = self.outputs(raw, batch_size=batch_size)
            flat = outputs.reshape(len(outputs), -1)
            names = tuple(f"output_{i}" for i in range(flat.shape[1]))
            return Predictions(values=flat, probabilities=None, names=names)
        x = self.preprocessing.apply(raw)
        return self.preprocessing.decode(self.outputs(x, batch_size=batch_size))


def load_exported(folder: str | Path, *, runtime: str | None = None, threads: int = 1) -> Predictor:
    """Open an exported folder for predictions; nothing but the folder is needed.

    Args:
        folder: what `export` wrote.
        runtime: `"source"` (runs `model.py`, which is Python code: trust the folder), `"pt2"` or
            `"onnx"`; by default the first of them that is there.
        threads: CPU threads of the `"onnx"` runtime.

    Returns:
        A predictor.

    Raises:
        InputError: the folder is no export, a file is missing or cannot be read.
        MissingExtraError: `"onnx"` is asked for and onnxruntime is not installed.
    """
    folder = Path(folder)
    manifest = _manifest(folder)
    try:
        formats = list(manifest["formats"])
        input_shape = tuple(int(n) for n in manifest["input_shape"])
        dtype = str(manifest["input_dtype"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{folder / MANIFEST} lacks what it should say: {error!r}") from error
    if runtime is not None and runtime not in FILES:
        raise unknown_name("runtime", runtime, FILES)
    kind = runtime or next((f for f in FILES if f in formats and (folder / FILES[f]).is_file()), "")
    if not kind:
        raise InputError(f"{folder} holds none of {', '.join(FILES.values())}: export it again")
    path = folder / FILES[kind]
    if not path.is_file():
        raise InputError(f"there is no {path.name} in {folder}; it holds: {', '.join(formats)}")
    try:
        run = _RUNTIMES[kind](path, threads)
    except (InputError, ImportError):
        raise
    except Exception as error:  # a damaged file fails in every way
        raise InputError(f"{path} cannot be read: {first_line(error)}") from error
    return Predictor(
        folder=folder,
        run=run,
        input_shape=input_shape,
        input_dtype=dtype,
        format=kind,
        preprocessing=_preprocessing(folder, manifest),
        manifest=manifest,
    )


def _manifest(folder: Path) -> dict[str, Any]:
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}: give the folder that an export wrote")
    path = folder / MANIFEST
    if not path.is_file():
        inner = next((p.parent for p in sorted(folder.glob(f"*/{MANIFEST}"))), None)
        hint = f": did you mean {inner}?" if inner else f": {MANIFEST} is missing"
        raise InputError(f"{folder} is not an exported network{hint}")
    return _read_json(path)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise InputError(f"{path} should hold a JSON object, it holds {type(value).__name__}")
    return value


def _preprocessing(folder: Path, manifest: Mapping[str, Any]) -> Preprocessing | None:
    path = folder / "preprocessing.json"
    if not path.is_file():
        if manifest.get("preprocessing"):
            raise InputError(f"{path} is missing: the network cannot read raw data without it")
        return None
    values = _read_json(path)
    try:
        return Preprocessing.from_dict(values)
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} lacks what it should say: {error!r}") from error


def load_source(path: Path) -> torch.nn.Module:
    """The network that a written `model.py` loads."""
    spec = importlib.util.spec_from_file_location("archwright_exported_model", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    network = module.load()
    assert isinstance(network, torch.nn.Module)
    return network


def load_pt2(path: Path) -> torch.nn.Module:
    """The network of a `torch.export` file."""
    with quiet():
        return torch.export.load(path).module()


def _torch_run(network: torch.nn.Module) -> Callable[[np.ndarray], np.ndarray]:
    def run(x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            outputs = network(torch.from_numpy(np.ascontiguousarray(x)))
        return np.asarray(outputs.numpy())

    return run


_RUNTIMES: Final[dict[str, Callable[[Path, int], Callable[[np.ndarray], np.ndarray]]]] = {
    "source": lambda path, threads: _torch_run(load_source(path)),
    "pt2": lambda path, threads: _torch_run(load_pt2(path)),
    "onnx": lambda path, threads: OnnxModel(path, threads=threads),
}
