"""Charts as inline SVG: axes, ticks, legends and nothing that needs a library or a request.

Colours are classes (`c-best`, `c-trial`, ...) whose values the page's style sheet gives, so that
one drawing serves light, dark and print.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

from archwright.report.numbers import short

Mark = Literal["line", "step", "dots", "rings", "diamonds"]


@dataclass(frozen=True)
class Series:
    """One set of points of a chart.

    Attributes:
        name: for the legend; "" leaves it out there.
        xs: horizontal values.
        ys: vertical values, as many.
        mark: how they are drawn; "step" holds a value until the next.
        colour: class of the style sheet, without its ``c-``.
        tips: a text for each point, shown on hovering; or none.
        dashed: for lines.
        frames: whether the points must lie inside the axes; a scatter's outliers need not.
    """

    name: str
    xs: Sequence[float]
    ys: Sequence[float]
    mark: Mark = "line"
    colour: str = "best"
    tips: Sequence[str] = ()
    dashed: bool = False
    frames: bool = True


@dataclass(frozen=True)
class Rule:
    """A straight line across the chart, such as a limit.

    Attributes:
        value: where.
        text: what it says.
        axis: "x" for an upright line, "y" for a level one.
    """

    value: float
    text: str
    axis: Literal["x", "y"] = "x"


@dataclass(frozen=True)
class Chart:
    """What to draw; `svg` draws it at a width.

    Attributes:
        title: read out by screen readers.
        x_label: name and unit of the horizontal axis.
        y_label: the same of the vertical one.
        series: drawn in order, the last on top.
        rules: limits and other straight lines.
        x_log: logarithmic horizontal axis.
        y_log: logarithmic vertical axis.
        x_whole: ticks of the horizontal axis on whole numbers only.
    """

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    rules: Sequence[Rule] = field(default=())
    x_log: bool = False
    y_log: bool = False
    x_whole: bool = False


def svg(chart: Chart, *, width: int = 760, height: int = 320) -> str:
    """The chart as one `<svg>` element; "" when it holds no finite point.

    >>> drawing = svg(Chart("t", "x", "y", [Series("best", [1, 2], [0.5, 0.7])]))
    >>> drawing.startswith("<svg"), drawing.endswith("</svg>")
    (True, True)
    """
    series = [_finite(s, chart) for s in chart.series]
    series = [s for s in series if s.xs]
    if not series:
        return ""
    x_rules = [r.value for r in chart.rules if r.axis == "x" and (r.value > 0 or not chart.x_log)]
    xs = [x for s in series for x in s.xs]
    y_axis = _y_axis(chart, series, 5 if height > 260 else 4)
    wanted = max(3, (width - 60) // 90)
    x_axis = _Axis.over(
        xs + _near(x_rules, xs), log=chart.x_log, n=wanted, whole=chart.x_whole, pad=0.02
    )
    left = 16 + max(len(short(t)) for t in y_axis.ticks) * 7 + 10
    top, right, bottom = 12, 14, 44
    inner = _Frame(left, top, width - left - right, height - top - bottom, x_axis, y_axis)
    parts = [
        f'<svg class="chart" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(chart.title)}">',
        _grid(inner, chart, height),
        *(_rule(rule, inner) for rule in chart.rules),
    ]
    parts += [_marks(s, inner) for s in series]
    parts.append("</svg>")
    return "".join(parts)


def legend(chart: Chart) -> str:
    """The chart's series by colour and name, as HTML."""
    items = []
    for s in chart.series:
        if not s.name or not s.xs:
            continue
        items.append(f'<span class="key">{_key(s)}{escape(s.name)}</span>')
    beyond = n_beyond(chart)
    if beyond:
        arrow = '<polygon class="beyond c-trial" points="2,3 10,3 6,9"/>'
        key = f'<svg width="12" height="12" aria-hidden="true">{arrow}</svg>'
        items.append(f'<span class="key">{key}beyond the axis ({beyond})</span>')
    return f'<div class="legend">{"".join(items)}</div>' if items else ""


def n_beyond(chart: Chart) -> int:
    """How many points lie outside the axes and are drawn as arrows at the edge."""
    series = [s for s in (_finite(s, chart) for s in chart.series) if s.xs]
    if not series:
        return 0
    axis = _y_axis(chart, series, 5)
    dots = [s for s in series if s.mark not in ("line", "step")]
    return sum(not -0.001 <= axis.at(y) <= 1.001 for s in dots for y in s.ys)


def dot_rows(rows: Sequence[Mapping[str, Any]], x_label: str, width: int) -> str:
    """One level line for each competitor: its test figure as a dot, validation as a ring.

    Args:
        rows: mappings with "name", "validation", "test" (number or None), "interval" (pair or
            None) and "mine" (whether it is the found network).
        x_label: name and unit of the axis.
        width: pixels.
    """
    rows = [r for r in rows if any(_is_number(r[k]) for k in ("validation", "test"))]
    values = [float(r[k]) for r in rows for k in ("validation", "test") if _is_number(r[k])]
    values += [float(b) for r in rows for b in (r["interval"] or ()) if _is_number(b)]
    if not values:
        return ""
    most = 22 if width < 600 else 34
    left = min(max(len(str(r["name"])) for r in rows), most) * 6.9 + 14
    axis = _Axis.over(values, log=False, n=max(3, int((width - left) // 110)))
    step, top = 27.0, 8.0
    height = top + step * len(rows) + 46
    frame = _Frame(left, top, width - left - 18, step * len(rows), axis, axis)
    parts = [
        f'<svg class="chart" viewBox="0 0 {width} {height:.0f}" role="img" '
        f'aria-label="{escape(x_label)} of the found network and the baselines">'
    ]
    for tick in axis.ticks:
        x = frame.x(tick)
        parts.append(_line("grid", x, top, x, frame.bottom))
        parts.append(_text("tick", x, frame.bottom + 17, short(tick), "middle"))
    for i, row in enumerate(rows):
        y = top + step * (i + 0.5)
        colour = "c-final" if row["mine"] else "c-base"
        name = str(row["name"])
        name = name if len(name) <= most else name[: most - 1] + "…"
        parts.append(_text("value" if row["mine"] else "tick", left - 10, y + 4, name, "end"))
        if row["interval"]:
            a, b = (frame.x(float(v)) for v in row["interval"])
            parts.append(f'<g class="{colour}">{_line("whisker", a, y, b, y)}</g>')
        figures: tuple[tuple[str, Mark, float], ...] = (
            ("validation", "rings", 5.0),
            ("test", "dots", 5.5),
        )
        for key, mark, r in figures:
            if _is_number(row[key]):
                tip = f"<title>{escape(name)}: {key} {float(row[key]):.4g}</title>"
                parts.append(_dot(mark, colour, frame.x(float(row[key])), y, r, tip))
    parts.append(_text("label", left + frame.width / 2, height - 8, x_label, "middle"))
    parts.append("</svg>")
    keys = [
        f'<span class="key">{_dot_key("dots")}test</span>'
        if any(_is_number(r["test"]) for r in rows)
        else "",
        f'<span class="key">{_dot_key("rings")}validation</span>',
    ]
    if any(r["interval"] for r in rows):
        keys.append('<span class="key">line: 95 % interval of the test</span>')
    return f'<div class="legend">{"".join(keys)}</div>{"".join(parts)}'


def thin(n: int, keep: int) -> list[int]:
    """Indices that thin `n` points to about `keep`, evenly, first and last included.

    >>> thin(10, 4)
    [0, 3, 6, 9]
    """
    if n <= keep:
        return list(range(n))
    return sorted({round(i * (n - 1) / (keep - 1)) for i in range(keep)})


def _y_axis(chart: Chart, series: Sequence[Series], n: int) -> _Axis:
    ys = [y for s in series if s.frames for y in s.ys] + _inner([y for s in series for y in s.ys])
    rules = [r.value for r in chart.rules if r.axis == "y" and (r.value > 0 or not chart.y_log)]
    return _Axis.over(ys + _near(rules, ys), log=chart.y_log, n=n)


def _key(s: Series) -> str:
    colour = f"c-{s.colour}"
    if s.mark in ("line", "step"):
        dash = ' stroke-dasharray="5 4"' if s.dashed else ""
        inside = f'<line x1="0" y1="6" x2="22" y2="6" class="line {colour}"{dash}/>'
        return f'<svg width="22" height="12" aria-hidden="true">{inside}</svg>'
    inside = _dot(s.mark, colour, 7, 6, 4.5, "")
    return f'<svg width="14" height="12" aria-hidden="true">{inside}</svg>'


def _dot_key(mark: Mark) -> str:
    inside = _dot(mark, "c-final", 7, 6, 4.5, "")
    return f'<svg width="14" height="12" aria-hidden="true">{inside}</svg>'


def _is_number(given: Any) -> bool:
    return isinstance(given, (int, float)) and math.isfinite(given)


def _line(kind: str, x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(kind: str, x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'
    )


def _finite(s: Series, chart: Chart) -> Series:
    keep = [
        i
        for i, (x, y) in enumerate(zip(s.xs, s.ys, strict=True))
        if math.isfinite(x)
        and math.isfinite(y)
        and (x > 0 or not chart.x_log)
        and (y > 0 or not chart.y_log)
    ]
    tips = [s.tips[i] for i in keep] if s.tips else ()
    return Series(
        s.name,
        [float(s.xs[i]) for i in keep],
        [float(s.ys[i]) for i in keep],
        s.mark,
        s.colour,
        tips,
        s.dashed,
        s.frames,
    )


def _inner(values: Sequence[float]) -> list[float]:
    """The values without stray ones far outside the bulk, which would flatten everything else."""
    ordered = sorted(values)
    if len(ordered) < 8:
        return ordered
    low, high = ordered[len(ordered) // 8], ordered[-1 - len(ordered) // 8]
    reach = 1.0 * (high - low)
    return [v for v in ordered if low - reach <= v <= high + reach]


def _near(rules: Sequence[float], values: Sequence[float]) -> list[float]:
    """The rules close enough to the values to be worth stretching the axis for."""
    low, high = min(values), max(values)
    span = (high - low) or abs(high) or 1.0
    return [r for r in rules if low - 0.6 * span <= r <= high + 0.6 * span]


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    ticks: tuple[float, ...]
    log: bool

    @classmethod
    def over(
        cls, values: Sequence[float], *, log: bool, n: int, whole: bool = False, pad: float = 0.06
    ) -> _Axis:
        low, high = min(values), max(values)
        if log:
            a, b = math.log10(low), math.log10(high)
            if b - a < 0.02:
                a, b = a - 0.15, b + 0.15
            a, b = a - pad * (b - a), b + pad * (b - a)
            return cls(a, b, _log_ticks(a, b, n), True)
        if high - low <= 1e-12 * max(abs(high), 1e-300):
            reach = abs(high) * 0.05 or 1.0
            low, high = low - reach, high + reach
        low, high = low - pad * (high - low), high + pad * (high - low)
        return cls(low, high, _ticks(low, high, n, whole), False)

    def at(self, value: float) -> float:
        """Where a value lies, 0 at the low end and 1 at the high end."""
        v = math.log10(value) if self.log else value
        return (v - self.low) / (self.high - self.low)


@dataclass(frozen=True)
class _Frame:
    left: float
    top: float
    width: float
    height: float
    x_axis: _Axis
    y_axis: _Axis

    def x(self, value: float) -> float:
        return self.left + self.width * min(max(self.x_axis.at(value), -0.0), 1.0)

    def y(self, value: float) -> float:
        return self.top + self.height * (1 - self.y_axis.at(value))

    @property
    def right(self) -> float:
        return self.left + self.width

    @property
    def bottom(self) -> float:
        return self.top + self.height


def _ticks(low: float, high: float, n: int, whole: bool) -> tuple[float, ...]:
    rough = (high - low) / max(n, 1)
    if rough < 1e-300:  # nothing between numbers as close as these
        return (low, high)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(f * power for f in (1, 2, 2.5, 5, 10) if f * power >= rough * 0.999)
    if whole:
        step = max(1.0, float(round(step)))
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return tuple(float(f"{i * step:.10g}") for i in range(first, last + 1)) or (low, high)


def _log_ticks(a: float, b: float, n: int) -> tuple[float, ...]:
    for factors in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7), tuple(range(1, 10))):
        exponents = range(math.floor(a), math.ceil(b) + 1)
        ticks = [f * 10.0**e for e in exponents for f in factors]
        inside = [t for t in ticks if t > 0 and a <= math.log10(t) <= b]
        if len(inside) >= min(4, n):
            return tuple(inside)
    return _ticks(10**a, 10**b, n, False)


def _grid(f: _Frame, chart: Chart, height: int) -> str:
    parts = []
    for tick in f.y_axis.ticks:
        y = f.y(tick)
        parts.append(_line("grid", f.left, y, f.right, y))
        parts.append(_text("tick", f.left - 7, y + 4, short(tick), "end"))
    for tick in f.x_axis.ticks:
        x = f.x(tick)
        parts.append(_line("notch", x, f.bottom, x, f.bottom + 4))
        parts.append(_text("tick", x, f.bottom + 17, short(tick), "middle"))
    parts.append(_line("axis", f.left, f.bottom, f.right, f.bottom))
    middle_x, middle_y = f.left + f.width / 2, f.top + f.height / 2
    parts.append(_text("label", middle_x, height - 6, chart.x_label, "middle"))
    parts.append(
        f'<text class="label" transform="translate(12 {middle_y:.1f}) rotate(-90)" '
        f'text-anchor="middle">{escape(chart.y_label)}</text>'
    )
    return "".join(parts)


def _rule(rule: Rule, f: _Frame) -> str:
    axis = f.x_axis if rule.axis == "x" else f.y_axis
    if (axis.log and rule.value <= 0) or not 0 <= axis.at(rule.value) <= 1:
        return ""
    if rule.axis == "x":
        x = f.x(rule.value)
        # The text stands on the side where there is room.
        side, anchor = (x - 5, "end") if x > f.left + f.width / 2 else (x + 5, "start")
        line = _line("rule", x, f.top, x, f.bottom)
        return line + _text("rule-text", side, f.bottom - 7, rule.text, anchor)
    y = f.y(rule.value)
    line = _line("rule", f.left, y, f.right, y)
    return line + _text("rule-text", f.right - 4, y - 5, rule.text, "end")


def _marks(s: Series, f: _Frame) -> str:
    if s.mark in ("line", "step"):
        return _path(s, f)
    radius = {"dots": 3.2, "rings": 4.5, "diamonds": 6.0}[s.mark]
    parts = []
    for i, (x, y) in enumerate(zip(s.xs, s.ys, strict=True)):
        tip = f"<title>{escape(s.tips[i])}</title>" if s.tips else ""
        at = f.y_axis.at(y)
        if -0.001 <= at <= 1.001:
            parts.append(_dot(s.mark, f"c-{s.colour}", f.x(x), f.y(y), radius, tip))
            continue
        # Beyond the axis: an arrow at the edge, so that nothing is silently left out.
        edge, way = (f.bottom, 1) if at < 0 else (f.top, -1)
        px = f.x(x)
        back = edge - way * 6
        points = f"{px - 4:.1f},{back:.1f} {px + 4:.1f},{back:.1f} {px:.1f},{edge:.1f}"
        parts.append(f'<polygon class="beyond c-{s.colour}" points="{points}">{tip}</polygon>')
    return "<g>" + "".join(parts) + "</g>"


def _dot(mark: Mark, colour: str, x: float, y: float, r: float, tip: str) -> str:
    if mark == "diamonds":
        points = f"{x:.1f},{y - r:.1f} {x + r:.1f},{y:.1f} {x:.1f},{y + r:.1f} {x - r:.1f},{y:.1f}"
        return f'<polygon class="mark {colour}" points="{points}">{tip}</polygon>'
    kind = "ring" if mark == "rings" else "dot"
    return f'<circle class="{kind} {colour}" cx="{x:.1f}" cy="{y:.1f}" r="{r:g}">{tip}</circle>'


def _path(s: Series, f: _Frame) -> str:
    commands = []
    for i, (x, y) in enumerate(zip(s.xs, s.ys, strict=True)):
        px, py = f.x(x), min(max(f.y(y), f.top), f.bottom)
        if s.mark == "step" and i:
            commands.append(f"H{px:.1f}V{py:.1f}")
        else:
            commands.append(f"{'L' if i else 'M'}{px:.1f} {py:.1f}")
    dash = ' stroke-dasharray="6 4"' if s.dashed else ""
    title = f"<title>{escape(s.name)}</title>" if s.name else ""
    return f'<path class="line c-{s.colour}"{dash} d="{"".join(commands)}">{title}</path>'
