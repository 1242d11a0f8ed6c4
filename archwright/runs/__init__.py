"""The search: one loop that proposes, evaluates and records, and what comes after it."""

from archwright.runs.api import load, resume, search
from archwright.runs.differentiable import differentiable
from archwright.runs.finish import export_result
from archwright.runs.loop import Clock, Loop
from archwright.runs.ranking_check import check_fidelity
from archwright.runs.rankings import FidelityCheck
from archwright.runs.targets import search_targets

__all__ = [
    "Clock",
    "FidelityCheck",
    "Loop",
    "check_fidelity",
    "differentiable",
    "export_result",
    "load",
    "resume",
    "search",
    "search_targets",
]
