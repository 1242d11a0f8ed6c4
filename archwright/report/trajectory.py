"""How the choices of a differentiable search came about, drawn decision by decision."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from archwright.trials import Result

MOST = 24
"""Decisions that are drawn; of more, those whose probabilities moved most."""

COLOURS = ("best", "final", "random", "front", "base", "trial", "out")
WIDE, HIGH, HEAD, GAP = 150.0, 84.0, 18.0, 16.0


def course_of(result: Result) -> Mapping[str, Any] | None:
    """The record of a differentiable search with at least two epochs, else None."""
    found = result.info.get("differentiable")
    if not isinstance(found, Mapping) or not isinstance(found.get("epochs"), list | tuple):
        return None
    epochs = [e for e in found["epochs"] if isinstance(e, Mapping) and e.get("probabilities")]
    return {**found, "epochs": epochs} if len(epochs) > 1 else None


def moved(course: Mapping[str, Any]) -> list[str]:
    """The decisions, those whose probabilities moved most first."""
    epochs = course["epochs"]
    first, last = epochs[0]["probabilities"], epochs[-1]["probabilities"]
    both = [path for path in last if path in first and len(first[path]) == len(last[path])]

    def movement(path: str) -> float:
        return sum(abs(a - b) for a, b in zip(first[path], last[path], strict=True))

    return sorted(both, key=lambda path: (-movement(path), path))


def small_multiples(course: Mapping[str, Any], width: int) -> str:
    """A small chart for each decision: the probability of each of its options over the epochs.

    Args:
        course: as `course_of` gives it.
        width: pixels.
    """
    epochs = course["epochs"]
    paths = moved(course)[:MOST]
    if not paths:
        return ""
    n_columns = max(1, int((width + GAP) // (WIDE + GAP)))
    n_rows = math.ceil(len(paths) / n_columns)
    height = n_rows * (HEAD + HIGH + GAP)
    parts = [
        f'<svg class="chart" viewBox="0 0 {width} {height:.0f}" role="img" '
        'aria-label="Probabilities of the options of each decision over the epochs">'
    ]
    n = len(epochs)
    for i, path in enumerate(paths):
        left = (i % n_columns) * (WIDE + GAP)
        top = (i // n_columns) * (HEAD + HIGH + GAP) + HEAD
        short = path if len(path) <= 22 else "…" + path[-21:]
        parts.append(
            f'<text class="tick" x="{left:.1f}" y="{top - 6:.1f}">{escape(short)}'
            f"<title>{escape(path)}</title></text>"
        )
        for y in (top, top + HIGH):
            parts.append(
                f'<line class="grid" x1="{left:.1f}" y1="{y:.1f}" x2="{left + WIDE:.1f}" '
                f'y2="{y:.1f}"/>'
            )
        options = _options(course, path)
        for k, name in enumerate(options):
            points = [
                (left + WIDE * e / (n - 1), top + HIGH * (1 - _share(epochs[e], path, k)))
                for e in range(n)
            ]
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
            end = _share(epochs[-1], path, k)
            dash = ' stroke-dasharray="5 3"' if k >= len(COLOURS) else ""
            parts.append(
                f'<g class="c-{COLOURS[k % len(COLOURS)]}"><polyline class="line" '
                f'points="{line}"{dash}><title>{escape(path)} = {escape(name)}: {end:.2f} at the '
                "end</title></polyline></g>"
            )
    parts.append("</svg>")
    return "".join(parts)


def legend(course: Mapping[str, Any]) -> str:
    """The colours, where all that is drawn has the same options; else nothing."""
    kinds = {tuple(_options(course, path)) for path in moved(course)[:MOST]}
    if len(kinds) != 1:
        return ""
    keys = []
    for k, name in enumerate(next(iter(kinds))):
        dash = ' stroke-dasharray="5 3"' if k >= len(COLOURS) else ""
        keys.append(
            f'<span class="key"><svg width="22" height="10" aria-hidden="true"><g '
            f'class="c-{COLOURS[k % len(COLOURS)]}"><line class="line" x1="1" y1="5" x2="21" '
            f'y2="5"{dash}/></g></svg>{escape(name)}</span>'
        )
    return f'<div class="legend">{"".join(keys)}</div>'


def in_words(course: Mapping[str, Any]) -> str:
    """What the search was, how it ended, and whether it drifted into skip connections."""
    epochs = course["epochs"]
    first, last = epochs[0], epochs[-1]
    text = f"{course.get('method', 'The method')}, {len(epochs)} epochs of the supernet"
    if course.get("stopped"):
        text += f" ({course['stopped']})"
    text += "."
    if _number(first.get("entropy")) and _number(last.get("entropy")):
        text += (
            f" The entropy of the choices went from {first['entropy']:.2f} to "
            f"{last['entropy']:.2f}."
        )
    if _number(last.get("skip_share")):
        text += f" At the end {100 * last['skip_share']:.0f} % of the choices were skip connections"
        text += "." if last["skip_share"] < 0.5 else ": the known collapse of such searches."
    if _number(last.get("eigenvalue")):
        text += f" Dominant eigenvalue of the Hessian of the strengths: {last['eigenvalue']:.3g}."
    return text


def n_hidden(course: Mapping[str, Any]) -> int:
    """How many decisions are not drawn."""
    return max(0, len(moved(course)) - MOST)


def _options(course: Mapping[str, Any], path: str) -> list[str]:
    known = course.get("values")
    values = known.get(path) if isinstance(known, Mapping) else None
    n = len(course["epochs"][-1]["probabilities"][path])
    if not isinstance(values, list | tuple) or len(values) != n:
        return [f"option {k}" for k in range(n)]
    return [str(value) for value in values]


def _share(epoch: Mapping[str, Any], path: str, k: int) -> float:
    shares: Sequence[float] = epoch["probabilities"].get(path, ())
    return min(1.0, max(0.0, float(shares[k]))) if k < len(shares) else 0.0


def _number(given: Any) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and math.isfinite(given)
