"""Features of architectures, and models that predict a metric from them: values only."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archwright.predictors.encoder import Columns as Columns
    from archwright.predictors.encoder import Encoder as Encoder
    from archwright.predictors.predictor import Calibration as Calibration
    from archwright.predictors.predictor import Predictor as Predictor

_HOMES = {
    "Calibration": "predictor",
    "Columns": "encoder",
    "Encoder": "encoder",
    "Predictor": "predictor",
}

__all__ = ["Calibration", "Columns", "Encoder", "Predictor"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
