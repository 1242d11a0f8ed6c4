"""The stages of a cascade as a drawing and a table: how many came in, went on, and at what cost."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from archwright.report.numbers import duration
from archwright.trials import Result

STEP, TOP = 30.0, 6.0


def stages_of(result: Result) -> list[Mapping[str, Any]]:
    """The record of a cascade's stages, or nothing for other searches."""
    found = result.info.get("cascade")
    if not isinstance(found, list | tuple):
        return []
    return [stage for stage in found if isinstance(stage, Mapping) and stage.get("n_in")]


def funnel(stages: Sequence[Mapping[str, Any]], width: int) -> str:
    """One bar a stage, as long as the logarithm of what came in; the dark part went on.

    Args:
        stages: as `archwright.strategies.Cascade.record` gives them.
        width: pixels.
    """
    if not stages:
        return ""
    most = 20 if width < 600 else 30
    left = min(max(len(str(s["name"])) for s in stages), most) * 6.9 + 14
    right = 150.0 if width >= 600 else 96.0
    longest = max(float(s["n_in"]) for s in stages)

    def length(n: float) -> float:
        share = math.log1p(n) / math.log1p(longest) if longest > 0 else 0.0
        return (width - left - right) * share

    height = TOP + STEP * len(stages) + 8
    parts = [
        f'<svg class="chart" viewBox="0 0 {width} {height:.0f}" role="img" '
        'aria-label="How many architectures each stage judged and let through">'
    ]
    for i, stage in enumerate(stages):
        y = TOP + STEP * i
        name = str(stage["name"])
        short = name if len(name) <= most else name[: most - 1] + "…"
        n_in, n_out = int(stage["n_in"]), int(stage["n_out"])
        tip = f"<title>{escape(name)}: {n_in:,} in, {n_out:,} on</title>"
        parts.append(
            f'<text class="tick" x="{left - 10:.1f}" y="{y + 16:.1f}" text-anchor="end">'
            f"{escape(short)}</text>"
        )
        for kind, n in (("c-trial", n_in), ("c-best", n_out)):
            parts.append(
                f'<rect class="stage {kind}" x="{left:.1f}" y="{y + 4:.1f}" '
                f'height="{STEP - 12:.1f}" width="{max(length(n), 1.0):.1f}" rx="2">{tip}</rect>'
            )
        parts.append(
            f'<text class="value" x="{left + length(n_in) + 8:.1f}" y="{y + 16:.1f}">'
            f"{n_in:,} → {n_out:,}</text>"
        )
    parts.append("</svg>")
    return "".join(parts)


def rows_of(stages: Sequence[Mapping[str, Any]]) -> list[tuple[str, str, str, str, str, str]]:
    """Of each stage name, how many came in and went on, time, agreement and a note, as text."""
    rows = []
    for stage in stages:
        agreement, n = stage.get("agreement"), int(stage.get("n_agreement") or 0)
        note = ""
        passed = stage.get("passed_over")
        if passed:
            times = "once" if passed[0] == 1 else f"{passed[0]} times"
            note = f"passed over {times}, so that chance cut there: {passed[1]}"
        rows.append(
            (
                str(stage["name"]),
                f"{int(stage['n_in']):,}",
                f"{int(stage['n_out']):,}",
                duration(float(stage.get("seconds") or 0.0)),
                "-" if agreement is None else f"{agreement:+.2f} of {n}",
                note,
            )
        )
    return rows


def doubt_about(stages: Sequence[Mapping[str, Any]]) -> str | None:
    """A sentence on cheap stages that did not rank as training did; None where none was seen to."""
    doubtful = [
        str(stage["name"])
        for stage in stages
        if stage.get("agreement") is not None
        and int(stage.get("n_agreement") or 0) >= 8
        and float(stage["agreement"]) < 0.2
    ]
    if not doubtful:
        return None
    return (
        f"The order of {' and '.join(doubtful)} hardly agreed with that of the next stage of "
        "training: it saved time, but what it left out may have been as good."
    )
