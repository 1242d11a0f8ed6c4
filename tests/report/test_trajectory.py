from xml.dom.minidom import parseString

from archwright.report.page import render
from archwright.report.trajectory import (
    MOST,
    course_of,
    in_words,
    legend,
    moved,
    n_hidden,
    small_multiples,
)
from archwright.space import Choice, Space
from archwright.trials import History, Objective, Result, Trial


def searched(n_decisions=3, n_epochs=5, **last):
    values = ["conv", "<skip>", "pool"]
    epochs = []
    for e in range(n_epochs):
        shares = {}
        for d in range(n_decisions):
            lead = 1 / 3 + (0.6 * e / (n_epochs - 1)) * (d + 1) / n_decisions
            shares[f"cell/{d}"] = [lead, (1 - lead) / 2, (1 - lead) / 2]
        record = {"epoch": e + 1, "entropy": 1.1 - 0.1 * e, "skip_share": 0.1}
        epochs.append({**record, "probabilities": shares})
    epochs[-1] |= last
    course = {
        "method": "darts",
        "stopped": "all epochs are done",
        "values": {f"cell/{d}": values for d in range(n_decisions)},
        "epochs": epochs,
    }
    space = Space({"op": Choice(("conv", "skip"))})
    history = History(space, Objective.of(maximize="accuracy"))
    history.add(Trial(0, space.default, metrics={"accuracy": 0.5}))
    return Result(history, info={"strategy": "darts", "differentiable": course})


def test_each_decision_has_a_line_for_each_option():
    course = course_of(searched())
    for width in (340, 900):
        drawn = parseString(small_multiples(course, width))
        lines = drawn.getElementsByTagName("polyline")
        assert len(lines) == 9
        for line in lines:
            points = [p.split(",") for p in line.getAttribute("points").split()]
            assert len(points) == 5
            assert all(0 <= float(x) <= width for x, _ in points)
    # Upwards on the page is a larger probability.
    first = lines[0].getAttribute("points").split()
    assert float(first[-1].split(",")[1]) < float(first[0].split(",")[1])


def test_what_moved_most_comes_first_and_the_rest_is_counted():
    assert moved(course_of(searched()))[0] == "cell/2"
    course = course_of(searched(n_decisions=MOST + 4))
    assert n_hidden(course) == 4
    assert small_multiples(course, 900).count("<polyline") == 3 * MOST


def test_the_report_has_the_course_of_differentiable_searches_only():
    page = render(searched())
    assert 'id="course"' in page
    assert "&lt;skip&gt;" in page
    assert "<skip>" not in page
    other = searched()
    for broken in (None, {"epochs": "none"}, {"epochs": [{}]}, {"epochs": [None, 1]}):
        other.info["differentiable"] = broken
        assert 'id="course"' not in render(other)


def test_a_collapse_is_said():
    assert "collapse" not in in_words(course_of(searched()))
    text = in_words(course_of(searched(skip_share=0.9, eigenvalue=0.25)))
    assert "90 % of the choices were skip connections: the known collapse" in text
    assert "0.25" in text
    assert "1.10 to 0.70" in text


def test_a_legend_needs_the_same_options_everywhere():
    course = course_of(searched())
    assert legend(course).count("<line") == 3
    del course["values"]["cell/1"]
    assert legend(course) == ""
