"""Archwright: neural architecture search on your own model and data.

The public names; heavy parts load when they are first used, so that ``import archwright`` stays
far below a second.

>>> import archwright as aw
>>> aw.Space({"width": aw.choice([16, 32])}).size
2
"""

from __future__ import annotations

import importlib

from archwright._version import __version__

_HOMES = {
    "archwright.errors": (
        "ArchwrightError",
        "ArchitectureError",
        "DataError",
        "ExportError",
        "InfeasibleError",
        "InputError",
        "LedgerError",
        "MissingExtraError",
        "SpaceError",
        "UnknownNameError",
    ),
    "archwright.space": ("Architecture", "Space"),
    "archwright.trials": (
        "Fidelity",
        "History",
        "Limit",
        "Objective",
        "Proposal",
        "Result",
        "Trial",
    ),
    "archwright.nn": (
        "Elastic",
        "ModelSpace",
        "Place",
        "Supernet",
        "attention",
        "batch_norm1d",
        "batch_norm2d",
        "cell",
        "choice",
        "conv1d",
        "conv2d",
        "conv_transpose2d",
        "divisible",
        "dropout",
        "embedding",
        "group_norm",
        "gru",
        "inputs",
        "integer",
        "last",
        "layer",
        "layer_norm",
        "linear",
        "lstm",
        "maximum",
        "minimum",
        "parameter",
        "real",
        "repeat",
        "rms_norm",
        "scope",
        "seeded",
    ),
    "archwright.tasks": ("Task",),
    "archwright.training": ("Recipe",),
    "archwright.evaluators": ("Candidate", "SharedWeights", "Table", "Train"),
    "archwright.strategies": (
        "Auto",
        "Cascade",
        "Grid",
        "LocalSearch",
        "RandomSearch",
        "RegularizedEvolution",
        "Stage",
        "WarmStart",
    ),
    "archwright.proxies": ("ZeroCost",),
    "archwright.runs.differentiable": ("differentiable",),
    "archwright.runs": (
        "FidelityCheck",
        "check_fidelity",
        "load",
        "resume",
        "search",
        "search_targets",
    ),
    "archwright.supernet": ("train_supernet",),
    "archwright.export": ("load_exported",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}
_PACKAGES = (
    "benchmarks",
    "errors",
    "executors",
    "hardware",
    "nn",
    "predictors",
    "proxies",
    "space",
    "strategies",
    "supernet",
    "tasks",
    "testing",
    "training",
    "trials",
    "zoo",
)

__all__ = ["__version__", *sorted(_HOME_OF)]


def __getattr__(name: str) -> object:
    if name in _HOME_OF:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
        globals()[name] = value
        return value
    if name in _PACKAGES:
        return importlib.import_module(f"archwright.{name}")
    raise AttributeError(f"module 'archwright' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME_OF, *_PACKAGES])
