"""Export: a trained network as ONNX, as a torch.export program and as plain source, compared."""

from __future__ import annotations

import copy
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import nn

from archwright._version import __version__
from archwright.errors import ExportError, InputError, MissingExtraError, unknown_name
from archwright.export.aten import write_steps
from archwright.export.layout import wrap
from archwright.export.literals import CannotWriteError, literal
from archwright.export.predictor import FILES, MANIFEST, load_pt2, load_source
from archwright.export.readme import write_readme
from archwright.export.source import Source, write_source
from archwright.export.weights import reading_code, save_weights
from archwright.hardware import example_input, machine
from archwright.hardware.onnx_file import OnnxModel, capture, quiet, require_onnx, write_onnx
from archwright.hardware.tracing import check_shape, first_line
from archwright.tasks import Preprocessing, Task

#: What can be written, in this order.
FORMATS: Final = ("onnx", "pt2", "source")
_BATCHES: Final = (1, 2, 5)


@dataclass(frozen=True)
class Exported:
    """What an export wrote.

    Attributes:
        folder: the folder.
        files: name -> bytes of each file.
        agreement: format -> the largest difference from the network, relative to its outputs.
        skipped: format -> the reason why it was not written.
    """

    folder: Path
    files: Mapping[str, int]
    agreement: Mapping[str, float]
    skipped: Mapping[str, str] = field(default_factory=dict)


def export(
    model: nn.Module,
    folder: str | Path,
    *,
    task: Task | None = None,
    preprocessing: Preprocessing | None = None,
    architecture: Any = None,
    space_name: str | None = None,
    metrics: Mapping[str, Any] | None = None,
    formats: Sequence[str] | None = None,
    example_shape: Sequence[int] | None = None,
    dtype: torch.dtype | None = None,
    tolerance: float = 1e-4,
    progress: Callable[[str], None] | None = None,
) -> Exported:
    """Write a trained network to a folder from which it runs without Archwright.

    Every file is run again and compared with the network at batch sizes 1, 2 and 5 before the
    folder appears; an earlier export in its place is then replaced as a whole. The folder holds

    - `model.onnx`: for onnxruntime, with a free batch size;
    - `model.pt2`: a `torch.export` program, with a free batch size;
    - `model.py` and `weights.safetensors`: plain PyTorch source that imports only torch;
    - `preprocessing.json`, `architecture.json`, `export.json` and `README.md`.

    Args:
        model: the network: any module that takes one tensor, batch first, and returns one. It is
            copied to the CPU and not altered.
        folder: where to write. It may exist if it is empty or an earlier export.
        task: gives the preprocessing, the input shape and real samples to compare on.
        preprocessing: the preprocessing, when there is no task.
        architecture: the decisions that made the network: an `Architecture` or mapping.
        space_name: the name of the search space.
        metrics: measured figures for the README: name -> number.
        formats: some of `"onnx"`, `"pt2"`, `"source"`. By default all that can be written, the
            reasons for the others being recorded; formats named here are errors when they fail.
        example_shape: the shape of one sample without the batch, when there is no task.
        dtype: type of the input; by default what the network takes.
        tolerance: the largest difference allowed, relative to the size of the outputs.
        progress: called with a line of text as each step begins (ONNX takes seconds).

    Returns:
        The folder, its files and how well each format agrees.

    Raises:
        InputError: the folder holds other things, the network cannot take such an input, or an
            argument is wrong.
        MissingExtraError: ONNX is named in `formats` and its packages are not installed.
        ExportError: a format disagrees with the network, none can be written, or one that is named
            cannot.

    Example:
        >>> import tempfile
        >>> from archwright.export import load_exported
        >>> net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> with tempfile.TemporaryDirectory() as place:
        ...     done = export(net, f"{place}/net", example_shape=(4,), formats=["source"])
        ...     outputs = load_exported(done.folder).outputs([[0.0, 1.0, 2.0, 3.0]])
        >>> outputs.shape, done.agreement["source"] < 1e-6
        ((1, 3), True)
    """
    folder = Path(folder)
    wanted = _formats(formats)
    tell = progress or (lambda _: None)
    shape = _shape(task, preprocessing, example_shape)
    if task is not None and preprocessing is None:
        preprocessing = task.preprocessing
    check_shape(model, shape, 2)
    if not tolerance > 0:
        raise InputError(f"tolerance must be more than 0, got {tolerance!r}")
    _check_place(folder)
    decisions = _decisions(architecture)
    network = _on_cpu(model)
    tell("preparing samples to compare on")
    batches = _batches(network, shape, task, dtype)
    references = [_reference(network, x) for x in batches]

    folder.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        job = _Job(network, batches, references, work, tolerance, strict=formats is not None)
        for kind in wanted:
            tell(f"writing and comparing {FILES[kind]}")
            job.write(kind)
        if not {"source", "pt2", "onnx"} & set(job.agreement):
            reasons = "; ".join(dict.fromkeys(job.skipped.values()))
            raise ExportError(f"the network cannot be exported: {reasons}")
        tell("writing README.md")
        _write_json(work / "architecture.json", decisions and {
            "space": space_name, "architecture": decisions,
        })  # fmt: skip
        prepared = None if preprocessing is None else preprocessing.to_dict()
        _write_json(work / "preprocessing.json", prepared)
        name = type(model).__name__
        output_shape = tuple(references[0].shape[1:])
        manifest = {
            "format_version": 1,
            "archwright": __version__,
            "torch": torch.__version__,
            "network": name,
            "input_shape": list(shape),
            "input_dtype": str(batches[0].dtype).removeprefix("torch."),
            "output_shape": list(output_shape),
            "formats": list(job.agreement),
            "agreement": job.agreement,
            "skipped": job.skipped,
            "preprocessing": prepared is not None,
            "space": space_name,
            "metrics": dict(metrics or {}),
        }
        _write_json(work / MANIFEST, manifest)
        sizes = {
            p.name: p.stat().st_size for p in sorted(work.iterdir(), key=lambda p: _order(p.name))
        }
        text = write_readme(
            name=name,
            input_shape=shape,
            input_dtype=str(manifest["input_dtype"]),
            output_shape=output_shape,
            files=sizes,
            agreement=job.agreement,
            skipped=job.skipped,
            metrics=metrics or {},
            machine=str(machine()),
            preprocessing=prepared,
            space_name=space_name,
            version=__version__,
        )
        (work / "README.md").write_text(text, encoding="utf-8")
        sizes["README.md"] = (work / "README.md").stat().st_size
        for path in work.iterdir():
            path.chmod(0o644)  # safetensors writes for the owner alone
        _replace(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Exported(folder, sizes, job.agreement, job.skipped)


class _Job:
    """One export: what was written so far and how well it agrees."""

    def __init__(
        self,
        network: nn.Module,
        batches: list[torch.Tensor],
        references: list[np.ndarray],
        work: Path,
        tolerance: float,
        *,
        strict: bool,
    ) -> None:
        self.network = network
        self.batches = batches
        self.references = references
        self.work = work
        self.tolerance = tolerance
        self.strict = strict
        self.agreement: dict[str, float] = {}
        self.skipped: dict[str, str] = {}
        self._program: torch.export.ExportedProgram | ExportError | None = None

    def write(self, kind: str) -> None:
        """Write one format and compare it; what cannot be written is noted, unless asked for."""
        path = self.work / FILES[kind]
        try:
            run = {"onnx": self.onnx, "pt2": self.pt2, "source": self.source}[kind](path)
        except (ExportError, MissingExtraError) as error:
            if self.strict:
                raise
            self.skipped[kind] = str(error)
            path.unlink(missing_ok=True)
            return
        self.agreement[kind] = self.compare(kind, run)

    def program(self) -> torch.export.ExportedProgram:
        """The captured network, which ONNX, pt2 and the fallback of the source share."""
        if self._program is None:
            try:
                self._program = capture(self.network, self.batches[1])
            except ExportError as error:
                self._program = error
        if isinstance(self._program, ExportError):
            raise self._program
        return self._program

    def onnx(self, path: Path) -> Callable[[torch.Tensor], Any]:
        require_onnx("to write an ONNX file")
        require_onnx("to check an ONNX file", ("onnxruntime",))
        write_onnx(self.program(), self.batches[1], path)
        try:
            session = OnnxModel(path)
        except InputError as error:
            raise ExportError(str(error)) from error
        return lambda x: session(x.numpy())

    def pt2(self, path: Path) -> Callable[[torch.Tensor], Any]:
        program = self.program()
        try:
            with quiet():
                torch.export.save(program, path)
            return load_pt2(path)
        except Exception as error:  # savers raise every kind
            raise ExportError(f"torch.export cannot save it: {first_line(error)}") from error

    def source(self, path: Path) -> Callable[[torch.Tensor], Any]:
        """Class by class where the forward can be followed, operation by operation elsewhere."""
        try:
            run = self.write_module(write_source(self.network), path)
            self.compare("source", run)
            return run
        except (CannotWriteError, ExportError) as first:
            reason = str(first)
        try:
            return self.write_module(write_steps(self.network, self.program()), path)
        except (CannotWriteError, ExportError) as second:
            if second is not self._program:
                reason += f"; nor as a list of operations: {second}"
            raise ExportError(f"the network cannot be written as source: {reason}") from second

    def write_module(self, source: Source, path: Path) -> nn.Module:
        weights = path.with_name("weights.safetensors")
        aliases = save_weights(self.network, source.constants, weights)
        text = _module_text(self.network, source, self.batches[0], aliases)
        path.write_text(text, encoding="utf-8")
        try:
            return load_source(path)
        except Exception as error:  # generated code that does not run is a failed export
            raise ExportError(f"the written source does not load: {first_line(error)}") from error
        finally:
            shutil.rmtree(path.parent / "__pycache__", ignore_errors=True)

    def compare(self, kind: str, run: Callable[[torch.Tensor], Any]) -> float:
        """The largest difference from the network over the batches, relative to its outputs."""
        worst = 0.0
        for x, reference in zip(self.batches, self.references, strict=True):
            try:
                with torch.inference_mode():
                    found = np.asarray(run(x))
            except Exception as error:
                raise ExportError(
                    f"{FILES[kind]} was written, but fails on a batch of {len(x)}: "
                    f"{first_line(error)}"
                ) from error
            if found.shape != reference.shape:
                raise ExportError(
                    f"{FILES[kind]} returns shape {found.shape} where the network returns "
                    f"{reference.shape}"
                )
            scale = max(float(np.abs(reference).max(initial=0.0)), 1e-6)
            difference = float(np.abs(found - reference).max(initial=0.0)) / scale
            if not difference <= self.tolerance:
                raise ExportError(
                    f"{FILES[kind]} disagrees with the network: the outputs differ by "
                    f"{difference:.2e} of their size on a batch of {len(x)}, "
                    f"{self.tolerance:.0e} is allowed"
                )
            worst = max(worst, difference)
        return worst


def _module_text(
    network: nn.Module, source: Source, example: torch.Tensor, aliases: dict[str, str]
) -> str:
    shape = tuple(int(n) for n in example.shape[1:])
    imports = sorted({"import json", "from pathlib import Path", *source.imports})
    imports.sort(key=lambda line: (line.startswith("from"), line))
    torch_imports = ["import torch"]
    if "F." in source.classes:
        torch_imports.append("import torch.nn.functional as F")
    torch_imports.append("from torch import nn")
    kind = str(example.dtype)
    return "\n".join(
        [
            f'"""{type(network).__name__}, written by Archwright {__version__}. '
            "It needs torch and nothing else.",
            "",
            "    import torch, model",
            "    network = model.load()",
            f"    outputs = network(torch.zeros({literal((1, *shape))}, dtype={kind}))",
            '"""',
            "",
            *imports,
            "",
            *torch_imports,
            "",
            f"INPUT_SHAPE = {literal(shape)}  # of one sample; the batch comes first",
            "",
            "",
            *([source.classes, "", ""] if source.classes else []),
            "def build():",
            '    """The network before its weights are loaded."""',
            wrap(f"    return {source.build}"),
            "",
            "",
            reading_code(network, source.constants, aliases),
        ]
    )


def _formats(formats: Sequence[str] | None) -> list[str]:
    if formats is None:
        return list(FORMATS)
    given = [formats] if isinstance(formats, str) else list(formats)
    for name in given:
        if name not in FORMATS:
            raise unknown_name("export format", name, FORMATS)
    if not given:
        raise InputError(f"formats is empty: name some of {', '.join(FORMATS)}")
    return [name for name in FORMATS if name in given]


def _shape(
    task: Task | None, preprocessing: Preprocessing | None, example_shape: Sequence[int] | None
) -> tuple[int, ...]:
    if example_shape is not None:
        try:
            return tuple(example_shape)
        except TypeError:
            raise InputError(
                f"example_shape must be the shape of one sample, such as (3, 32, 32), got "
                f"{example_shape!r}"
            ) from None
    if task is not None:
        return tuple(task.input_shape)
    if preprocessing is not None:
        return tuple(preprocessing.input_shape)
    raise InputError(
        "export needs to know the input: give task=, preprocessing= or example_shape=(3, 32, 32)"
    )


def _check_place(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: give a folder to export to")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise InputError(
            f"{folder} holds other files: export to a new folder, or to that of an earlier export"
        )


def _decisions(architecture: Any) -> dict[str, Any] | None:
    if architecture is None:
        return None
    if hasattr(architecture, "to_json"):
        value = json.loads(architecture.to_json())
        assert isinstance(value, dict)
        return value
    try:
        return dict(json.loads(json.dumps(dict(architecture))))
    except (TypeError, ValueError) as error:
        raise InputError(f"architecture must be a mapping of plain values: {error}") from error


def _on_cpu(model: nn.Module) -> nn.Module:
    tensors = [*model.parameters(), *model.buffers()]
    if any(t.is_meta for t in tensors):
        raise InputError("the network is on the meta device and has no weights to export")
    try:
        network = copy.deepcopy(model)
    except Exception as error:
        raise InputError(f"{type(model).__name__} cannot be copied: {first_line(error)}") from error
    network = network.cpu().eval().requires_grad_(False)
    if any(p.dtype in (torch.float16, torch.bfloat16) for p in network.parameters()):
        network = network.float()
    return network


def _batches(
    network: nn.Module, shape: tuple[int, ...], task: Task | None, dtype: torch.dtype | None
) -> list[torch.Tensor]:
    """Inputs of several batch sizes: real samples where there are some, and random ones."""
    batches = [example_input(network, shape, batch_size=n, dtype=dtype, seed=n) for n in _BATCHES]
    if task is not None and len(task.validation.x) >= sum(_BATCHES):
        start = 0
        for i, n in enumerate(_BATCHES):
            real = task.prepare(task.validation.x[start : start + n]).cpu()
            if real.shape == batches[i].shape:
                batches[i] = real.to(batches[i].dtype).contiguous()
            start += n
    return batches


def _reference(network: nn.Module, x: torch.Tensor) -> np.ndarray:
    name = type(network).__name__
    try:
        # not inference_mode: tensors that a network keeps from there cannot be exported
        with torch.no_grad():
            result = network(x)
    except Exception as error:
        raise InputError(
            f"{name} cannot take an input of shape {tuple(x.shape)} (batch first): "
            f"{first_line(error)}"
        ) from error
    if not isinstance(result, torch.Tensor):
        raise InputError(
            f"export expects a network that returns one tensor, {name} returns "
            f"{type(result).__name__}: wrap it in a module that picks one"
        )
    if not result.dim() or len(result) != len(x):
        raise InputError(
            f"export expects outputs with the batch first, {name} returns shape "
            f"{tuple(result.shape)} for a batch of {len(x)}"
        )
    found = result.detach().numpy()
    if not np.isfinite(found).all():
        raise ExportError(f"{name} gives outputs that are not finite: it cannot be compared")
    return np.asarray(found)


def _write_json(path: Path, value: Mapping[str, Any] | None) -> None:
    if value is not None:
        text = json.dumps(value, indent=1, default=_plain)
        path.write_text(text + "\n", encoding="utf-8")


def _plain(value: Any) -> Any:
    """Numbers of numpy and torch as Python's, the rest as text."""
    return value.item() if hasattr(value, "item") else str(value)


def _order(name: str) -> int:
    known = [
        "model.onnx",
        "model.onnx.data",
        "model.pt2",
        "model.py",
        "weights.safetensors",
        "preprocessing.json",
        "architecture.json",
    ]
    return known.index(name) if name in known else len(known)


def _replace(work: Path, folder: Path) -> None:
    """Put the finished folder in its place; an earlier one goes only when it is complete."""
    work.chmod(0o755)
    if not folder.exists():
        work.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    os.replace(folder, old)
    try:
        work.rename(folder)
    except OSError:
        os.replace(old, folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
