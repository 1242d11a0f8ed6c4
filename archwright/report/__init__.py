"""What a search found, for people: an HTML report, an end-of-search card, references.

The names load on first use, so that the command line answers at once.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from archwright.report.card import summary_card as summary_card
    from archwright.report.card import summary_text as summary_text
    from archwright.report.citations import METHODS as METHODS
    from archwright.report.citations import REFERENCES as REFERENCES
    from archwright.report.citations import Reference as Reference
    from archwright.report.citations import recipe_methods as recipe_methods
    from archwright.report.citations import references as references
    from archwright.report.page import write_report as write_report

_HOMES = {
    "METHODS": "citations",
    "REFERENCES": "citations",
    "Reference": "citations",
    "recipe_methods": "citations",
    "references": "citations",
    "summary_card": "card",
    "summary_text": "card",
    "write_report": "page",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'archwright.report' has no attribute {name!r}")
    return getattr(importlib.import_module(f"archwright.report.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
