"""A comparison as text, for a terminal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from archwright.benchmarks.summary import Row, checkpoints

if TYPE_CHECKING:
    from archwright.benchmarks.comparison import Comparison, Problem

RULES = (
    "Incumbents are chosen by validation values alone; regrets are of validation values, medians "
    "over the seeds. A query is a full training; canonical duplicates are one architecture, and "
    "asking for it again is charged like any query. > stands for runs that did not get there."
)


def table(comparison: Comparison) -> str:
    """Everything that is printed."""
    parts = []
    for problem in comparison.problems:
        own = comparison.summary(problem)
        parts.append(heading(problem, own, comparison.queries))
        parts.append(aligned(grid(own, problem, comparison.queries)))
        parts += [f"  {line}" for line in verdicts(comparison, problem)]
        parts.append("")
    return "\n".join([*parts, RULES])


def grid(rows: Sequence[Row], problem: Problem, queries: int) -> list[tuple[str, ...]]:
    """The headings and a line for each row, less the columns that are empty in all of them."""
    lines = [cells(row, problem, queries) for row in rows]
    kept = [i for i in range(len(lines[0])) if any(line[i] for line in lines)]
    return [tuple(line[i] for i in kept) for line in (headings(queries), *lines)]


def headings(queries: int) -> tuple[str, ...]:
    """Of the columns; those of regrets go to the last query of the runs.

    >>> headings(60)[4:7]
    ('regret@20', 'regret@50', 'regret@60')
    """
    regrets = (f"regret@{q}" for q in checkpoints(queries))
    return (
        "strategy",
        "median",
        "90 %",
        "reached",
        *regrets,
        "test regret",
        "simulated s",
        "own s",
    )


def heading(problem: Problem, rows: Sequence[Row], queries: int) -> str:
    """What was run on what."""
    size = f"{problem.size:,}" if problem.size < 1e9 else f"{problem.size:.1e}"
    size += " architectures"
    if problem.distinct is not None and problem.distinct < problem.size:
        size += f" ({problem.distinct:,} distinct)"
    unit = "" if problem.several else problem.unit
    best = "optimum not known"
    if problem.optimum is not None:
        kind = "optimum" if problem.proven else "best known"
        kind = f"{kind} (hypervolume)" if problem.several else kind
        best = f"{kind} {problem.optimum:.6g} {unit}".rstrip()
    seeds = max(r.seeds for r in rows)
    text = f"{problem.title}: {size}, {best}; {queries} queries, {seeds} seeds"
    if problem.optimum is not None:
        text += f"; regrets {_unit_of_regrets(problem)}"
    return "\n".join([text, *(f"  Note: {note}" for note in problem.notes)])


def _unit_of_regrets(problem: Problem) -> str:
    if problem.several:
        return "as shares of the optimum's hypervolume"
    return f"in {problem.unit}" if problem.unit else "in the unit of the metric"


def cells(row: Row, problem: Problem, queries: int) -> tuple[str, ...]:
    """A row of the table, in the order of `headings`; "-" where the optimum is not proven."""
    found = (needed(row.median, queries), needed(row.p90, queries), f"{100 * row.reached:.0f} %")
    return (
        row.strategy,
        *(found if problem.proven and problem.optimum is not None else ("-", "-", "-")),
        *(number(row.regret[q]) for q in checkpoints(queries)),
        number(row.test_regret),
        "" if row.simulated_s is None else f"{row.simulated_s:,.0f}",
        f"{row.own_s:.2g}" if row.own_s < 100 else f"{row.own_s:.0f}",
    )


def needed(value: float, queries: int) -> str:
    """Queries to the optimum.

    >>> needed(35.0, 200), needed(float("inf"), 200)
    ('35', '> 200')
    """
    return f"> {queries}" if math.isinf(value) else f"{value:.4g}"


def number(value: float | None) -> str:
    """A regret; nothing where it is not known."""
    if value is None:
        return ""
    return "0" if value == 0 else f"{value:.3g}"


def verdicts(comparison: Comparison, problem: Problem) -> list[str]:
    """One line for each strategy that beats others, and one for the pairs that do not differ."""
    tests = comparison.tests(problem)
    beaten: dict[str, list[str]] = {}
    for t in tests:
        if t.p_holm < 0.05:
            seeds = f"{t.wins} of {t.wins + t.losses + t.ties} seeds"
            beaten.setdefault(t.better, []).append(f"{t.worse} ({seeds}, p = {t.p_holm:.2g})")
    lines = [f"{better} beats {', '.join(others)}" for better, others in beaten.items()]
    n = len(tests) - sum(map(len, beaten.values()))
    if n:
        lines.append(f"{n} of {len(tests)} pairs: no difference shown (p >= 0.05)")
    if tests:
        lines.append("(Wilcoxon signed-rank over seeds, Holm-corrected over the pairs)")
    return lines


def aligned(lines: Sequence[Sequence[str]]) -> str:
    """Columns, the first to the left and others to the right.

    >>> print(aligned([("a", "b"), ("cc", "10")]))
    a    b
    cc  10
    """
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(
        "  ".join(
            c.ljust(w) if i == 0 else c.rjust(w)
            for i, (c, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )
