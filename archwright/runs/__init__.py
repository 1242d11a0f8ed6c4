"""The search: one loop that proposes, evaluates and records, and what comes after it."""

from archwright.runs.api import load, resume, search
from archwright.runs.finish import export_result
from archwright.runs.loop import Clock, Loop

__all__ = ["Clock", "Loop", "export_result", "load", "resume", "search"]
