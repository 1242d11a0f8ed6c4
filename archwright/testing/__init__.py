"""Public conformance suites: any third-party part passes them by one call from a test."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from archwright.testing.law import check_law as check_law
    from archwright.testing.spaces import check_space as check_space
    from archwright.testing.strategies import check_strategy as check_strategy

_HOMES = {
    "check_law": "archwright.testing.law",
    "check_space": "archwright.testing.spaces",
    "check_strategy": "archwright.testing.strategies",
}

__all__ = ["check_law", "check_space", "check_strategy"]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)
