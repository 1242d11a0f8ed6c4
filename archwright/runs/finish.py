"""The end of a search: train the winner anew, test it once, check its limits, export it."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from archwright.errors import ArchwrightError, InputError, MissingExtraError
from archwright.evaluators.candidate import WEIGHTS
from archwright.executors import Executor
from archwright.runs.worker import Job
from archwright.space import Architecture
from archwright.trials import Final, History, Result, Trial

N_TRIES = 3


def winners(history: History, *, front: bool) -> list[Trial]:
    """The trials to train anew, in the order in which to try them."""
    return history.front if front else history.ranking


def train_finals(
    result: Result,
    evaluator: Any,
    executor: Executor,
    job: Job,
    *,
    front: bool,
    seconds: float | None,
    device: str,
    n_threads: int,
) -> list[Any]:
    """Train the winner, or each of the front, anew; returns the trained networks in order.

    A winner whose training fails, or whose final network breaks a limit, gives way to the next.
    The finals are appended to ``result.finals``.
    """
    candidates = winners(result.history, front=front)
    wanted = len(candidates) if front else 1
    networks: list[Any] = []
    notes: list[str] = []
    start = time.monotonic()
    for tried, trial in enumerate(candidates):
        if len(networks) >= wanted or (not front and tried >= N_TRIES):
            break
        share = None
        if seconds is not None:
            left = seconds - (time.monotonic() - start)
            share = max(1.0, left / max(1, wanted - len(networks)))
        trained, error = _train(executor, job, trial, device, n_threads, share)
        if trained is None:
            notes.append(f"the final training of trial {trial.number} failed: {error}")
            continue
        final = _measure(result, evaluator, trial, trained)
        broken = result.objective.broken(final.costs)
        if broken and tried + 1 < min(len(candidates), N_TRIES) and not front:
            notes.append(f"trial {trial.number} was passed over: {'; '.join(broken)}")
            continue
        if broken:
            final = replace(final, notes=(*final.notes, f"breaks a limit: {'; '.join(broken)}"))
        result.finals.append(final)
        networks.append(trained.model)
    result.info["notes"] = [*result.info.get("notes", []), *notes]
    return networks


def _train(
    executor: Executor,
    job: Job,
    trial: Trial,
    device: str,
    n_threads: int,
    seconds: float | None,
) -> tuple[Any, str | None]:
    future = executor.submit(job.final, trial.to_dict(), device, n_threads, seconds)
    try:
        # The schedule ends in time by itself; a worker that hangs is stopped.
        return future.result(None if seconds is None else 2.0 * seconds + 60.0), None
    except KeyboardInterrupt:
        executor.kill(future)
        raise
    except Exception as error:
        executor.kill(future)
        return None, f"{type(error).__name__}: {str(error).strip().splitlines()[0][:300]}"


def _measure(result: Result, evaluator: Any, trial: Trial, trained: Any) -> Final:
    from archwright.hardware import COMPUTED, costs, graph, latency

    shape = evaluator.input_shape
    measured = dict(costs(trained.model, shape, names=COMPUTED))
    took = latency(trained.model, shape)
    measured |= {
        "latency_ms": took.median_ms,
        "latency_low_ms": took.low_ms,
        "latency_high_ms": took.high_ms,
    }
    try:
        drawn = graph(trained.model, shape)
    except Exception:  # a drawing must never cost the network
        drawn = None
    return Final(
        trial=trial.number,
        architecture=trial.architecture,
        test=trained.test,
        interval=trained.interval,
        costs=measured,
        curve=trained.curve,
        seconds=trained.seconds,
        n_epochs=trained.n_epochs,
        trained_on=trained.trained_on,
        graph=drawn,
        notes=trained.notes,
    )


def saved_network(space: Any, best: Trial | None, folder: Path | None) -> Any:
    """The network that the best candidate handed over with ``save``, or None."""
    build = getattr(space, "build", None)
    if build is None or best is None or folder is None:
        return None
    file = folder / f"{best.number:05d}" / WEIGHTS
    if not file.exists():
        return None
    from safetensors.torch import load_model

    network = build(best.architecture, seed=best.seed)
    load_model(network, str(file))
    return network.eval()


def export_network(
    model: Any,
    folder: Path,
    *,
    task: Any,
    architecture: Architecture,
    space_name: str,
    metrics: Mapping[str, float],
) -> tuple[Path | None, list[str]]:
    """Export into a folder; the folder and what did not work, one sentence each."""
    from archwright.export import export

    try:
        exported = export(
            model,
            folder,
            task=task,
            architecture=architecture,
            space_name=space_name,
            metrics=metrics,
        )
    except (ArchwrightError, OSError) as error:
        return None, [f"the network was not exported: {error}"]
    skipped = getattr(exported, "skipped", None) or {}
    return folder, [f"{name} was not exported: {why}" for name, why in skipped.items()]


def metrics_of(result: Result, final: Final) -> dict[str, float]:
    """The figures that travel with an export."""
    name = result.objective.primary.metric
    found: dict[str, float] = {}
    trial = next((t for t in result.trials if t.number == final.trial), None)
    if trial is not None and name in trial.metrics:
        found[f"validation_{name}"] = trial.metrics[name]
    if final.test is not None:
        found |= {f"test_{key}": value for key, value in final.test.items()}
    return {**found, **final.costs}


def export_result(result: Result, path: str | Path) -> Path:
    """Export the first final network: a folder of formats, or one ``.onnx`` or ``.pt2`` file.

    Raises:
        InputError: there is no trained network.
        MissingExtraError: the format needs a package that is not installed.
        ExportError: an exported format disagrees with the network.
    """
    from archwright.export import export

    if result.model is None:
        raise InputError("there is no trained network to export; see Result.export")
    path = Path(path)
    single = {".onnx": "onnx", ".pt2": "pt2"}.get(path.suffix)
    final = result.finals[0] if result.finals else None
    architecture = final.architecture if final else result.best.architecture
    shape = None if result.task is not None else result.info.get("input_shape")
    options: dict[str, Any] = {
        "task": result.task,
        "architecture": architecture,
        "space_name": result.info.get("space"),
        "metrics": {} if final is None else metrics_of(result, final),
    }
    if shape is not None:
        options["example_shape"] = tuple(shape)
    if single is None:
        if path.suffix:
            raise InputError(
                f"an export is a folder, or a file ending in .onnx or .pt2; got {str(path)!r}"
            )
        export(result.model, path, **options)
        return path
    with tempfile.TemporaryDirectory() as scratch:
        made = export(result.model, Path(scratch) / "export", formats=(single,), **options)
        file = made.folder / f"model{path.suffix}"
        if not file.exists():
            raise MissingExtraError("onnxruntime", "export", "to export to ONNX")
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, path)
    return path
