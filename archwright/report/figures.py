"""The report's charts, made from a `Result`: what is drawn, not how."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from archwright.report import facts
from archwright.report.charts import Chart, Rule, Series, thin
from archwright.report.numbers import amount, duration, label, split_unit
from archwright.trials import Final, Result, Trial

MAX_POINTS = 450
"""Points drawn of one series; more are thinned evenly, the best and the front are always drawn."""

LONG = 400
"""Evaluations above which the axis of trials is logarithmic."""

_X_KEYS = ("epoch", "step")
_LOSSES = ("train_loss", "loss", "validation_loss", "val_loss")
_COST_AXES = ("params", "flops", "latency_ms", "macs", "size_bytes", "memory_bytes")


def over_trials(result: Result) -> Chart | None:
    """The metric of each evaluated trial, the best so far, and the random-search line."""
    return _progress(result, by_time=False)


def over_time(result: Result) -> Chart | None:
    """The same against the seconds since the search began; None when no times are known."""
    if not any(t.finished > 0 for t in result.trials):
        return None
    return _progress(result, by_time=True)


def _progress(result: Result, *, by_time: bool) -> Chart | None:
    goal = result.objective.primary
    rows = [
        (n, t, v)
        for n, t in facts.evaluated(result)
        if t.state in ("complete", "pruned") and (v := facts.value(t, goal.metric)) is not None
    ]
    if not rows:
        return None
    last_n = max(n for n, _ in facts.evaluated(result))
    end = max(t.finished for t in result.trials)
    unit, scale = _time_unit(end)

    def at(n: int, trial: Trial) -> float:
        return trial.finished / scale if by_time else float(n)

    stopped = [row for row in rows if row[1].state == "pruned"]
    series = []
    for name, chosen, colour in (
        ("a trial", [row for row in rows if row[1].state == "complete"], "trial"),
        ("stopped early", stopped, "out"),
    ):
        kept = [chosen[i] for i in thin(len(chosen), MAX_POINTS)]
        series.append(
            Series(
                name,
                [at(n, t) for n, t, _ in kept],
                [v for _, _, v in kept],
                "dots",
                colour,
                [tip(result, t) for _, t, _ in kept],
                frames=False,
            )
        )
    line = facts.random_line(result)
    if line is not None and not by_time:
        kind = "random search" if line.measured else "random search (estimated)"
        series.append(
            Series(
                kind,
                [n for n, _ in line.points],
                [v for _, v in line.points],
                "line",
                "random",
                dashed=True,
            )
        )
    best = facts.best_so_far(result)
    if best:
        xs = [at(n, t) for n, t in best]
        ys = [t.metrics[goal.metric] for _, t in best]
        series.append(
            Series(
                "best so far",
                [*xs, end / scale if by_time else float(last_n)],
                [*ys, ys[-1]],
                "step",
                "best",
            )
        )
    what = f"time ({unit})" if by_time else "evaluated trials"
    # Most of what happens in a long search happens early.
    log = not by_time and last_n > LONG
    if log:
        what += ", logarithmic"
    return Chart(
        f"Validation {label(goal.metric)} of each trial and the best so far, over {what}",
        what,
        f"validation {label(goal.metric)}",
        series,
        x_log=log,
        y_log=_spread(result, [v for _, _, v in rows]),
        x_whole=not by_time,
    )


def front_axis(result: Result) -> str | None:
    """The metric to draw the primary goal against: the second goal, else a cost that is known."""
    metrics = [goal.metric for goal in result.objective.goals[1:]]
    metrics += [x.metric for x in result.objective.limits] + list(_COST_AXES)
    primary = result.objective.primary.metric
    for metric in metrics:
        if metric == primary:
            continue
        found = {v for t in result.history.complete if (v := facts.value(t, metric)) is not None}
        if len(found) > 1:
            return metric
    return None


def front(result: Result, metric: str) -> Chart | None:
    """The primary goal against another metric, with the front and the limits."""
    goal = result.objective.primary
    inside = [t for t in result.history.complete if _both(t, goal.metric, metric)]
    if not inside:
        return None
    ids = {id(t) for t in inside}
    outside = [
        t
        for t in result.trials
        if id(t) not in ids
        and t.state in ("complete", "infeasible")
        and _both(t, goal.metric, metric)
    ]
    down = _smaller_is_better(result, metric)
    edge = edge_of(inside, metric, goal.metric, smaller=down, maximize=goal.maximize)
    edge_ids = {id(t) for t in edge}
    rest = [t for t in inside if id(t) not in edge_ids]
    series = []
    for name, trials, colour in (("outside a limit", outside, "out"), ("a trial", rest, "trial")):
        kept = [trials[i] for i in thin(len(trials), MAX_POINTS)]
        series.append(_scatter(result, name, kept, metric, "dots", colour, frames=False))
    xs = [t.metrics[metric] for t in edge]
    ys = [t.metrics[goal.metric] for t in edge]
    series.append(Series("", xs, ys, "step" if down else "line", "front"))
    series.append(_scatter(result, "not beaten in both", edge, metric, "dots", "front"))
    best = facts.winner(result)
    if best is not None and _both(best, goal.metric, metric):
        series.append(_scatter(result, "the winner", [best], metric, "diamonds", "best"))
    rules = [
        Rule(bound, facts.limit_text(x), "x" if x.metric == metric else "y")
        for x in result.objective.limits
        if x.metric in (metric, goal.metric)
        for bound in (x.low, x.high)
        if math.isfinite(bound)
    ]
    values = [t.metrics[metric] for t in inside]
    log = min(values) > 0 and max(values) / min(values) > 12
    return Chart(
        f"Validation {label(goal.metric)} against {label(metric)}",
        label(metric) + (", logarithmic" if log else ""),
        f"validation {label(goal.metric)}",
        series,
        rules,
        x_log=log,
        y_log=_spread(result, [t.metrics[goal.metric] for t in inside]),
    )


def edge_of(
    trials: Sequence[Trial], x: str, y: str, *, smaller: bool, maximize: bool
) -> list[Trial]:
    """The trials that none beats in both metrics, in ascending `x`."""
    sx, sy = (1 if smaller else -1), (-1 if maximize else 1)
    found: list[Trial] = []
    lowest = math.inf
    for t in sorted(trials, key=lambda t: (sx * t.metrics[x], sy * t.metrics[y])):
        if sy * t.metrics[y] < lowest:
            lowest = sy * t.metrics[y]
            found.append(t)
    return found if smaller else found[::-1]


def curves(result: Result, *, n_trials: int = 6) -> list[Chart]:
    """Learning curves of the final networks and of the best trials: the metric, then the losses."""
    goal = result.objective.primary
    ranked = sorted(
        (t for t in result.history.complete if len(t.curve) > 1 and facts.comparable(result, t)),
        key=lambda t: (t is facts.winner(result), result.objective.score(t.metrics)),
        reverse=True,
    )[:n_trials]
    finals = [f for f in result.finals if len(f.curve) > 1]
    known = {k for f in finals for p in f.curve for k in p}
    known |= {k for t in ranked for p in t.curve for k in p}
    keys = [k for k in (goal.metric, *_LOSSES) if k in known]
    if not keys:
        skip = {*_X_KEYS, "lr", "seconds", "budget", "time"}
        keys = sorted(known - skip)[:1]
    charts = []
    for key in keys[:3]:
        series = [
            s
            for i, t in enumerate(ranked)
            if (
                s := _curve(
                    f"trial {t.number}" if i == 0 else "", t.curve, key, "trial" if i else "best"
                )
            )
        ]
        if sum(not s.name for s in series):
            first = next(i for i, s in enumerate(series) if not s.name)
            series[first] = _named(series[first], "the next best trials")
        for f in finals[:4]:
            drawn = _curve(_final_name(f, len(finals)), f.curve, key, "final")
            if drawn:
                series.append(drawn)
        if series:
            charts.append(
                Chart(
                    f"{key} over training",
                    _x_key(ranked, finals),
                    label(key),
                    # The faint ones first, so that the winner's lie on top.
                    sorted(series, key=lambda s: ("trial", "best", "final").index(s.colour)),
                )
            )
    return charts


def tip(result: Result, trial: Trial) -> str:
    """What a point says when it is hovered over."""
    goal = result.objective.primary
    lines = [f"trial {trial.number} ({trial.origin})"]
    shown = dict.fromkeys([*result.objective.metrics, goal.metric, *_COST_AXES])
    for metric in list(shown)[:5]:
        v = facts.value(trial, metric)
        if v is not None:
            lines.append(f"{split_unit(metric)[0]} {amount(metric, v)}")
    if trial.seconds:
        lines.append(f"took {duration(trial.seconds)}")
    return "\n".join(lines)


def _scatter(
    result: Result,
    name: str,
    trials: Sequence[Trial],
    metric: str,
    mark: Any,
    colour: str,
    frames: bool = True,
) -> Series:
    y = result.objective.primary.metric
    return Series(
        name,
        [t.metrics[metric] for t in trials],
        [t.metrics[y] for t in trials],
        mark,
        colour,
        [tip(result, t) for t in trials],
        frames=frames,
    )


def _curve(
    name: str, points: Sequence[Mapping[str, float]], key: str, colour: str
) -> Series | None:
    x_key = next((k for k in _X_KEYS if k in points[0]), None)
    found = [
        (float(p[x_key]) if x_key and x_key in p else float(i + 1), float(p[key]))
        for i, p in enumerate(points)
        if key in p and p[key] is not None
    ]
    if len(found) < 2:
        return None
    kept = [found[i] for i in thin(len(found), 200)]
    return Series(name, [x for x, _ in kept], [y for _, y in kept], "line", colour)


def _named(s: Series, name: str) -> Series:
    return Series(name, s.xs, s.ys, s.mark, s.colour, s.tips, s.dashed, s.frames)


def _final_name(final: Final, n: int) -> str:
    name = "final training" if n == 1 else f"final training of trial {final.trial}"
    return f"{name} (on {final.trained_on})"


def _x_key(trials: Sequence[Trial], finals: Sequence[Final]) -> str:
    points = [t.curve[0] for t in trials] + [f.curve[0] for f in finals]
    return next((k for k in _X_KEYS if any(k in p for p in points)), "report")


def _spread(result: Result, values: Sequence[float]) -> bool:
    """Whether a metric that is to be small spans orders of magnitude, as losses do."""
    return (
        not result.objective.primary.maximize and min(values) > 0 and max(values) > 8 * min(values)
    )


def _both(trial: Trial, a: str, b: str) -> bool:
    return facts.value(trial, a) is not None and facts.value(trial, b) is not None


def _smaller_is_better(result: Result, metric: str) -> bool:
    for goal in result.objective.goals:
        if goal.metric == metric:
            return not goal.maximize
    for limit in result.objective.limits:
        if limit.metric == metric:
            return math.isfinite(limit.high)
    return True


def _time_unit(seconds: float) -> tuple[str, float]:
    if seconds >= 2 * 3600:
        return "hours", 3600.0
    return ("minutes", 60.0) if seconds >= 120 else ("seconds", 1.0)
