"""The report: one HTML file that needs nothing else, neither a network nor a script."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from functools import cache
from html import escape as _escape
from importlib import resources
from pathlib import Path
from typing import Any

from archwright._version import __version__
from archwright.errors import InputError
from archwright.report import charts, facts, figures
from archwright.report.charts import Chart
from archwright.report.citations import proxy_methods, recipe_methods, references
from archwright.report.drawing import network
from archwright.report.funnel import doubt_about, funnel, rows_of, stages_of
from archwright.report.importance import DecisionEffect, importance
from archwright.report.numbers import TIMES, amount, duration, label, short, split_unit
from archwright.report.trajectory import course_of, in_words, n_hidden, small_multiples
from archwright.report.trajectory import legend as course_legend
from archwright.trials import Result, Trial

MAX_ROWS = 150
"""Rows of the table of trials; the run's folder holds them all."""

_PHASE_COLOURS = ("best", "final", "random", "front", "base", "trial", "out")
_ARCH = (
    '<svg width="20" height="20" viewBox="0 0 20 20" fill="none" stroke="currentColor" '
    'stroke-width="2.2" aria-hidden="true"><path d="M3 18V10a7 7 0 0 1 14 0v8"/>'
    '<path d="M7.5 18v-7.5a2.5 2.5 0 0 1 5 0V18" stroke-width="1.6"/></svg>'
)


def write_report(result: Result, path: str | Path = "report.html") -> Path:
    """Write the report of a search: one self-contained HTML file.

    Args:
        result: what `archwright.runs` or `archwright.load` returned. `Result.info` may hold
            what only the search knows: ``task``, ``space``, ``strategy``, ``seed``, ``command``,
            ``stopped``, ``seconds`` and ``*_seconds`` by phase, ``workers``, ``versions``,
            ``machine``, ``notes``, ``not_tried``, ``recipe``, ``random_line`` with
            ``random_note``, ``references``. What is absent is left out.
        path: the file to write, or a folder, which gets ``report.html``. A file that is there is
            replaced, at once: a reader never sees half a report.

    Returns:
        The path written to.

    Raises:
        InputError: the place cannot be written to.

    Example:
        >>> import tempfile
        >>> from archwright.space import Choice, Space
        >>> from archwright.trials import History, Objective, Result, Trial
        >>> space = Space({"width": Choice((16, 32))})
        >>> trial = Trial(0, space.default, metrics={"accuracy": 0.5})
        >>> result = Result(History(space, Objective.of(maximize="accuracy"), [trial]))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_report(result, folder).name
        'report.html'
    """
    target = Path(path)
    with suppress(OSError):  # a name that is too long is told below
        target = target / "report.html" if target.is_dir() else target
    text = render(result)
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Names of files may hold what is no text (surrogates): a question mark stands for it.
        beside.write_text(text, encoding="utf-8", errors="replace")
        beside.replace(target)
    except (OSError, ValueError) as error:
        with suppress(OSError, ValueError):
            beside.unlink(missing_ok=True)
        raise InputError(
            f"the report cannot be written to {target}: {getattr(error, 'strerror', None) or error}"
            "; give another path"
        ) from error
    return target


def render(result: Result) -> str:
    """The report as HTML text."""
    sections = [
        ("summary", "Summary", _summary(result)),
        ("found", "What was searched and found", _found(result)),
        ("baselines", "Against the baselines", _baselines(result)),
        ("network", "The network", _network(result)),
        ("search", "The search", _search(result)),
        ("stages", "The stages of the cascade", _stages(result)),
        ("course", "How the choices came about", _course(result)),
        ("front", "Trade-offs", _front(result)),
        ("curves", "Learning curves", _curves(result)),
        ("decisions", "Which decisions mattered", _decisions(result)),
        ("trials", "Trials", _trials(result)),
        ("cost", "Cost of the search", _cost(result)),
        ("failures", "Failures", _failures(result)),
        ("again", "How to get this again", _again(result)),
        ("references", "References", _references(result)),
    ]
    shown = [(key, title, body) for key, title, body in sections if body]
    links = "".join(f'<a href="#{key}">{escape(title)}</a>' for key, title, _ in shown[1:])
    body = "".join(
        f'<section id="{key}"><h2>{escape(title)}</h2>{inside}</section>'
        for key, title, inside in shown
    )
    name = escape(facts.subject(result))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>{name} - Archwright report</title><style>{_asset('page.css')}</style></head><body>"
        f'<header><div class="brand">{_ARCH}Archwright {escape(__version__)} · architecture search'
        f' report</div><h1>{name}</h1><p class="lead">{_lead(result)}</p><nav>{links}</nav>'
        "</header>"
        f"<main>{body}</main><footer>Written by Archwright {escape(__version__)} on "
        f"{datetime.now().astimezone():%Y-%m-%d %H:%M}. Selection used validation data only; test "
        "data was read once, at the end.</footer>"
        f"<script>{_asset('page.js')}</script></body></html>\n"
    )


def escape(text: object) -> str:
    """Text for HTML; characters that no HTML document may hold are replaced."""
    clean = "".join(c if c >= " " or c in "\n\t" else "�" for c in str(text))
    # A lone surrogate (a file name in an unknown encoding) cannot be written as UTF-8.
    return _escape(clean.encode("utf-8", "replace").decode("utf-8"))


@cache
def _asset(name: str) -> str:
    return resources.files("archwright.report").joinpath(name).read_text(encoding="utf-8")


# ---------------------------------------------------------------- sections


def _lead(result: Result) -> str:
    n = facts.counts(result)
    text = (
        f"{facts.strategy_title(result)} over {facts.space_name(result)} "
        f"({facts.size_text(result)}) to {facts.objective_text(result)}: {n.text()}"
    )
    seconds = result.info.get("seconds")
    if isinstance(seconds, (int, float)):
        text += f" in {duration(seconds)}"
    text += f", seed {result.info.get('seed', 'unknown')}."
    return escape(text[0].upper() + text[1:])


def _summary(result: Result) -> str:
    goal, best = result.objective.primary, facts.winner(result)
    if best is None:
        return _say("Nothing was found: " + facts.nothing_text(result), "behind") + _missing(result)
    final = result.finals[0] if result.finals else None
    mine = facts.value(best, goal.metric)
    if final is not None and final.test:
        metric = goal.metric if goal.metric in final.test else next(iter(final.test))
        head, figure = f"Test {label(metric)}", amount(metric, final.test[metric])
        if final.interval is not None:
            low, high = (amount(metric, bound) for bound in final.interval)
            under = f"95 % interval {low} to {high}"
        else:
            under = "no interval was computed"
        under += f"; measured once, on data never used before. Trained on {final.trained_on}."
    else:
        head = f"Validation {label(goal.metric)}"
        figure = "-" if mine is None else amount(goal.metric, mine)
        under = "Chosen on this figure, so it flatters. " + (
            "There was no test data."
            if final is not None
            else "The network was not trained anew and not tested."
        )
    tiles: list[tuple[str, str]] = []
    if final is not None and final.test and mine is not None:
        tiles.append(
            (
                amount(goal.metric, mine),
                f"validation {label(goal.metric)}, after a trial's short training",
            )
        )
    costs = facts.found_costs(result)
    tiles += [(amount(k, costs[k]), split_unit(k)[0]) for k in _cost_order(costs) if k != "macs"]
    tiles += [
        (amount(k, v), f"test {split_unit(k)[0]}")
        for k, v in list((final.test or {}).items() if final else ())[:4]
        if k != goal.metric
    ]
    seconds = result.info.get("seconds")
    if isinstance(seconds, (int, float)):
        tiles.append((duration(seconds), "the whole run"))
    tiles.append((f"{facts.counts(result).evaluated:,}", "trials evaluated"))
    drawn = "".join(
        f'<div class="tile"><b>{escape(a)}</b><span>{escape(b)}</span></div>' for a, b in tiles
    )
    verdict = facts.verdict(result)
    lines = [_say(verdict.text, verdict.kind)] if facts.baselines(result) else []
    against_default = facts.default_verdict(result)
    if against_default:
        kind = "ahead" if " is better than " in against_default else "behind"
        lines.append(_say(against_default, kind))
    against_random = facts.random_verdict(result)
    if against_random:
        kind = "behind" if against_random.endswith("than random search.") else ""
        kind = "even" if against_random.endswith(("make a difference.", "nothing.")) else kind
        lines.append(_say(against_random, kind))
    cheaper = facts.low_fidelity(result)
    lines += [_say(cheaper)] if cheaper else []
    for note in (*_sentences(result.info.get("notes")), *(final.notes if final else ())):
        lines.append(_say(note))
    return (
        f'<div class="hero"><div><div class="what">{escape(head)}</div>'
        f'<div class="big">{escape(figure)}</div><div class="what">{escape(under)}</div></div>'
        f'<div class="tiles">{drawn}</div></div>'
        f"{''.join(lines)}{_missing(result)}"
    )


def _missing(result: Result) -> str:
    items = "".join(f"<li>{escape(s)}</li>" for s in facts.not_tried(result))
    return f'<div class="missing"><h3>What was not tried</h3><ul class="tight">{items}</ul></div>'


def _found(result: Result) -> str:
    n = facts.counts(result)
    rows: list[tuple[str, str]] = []
    data = facts.data_text(result)
    if data:
        rows.append(("Data", escape(data)))
    rows.append(("Goal", escape(facts.objective_text(result))))
    rows.append(("Space", escape(f"{facts.space_name(result)}: {facts.size_text(result)}")))
    rows.append(("Strategy", escape(facts.strategy_title(result))))
    recipe = facts.info_mapping(result, "recipe")
    if recipe:
        rows.append(
            ("Training", escape(", ".join(f"{k.replace('_', ' ')} {v}" for k, v in recipe.items())))
        )
    rows.append(("Trials", escape(n.text())))
    if result.info.get("stopped"):
        rows.append(("Ended", escape(result.info["stopped"])))
    body = _list(rows)
    best = facts.winner(result)
    if best is not None:
        default = result.space.default
        cells = []
        for path, chosen in best.architecture.items():
            usual = default.get(path)
            differs = path not in default or usual != chosen
            mark = f"default {_value(usual)}" if path in default and differs else ""
            cells.append(
                f'<tr><td class="mono">{escape(path)}</td><td>{"<b>" if differs else ""}'
                f"{escape(_value(chosen))}{'</b>' if differs else ''}</td>"
                f'<td class="note">{escape(mark)}</td></tr>'
            )
        table = (
            '<div class="scroll"><table><thead><tr><th>Decision</th><th>Found</th><th></th></tr>'
            f"</thead><tbody>{''.join(cells)}</tbody></table></div>"
        )
        body += (
            f"<h3>The found architecture, trial {best.number} ({escape(best.origin)}), "
            f"id {best.architecture.id[:12]}</h3>"
        )
        body += _details(f"{len(cells)} decisions", table) if len(cells) > 14 else table
    if len(result.finals) > 1:
        body += "<h3>Networks trained anew</h3>" + _finals_table(result)
    return body + _space_tree(result)


def _space_tree(result: Result) -> str:
    try:
        text = result.space.describe()
    except Exception:
        # A report of a finished search must not fail for a description.
        return ""
    if len(text) > 12_000:
        text = text[:12_000] + "\n..."
    return _details("The whole space", f"<pre>{escape(text)}</pre>")


def _finals_table(result: Result) -> str:
    tests = dict.fromkeys(k for f in result.finals for k in (f.test or {}))
    costs = _cost_order({k: 0.0 for f in result.finals for k in f.costs})
    head = (
        [("Trial", "n")]
        + [(f"test {label(k)}", "n") for k in tests]
        + [(label(k), "n") for k in costs]
    )
    head += [("epochs", "n"), ("training", "n")]
    rows = []
    for i, f in enumerate(result.finals):
        cells = [_cell(str(f.trial), f.trial)]
        cells += [_number(k, (f.test or {}).get(k)) for k in tests]
        cells += [_number(k, f.costs.get(k)) for k in costs]
        cells += [_cell(str(f.n_epochs), f.n_epochs), _cell(duration(f.seconds), f.seconds)]
        rows.append(f'<tr class="{"win" if i == 0 else ""}">{"".join(cells)}</tr>')
    return _table(head, rows)


def _baselines(result: Result) -> str:
    rivals = facts.baselines(result)
    if not rivals:
        return ""
    goal, best = result.objective.primary, facts.winner(result)
    final = result.finals[0] if result.finals else None
    rows: list[dict[str, Any]] = []
    if best is not None:
        rows.append(
            {
                "name": "the found network",
                "validation": facts.value(best, goal.metric),
                "test": (final.test or {}).get(goal.metric) if final else None,
                "interval": final.interval if final else None,
                "seconds": (final.seconds if final else 0.0),
                "mine": True,
            }
        )
    for b in rivals:
        rows.append(
            {
                "name": b.name,
                "validation": b.validation.get(goal.metric),
                "test": (b.test or {}).get(goal.metric),
                "interval": None,
                "seconds": b.seconds,
                "mine": False,
            }
        )
    sign = -1 if goal.maximize else 1
    rows.sort(key=lambda r: _rank(r, sign))
    drawn = _both_widths(lambda width: charts.dot_rows(rows, f"{label(goal.metric)}", width))
    lines = [
        f'<tr class="{"win" if r["mine"] else ""}"><td>{escape(r["name"])}</td>'
        f"{_number(goal.metric, r['validation'])}{_number(goal.metric, r['test'])}"
        f"{_cell(duration(r['seconds']) if r['seconds'] else '', r['seconds'])}</tr>"
        for r in rows
    ]
    head = [
        ("", ""),
        (f"validation {label(goal.metric)}", "n"),
        (f"test {label(goal.metric)}", "n"),
        ("training", "n"),
    ]
    verdict = facts.verdict(result)
    note = (
        "The search chose by the validation figure, so for the found network it flatters; the test "
        "figure does not. Baselines get the same data; the default network had the short training "
        "of a trial, and no test."
    )
    said = _say(verdict.text, verdict.kind) if result.baselines else ""
    return said + drawn + _table(head, lines) + _note(note)


def _rank(row: Mapping[str, Any], sign: int) -> float:
    for key in ("test", "validation"):
        if row[key] is not None and math.isfinite(row[key]):
            return sign * float(row[key])
    return math.inf


def _network(result: Result) -> str:
    final = next((f for f in result.finals if f.graph), None)
    if final is None or final.graph is None:
        return ""
    drawings = network(final.graph)
    if not drawings:
        return ""
    narrow = dict(network(final.graph, width=None))
    costs = facts.found_costs(result)
    facts_line = ", ".join(f"{amount(k, costs[k])} {split_unit(k)[0]}" for k in _cost_order(costs))
    panels = [
        (
            name,
            f'<div class="drawing wide-only">{drawing}</div>'
            f'<div class="drawing narrow">{narrow[name]}</div>',
        )
        for name, drawing in drawings
    ]
    note = (
        "Boxes read from top to bottom; a convolution, its normalisation and its activation share "
        "a box. Sizes are those of one example without the batch."
    )
    tail = _details("Every layer as a table", _layers_table(final.graph))
    return _note(facts_line) + _tabs("net", panels) + _note(note) + tail


def _layers_table(graph: Mapping[str, Any]) -> str:
    rows = []
    for node in list(graph.get("nodes", ()))[:600]:
        shape = node.get("shape")
        text = (
            f" {TIMES} ".join(str(s) for s in shape)
            if isinstance(shape, (list, tuple))
            else (shape or "")
        )
        params, flops = node.get("params") or 0, node.get("flops") or 0
        rows.append(
            f'<tr><td class="mono">{escape(node.get("name") or "")}</td>'
            f"<td>{escape(node.get('label') or '')}</td><td>{escape(text)}</td>"
            f"{_cell(f'{params:,.0f}' if params else '', params)}"
            f"{_cell(short(flops) if flops else '', flops)}</tr>"
        )
    head = [("Layer", ""), ("", ""), ("Output", ""), ("Parameters", "n"), ("FLOPs", "n")]
    return _table(head, rows)


def _search(result: Result) -> str:
    by_trial, by_time = figures.over_trials(result), figures.over_time(result)
    if by_trial is None:
        return ""
    panels = [("By trials", _chart(by_trial))]
    if by_time is not None:
        panels.append(("By time", _chart(by_time)))
    line = facts.random_line(result)
    if line is None:
        note = (
            "No random-search line: random search was not run beside this one, and fewer than "
            "three trials were drawn at random."
        )
    else:
        note = f"Random-search line: {line.note}."
    n = facts.counts(result)
    if n.evaluated > figures.MAX_POINTS:
        note += f" {figures.MAX_POINTS} of {n.evaluated:,} points are drawn, evenly spread."
    against_random = facts.random_verdict(result)
    said = f"<p>{escape(against_random)}</p>" if against_random else ""
    return said + _tabs("time", panels) + _note(note)


def _stages(result: Result) -> str:
    stages = stages_of(result)
    if not stages:
        return ""
    head = [("Stage", ""), ("came in", "n"), ("went on", "n"), ("time", "n")]
    head += [("rank correlation with the next training", "n"), ("", "")]
    rows = [
        f"<tr><td>{escape(name)}</td>"
        + "".join(f'<td class="n">{escape(text)}</td>' for text in texts)
        + f'<td class="note">{escape(note)}</td></tr>'
        for name, *texts, note in rows_of(stages)
    ]
    doubt = doubt_about(stages)
    return (
        _both_widths(lambda width: funnel(stages, width))
        + (_say(doubt, "behind") if doubt else "")
        + _table(head, rows)
        + _note(
            "Sums over all rounds. The first row is what was drawn, repetitions and what breaks a "
            "limit included; reserves and networks that did not come from a pool (the default one) "
            "make the numbers of neighbouring rows differ. "
            "Lengths are logarithmic; the dark part went on to the next stage. The correlation is "
            "Spearman's, of what both stages judged: what went on was chosen, so it is lower than "
            "among all. Some of the trained were drawn at random, so that cheap stages can be "
            "judged too."
        )
    )


def _course(result: Result) -> str:
    course = course_of(result)
    if course is None:
        return ""
    hidden = n_hidden(course)
    more = f" {hidden} decisions that moved less are not drawn." if hidden else ""
    return (
        f"<p>{escape(in_words(course))}</p>"
        + course_legend(course)
        + _both_widths(lambda width: small_multiples(course, width))
        + _note(
            "The probability of each option over the epochs, from 0 at the bottom to 1; the "
            "decisions that moved most come first." + more
        )
    )


def _front(result: Result) -> str:
    metrics = [goal.metric for goal in result.objective.goals[1:]]
    if not metrics:
        axis = figures.front_axis(result)
        metrics = [axis] if axis else []
    panels = []
    for metric in metrics[:3]:
        chart = figures.front(result, metric)
        if chart is not None:
            panels.append((label(metric), _chart(chart)))
    if not panels:
        return ""
    front = result.front if len(result.objective.goals) > 1 else []
    tail = ""
    if len(front) > 1:
        goals = [g.metric for g in result.objective.goals]
        rows = [
            f'<tr class="{"win" if i == 0 else ""}">{_cell(str(t.number), t.number)}'
            + "".join(_number(g, facts.value(t, g)) for g in goals)
            + f'<td class="mono">{escape(t.architecture.id[:12])}</td></tr>'
            for i, t in enumerate(front[:40])
        ]
        head = [("Trial", "n"), *[(label(g), "n") for g in goals], ("architecture", "")]
        more = f" The first 40 of {len(front)} are listed." if len(front) > 40 else ""
        tail = (
            f"<h3>The front: {len(front)} networks that no other beats in every goal</h3>"
            f"{_table(head, rows)}"
            + _note(f"archwright export RUN --trial N trains and exports any of them.{more}")
        )
    return _tabs("front", panels) + tail


def _curves(result: Result) -> str:
    drawn = figures.curves(result)
    if not drawn:
        return ""
    if len(drawn) == 1:
        return _chart(drawn[0])
    cells = "".join(f"<div>{_chart(c, wide=500)}</div>" for c in drawn)
    return f'<div class="two">{cells}</div>'


def _decisions(result: Result) -> str:
    found = importance(result)
    if not found.decisions:
        return _note(found.note)
    metric = result.objective.primary.metric
    top = found.decisions[0].importance or 1.0
    shown = [d for d in found.decisions if d.importance >= 0.005][:20]
    rows = [
        f'<tr><td class="mono">{escape(d.path)}</td><td class="n">{100 * d.importance:.0f} %</td>'
        f'<td><div class="bar"><i style="width:{100 * d.importance / top:.1f}%"></i></div></td>'
        f"<td>{escape('not used' if d.chosen is None else _value(d.chosen))}</td>"
        f'<td class="wide">{_effects(d, metric)}</td></tr>'
        for d in shown
    ]
    head = [
        ("Decision", ""),
        ("Share", "n"),
        ("", ""),
        ("Found", ""),
        (f"Values: median {label(metric)} (trials)", ""),
    ]
    rest = len(found.decisions) - len(shown)
    more = f" {rest} more decision{'s' if rest != 1 else ''} mattered less." if rest else ""
    return _table(head, rows) + _note(found.note + more)


def _effects(decision: DecisionEffect, metric: str) -> str:
    if not decision.values:
        return '<span class="note">many values</span>'
    parts = [
        f"<b>{escape(_value(e.value))}</b>&nbsp;{escape(amount(metric, e.median))}&nbsp;"
        f'<span class="note">({e.n_trials})</span>'
        for e in decision.values[:6]
    ]
    more = len(decision.values) - 6
    return " · ".join(parts) + (f' · <span class="note">{more} more</span>' if more > 0 else "")


def _trials(result: Result) -> str:
    if not result.trials:
        return ""
    metrics = list(result.objective.metrics)
    metrics += [
        k
        for k in ("params", "flops", "latency_ms")
        if k not in metrics and any(k in t.metrics for t in result.trials[:50])
    ]
    shown = _chosen_rows(result)
    best = facts.winner(result)
    rows = []
    for t in shown:
        cells = [_cell(str(t.number), t.number)]
        why = t.error or t.note
        why = f' title="{escape(facts.last_line(why))}"' if why else ""
        cells.append(f'<td><span class="pill {t.state}"{why}>{t.state}</span></td>')
        cells += [_number(m, facts.value(t, m)) for m in metrics]
        cells.append(_cell(duration(t.seconds) if t.seconds else "", t.seconds or ""))
        cells.append(f"<td>{escape(facts.origin_of(result, t))}</td>")
        decisions = ", ".join(f"{k} = {_value(v)}" for k, v in t.architecture.items())
        if len(decisions) > 60:
            decisions = (
                f"<details><summary>{len(t.architecture)} decisions</summary>"
                f'<span class="mono">{escape(decisions)}</span></details>'
            )
        else:
            decisions = f'<span class="mono">{escape(decisions)}</span>'
        cells.append(f'<td class="wide">{decisions}</td>')
        rows.append(f'<tr class="{"win" if t is best else ""}">{"".join(cells)}</tr>')
    head = [("Trial", "n"), ("State", "")] + [(label(m), "n") for m in metrics]
    head += [("Took", "n"), ("Origin", ""), ("Architecture", "")]
    n = len(result.trials)
    note = ""
    if len(shown) < n:
        note = _note(
            f"{len(shown)} of {n:,} trials: the best, then the newest of the others. "
            "archwright.load(folder).frame() gives all of them."
        )
    return note + f'<div class="tall">{_table(head, rows, sortable=True)}</div>'


def _chosen_rows(result: Result) -> list[Trial]:
    goal = result.objective.primary

    def score(t: Trial) -> float:
        v = facts.value(t, goal.metric)
        return -math.inf if v is None else v if goal.maximize else -v

    good = sorted(result.history.complete, key=score, reverse=True)
    keep = {id(t) for t in good}
    rest = [t for t in result.trials if id(t) not in keep]
    n_rest = min(len(rest), max(30, MAX_ROWS - len(good)))
    return good[: MAX_ROWS - n_rest] + (rest[-n_rest:] if n_rest else [])


def _cost(result: Result) -> str:
    found = facts.phases(result)
    rows: list[tuple[str, str]] = []
    seconds = result.info.get("seconds")
    if isinstance(seconds, (int, float)):
        rows.append(("Whole run", duration(seconds)))
    done = [t for _, t in facts.evaluated(result)]
    spent = sum(t.seconds for t in done)
    if spent:
        rows.append(
            (
                "Evaluations",
                f"{duration(spent)} over all workers, {duration(spent / len(done))} each",
            )
        )
    searching = dict(found).get("search")
    if searching and done:
        rows.append(("Rate", f"{60 * len(done) / searching:.3g} trials a minute"))
    if rows:
        rows.append(("Workers", str(facts.n_workers(result))))
    if facts.allowed(result):
        rows.append(("Allowed", " and ".join(facts.allowed(result))))
    if not rows and not found:
        return ""
    bar = ""
    total = sum(s for _, s in found)
    if len(found) > 1 and total > 0:
        pieces, keys = [], []
        for i, (name, s) in enumerate(found):
            colour = _PHASE_COLOURS[i % len(_PHASE_COLOURS)]
            style = f"background:var(--{colour})"
            pieces.append(f'<i style="width:{100 * s / total:.2f}%;{style}"></i>')
            keys.append(
                f'<span class="key"><span class="sw" style="{style}"></span>{escape(name)} '
                f"{escape(duration(s))} ({100 * s / total:.0f} %)</span>"
            )
        bar = f'<div class="stackbar">{"".join(pieces)}</div>'
        bar += f'<div class="legend">{"".join(keys)}</div>'
    return bar + _list([(a, escape(b)) for a, b in rows])


def _failures(result: Result) -> str:
    broken, failed = facts.limits_broken(result), facts.failures(result)
    if not broken and not failed:
        return ""
    parts = []
    if failed:
        n = sum(len(f.numbers) for f in failed)
        total = facts.counts(result).evaluated
        parts.append(f"<p>{n} of {total:,} evaluations failed; the search went on.</p>")
    for f in failed[:20]:
        numbers = ", ".join(str(k) for k in f.numbers[:12])
        numbers += " …" if len(f.numbers) > 12 else ""
        detail = f.detail
        if len(detail) > 4000:
            detail = f"{detail[:1500]}\n…\n{detail[-2400:]}"
        more = f"<pre>{escape(detail)}</pre>" if detail != f.message else ""
        inside = _note(f"trials {numbers}") + more
        parts.append(_details(f"{len(f.numbers)} {TIMES} {f.message[:300]}", inside))
    if broken:
        items = "".join(
            f"<li>{n:,} architecture{'s' if n != 1 else ''} broke {escape(limit)}</li>"
            for limit, n in broken
        )
        parts.append(
            f'<h3>Turned away by a limit, before any training</h3><ul class="tight">{items}</ul>'
        )
    return "".join(parts)


def _again(result: Result) -> str:
    parts = []
    command = result.info.get("command")
    if command:
        parts.append(f"<h3>Command</h3><pre>{escape(command)}</pre>")
    rows = [("Seed", escape(result.info.get("seed", "unknown")))]
    if facts.n_workers(result) > 1:
        rows.append(
            (
                "Repeatable",
                "not to the last trial: with several workers the order in which trials end varies",
            )
        )
    elif result.info.get("seconds_asked"):
        rows.append(("Repeatable", "a budget of time ends at another trial on another machine"))
    machine = result.info.get("machine")
    if machine:
        text = (
            "; ".join(
                f"{k.replace('_', ' ')} {v}"
                for k, v in facts.info_mapping(result, "machine").items()
            )
            if isinstance(machine, Mapping)
            else str(machine)
        )
        rows.append(("Machine", escape(text)))
    versions = facts.info_mapping(result, "versions")
    if versions:
        rows.append(("Versions", escape(", ".join(f"{k} {v}" for k, v in versions.items()))))
    if result.folder is not None:
        rows.append(("Folder", f"<code>{escape(result.folder)}</code>"))
    parts.append(_list(rows))
    final = result.finals[0] if result.finals else None
    if final is not None and final.folder:
        folder = escape((result.folder or Path()) / final.folder)
        parts.append(
            "<h3>Use the network</h3>"
            f"<pre>archwright predict {folder} NEW_DATA --out predictions.csv</pre>"
            + _note(
                "Or open README.md in that folder: it holds an ONNX file, a torch.export file and "
                "plain PyTorch source that does not need Archwright."
            )
        )
    return "".join(parts)


def _references(result: Result) -> str:
    given = result.info.get("references")
    entries: list[dict[str, str]] = []
    for item in given if isinstance(given, (list, tuple)) else ():
        if isinstance(item, Mapping) and item.get("text"):
            entries.append({k: str(item.get(k, "")) for k in ("key", "text", "url")})
    if not entries:
        names = [str(result.info.get("strategy", "")), str(result.info.get("space", ""))]
        recipe = result.info.get("recipe")
        names += recipe_methods(recipe) if isinstance(recipe, Mapping) else []
        names += proxy_methods(
            result.info, dict.fromkeys(m for t in result.trials for m in t.metrics)
        )
        entries = [r.to_dict() for r in references(*names)]
    line = facts.random_line(result)
    extra = (["random"] if line is not None else []) + ["importance", "optuna", "pytorch"]
    if result.baselines:
        extra.append("scikit-learn")
    known = {e["key"] for e in entries}
    entries += [r.to_dict() for r in references(*extra) if r.key not in known]
    items = "".join(f"<li>{_reference(e['text'], e.get('url', ''))}</li>" for e in entries)
    return f'<ol class="refs">{items}</ol>'


def _reference(text: str, url: str) -> str:
    """A reference with a link: its arXiv identifier, else its address at the end."""
    linked, n = re.subn(
        r"arXiv:(\d{4}\.\d{4,5})",
        r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>',
        escape(text),
    )
    if n or not url.startswith("https://"):
        return linked
    return f'{linked} <a href="{escape(url)}">{escape(url.removeprefix("https://"))}</a>'


# ---------------------------------------------------------------- small parts


def _say(text: str, kind: str = "") -> str:
    return f'<div class="say {kind}">{escape(text)}</div>'


def _note(text: str) -> str:
    return f'<p class="note">{escape(text)}</p>'


def _details(head: str, body: str) -> str:
    return f"<details><summary>{escape(head)}</summary>{body}</details>"


def _chart(chart: Chart, *, wide: int = 1040) -> str:
    return charts.legend(chart) + _both_widths(
        lambda width: charts.svg(chart, width=width, height=340 if width > 600 else 300), wide
    )


def _both_widths(draw: Callable[[int], str], wide: int = 1040) -> str:
    """A drawing for wide screens and one for telephones, so that its text keeps its size."""
    return f'<div class="wide-only">{draw(wide)}</div><div class="narrow">{draw(370)}</div>'


def _tabs(name: str, panels: Sequence[tuple[str, str]]) -> str:
    if len(panels) == 1:
        return panels[0][1]
    heads = "".join(
        f'<input type="radio" name="{name}" id="{name}{i}"{" checked" if i == 0 else ""}>'
        f'<label for="{name}{i}">{escape(title)}</label>'
        for i, (title, _) in enumerate(panels)
    )
    bodies = "".join(f'<div class="panel">{body}</div>' for _, body in panels)
    return f'<div class="tabs">{heads}{bodies}</div>'


def _table(head: Iterable[tuple[str, str]], rows: Sequence[str], *, sortable: bool = False) -> str:
    cells = "".join(f'<th class="{kind}">{escape(text)}</th>' for text, kind in head)
    kind = ' class="sorts"' if sortable else ""
    return (
        f'<div class="scroll"><table{kind}><thead><tr>{cells}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _cell(text: str, sort_by: object) -> str:
    return f'<td class="n" data-v="{escape(sort_by)}">{escape(text)}</td>'


def _number(metric: str, found: float | None) -> str:
    if found is None or not math.isfinite(found):
        return '<td class="n" data-v=""></td>'
    return _cell(amount(metric, found), found)


def _list(rows: Sequence[tuple[str, str]]) -> str:
    """A list of terms; the texts are HTML already."""
    return "<dl>" + "".join(f"<dt>{escape(a)}</dt><dd>{b}</dd>" for a, b in rows) + "</dl>"


def _cost_order(costs: Mapping[str, float]) -> list[str]:
    first = [k for k in facts.COSTS if k in costs]
    # An interval's bounds and internals belong in the table of costs, not in a summary.
    return first + [k for k in costs if k not in first and k in ("n_layers", "activation_bytes")]


def _sentences(given: Any) -> list[str]:
    if isinstance(given, str):
        return [given]
    return [str(s) for s in given] if isinstance(given, (list, tuple)) else []


def _value(given: Any) -> str:
    if isinstance(given, float):
        return f"{given:.4g}"
    if isinstance(given, (tuple, list)):
        return "{" + ", ".join(str(v) for v in given) + "}"
    return str(given)
