"""The rules by which supernets are trained: what each plans, on spaces of all kinds."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import torch
from torch import nn

import archwright.nn as aw
from archwright.errors import InfeasibleError, InputError, UnknownNameError
from archwright.nn import Elastic
from archwright.space import Real
from archwright.strategies import Policy
from archwright.supernet.rules import (
    RULES,
    Attentive,
    Enas,
    ProgressiveShrinking,
    RandomSharing,
    Sandwich,
    SinglePath,
    Step,
    StrictFairness,
    as_rule,
)
from archwright.supernet.sizes import Sizes
from archwright.supernet.trainer import Trainer
from archwright.supernet.training import train_supernet
from archwright.tasks import Task
from archwright.training import Recipe
from archwright.zoo import SPACES, build_space
from tests.supernet import shared_toys
from tests.zoo.small import SMALL as ZOO_SMALL

SMALL = {
    **ZOO_SMALL,
    "nasbench201": {"N": 1, "C": 4},
    "nasnet": {"N": 1, "filters": 4},
    "mobilenet": {"max_depth": 1},
}
SPACE = shared_toys.space()
TASK = shared_toys.task()


def step(space=SPACE, limits=None, **facts):
    made = Step(space, Sizes(space, (1, 6, 6), limits), random.Random(0), **facts)
    made.kept = []
    made.keep = made.kept.append
    made.loss = lambda arch: float(len(arch))
    return made


def test_names_and_errors():
    assert {name: type(as_rule(name)) for name in RULES} == RULES
    with pytest.raises(UnknownNameError, match="did you mean 'spos'"):
        as_rule("sposs")
    with pytest.raises(InputError, match="Policy"):
        as_rule("enas")
    with pytest.raises(InputError, match="plan"):
        as_rule(SinglePath)
    for wrong in (
        lambda: SinglePath(n=0),
        lambda: Sandwich(n=-1),
        lambda: Sandwich(distill=1),
        lambda: Attentive(towards="up"),
        lambda: ProgressiveShrinking(first=1.0),
        lambda: Enas(Policy),
    ):
        with pytest.raises(InputError):
            wrong()


def test_single_path_draws_decisions_evenly():
    s = step()
    drawn = Counter(SinglePath().plan(s)[0].architecture["depth"] for _ in range(600))
    assert abs(drawn[1] - 300) < 60


def test_random_sharing_draws_architectures_evenly():
    # A second block multiplies the architectures by eight: depth 2 has eight in nine of them.
    s = step(SPACE.restrict({"dropout": 0.0}))
    drawn = Counter(RandomSharing().plan(s)[0].architecture["depth"] for _ in range(900))
    assert abs(drawn[2] - 800) < 50


def test_strict_fairness_trains_every_value_as_often():
    s = step()
    rule = StrictFairness()
    seen: dict[str, Counter] = {}
    for _ in range(8):
        passes = rule.plan(s)
        assert len(passes) == 3  # as many as the widest decision has values
        assert {one.architecture["width"] for one in passes} == {2, 4, 6}
        for one in passes:
            for path, value in one.architecture.items():
                seen.setdefault(path, Counter())[value] += 1
    for decision in SPACE.decisions:
        if not isinstance(decision.domain, Real):
            counts = seen[decision.path]
            assert max(counts.values()) - min(counts.values()) <= 1, decision.path


def test_strict_fairness_keeps_limits():
    s = step(limits={"params": 180})
    for _ in range(3):
        assert all(s.sizes.feasible(one.architecture) for one in StrictFairness().plan(s))


def test_sandwich_is_largest_then_smallest_and_random_ones():
    s = step()
    passes = Sandwich(n=3).plan(s)
    assert len(passes) == 5
    assert [one.teacher for one in passes] == [None, "first", "first", "first", "first"]
    costs = [s.sizes.flops(SPACE.sample(seed=i)) for i in range(60)]
    assert s.sizes.flops(passes[0].architecture) >= max(costs)
    assert s.sizes.flops(passes[1].architecture) <= min(costs)
    assert Sandwich(distill=False).plan(s)[1].teacher is None


def test_progressive_shrinking_opens_kernel_depth_expansion_width_in_turn():
    s = step(progress=0.1)
    rule = ProgressiveShrinking(first=0.2, n=1)
    assert [one.architecture for one in rule.plan(s)] == [s.largest]
    stages = rule.stages(s)
    order = ["depth.0/kernel", "depth", "depth.0/expansion", "width", "depth.0/act"]
    assert [stages[path] for path in order] == [0, 1, 2, 3, 4]
    for k in range(5):
        s.progress = 0.2 + 0.8 * (k + 0.9) / 5
        seen: dict[str, set] = {}
        for _ in range(80):
            (one,) = rule.plan(s)
            assert one.teacher == "kept"
            for path, value in one.architecture.items():
                seen.setdefault(path, set()).add(value)
        n_open = [len(seen[path]) > 1 for path in order]
        assert n_open == [True] * (k + 1) + [False] * (4 - k)
    assert s.kept == [s.largest]


def test_attentive_trains_the_best_or_worst_of_like_flops():
    best, worst = step(), step()
    for s, towards in ((best, "best"), (worst, "worst")):
        judged: list[float] = []

        def loss(arch, judged=judged):
            judged.append(float(hash(arch) % 1000))
            return judged[-1]

        s.loss = loss
        passes = Attentive(towards=towards, k=3, n=1).plan(s)
        assert len(judged) == 3
        wanted = min(judged) if towards == "best" else max(judged)
        assert float(hash(passes[2].architecture) % 1000) == wanted
        assert [one.teacher for one in passes] == [None, "first", "first"]


def test_enas_learns_what_is_rewarded():
    s = step(number=10, starts_epoch=True)
    s.reward = lambda arch: float(arch["width"] == 4)
    rule = Enas(Policy(), n_lessons=150)
    rule.plan(s)
    assert len(s.memory["lessons"]) == 150
    s.starts_epoch = False
    drawn = [rule.plan(s)[0].architecture["width"] for _ in range(60)]
    assert drawn.count(4) > 35
    # What it has learnt follows from its lessons: as after a resumption.
    again = step(number=11)
    again.memory, again.rng = s.memory, random.Random(5)
    s.rng = random.Random(5)
    assert rule.plan(again) == rule.plan(s)


def test_limits_that_nothing_keeps():
    with pytest.raises(InfeasibleError, match="params"):
        step(limits={"params": 3}).draw()
    with pytest.raises(UnknownNameError):
        step(limits={"latency_ms": 3})


def test_only_architectures_within_limits_are_trained():
    trained = []

    class Watched:
        def plan(self, s):
            passes = Sandwich().plan(s)
            trained.extend(one.architecture for one in passes)
            return passes

    train_supernet(
        SPACE, TASK, rule=Watched(), epochs=1, limits={"params": "150", "flops": (0, 1e6)}
    )
    sizes = Sizes(SPACE, (1, 6, 6))
    assert trained
    assert max(sizes.costs(arch)["params"] for arch in trained) <= 150


# Whose networks are quickly built; the others are tried with the slow tests.
QUICK = ("resnet_cnn", "chain_cnn", "branched_cnn", "mobilenet", "nasbench201")
IMAGES = [
    pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow)
    for name, entry in SPACES.items()
    if "image" in entry.modalities
]


@pytest.fixture(scope="module")
def image_task():
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(20, 1, 8, 8, generator=rng).numpy()
    return Task.from_arrays(x, [0, 1, 2, 1] * 5, validation=0.25, test=0)


@pytest.mark.parametrize("name", IMAGES)
def test_every_rule_trains_every_image_space(name, image_task):
    options = {k: v for k, v in SMALL.get(name, {}).items() if k in SPACES[name].options}
    space = build_space(name, input_shape=(1, 8, 8), n_outputs=3, **options)
    sizes = Sizes(space, (1, 8, 8))
    recipe = Recipe(batch_size=16, ema=False).resolve(
        kind="classification", modality="image", n_rows=15
    )
    trainer = Trainer(
        space.supernet(seed=0),
        image_task,
        recipe,
        rule=SinglePath(),
        sizes=sizes,
        seed=0,
        device=torch.device("cpu"),
        n_steps=6,
    )
    # Attentive counts the FLOPs of 128 networks first; it is tried on a space of its own above.
    rules = [RULES[r]() for r in ("spos", "rsps", "fairnas")]
    rules += [Sandwich(n=1), ProgressiveShrinking(n=1), Enas(Policy(), n_lessons=1)]
    with aw.seeded(0):
        for number, rule in enumerate(rules):
            trainer.rule = rule
            before = [p.detach().clone() for p in trainer.parameters]
            loss = trainer.step(torch.arange(10), lr=1e-3, number=number, progress=0.9, first=True)
            assert bool(loss.isfinite()), rule
            changed = [
                not torch.equal(a, b) for a, b in zip(before, trainer.parameters, strict=True)
            ]
            assert any(changed), rule
    assert sizes.flops(sizes.largest) > sizes.flops(sizes.smallest)


def test_own_module_in_three_lines():
    def net():
        width = aw.choice("width", [4, 8])
        act = aw.layer("act", {"relu": nn.ReLU, "gelu": nn.GELU})
        return nn.Sequential(nn.Flatten(), aw.linear(36, width), act, aw.linear(width, 3))

    for rule in RULES:
        made = train_supernet(aw.ModelSpace(net), TASK, rule=rule, epochs=3)
        assert made.curve[-1]["train_loss"] < 1.2, rule
    assert isinstance(made.supernet.model[1].out_features, Elastic)
