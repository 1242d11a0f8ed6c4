"""Weights of parents and teachers in `Train`: in a search, in workers, killed and resumed."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import archwright.nn as aw
from archwright.errors import InputError, UnknownNameError
from archwright.evaluators import Candidate, Train
from archwright.runs import legacies, search
from archwright.strategies import RegularizedEvolution
from archwright.tasks import Task
from archwright.trials import History, Objective, Trial


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = aw.choice("width", [4, 8, 12, 16])
        inner = aw.choice("inner", [4, 8, 12, 16])
        self.body = nn.Sequential(
            aw.linear(4, width), nn.ReLU(), aw.linear(width, inner), nn.Tanh(), aw.linear(inner, 2)
        )

    def forward(self, x):
        return self.body(x)


SPACE = aw.ModelSpace(Net)


@pytest.fixture(scope="module")
def task():
    x = np.random.default_rng(0).normal(size=(90, 4)).astype("float32")
    return Task.from_arrays(x, (x[:, 0] * x[:, 1] > 0).astype(int))


def evolve(task, inherit="weights", **options):
    options = {"trials": 9, "seed": 1, "final": False, "workers": 0, **options}
    options["baselines"] = False
    evaluator = options.pop("evaluator", None) or Train(task, epochs=2, inherit=inherit)
    return search(
        SPACE, evaluator, strategy=RegularizedEvolution(population=4, sample=2), **options
    )


def values(result):
    return [(t.architecture, dict(t.metrics), t.note) for t in result.trials]


@pytest.mark.parametrize("inherit", ["weights", "morphism"])
def test_children_start_from_their_parents_weights(task, inherit, tmp_path):
    result = evolve(task, inherit, out=tmp_path)
    plain = {t.number: t for t in evolve(task, None).trials}
    children = [t for t in result.trials if t.parent is not None]
    assert len(children) >= 4
    assert all(f"of its parent, trial {t.parent}" in t.note for t in children)
    assert [t for t in result.trials if t.parent is None and t.note] == []
    assert any(t.metrics != plain[t.number].metrics for t in children)
    assert all(t.note is None for t in plain.values())
    # What was kept is what the parent had when it was judged.
    child = children[0]
    parent = next(t for t in result.trials if t.number == child.parent)
    candidate = Candidate(
        SPACE,
        child.architecture,
        parent={
            "architecture": parent.architecture,
            "number": parent.number,
            "legacy": tmp_path / "legacies" / f"{parent.number:05d}",
        },
    )
    from archwright.training import evaluate

    again = evaluate(candidate.parent_model(), task)
    assert again["accuracy"] == parent.metrics["accuracy"]


@pytest.mark.integration
def test_a_worker_inherits_as_the_process_itself_does(task):
    assert values(evolve(task, workers=1)) == values(evolve(task))


class Dies(Train):
    """Is interrupted in the middle of one trial."""

    at = 6

    def evaluate(self, candidate):
        metrics = super().evaluate(candidate)
        if candidate.number == self.at and not getattr(self, "died", False):
            self.died = True
            raise KeyboardInterrupt
        return metrics


def test_a_resumed_search_inherits_as_if_it_had_not_stopped(task, tmp_path, monkeypatch):
    monkeypatch.setattr(legacies, "N_BEST", 1)
    monkeypatch.setattr(legacies, "N_LATEST", 3)
    whole = evolve(task, out=tmp_path / "whole")
    evaluator = Dies(task, epochs=2, inherit="weights")
    cut = evolve(task, evaluator=evaluator, out=tmp_path / "cut")
    assert len(cut.trials) == Dies.at
    # As if it had been killed before it swept.
    (tmp_path / "cut" / "legacies" / "00000").mkdir(exist_ok=True)
    resumed = evolve(task, evaluator=evaluator, out=tmp_path / "cut")
    assert values(resumed) == values(whole)
    kept = {int(p.name) for p in (tmp_path / "whole" / "legacies").iterdir()}
    assert len(kept) <= 5
    assert {t.number for t in whole.trials[-3:]} <= kept


def test_only_the_best_and_the_latest_keep_their_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(legacies, "N_BEST", 2)
    monkeypatch.setattr(legacies, "N_LATEST", 3)
    history = History(SPACE, Objective.of(maximize="score"))
    scores = [5.0, 1.0, 9.0, 2.0, 3.0, 4.0, 0.0]
    for number, (arch, score) in enumerate(zip(SPACE.enumerate(), scores, strict=False)):
        history.add(Trial(number, arch, "complete", {"score": score}))
        (tmp_path / f"{number:05d}").mkdir()
    (tmp_path / "notes").mkdir()
    places = legacies.Legacies(tmp_path)
    waiting = Trial(7, SPACE.default, "running", parent=1)
    assert places.places(history, waiting)["parent"]["legacy"] is None
    places.sweep(history, [waiting])
    assert {p.name for p in tmp_path.iterdir()} == {"notes"} | {
        f"{n:05d}" for n in (0, 1, 2, 4, 5, 6)
    }
    assert places.places(history, Trial(8, SPACE.default, "running", parent=2))["parent"]["legacy"]


@pytest.mark.parametrize("damage", ["missing", "unreadable", "another", "swept"])
def test_weights_that_cannot_be_had_are_a_note(task, tmp_path, damage):
    if damage == "unreadable":
        (tmp_path / "weights.pt").write_text("nothing")
    if damage == "another":
        torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "weights.pt")
    parent = {"architecture": SPACE.default, "number": 3}
    parent["legacy"] = None if damage == "swept" else tmp_path
    candidate = Candidate(SPACE, SPACE.default, parent=parent)
    plain = Candidate(SPACE, SPACE.default)
    train = Train(task, epochs=1, inherit="weights")
    assert train.evaluate(candidate) == train.evaluate(plain)
    (note,) = candidate.notes
    assert note.startswith("started from new weights: those of its parent, trial 3, ")
    assert plain.notes == []


def test_the_teacher_is_used_for_candidates_and_the_final_training(task):
    asked = []

    def teacher(x):
        asked.append(len(x))
        return torch.stack([x[:, 0], -x[:, 0]], 1)

    candidate = Candidate(SPACE, SPACE.default)
    plain = Train(task, epochs=4).evaluate(candidate)
    train = Train(task, epochs=4, teacher=teacher, distill_weight=1.0, temperature=1.0)
    assert train.recipe.distill_alpha == 1.0
    assert train.evaluate(candidate) != plain
    asked.clear()
    train.final(candidate)
    # The rows of the pilot were judged when the candidate was; each fit checks two.
    assert sum(asked) == len(task.train) + len(task.validation) + 2 * 2
    asked.clear()
    train.with_rows(30).evaluate(candidate)
    assert asked


def test_options_are_checked_at_once(task):
    with pytest.raises(UnknownNameError, match="way to inherit"):
        Train(task, inherit="weight")
    with pytest.raises(InputError, match="need a teacher"):
        Train(task, distill_weight=0.3)
    with pytest.raises(InputError, match="distill_alpha"):
        Train(task, teacher=nn.Linear(4, 2), distill_weight=1.5)
    with pytest.raises(InputError, match="the teacher"):
        Train(task, teacher=nn.Linear(4, 3))
