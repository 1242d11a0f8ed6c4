import math
import subprocess
import sys

import pytest
from torch import nn

import archwright as aw
from archwright.errors import InputError
from archwright.evaluators import Candidate
from archwright.proxies import (
    COMBINATION,
    COMBINATION_WEIGHTS,
    PROXIES,
    ZeroCost,
    aggregate,
    score,
)
from archwright.strategies.warm_start import CheapScores, WarmStart
from archwright.zoo import build_space

SHAPE = (6,)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        width = aw.choice("width", [8, 16, 64])
        self.body = aw.layer("act", {"relu": nn.ReLU, "none": nn.Identity})
        self.a, self.b, self.c = aw.linear(6, width), aw.linear(width, width), aw.linear(width, 3)

    def forward(self, x):
        return self.c(self.body(self.b(self.body(self.a(x)))))


@pytest.fixture(scope="module")
def space():
    return aw.ModelSpace(Net)


def test_a_candidate_gets_its_scores(space):
    arch = {"width": 64, "act": "relu"}
    found = ZeroCost(["params", "snip"], input_shape=SHAPE, batch=8).evaluate(
        Candidate(space, space.check(arch), seed=3)
    )
    model = space.build(arch, seed=3)
    assert found == dict(score(model, ["params", "snip"], input_shape=SHAPE, batch=8, seed=3))


def test_what_is_not_defined_is_noted(space):
    candidate = Candidate(space, space.check({"width": 64, "act": "none"}))
    found = ZeroCost(["params", "naswot"], input_shape=SHAPE, batch=8).evaluate(candidate)
    assert set(found) == {"params"}
    assert candidate.notes[0].startswith("naswot is not defined here, because no activation")
    with pytest.raises(InputError, match="naswot is not defined here"):
        ZeroCost(["naswot"], input_shape=SHAPE, batch=8).evaluate(candidate)


def test_a_search_for_one_proxy(space):
    evaluator = ZeroCost(["naswot", "params"], input_shape=SHAPE, batch=8)
    result = aw.search(space, evaluator, maximize="naswot", strategy="grid", trials=6)
    assert len(result.trials) == 6
    assert result.best.architecture["width"] == 64
    failed = [t for t in result.trials if t.state == "failed"]
    assert {t.architecture["act"] for t in failed} == {"none"}
    assert all("not the metric 'naswot'" in t.error for t in failed)


def test_a_search_for_the_combination(space):
    evaluator = ZeroCost(["params", "synflow"], input_shape=SHAPE, how="rank_sum", n_reference=6)
    result = aw.search(space, evaluator, strategy="grid", trials=6)
    assert result.objective.metrics[0] == "zero_cost"
    assert result.best.architecture["width"] == 64
    assert set(result.best.metrics) >= {"params", "synflow", "zero_cost"}


def test_as_a_warm_start(space):
    evaluator = ZeroCost(["params", "synflow"], input_shape=SHAPE, batch=8, n_reference=6)
    first = CheapScores(evaluator.scorer(space), n=2, pool=6, distance=0)
    assert [a["width"] for a in first(space)] == [64, 64]
    strategy = WarmStart("random", first)
    result = aw.search(
        space,
        lambda c: float(c.architecture["width"]),
        maximize="accuracy",
        strategy=strategy,
        trials=3,
    )
    assert result.trials[0].architecture["width"] == 64


def test_the_scorer_of_one_proxy_is_its_value(space):
    arch = space.check({"width": 16, "act": "none"})
    params = ZeroCost(["params"], input_shape=SHAPE).scorer(space)
    assert params(arch) == sum(p.numel() for p in space.build(arch).parameters())
    assert math.isnan(ZeroCost(["naswot"], input_shape=SHAPE).scorer(space)(arch))


def test_repeats_are_averaged(space):
    arch = space.check({"width": 16, "act": "relu"})
    one, other, both = (
        ZeroCost(["snip"], input_shape=SHAPE, seed=s, repeats=r).scores(space, [arch])[0]["snip"]
        for s, r in ((0, 1), (1_000_003, 1), (0, 2))
    )
    assert one != other
    assert both == pytest.approx((one + other) / 2)


def test_as_a_filter(space):
    every = list(space.enumerate())
    kept = ZeroCost(["params"], input_shape=SHAPE).keep(space, every, 2)
    assert [a["width"] for a in kept] == [64, 64]


def test_the_shape_of_zoo_spaces_is_known():
    space = build_space("mlp", input_shape=(5,), n_outputs=2)
    found = ZeroCost(["flops"]).scores(space, [space.default])
    assert found[0]["flops"] > 0


def test_the_default_is_a_combination_without_labels():
    evaluator = ZeroCost()
    assert tuple(evaluator.names) == COMBINATION
    assert not any(PROXIES[name].labels for name in COMBINATION)


def test_the_default_counts_some_more_than_once():
    space = build_space("nasbench201", input_shape=(3, 8, 8), n_outputs=3, C=4, N=1)
    cells = [space.sample(seed=i) for i in range(8)]
    table = ZeroCost(batch=4).scores(space, cells)
    ranks = ZeroCost(batch=4).rank(space, cells)
    assert ranks == pytest.approx(aggregate(table, COMBINATION, weights=COMBINATION_WEIGHTS))
    assert ranks != pytest.approx(aggregate(table, COMBINATION))
    named = ZeroCost(COMBINATION, batch=4).rank(space, cells)
    assert named == pytest.approx(aggregate(table, COMBINATION))


def test_what_cannot_be(space):
    with pytest.raises(InputError, match="input_shape is needed"):
        ZeroCost(["flops"]).scores(space, [space.default])
    with pytest.raises(InputError, match="plain Space of values"):
        ZeroCost(["flops"]).scores(aw.Space({"a": aw.choice([1, 2])}), [{"a": 1}])
    with pytest.raises(InputError, match="n must be a whole number"):  # before anything is scored
        ZeroCost(["flops"]).keep(space, [space.default], 0)
    with pytest.raises(InputError, match="unknown way to rank"):
        ZeroCost(how="best")


def test_nothing_heavy_loads_before_it_is_used():
    script = "import archwright, sys; archwright.strategies; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.strip() == "False"
