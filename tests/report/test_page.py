import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from archwright.errors import InputError
from archwright.report import write_report
from archwright.report.page import render
from archwright.trials import History, Objective, Result
from tests.report import samples

RESULTS = {
    "one goal": samples.mobile_result,
    "two goals": lambda: samples.mobile_result(minimize="flops", limit=None),
    "no finals": lambda: samples.mobile_result(with_final=False),
    "a table": samples.table_result,
    "nothing found": samples.nothing_result,
    "hostile texts": samples.hostile_result,
    "cells": lambda: samples.mobile_result(graph=samples.cell_graph()),
    "no trials": lambda: Result(History(samples.mobile_space(), Objective.of(maximize="a"))),
}
VOID = {"meta", "br", "img", "hr", "input", "link"}


class Checker(HTMLParser):
    """Notes tags that do not nest, and every address."""

    def __init__(self):
        super().__init__()
        self.open, self.problems, self.addresses, self.ids, self.links = [], [], [], [], []
        self.text = []

    def handle_starttag(self, tag, attrs):
        if tag not in VOID:
            self.open.append(tag)
        for key, value in attrs:
            if key in ("src", "data", "srcset", "action", "poster", "xlink:href"):
                self.addresses.append((tag, value))
            if key == "href":
                self.links.append(value)
            if key == "id":
                self.ids.append(value)
            if key.startswith("on"):
                self.problems.append(f"script in {key}")

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        if not self.open or self.open[-1] != tag:
            self.problems.append(f"</{tag}> while {self.open[-3:]}")
        else:
            self.open.pop()

    def handle_data(self, data):
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text.append(data)


@pytest.fixture(scope="module", params=RESULTS)
def page(request):
    return request.param, render(RESULTS[request.param]())


def check(text):
    checker = Checker()
    checker.feed(text)
    checker.close()
    return checker


def test_well_formed(page):
    checker = check(page[1])
    assert checker.problems == []
    assert checker.open == []
    assert len(checker.ids) == len(set(checker.ids))


def test_asks_for_nothing_from_outside(page):
    checker = check(page[1])
    assert checker.addresses == []
    assert all(link.startswith(("#", "https://")) for link in checker.links)
    for link in checker.links:
        assert not link.startswith("#") or link[1:] in checker.ids
    style = re.search(r"<style>(.*?)</style>", page[1], re.DOTALL)[1]
    assert "url(" not in style
    assert "@import" not in style
    script = re.search(r"<script>(.*?)</script>", page[1], re.DOTALL)[1]
    assert "http" not in script
    assert "fetch" not in script


def test_small_and_writable(page):
    assert len(page[1].encode("utf-8")) < 1_000_000


def test_no_python_leaks(page):
    text = " ".join(check(page[1]).text)
    for word in (
        "None",
        "nan",
        "Traceback (most recent call last):\\n",
        "<archwright",
        "object at 0x",
    ):
        assert word not in text


def text_of(result):
    return " ".join(" ".join(check(render(result)).text).split())


def test_what_a_report_says():
    text = text_of(samples.mobile_result())
    for said in (
        "0.9917",
        "95 % interval 0.9760 to 0.9972",
        "What was not tried",
        "k nearest neighbours",
        "call it a draw",
        "random search (estimated)",
        "Which decisions mattered",
        "PED-ANOVA",
        "RuntimeError: mat1 and mat2 shapes",
        "parameters ≤ 50,000",
        "archwright search digits --maximize accuracy --limit params=50k",
        "torch 2.13.0",
        "Regularized Evolution for Image Classifier Architecture Search",
        "MobileNetV2",
        "final training",
    ):
        assert said in text, said


def test_two_goals_show_their_front():
    text = text_of(samples.mobile_result(minimize="flops", limit=None))
    assert "networks that no other beats in every goal" in text
    assert "FLOPs" in text


def test_an_importance_that_cannot_be_computed_says_why():
    assert "say nothing about which decision mattered" in text_of(samples.mobile_result(n=9))


def test_nothing_found_says_so():
    text = text_of(samples.nothing_result())
    assert "keeps the limits" in text
    assert "12 architectures broke parameters ≤ 100" in text


def test_user_texts_are_escaped():
    text = render(samples.hostile_result())
    for raw in ("<script>alert", "<script>1", "<img src=x", "<i>x</i>", "</h1>日本", "<b>note"):
        assert raw not in text
    assert "日本" in text
    assert "\x00" not in text
    assert "\x1b" not in text


def test_thousands_of_trials_are_thinned():
    text = render(samples.table_result())
    assert text.count("<circle") < 3000
    assert "5,000" in text


def test_references_of_the_run_go_first():
    result = samples.mobile_result(references=[{"key": "own1999", "text": "Own. A method. 1999."}])
    text = text_of(result)
    assert "Own. A method. 1999." in text
    assert "Optuna: A Next-generation" in text


def test_writes_into_a_folder_and_replaces(tmp_path):
    result = samples.nothing_result()
    path = write_report(result, tmp_path)
    assert path == tmp_path / "report.html"
    assert write_report(result, path) == path
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
    nested = write_report(result, tmp_path / "a" / "b.html")
    assert nested.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_a_place_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="give another path"):
        write_report(samples.nothing_result(), tmp_path / "file" / "report.html")


def test_a_report_changes_no_global_state():
    import optuna

    level = optuna.logging.get_verbosity()
    render(samples.mobile_result())
    assert optuna.logging.get_verbosity() == level


def test_what_is_no_text_is_a_question_mark(tmp_path):
    result = samples.mobile_result()
    result.info["task"] = {**result.info["task"], "name": "caf\udce9"}
    objective = Objective.of(maximize="score\udcff")
    trials = [
        replace(trial, metrics={"score\udcff": trial.number / 10}) for trial in result.trials[:5]
    ]
    for one in (result, Result(History(result.history.space, objective, trials))):
        text = write_report(one, tmp_path / "r.html").read_text(encoding="utf-8")
        assert "?" in text


def test_a_place_that_is_no_path_is_refused(tmp_path):
    for place in (tmp_path / ("x" * 300), tmp_path / "a\0b"):
        with pytest.raises(InputError, match="cannot be written to"):
            write_report(samples.mobile_result(), place)
