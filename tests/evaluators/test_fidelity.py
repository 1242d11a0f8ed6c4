import re

import cloudpickle
import numpy as np
import pytest
import torch
from torch import nn

import archwright as aw
from archwright.errors import InputError, SpaceError
from archwright.evaluators import require_fidelity
from archwright.proxies import ZeroCost
from archwright.tasks.resolution import lower_resolution
from archwright.zoo import build_space

SCALED = {"channels": "width", "cells": "depth"}


class Net(nn.Module):
    def __init__(self, channels=8, cells=4, *, pixels=0):
        super().__init__()
        kernel = aw.choice("kernel", [1, 3])
        rest = [nn.Conv2d(channels, channels, 1) for _ in range(cells)]
        self.body = nn.Sequential(aw.conv2d(1, channels, kernel=kernel), *rest)
        self.head = nn.Linear(channels * (pixels or 1), 3)
        self.fixed = pixels > 0

    def forward(self, x):
        x = self.body(x)
        return self.head(x.flatten(1) if self.fixed else x.mean((2, 3)))


@pytest.fixture(scope="module")
def task():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (120, 1, 8, 8)).astype("uint8")
    y = np.repeat([0, 1, 2], [60, 40, 20])
    return aw.Task.from_arrays(x, y, validation=0.25, test=0.25)


@pytest.fixture(scope="module")
def space():
    return aw.ModelSpace(Net, scaled=SCALED)


def candidate(space, fidelity, **options):
    return aw.Candidate(space, space.default, fidelity=fidelity, n_threads=1, **options)


# ---------------------------------------------------------------------- smaller copies


def test_a_copy_is_narrower_and_shallower(space):
    model = candidate(space, aw.Fidelity(width=0.5, depth=0.5)).model()
    assert (model.body[0].out_channels, len(model.body)) == (4, 3)
    assert len(candidate(space, aw.Fidelity(depth=0.01)).model().body) == 2
    again = cloudpickle.loads(cloudpickle.dumps(space & aw.Space({"lr": aw.choice([0.1, 0.2])})))
    assert candidate(again, aw.Fidelity(width=0.5)).model().body[0].out_channels == 4
    restricted = space.restrict({"kernel": [3]})
    assert candidate(restricted, aw.Fidelity(width=0.5)).model().body[0].kernel_size == (3, 3)


def test_what_is_not_declared_is_refused_and_says_what_to_do(space):
    with pytest.raises(InputError, match=r"scaled=\{'my_argument': 'width'\}"):
        aw.ModelSpace(Net).smaller(width=0.5)
    with pytest.raises(InputError, match="width 95 % changes nothing: channels=8"):
        space.smaller(width=0.95)


@pytest.mark.parametrize(
    ("scaled", "message"),
    [
        ({"chanels": "width"}, "no argument of the constructor"),
        ({"channels": "breadth"}, "'width' or 'depth'"),
        (["channels"], "must name constructor arguments"),
    ],
)
def test_a_wrong_declaration(scaled, message):
    with pytest.raises(SpaceError, match=message):
        aw.ModelSpace(Net, scaled=scaled)


def test_an_argument_that_changes_the_decisions_is_refused():
    def net(most):
        return nn.Sequential(aw.linear(4, aw.choice("width", [most // 2, most])))

    with pytest.raises(InputError, match="must not change the decisions"):
        aw.ModelSpace(net, 32, scaled={"most": "width"}).smaller(width=0.5)


@pytest.mark.parametrize("name", ["nasbench201", "nasnet", "resnet_cnn", "mobilenet"])
def test_spaces_of_the_zoo_have_smaller_copies(name):
    space = build_space(name, input_shape=(3, 16, 16), n_outputs=4)
    architecture = space.sample(seed=1)

    def size(**shares):
        copy = space.smaller(**shares) if shares else space
        model = copy.build(architecture, seed=0).eval()
        assert model(torch.zeros(2, 3, 16, 16)).shape == (2, 4)
        return sum(p.numel() for p in model.parameters())

    assert size(width=0.5) < 0.6 * size()
    assert size(depth=0.5) < size()
    assert size(width=0.5, depth=0.5) < size(width=0.5)


# ---------------------------------------------------------------------- data


def test_fewer_rows_keep_the_shares_of_the_classes(task, space):
    train = aw.Train(task)
    part = train._task_at(aw.Fidelity(data=0.5))
    whole = np.bincount(task.train.y)
    assert np.bincount(part.train.y).tolist() == (whole / 2).tolist()
    assert part.validation is task.validation
    assert train._task_at(aw.Fidelity(data=0.5, epochs=0.5)) is part  # made once
    assert not cloudpickle.loads(cloudpickle.dumps(train))._smaller_tasks


def test_images_are_resampled(task):
    low = lower_resolution(task, 0.5)
    assert low.train.x.shape[1:] == (1, 4, 4)
    assert low.train.x.dtype == torch.uint8
    assert low.test is None
    means = [t.train.x.float().mean() for t in (task, low)]
    assert abs(means[0] - means[1]) < 1
    spread = [t.train.x.float().std() for t in (task, low)]
    assert spread[1] < 0.7 * spread[0]  # averaged, not picked
    with pytest.raises(InputError, match="leaves images of 8 x 8"):
        lower_resolution(task, 0.97)
    with pytest.raises(InputError, match="tabular data"):
        lower_resolution(aw.Task.load("iris"), 0.5)


# ---------------------------------------------------------------------- training


class Seen:
    """What `fit` was asked for, in place of training."""

    def __init__(self, monkeypatch):
        self.calls = []
        monkeypatch.setattr("archwright.evaluators.train.fit", self)

    def __call__(self, model, task, recipe, **options):
        self.calls.append((model, task, recipe))
        return type("Fitted", (), {"metrics": {"accuracy": 0.5}, "model": model})


@pytest.mark.parametrize(
    ("budget", "share", "epochs"), [(None, 0.5, 4), (6, 0.5, 3), (6, 1, 6), (None, 0.25, 2)]
)
def test_a_share_of_epochs_is_one_of_the_budget(task, space, monkeypatch, budget, share, epochs):
    seen = Seen(monkeypatch)
    fidelity = aw.Fidelity(epochs=share, data=0.5)
    aw.Train(task, epochs=8).evaluate(candidate(space, fidelity, budget=budget))
    _, used, recipe = seen.calls[0]
    assert recipe.epochs == epochs
    assert len(used.train) == 30


def test_epochs_by_rule_are_those_of_all_rows(task, space, monkeypatch):
    seen = Seen(monkeypatch)
    train = aw.Train(task)
    train.evaluate(candidate(space, aw.Fidelity(data=0.5)))
    assert seen.calls[0][2].epochs == train.epochs_of()


def test_a_network_is_trained_at_every_kind(task, space):
    fidelity = aw.Fidelity(epochs=0.5, data=0.5, resolution=0.5, width=0.5, depth=0.5)
    metrics = aw.Train(task, epochs=2).evaluate(candidate(space, fidelity))
    assert 0 <= metrics["accuracy"] <= 1


# ---------------------------------------------------------------------- refused beforehand


def test_networks_of_a_fixed_size_are_refused(task, space):
    fixed = aw.ModelSpace(Net, pixels=64, scaled=SCALED)
    low = aw.Fidelity(resolution=0.5)
    with pytest.raises(InputError, match="do not take images of 4 x 4 pixels"):
        require_fidelity(aw.Train(task), low, fixed)
    require_fidelity(aw.Train(task), low, space)


def test_tables_and_proxies_have_full_results_only():
    values = aw.Space({"width": aw.choice([1, 2])})
    table = aw.Table(values, [({"width": 1}, {"accuracy": 0.5})])
    for evaluator in (table, ZeroCost(["naswot"])):
        with pytest.raises(InputError, match="evaluates in full only: it knows no lower epochs"):
            require_fidelity(evaluator, aw.Fidelity(epochs=0.5), values)
    require_fidelity(lambda c: 1.0, aw.Fidelity(epochs=0.5, width=0.1), values)  # its own business
    with pytest.raises(InputError, match="no networks"):
        candidate(values, aw.Fidelity(width=0.5)).model()


def test_a_benchmark_answers_at_the_budgets_that_it_has():
    from archwright.benchmarks.base import Benchmark

    class Known:
        def place(self, architecture):
            return architecture["width"]

        def metrics(self, place, level):
            return {"accuracy": place * (1 + level)}

        def seconds(self, place, level):
            return None

    space = aw.Space({"width": aw.choice([1, 2])})
    goal = aw.Objective.of(maximize="accuracy")
    benchmark = Benchmark("known", space, Known(), goal, budgets=(12, 36, 200))
    assert benchmark.evaluate(candidate(space, aw.Fidelity(epochs=0.06))) == {"accuracy": 1}
    assert benchmark.evaluate(candidate(space, aw.Fidelity(epochs=36 / 200))) == {"accuracy": 2}
    assert benchmark.evaluate(candidate(space, None)) == {"accuracy": 3}
    with pytest.raises(InputError, match=r"has: 0.06 \(12\), 0.18 \(36\)"):
        require_fidelity(benchmark, aw.Fidelity(epochs=0.5), space)
    with pytest.raises(InputError, match="only lower epochs"):
        require_fidelity(benchmark, aw.Fidelity(data=0.5), space)
    one = Benchmark("one", space, Known(), goal)
    with pytest.raises(InputError, match="in full only"):
        require_fidelity(one, aw.Fidelity(epochs=0.5), space)


@pytest.mark.parametrize("share", [0.001, 0.02, 0.2])
def test_a_share_of_too_few_rows_is_refused_before_any_work(task, space, share):
    train = aw.Train(task, epochs=1)
    with pytest.raises(InputError, match=rf"data={share:g} of .* rows leaves \d+.* data=0.\d+ or"):
        require_fidelity(train, aw.Fidelity(data=share), space)


def test_the_share_that_is_named_instead_is_enough():
    x = np.random.default_rng(0).normal(size=(1000, 3)).astype("float32")
    task = aw.Task.from_arrays(x, np.arange(1000) % 50)
    train = aw.Train(task, epochs=1)
    with pytest.raises(InputError, match="two of each of the 50 classes") as refused:
        train.check_fidelity(aw.Fidelity(data=0.05), aw.Space({"a": aw.choice([1, 2])}))
    named = float(re.search(r"take data=(\S+) or", str(refused.value)).group(1))
    train.check_fidelity(aw.Fidelity(data=named), aw.Space({"a": aw.choice([1, 2])}))


def test_a_constructor_without_arguments_has_nothing_to_scale():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = aw.linear(4, aw.choice("width", [4, 8]))

    with pytest.raises(SpaceError, match="it takes none: give it one"):
        aw.ModelSpace(Plain, scaled={"chan": "width"})
