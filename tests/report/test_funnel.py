from random import Random
from xml.dom.minidom import parseString

from archwright.report.funnel import doubt_about, funnel, rows_of, stages_of
from archwright.report.page import render
from archwright.space import Choice, Space
from archwright.strategies import Cascade, Stage
from archwright.trials import History, Objective, Result, Trial

SPACE = Space({f"d{i}": Choice(range(4)) for i in range(6)})


def searched(n=14, score=lambda a: sum(a.values())):
    cascade = Cascade([Stage(score, keep=0.2), 1 / 3], pool=30)
    history = History(SPACE, Objective.of(maximize="accuracy"), full_budget=9)
    for number in range(n):
        made = cascade.propose(history, Random(number))
        value = {"accuracy": sum(made.architecture.values()) / 20}
        history.add(
            Trial(
                number,
                made.architecture,
                metrics=value,
                budget=made.budget,
                origin=made.origin,
                parent=made.parent,
                continues=made.continues,
                seconds=2.0,
            )
        )
    info = {"strategy": "cascade", "cascade": cascade.record(history)}
    return Result(history, info=info)


def test_the_drawing_says_how_many_came_in_and_went_on():
    stages = stages_of(searched())
    for width in (380, 900):
        drawn = funnel(stages, width)
        bars = parseString(drawn).getElementsByTagName("rect")
        assert len(bars) == 2 * len(stages)
        lengths = [float(bar.getAttribute("width")) for bar in bars]
        assert all(a >= b for a, b in zip(lengths[::2], lengths[1::2], strict=True))
        assert max(lengths) < width
        for stage in stages:
            assert f"{stage['n_in']:,} → {stage['n_out']:,}" in drawn


def test_the_report_has_the_stages_of_a_cascade_only():
    page = render(searched())
    assert 'id="stages"' in page
    assert "a cascade of cheap judgements" in page
    assert "Zero-Cost Proxies for Lightweight NAS" in page
    other = searched()
    del other.info["cascade"]
    assert 'id="stages"' not in render(other)


def test_names_are_escaped_and_odd_records_are_left_out():
    stage = {"name": "<b>", "n_in": 3, "n_out": 1, "seconds": 1.0, "agreement": None}
    assert "&lt;b&gt;" in funnel([stage], 400)
    assert funnel([], 400) == ""
    result = searched()
    for broken in ("text", [None, {"name": "x"}], None):
        result.info["cascade"] = broken
        assert stages_of(result) == []


def test_the_table_shows_agreement_and_what_was_passed_over():
    base = {"n_in": 30, "n_out": 6, "seconds": 65.0}
    rows = rows_of(
        [
            {"name": "a", **base, "agreement": -0.5, "n_agreement": 9, "passed_over": [2, "why"]},
            {"name": "b", **base, "agreement": None, "n_agreement": 0, "passed_over": None},
        ]
    )
    assert rows[0][4:] == ("-0.50 of 9", "passed over 2 times, so that chance cut there: why")
    assert rows[1][4:] == ("-", "")


def test_doubt_needs_enough_of_both():
    low = {"name": "proxies", "agreement": 0.0, "n_agreement": 8}
    assert "proxies" in doubt_about([low])
    assert doubt_about([{**low, "n_agreement": 5}]) is None
    assert doubt_about([{**low, "agreement": 0.6}]) is None
    assert doubt_about([{**low, "agreement": None}]) is None
