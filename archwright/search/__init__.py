"""The search: one loop that proposes, evaluates and records, and what comes after it."""

from archwright.search.api import load, resume, search
from archwright.search.finish import export_result
from archwright.search.loop import Clock, Loop

__all__ = ["Clock", "Loop", "export_result", "load", "resume", "search"]
