"""Data to tasks: splits, preparation, augmentation, losses and metrics.

The names load on first use: a trained network is served without torch or scikit-learn.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archwright.tasks.arrays import Arrays as Arrays
    from archwright.tasks.augment import Augmentation as Augmentation
    from archwright.tasks.columns import COLUMN_KINDS as COLUMN_KINDS
    from archwright.tasks.columns import Columns as Columns
    from archwright.tasks.images import Images as Images
    from archwright.tasks.losses import LOSSES as LOSSES
    from archwright.tasks.metrics import METRICS as METRICS
    from archwright.tasks.metrics import Metric as Metric
    from archwright.tasks.metrics import confidence_interval as confidence_interval
    from archwright.tasks.metrics import resolve_metric as resolve_metric
    from archwright.tasks.metrics import wilson_interval as wilson_interval
    from archwright.tasks.preprocessing import Preprocessing as Preprocessing
    from archwright.tasks.sources import TOY_SETS as TOY_SETS
    from archwright.tasks.sources import from_arrays as from_arrays
    from archwright.tasks.sources import from_dataset as from_dataset
    from archwright.tasks.sources import from_file as from_file
    from archwright.tasks.sources import from_folder as from_folder
    from archwright.tasks.sources import from_frame as from_frame
    from archwright.tasks.sources import from_npz as from_npz
    from archwright.tasks.sources import load as load
    from archwright.tasks.splits import Split as Split
    from archwright.tasks.targets import Predictions as Predictions
    from archwright.tasks.targets import Target as Target
    from archwright.tasks.task import Task as Task

_HOMES = {
    "Arrays": "arrays",
    "Augmentation": "augment",
    "COLUMN_KINDS": "columns",
    "Columns": "columns",
    "Images": "images",
    "LOSSES": "losses",
    "METRICS": "metrics",
    "Metric": "metrics",
    "confidence_interval": "metrics",
    "resolve_metric": "metrics",
    "wilson_interval": "metrics",
    "Preprocessing": "preprocessing",
    "TOY_SETS": "sources",
    "from_arrays": "sources",
    "from_dataset": "sources",
    "from_file": "sources",
    "from_folder": "sources",
    "from_frame": "sources",
    "from_npz": "sources",
    "load": "sources",
    "Split": "splits",
    "Predictions": "targets",
    "Target": "targets",
    "Task": "task",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'archwright.tasks' has no attribute {name!r}")
    return getattr(importlib.import_module(f"archwright.tasks.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
