"""A comparison as one HTML page that needs nothing else."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from archwright._version import __version__
from archwright.benchmarks.drawing import draw
from archwright.benchmarks.text import RULES, grid, heading, verdicts

if TYPE_CHECKING:
    from archwright.benchmarks.comparison import Comparison, Problem

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
  color: #222; background: #fff; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; }
th, td { padding: .25rem .7rem; text-align: right; border-bottom: 1px solid #ddd;
  white-space: nowrap; }
th:first-child, td:first-child { text-align: left; }
svg { max-width: 100%; height: auto; }
.note { color: #555; }
"""


def page(comparison: Comparison) -> str:
    """The whole page."""
    parts = [_problem(comparison, problem) for problem in comparison.problems]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Strategies compared</title><style>{STYLE}</style></head><body>"
        f"<h1>Strategies compared</h1>{''.join(parts)}"
        f'<p class="note">{escape(RULES)}</p>'
        f'<p class="note">Made by Archwright {escape(__version__)}.</p></body></html>\n'
    )


def _problem(comparison: Comparison, problem: Problem) -> str:
    rows = comparison.summary(problem)
    first, *notes = heading(problem, rows, comparison.queries).split("\n")
    titles, *lines = grid(rows, problem, comparison.queries)
    head = "".join(f"<th>{escape(h)}</th>" for h in titles)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(c)}</td>" for c in line) + "</tr>" for line in lines
    )
    drawing = (
        draw(comparison, problem).svg(problem.title)
        if comparison.curves(problem)
        else "<p>No drawing: the optimum is not known.</p>"
    )
    found = "".join(f"<li>{escape(line)}</li>" for line in verdicts(comparison, problem))
    return (
        f"<h2>{escape(problem.title)}</h2><p>{escape(first)}</p>"
        + "".join(f'<p class="note">{escape(n.strip())}</p>' for n in notes)
        + f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
        f"</div>{drawing}<ul>{found}</ul>"
    )
