import io

import pytest
from rich.console import Console

from archwright.cli.progress import (
    PlainProgress,
    Progress,
    RichProgress,
    details,
    fraction,
    line,
    reporter,
)

SEARCHING = {
    "phase": "search",
    "done": 42,
    "total": None,
    "elapsed": 60.0,
    "remaining": 120.0,
    "best": 0.98714,
    "metric": "accuracy",
    "front": 5,
    "failed": 2,
    "infeasible": 7,
    "rate": 42.0,
    "message": None,
}


def test_a_line_says_what_matters():
    assert line(SEARCHING) == (
        "searching: 2 min left, 42 trials, best accuracy 0.9871, front 5, 42 a minute, "
        "2 failed, 7 outside the limits"
    )


@pytest.mark.parametrize(
    ("event", "share"),
    [
        ({}, None),
        ({"phase": "search", "done": 30, "total": 60}, 0.5),
        ({"phase": "search", "done": 90, "total": 60}, 1.0),
        ({"phase": "search", "elapsed": 30.0, "remaining": 90.0}, 0.25),
        ({"phase": "final", "done": 60, "total": 60, "elapsed": 10.0, "remaining": 10.0}, 0.5),
        ({"phase": "search", "elapsed": 0.0, "remaining": 0.0}, None),
    ],
)
def test_fractions(event, share):
    assert fraction(event) == share


def test_missing_and_empty_values_do_no_harm():
    for event in ({}, {"phase": "plan"}, {"phase": "new"}, dict.fromkeys(SEARCHING)):
        assert isinstance(line({"phase": "plan", **event}), str)
        assert isinstance(details(event), str)


def test_what_the_search_reached_stays_in_sight():
    progress = Progress()
    progress(SEARCHING)
    final = {**dict.fromkeys(SEARCHING), "phase": "final", "message": "training", "done": 0}
    progress({**final, "best": None, "front": 0, "remaining": 30.0})
    assert details(progress.last) == "30 s left, training, best accuracy 0.9871, front 5, 2 failed"


def test_plain_lines_are_few():
    stream = io.StringIO()
    with PlainProgress(stream, every_seconds=1000) as progress:
        progress({"phase": "plan", "message": "reading"})
        for _ in range(50):
            progress(SEARCHING)
        progress({"phase": "final", "message": "training"})
    assert len(stream.getvalue().splitlines()) == 3


def test_the_live_line_is_one_line():
    stream = io.StringIO()
    console = Console(file=stream, force_terminal=True, width=100)
    with RichProgress(console) as progress:
        progress({"phase": "plan", "message": "reading the data"})
        progress(SEARCHING)
        drawn = io.StringIO()
        Console(file=drawn, width=100).print(progress._draw())
    assert len(drawn.getvalue().splitlines()) == 1
    assert "best accuracy 0.9871" in drawn.getvalue()


def test_a_narrow_terminal_still_has_one_line():
    progress = RichProgress(Console(file=io.StringIO(), force_terminal=True, width=30))
    progress(SEARCHING)
    drawn = io.StringIO()
    Console(file=drawn, width=30).print(progress._draw())
    assert len(drawn.getvalue().splitlines()) == 1


def test_closing_twice_is_fine():
    progress = RichProgress(Console(file=io.StringIO(), force_terminal=True))
    with progress:
        pass
    progress.close()


def test_what_suits(monkeypatch):
    assert type(reporter(quiet=True)) is Progress
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert isinstance(reporter(), PlainProgress)


def test_a_line_that_stays():
    stream = io.StringIO()
    PlainProgress(stream).say("data: people, [red]")
    assert stream.getvalue() == "data: people, [red]\n"
    console = Console(file=io.StringIO(), force_terminal=False, width=60)
    with RichProgress(console) as progress:
        progress.say("data: people, [red]")
    assert "data: people, [red]" in console.file.getvalue()
    assert Progress().say("nothing is shown") is None


def test_what_was_made_of_the_data_is_said():
    from archwright.cli.searching import described
    from archwright.tasks import Task

    assert described(Task.load("iris"))[0] == (
        "data: iris, classification, 3 classes, 90 train / 30 validation / 30 test rows"
    )
