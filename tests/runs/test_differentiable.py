"""A differentiable search answers the same `Result` as every other search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from torch import nn

import archwright as aw
from archwright.errors import InfeasibleError, InputError
from archwright.runs import differentiable, load
from tests.supernet.toys import SPACE, TASK

OPTIONS: dict[str, Any] = {"epochs": 2, "batch_size": 12, "baselines": False, "device": "cpu"}


def test_derived_trained_anew_tested_and_kept(tmp_path: Path) -> None:
    shown: list[str] = []
    result = differentiable(
        SPACE, aw.Train(TASK, epochs=1), "darts", n=2, out=tmp_path / "run",
        progress=lambda event: shown.append(event["phase"]), **OPTIONS,
    )  # fmt: skip
    origins = [trial.origin for trial in result.trials]
    assert set(origins) == {"default", "darts"}
    assert len(origins) >= 2
    assert len({SPACE.canonical(trial.architecture) for trial in result.trials}) == len(origins)
    assert result.finals[0].test
    assert isinstance(result.model, nn.Module)
    facts = result.info["differentiable"]
    assert facts["method"] == result.info["strategy"] == "darts"
    assert [record["epoch"] for record in facts["epochs"]] == [1, 2]
    assert any("stride" in note for note in result.info["notes"])
    assert shown.count("supernet") == 2
    assert (tmp_path / "run" / "report.html").exists()
    assert (tmp_path / "run" / "export").is_dir()

    again = differentiable(
        SPACE, aw.Train(TASK, epochs=1), "darts", n=2, out=tmp_path / "run", **OPTIONS
    )
    assert again.info["differentiable"]["epochs"] == facts["epochs"]
    assert [t.architecture for t in again.trials] == [t.architecture for t in result.trials]
    kept = load(tmp_path / "run")
    assert kept.info["differentiable"]["epochs"] == facts["epochs"]
    assert kept.best.metrics == result.best.metrics


def test_limits_hold() -> None:
    sizes = sorted(
        sum(p.numel() for p in SPACE.build(SPACE.sample(seed=s), seed=0).parameters())
        for s in range(40)
    )
    bound = sizes[2]
    result = differentiable(
        SPACE, aw.Train(TASK, epochs=1), limits={"params": bound}, final=False, **OPTIONS
    )
    assert result.best.metrics["params"] <= bound
    with pytest.raises(InfeasibleError, match="no architecture"):
        differentiable(SPACE, aw.Train(TASK, epochs=1), limits={"params": 3}, **OPTIONS)


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="Task"):
        differentiable(SPACE, lambda candidate: 1.0)
    with pytest.raises(InputError, match="'darts'"):
        differentiable(SPACE, TASK, "dart")
    with pytest.raises(InputError, match="minutes"):
        differentiable(SPACE, TASK, minutes=-1)
