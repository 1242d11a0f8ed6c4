"""Regret over queries as a drawing, with an interval around each line."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from archwright.benchmarks.canvas import Canvas, Shape
from archwright.benchmarks.options import RANDOM
from archwright.benchmarks.summary import Curve
from archwright.errors import InputError

if TYPE_CHECKING:
    from archwright.benchmarks.comparison import Comparison, Problem

# Okabe and Ito's colours, which those who cannot tell red from green can tell apart.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a5195", "#4d4d00")
GREY = "#777777"
INK = "#333333"
WIDTH, HEIGHT = 760, 420
LEFT, TOP, BOTTOM = 68, 44, 52


def save(comparison: Comparison, path: str | os.PathLike[str], problem: Problem) -> None:
    """Draw a comparison into a PNG or SVG file.

    Raises:
        InputError: another ending, or there is nothing to draw.
    """
    ending = Path(path).suffix.lower()
    if ending not in (".png", ".svg"):
        raise InputError(f"a drawing is saved as .png or .svg, got {str(path)!r}")
    canvas = draw(comparison, problem)
    if ending == ".png":
        canvas.save_png(Path(path))
    else:
        Path(path).write_text(canvas.svg(problem.title), encoding="utf-8")


def draw(comparison: Comparison, problem: Problem) -> Canvas:
    """The drawing of one problem.

    Raises:
        InputError: no regret is known.
    """
    curves = comparison.curves(problem)
    if not curves:
        raise InputError(
            f"there is nothing to draw for {problem.title}: its optimum is not known, or no run "
            "found anything"
        )
    canvas = Canvas(WIDTH, HEIGHT)
    legend_width = 30 + round(6.6 * min(34, max(map(len, curves))))
    frame = _Frame(curves, WIDTH - LEFT - legend_width, HEIGHT - TOP - BOTTOM)
    n_seeds = max(len(runs) for runs in comparison.on(problem).values())
    title = f"{problem.title}: mean regret over {n_seeds} seeds, with 95 % intervals"
    canvas.shapes.append(Shape("text", [(LEFT, 24)], INK, text=title, size=14))
    _axes(canvas, frame, problem)
    colours = colours_of(curves)
    for name, curve in curves.items():
        low = [frame.at(q, v) for q, v in zip(curve.queries, curve.low, strict=True)]
        high = [frame.at(q, v) for q, v in zip(curve.queries, curve.high, strict=True)]
        if len(low) > 1:
            canvas.shapes.append(Shape("area", [*low, *high[::-1]], colours[name], opacity=0.15))
    for i, (name, curve) in enumerate(curves.items()):
        points = [frame.at(q, v) for q, v in zip(curve.queries, curve.mean, strict=True)]
        dashed = name == RANDOM
        if len(points) == 1:
            points = [points[0], (points[0][0] + 1, points[0][1])]
        canvas.shapes.append(Shape("line", points, colours[name], 2.0, dashed=dashed))
        x, y = WIDTH - legend_width + 12.0, TOP + 8.0 + 20 * i
        canvas.shapes.append(Shape("line", [(x - 4, y), (x + 14, y)], colours[name], 2.0))
        text = name if len(name) <= 34 else name[:33] + "…"
        canvas.shapes.append(Shape("text", [(x + 20, y + 4)], INK, text=text))
    return canvas


def colours_of(names: Mapping[str, object]) -> dict[str, str]:
    """Random search in grey, the others in turn."""
    others = [name for name in names if name != RANDOM]
    found = {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(others)}
    return {name: found.get(name, GREY) for name in names}


class _Frame:
    """Where values lie; the regret's axis is logarithmic down to a floor, below which is zero."""

    def __init__(self, curves: Mapping[str, Curve], width: float, height: float) -> None:
        self.width, self.height = width, height
        self.last = max(c.queries[-1] for c in curves.values())
        shown = [v for c in curves.values() for v in (*c.mean, *c.high) if v > 0]
        top = max(shown, default=1.0)
        means = [v for c in curves.values() for v in c.mean if v > 0]
        # Three decades at most: what is lower is as good as zero beside the first regrets.
        floor = max(min(means, default=top / 10), top / 1000)
        self.high = math.log10(top) + 0.03
        self.low = math.log10(floor) - 0.08
        if self.high - self.low < 0.3:
            self.low = self.high - 0.3

    def at(self, query: float, regret: float) -> tuple[float, float]:
        x = LEFT + self.width * (query / self.last if self.last else 0.0)
        level = self.low if regret <= 0 else max(self.low, math.log10(regret))
        return x, TOP + self.height * (1 - (level - self.low) / (self.high - self.low))


def _axes(canvas: Canvas, frame: _Frame, problem: Problem) -> None:
    right, bottom = LEFT + frame.width, TOP + frame.height
    for tick in _log_ticks(frame.low, frame.high):
        _, y = frame.at(0, tick)
        canvas.shapes.append(Shape("line", [(LEFT, y), (right, y)], "#dddddd"))
        canvas.shapes.append(
            Shape("text", [(LEFT - 8, y + 4)], INK, text=f"{tick:g}", anchor="end")
        )
    step = _step(frame.last)
    for tick in range(0, frame.last + 1, step):
        x, _ = frame.at(tick, 0)
        canvas.shapes.append(Shape("line", [(x, bottom), (x, bottom + 4)], INK))
        canvas.shapes.append(
            Shape("text", [(x, bottom + 18)], INK, text=f"{tick:,}", anchor="middle")
        )
    canvas.shapes.append(Shape("line", [(LEFT, TOP), (LEFT, bottom), (right, bottom)], INK))
    middle = [(LEFT + frame.width / 2, bottom + 40)]
    canvas.shapes.append(Shape("text", middle, INK, text="queries", anchor="middle", size=13))
    unit = "share of the hypervolume" if problem.several else problem.unit
    label = f"validation regret ({unit})" if unit else "validation regret"
    side = [(18.0, TOP + frame.height / 2)]
    canvas.shapes.append(
        Shape("text", side, INK, text=label, anchor="middle", size=13, upright=True)
    )


def _step(last: int) -> int:
    rough = max(1.0, last / 8)
    power = 10 ** math.floor(math.log10(rough))
    return int(next(f * power for f in (1, 2, 5, 10) if f * power >= rough))


def _log_ticks(low: float, high: float) -> list[float]:
    for factors in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7)):
        every = [f * 10.0**e for e in range(math.floor(low), math.ceil(high) + 1) for f in factors]
        inside = [t for t in every if low <= math.log10(t) <= high]
        if len(inside) >= 4:
            break
    return [float(f"{t:.6g}") for t in inside]
