"""The loop: gradients, determinism, resuming, stopping, memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import archwright as aw
from archwright.errors import InputError, LedgerError
from archwright.supernet import METHODS, Bilevel, ExpectedCost, Settings, relaxed_search
from archwright.supernet.bilevel import load_state, save_state
from archwright.supernet.unrolled import unrolled_gradient
from archwright.supernet.watch import Eigenvalue, Skips, as_stop
from tests.supernet.toys import SPACE, TASK

SETTINGS = Settings(epochs=3, batch_size=12)


def smooth() -> nn.Module:
    ops = {"a": lambda: nn.Sequential(nn.Linear(4, 4), nn.Tanh()), "b": nn.Identity}
    return nn.Sequential(aw.layer("one", ops), aw.layer("two", ops), nn.Linear(4, 3))


def loop(method: str = "darts", **settings: Any) -> Bilevel:
    return Bilevel(SPACE, TASK, METHODS[method], Settings(epochs=3, batch_size=12, **settings))


def test_second_order_is_the_gradient_through_the_step() -> None:
    task = aw.Task.load("iris")
    search = Bilevel(
        aw.ModelSpace(smooth), task, METHODS["darts-2nd"], Settings(epochs=1, batch_size=32)
    )
    search.supernet.double()
    batches = [search.halves.batch(rows[:32], augment=False) for rows in search.halves.rows]
    training, held = [(x.double(), y) for x, y in batches]
    for value in search.strengths.values.values():
        value.data = value.data.double()
    lr, decay = 0.5, search.method.weight_decay
    loss, found = unrolled_gradient(search, held, training, 0.0, lr)

    # Exactly: the step of the weights is made differentiably.
    named = dict(search.supernet.named_parameters())
    mixture, _ = search._mixture(0.0, "architecture")

    def compute(weights: dict[str, torch.Tensor], batch: Any) -> torch.Tensor:
        with search.supernet.mixed(mixture):
            return task.loss(
                torch.func.functional_call(search.supernet, weights, (batch[0],)), batch[1]
            )

    inner = torch.autograd.grad(compute(named, training), list(named.values()), create_graph=True)
    stepped = {
        name: w - lr * (g + decay * w) for (name, w), g in zip(named.items(), inner, strict=True)
    }
    outer = compute(stepped, held)
    expected = torch.autograd.grad(outer, search.strengths.tensors())
    mixture, _ = search._mixture(0.0, "architecture")
    torch.testing.assert_close(loss, outer)
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-9)
    first = torch.autograd.grad(compute(named, held), search.strengths.tensors())
    assert any(
        float((a - b).abs().max()) > 1e-3 * float(a.abs().max())
        for a, b in zip(expected, first, strict=True)
    ), "the second order makes no difference here"


def test_steps_compute_only_their_own_gradients() -> None:
    search = loop()
    rows, others = next(iter(search.halves.epoch()))
    with aw.seeded(0):
        before = [w.detach().clone() for w in search.weights]
        search._architecture_step(search.halves.batch(others), search.halves.batch(rows), 0.0, 0.1)
        assert all(torch.equal(a, b) for a, b in zip(before, search.weights, strict=True))
        assert all(w.grad is None and w.requires_grad for w in search.weights)
        strengths = [t.detach().clone() for t in search.strengths.tensors()]
        search._weight_step(search.halves.batch(rows), 0.0)
    assert all(
        torch.equal(a, b) for a, b in zip(strengths, search.strengths.tensors(), strict=True)
    )
    assert any(not torch.equal(a, b) for a, b in zip(before, search.weights, strict=True))


def test_scales_inside_mixed_operations_are_not_learnt() -> None:
    for name, learnt in (("darts", False), ("fbnet", True)):
        search = loop(name)
        norms = [m for m in search.supernet.modules() if isinstance(m, nn.BatchNorm2d)]
        assert norms[0].weight.requires_grad  # the stem's
        assert {norm.weight.requires_grad for norm in norms[1:]} == {learnt}
        search.run()
        assert all(bool((norm.weight == 1).all()) != learnt for norm in norms[1:])


@pytest.mark.parametrize("method", ["darts", "gdas", "drnas", "snas", "sdarts", "p-darts"])
def test_same_seed_same_search_and_resumed_bit_by_bit(method: str, tmp_path: Path) -> None:
    whole = relaxed_search(SPACE, TASK, method, SETTINGS)

    class Killed(Exception):
        pass

    def kill(record: dict[str, Any]) -> None:
        if method != "p-darts" and record["epoch"] == 3:
            raise Killed
        if method == "p-darts" and len(list(tmp_path.iterdir())) == 2:
            raise Killed

    with pytest.raises(Killed):
        relaxed_search(SPACE, TASK, method, SETTINGS, folder=tmp_path, on_epoch=kill)
    again = relaxed_search(SPACE, TASK, method, SETTINGS, folder=tmp_path)
    assert again.architectures == whole.architectures
    assert len(again.trajectory) == 3
    for one, other in zip(whole.trajectory, again.trajectory, strict=True):
        assert one["probabilities"] == other["probabilities"]
        assert one["train_loss"] == other["train_loss"]
    weights = again.searched.supernet.state_dict()
    for name, tensor in whole.searched.supernet.state_dict().items():
        assert torch.equal(tensor, weights[name])


def test_a_state_of_another_search_is_refused(tmp_path: Path) -> None:
    search = loop()
    save_state(tmp_path / "state", search.state())
    with pytest.raises(LedgerError, match="another space, task, method"):
        loop("gdas").load(load_state(tmp_path / "state"))
    (tmp_path / "broken").write_bytes(b"no")
    with pytest.raises(LedgerError, match="cannot be read"):
        load_state(tmp_path / "broken")


def test_validation_and_test_rows_are_not_read() -> None:
    from dataclasses import replace

    from archwright.tasks.splits import Split

    nothing = Split(TASK.validation.x * float("nan"), TASK.validation.y)
    blind = replace(TASK, validation=nothing, test=nothing)
    found = relaxed_search(SPACE, blind, "darts", SETTINGS)
    assert found.trajectory[-1]["train_loss"] < 10


def test_halves_are_stratified_and_disjoint() -> None:
    halves = loop().halves
    first, second = (set(rows.tolist()) for rows in halves.rows)
    assert not first & second
    assert len(first | second) == len(TASK.train)
    counts = [torch.bincount(TASK.train.y[rows], minlength=3) for rows in halves.rows]
    assert int((counts[0] - counts[1]).abs().max()) <= 2


def test_recomputing_changes_no_gradient() -> None:
    plain = loop().run()
    twice = loop(checkpointing=True).run()
    for one, other in zip(plain.trajectory, twice.trajectory, strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], rel=1e-5)
        for path, p in one["probabilities"].items():
            assert p == pytest.approx(other["probabilities"][path], rel=1e-4)


def test_memory_is_estimated_beforehand() -> None:
    one_path = loop("gdas").peak_bytes
    assert 0 < one_path < loop("darts").peak_bytes
    assert (
        loop("darts").peak_bytes
        < Bilevel(SPACE, TASK, METHODS["darts"], Settings(epochs=1, batch_size=120)).peak_bytes
    )


def test_stops() -> None:
    assert loop(stop=lambda epochs: "enough").run().stopped == "enough"
    assert loop(patience=1).run().stopped.startswith(("the choices have not", "all epochs"))
    assert loop(seconds=1e-9).run().stopped == "the time is up"
    found = loop(eigenvalue=True).run().trajectory
    assert all(isinstance(record["eigenvalue"], float) for record in found)
    rising = [{"eigenvalue": v} for v in (1.0, 1.0, 2.0, 2.0)]
    assert Eigenvalue(window=2)(rising) is not None
    assert Eigenvalue(window=2)(rising[::-1]) is None
    assert Skips(0.5)([{"skip_share": 0.4}]) is None
    assert as_stop(None) is None
    with pytest.raises(InputError, match="eigenvalue"):
        as_stop("eigenvalues")


def test_wrong_settings() -> None:
    for wrong in ({"epochs": 0}, {"batch_size": 1}, {"seed": -1}, {"speed": 0.0}, {"seconds": 0}):
        with pytest.raises(InputError):
            Settings(**wrong)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="ModelSpace"):
        relaxed_search(aw.Space({"a": aw.choice([1, 2])}), TASK)  # type: ignore[arg-type]
    fixed = aw.ModelSpace(lambda: nn.Sequential(nn.Flatten(), nn.Linear(36, 3)))
    with pytest.raises(InputError, match="no decision"):
        relaxed_search(fixed, TASK)


def test_stages_share_the_time_and_need_an_epoch_each(monkeypatch):
    given = []

    class Noted(Bilevel):
        def __init__(self, space, task, method, settings, **options):
            given.append(settings.seconds)
            super().__init__(space, task, method, settings, **options)

    monkeypatch.setattr("archwright.supernet.search.Bilevel", Noted)
    relaxed_search(SPACE, TASK, "p-darts", Settings(epochs=6, batch_size=24, seconds=60.0))
    assert len(given) == 3
    assert sum(given) == pytest.approx(60.0)
    with pytest.raises(InputError, match="3 stages"):
        relaxed_search(SPACE, TASK, "p-darts", Settings(epochs=2, batch_size=24))


def frozen():
    head = nn.Linear(3, 3).requires_grad_(False)
    options = {"conv": lambda: aw.conv2d(1, 3, kernel=3), "pool": lambda: Tripled()}
    return nn.Sequential(aw.layer("op", options), nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


class Tripled(nn.Module):
    def forward(self, x):
        return x.repeat(1, 3, 1, 1)


@pytest.mark.parametrize("method", ["gdas", "proxyless"])
def test_a_drawn_path_with_nothing_to_learn_is_no_error(method):
    settings = Settings(epochs=2, batch_size=8)
    found = relaxed_search(aw.ModelSpace(frozen), TASK, method, settings)
    assert len(found.trajectory) == 2


def test_adversarial_perturbation_and_checkpointing_exclude_each_other():
    with pytest.raises(InputError, match="leave checkpointing out"):
        relaxed_search(SPACE, TASK, "sdarts-adv", Settings(epochs=1, checkpointing=True))


def test_a_cost_that_is_measured_anew_goes_on(tmp_path):
    def search(name, entry):
        cost = ExpectedCost(name, 1.0, {"width": (entry, 2.0)})
        settings = Settings(epochs=1, batch_size=24, cost=cost)
        return relaxed_search(SPACE, TASK, "darts", settings, folder=tmp_path / name)

    first = search("latency_ms", 1.0)
    assert search("latency_ms", 1.01).architectures == first.architectures
    search("params", 1.0)
    with pytest.raises(LedgerError, match="another space, task, method or setting"):
        search("params", 1.01)
