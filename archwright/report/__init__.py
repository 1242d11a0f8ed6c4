"""What a search found, for people: an HTML report, an end-of-search card, references."""

from archwright.report.card import summary_card as summary_card
from archwright.report.card import summary_text as summary_text
from archwright.report.citations import METHODS as METHODS
from archwright.report.citations import REFERENCES as REFERENCES
from archwright.report.citations import Reference as Reference
from archwright.report.citations import recipe_methods as recipe_methods
from archwright.report.citations import references as references
from archwright.report.page import write_report as write_report

__all__ = [
    "METHODS",
    "REFERENCES",
    "Reference",
    "recipe_methods",
    "references",
    "summary_card",
    "summary_text",
    "write_report",
]
