"""Relaxations, what can be relaxed, deriving, costs."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

import archwright as aw
from archwright.hardware import costs
from archwright.supernet import (
    METHODS,
    Dirichlet,
    ExpectedCost,
    Gumbel,
    Settings,
    Sigmoid,
    Softmax,
    TwoPaths,
    derive,
    relaxable,
    relaxed_search,
)
from archwright.supernet.bilevel import Bilevel
from archwright.supernet.derive import scores
from archwright.supernet.limits import derive_within
from archwright.supernet.regularisers import AuxiliarySkip, Beta, SkipDropout
from archwright.supernet.strengths import Relaxed, Strengths
from tests.supernet.toys import SPACE, TASK

RELAXATIONS = {
    "softmax": Softmax(),
    "gumbel": Gumbel(),
    "straight": Gumbel(straight=True),
    "dirichlet": Dirichlet(),
    "sigmoid": Sigmoid(),
    "two": TwoPaths(),
}


@pytest.mark.parametrize("name", RELAXATIONS)
def test_relaxations_have_gradients(name: str) -> None:
    strengths = torch.tensor([0.3, -0.2, 0.1, 0.0], requires_grad=True)
    with aw.seeded(1):
        weights, computed = RELAXATIONS[name](strengths, progress=0.5, phase="architecture")
    assert weights.shape == (4,)
    (weights * torch.tensor([1.0, -2.0, 3.0, 0.5])).sum().backward()
    assert strengths.grad is not None
    assert float(strengths.grad.abs().max()) > 0
    if name != "sigmoid":
        assert float(weights.sum().detach()) == pytest.approx(1.0)
    if computed is not None:
        rest = [k for k in range(4) if k not in computed]
        assert weights.detach()[rest].tolist() == [0.0] * len(rest)


@pytest.mark.parametrize("method", ["darts", "gdas", "drnas", "proxyless", "fair-darts"])
def test_numbers_have_gradients_in_front_of_a_normalisation(method: str) -> None:
    search = Bilevel(SPACE, TASK, METHODS[method], Settings(epochs=1, batch_size=24))
    rows = next(iter(search.halves.epoch()))[1]
    found = dict.fromkeys(("width", "kernel", "depth"), 0.0)
    with aw.seeded(0):
        for _ in range(24):  # draws that leave the body out have no gradient for its depth
            mixture, _ = search._mixture(0.0, "architecture")
            with search.supernet.mixed(mixture):
                loss = search._loss(search.halves.batch(rows))
                gradients = search._grad(loss, search.strengths.tensors())
            for path, gradient in zip(search.strengths.values, gradients, strict=True):
                if path in found:
                    found[path] = max(found[path], float(gradient.abs().max()))
    assert all(greatest > 1e-6 for greatest in found.values()), found


def test_draws_follow_the_strengths() -> None:
    strengths = torch.tensor([0.7, 0.2, 0.1]).log()
    with aw.seeded(0):
        for relaxation in (Gumbel(straight=True), TwoPaths()):
            drawn = torch.stack(
                [relaxation(strengths, progress=0.0, phase="weights")[0] for _ in range(2000)]
            )
            assert drawn.mean(0).tolist() == pytest.approx([0.7, 0.2, 0.1], abs=0.04)


class Strided(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        width = aw.choice("width", [2, 4])
        self.a = aw.conv2d(1, width, kernel=3, stride=aw.choice("stride", [1, 2]))
        self.b = aw.layer("op", {"pool": lambda: nn.MaxPool2d(2), "id": nn.Identity})
        self.kind = aw.choice("kind", ["mean", "max"])
        self.drop = aw.dropout(aw.real("p", 0.0, 0.5))
        self.c = aw.linear(width, 3)
        self.d = aw.linear(width, 3)
        self.out = aw.linear(2 * aw.choice("joined", [2, 4]), 2)
        self.e = aw.linear(1, self.out.in_features // 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.b(self.a(x))
        x = x.mean((2, 3)) if self.kind == "mean" else x.amax((2, 3))
        y = self.e(self.drop(self.c(x) + self.d(x))[:, :1])
        return self.out(torch.cat([y, y], 1))


def test_what_cannot_be_mixed_is_found_by_calling() -> None:
    found = relaxable(aw.ModelSpace(Strided), torch.zeros(2, 1, 8, 8))
    assert found.mixed == ("width",)
    assert set(found.drawn) == {"stride", "op", "kind", "joined"}
    assert "different shapes" in found.drawn["op"]
    assert "other channels" in found.drawn["joined"]
    assert list(found.fixed) == ["p"]


def test_drawn_decisions_learn_by_the_score_function() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.kind = aw.choice("kind", ["good", "bad"])
            self.linear = nn.Linear(4, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.linear(x if self.kind == "good" else torch.zeros_like(x))

    found = relaxed_search(
        aw.ModelSpace(Scaled), aw.Task.load("iris"), "darts", Settings(epochs=40, batch_size=16)
    )
    assert list(found.searched.relaxable.drawn) == ["kind"]
    assert found.trajectory[-1]["probabilities"]["kind"][0] > 0.8


def cell_net() -> nn.Module:
    ops = {"none": None, "skip": None, "linear": lambda: aw.linear(4, 4), "tanh": nn.Tanh}
    return aw.cell("cell", ops, nodes=2, inputs=2, select=2, zero="none", identity="skip")


def strengths_of(values: dict[str, list[float]]) -> tuple[aw.ModelSpace, Strengths]:
    space = aw.ModelSpace(cell_net)
    search = {
        d.path: Relaxed(
            d.path,
            d.domain,
            True,
            edges=("cell/0-3", "cell/1-3", "cell/2-3") if d.path == "cell/3/inputs" else (),
            zeros=(0,) if "-" in d.path else (),
            is_operation="-" in d.path,
        )
        for root in space.decisions
        for d in root.walk()
    }
    made = {path: torch.tensor(v) for path, v in values.items()}
    return space, Strengths(space, search, made, {})


def test_darts_rule() -> None:
    space, strengths = strengths_of(
        {
            "cell/0-2": [9.0, 1.0, 2.0, 0.0],  # nothing is strongest here, but does not count
            "cell/1-2": [0.0, 3.0, 2.0, 0.0],
            "cell/0-3": [0.0, 0.0, 4.0, 0.0],  # kept
            "cell/1-3": [5.0, 0.0, 1.0, 0.0],  # the weakest: nothing takes nearly all
            "cell/2-3": [0.0, 0.0, 0.0, 2.0],  # kept
        }
    )
    (arch,) = derive(space, scores(strengths, Softmax()))
    assert arch["cell/3/inputs"] == (0, 2)
    assert arch["cell/0-3"] == "linear"
    assert arch["cell/2-3"] == "tanh"
    assert arch["cell/1-2"] == "skip"
    assert "cell/1-3" not in arch


def test_derived_in_the_order_of_probability() -> None:
    search = Bilevel(SPACE, TASK, METHODS["darts"], Settings(epochs=1))
    with torch.no_grad():
        for value in search.strengths.values.values():
            value.normal_(generator=torch.Generator().manual_seed(1))
    found = scores(search.strengths, Softmax())
    archs = derive(SPACE, found, n=20)
    assert len(set(archs)) == 20

    def best_below(arch: aw.Architecture) -> float:
        return sum(max(found[p].values()) - found[p][v] for p, v in arch.items())

    assert best_below(archs[0]) == pytest.approx(0.0)
    assert all(SPACE.why_not(arch) is None for arch in archs)
    only = derive(SPACE, found, n=1, feasible=lambda a: a["depth"] == archs[0]["depth"] % 2 + 1)
    assert only[0]["depth"] != archs[0]["depth"]
    assert derive(SPACE, found, feasible=lambda a: False, most=30) == []


def test_limits_that_the_probable_ones_break() -> None:
    def chain() -> nn.Module:
        with aw.scope("net"):
            blocks = []
            for i in range(8):
                with aw.scope(str(i)):
                    blocks.append(
                        aw.layer("op", {"big": lambda: nn.Linear(8, 8), "id": nn.Identity})
                    )
        return nn.Sequential(*blocks)

    space = aw.ModelSpace(chain)
    cost = ExpectedCost.of_networks(space, "params", (8,))
    assert cost.error is not None
    assert cost.error < 0.02
    found = {
        f"net/{i}/op": {"big": math.log(0.9 - 0.05 * i), "id": math.log(0.1 + 0.05 * i)}
        for i in range(8)
    }
    (arch,) = derive_within(
        space,
        found,
        [(cost, 3 * 72.0)],
        fixed={},
        feasible=lambda a: sum(v == "big" for v in a.values()) <= 3,
    )
    assert [arch[f"net/{i}/op"] for i in range(8)] == ["big"] * 3 + ["id"] * 5


def test_expected_costs() -> None:
    arch = SPACE.default
    cost = ExpectedCost.of_networks(SPACE, "params", (1, 6, 6), n=60)
    measured = costs(SPACE.build(arch), (1, 6, 6), names=("params",))["params"]
    assert cost.of(SPACE, arch) == pytest.approx(measured, rel=0.4)
    search = Bilevel(SPACE, TASK, METHODS["darts"], Settings(epochs=1, cost=cost))
    search._expected_cost().backward()
    for path, value in search.strengths.values.items():
        assert value.grad is not None
        assert bool((value.grad != 0).any()), path


@pytest.mark.parametrize("method", ["proxyless", "fbnet"])
def test_a_cost_in_the_loss_makes_cheaper_networks(method: str) -> None:
    cost = ExpectedCost("units", 1.0, {"depth": (0.0, 5.0), "width": (0.0, 5.0)})
    found = relaxed_search(
        SPACE, TASK, method, Settings(epochs=6, batch_size=12, cost=cost, cost_weight=3.0)
    )
    course = [record["expected_units"] for record in found.trajectory]
    assert course[-1] < 0.5 * course[0]
    assert (found.architectures[0]["depth"], found.architectures[0]["width"]) == (1, 2)


def test_regularisers_and_changes() -> None:
    search = Bilevel(SPACE, TASK, METHODS["beta-darts"], Settings(epochs=1))
    strengths = search.strengths
    assert float(Beta()(strengths, Softmax(), 0.0).detach()) == 0.0
    assert float(Beta()(strengths, Softmax(), 1.0).detach()) > 0.0
    path = "depth.0/op"
    half = torch.tensor([0.5, 0.5])
    changed = AuxiliarySkip()(path, half, strengths, progress=0.25, phase="weights")
    assert changed.tolist() == [0.5, 1.25]
    assert AuxiliarySkip()("width", half, strengths, progress=0.0, phase="weights") is half
    with aw.seeded(0):
        drawn = [
            SkipDropout(0.5)(path, half, strengths, progress=0.0, phase="weights").tolist()
            for _ in range(200)
        ]
    assert {tuple(d) for d in drawn} == {(0.5, 0.0), (0.5, 1.0)}
    assert sum(d[1] for d in drawn) / 200 == pytest.approx(0.5, abs=0.1)
