"""`SharedWeights`: calibrated, unchanged by judging, searched in this process and in workers."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

import archwright as aw
from archwright.errors import InputError, UnknownNameError
from archwright.evaluators import Candidate, SharedWeights
from archwright.runs import search_targets
from archwright.supernet.calibration import Calibration
from archwright.supernet.trust import compared, trust
from archwright.training import Recipe, evaluate
from tests.supernet import shared_toys

SPACE = shared_toys.space()
TASK = shared_toys.task(240)


@pytest.fixture(scope="module")
def shared():
    return SharedWeights.train(SPACE, TASK, rule="sandwich", epochs=20)


def test_scores_are_those_of_the_extracted_network(shared):
    for seed in range(4):
        arch = SPACE.sample(seed=seed)
        found = shared.score(arch)
        network = shared.extract(arch)
        assert not network.training
        assert evaluate(network, TASK)["loss"] == pytest.approx(found["loss"], rel=1e-5)
        assert found["accuracy"] > 0.8


def test_statistics_are_recomputed_and_restored(shared):
    arch = SPACE.sample(seed=1)
    supernet = shared.supernet
    before = {k: v.clone() for k, v in supernet.state_dict().items()}
    modes = [m.training for m in supernet.modules()]
    shared._scores.clear()
    shared.score(arch)
    assert all(torch.equal(before[k], v) for k, v in supernet.state_dict().items())
    assert [m.training for m in supernet.modules()] == modes
    x = torch.cat([TASK.prepare(TASK.train.x[:100])])
    with supernet.active(arch):
        with torch.no_grad(), Calibration(supernet).calibrated([x]):
            own = supernet(x)
            norm = supernet.model.blocks[0].body[1]
            mean = norm.running_mean.clone()
            inner = supernet.model.blocks[0].body[0](supernet.model.stem(x))
        assert torch.allclose(mean, inner.mean((0, 2, 3)), atol=1e-5)
        with torch.no_grad():
            assert not torch.allclose(own, supernet(x))
    uncalibrated = SharedWeights(supernet, TASK, n_batches=0)
    assert uncalibrated.score(arch)["loss"] != shared.score(arch)["loss"]


def test_judging_needs_no_order_and_travels(shared):
    archs = [SPACE.sample(seed=i) for i in range(5)]
    scores = [shared.score(arch) for arch in archs]
    copy = pickle.loads(pickle.dumps(shared))
    assert [copy.score(arch) for arch in reversed(archs)] == scores[::-1]
    assert copy.weights_hash == shared.weights_hash
    other = SharedWeights(SPACE.supernet(seed=3), TASK)
    assert other.weights_hash != shared.weights_hash


LIMITS = {"flops": 20_000}


def test_any_search_with_goals_and_limits(shared):
    result = aw.search(
        SPACE,
        shared,
        minimize="params",
        limits=LIMITS,
        strategy="nsga2",
        trials=12,
        final=False,
        baselines=False,
        device="cpu",
    )
    assert len([t for t in result.trials if t.state == "complete"]) == 12
    assert all(t.metrics["flops"] <= 20_000 for t in result.front)
    trial = result.best
    assert trial.metrics["accuracy"] == shared.score(trial.architecture)["accuracy"]


@pytest.mark.slow
@pytest.mark.integration
def test_in_workers_with_a_folder_and_a_final_network(shared, tmp_path):
    how = {"strategy": "random", "trials": 4, "workers": 1, "limits": LIMITS, "baselines": False}
    result = aw.search(SPACE, shared, **how, device="cpu", out=tmp_path)
    trial = result.best
    assert trial.metrics["accuracy"] == shared.score(trial.architecture)["accuracy"]
    final = result.finals[0]
    assert final.trained_on == "train+validation"
    assert final.costs["flops"] <= 20_000
    assert "supernet" in final.notes[0]
    assert final.test["accuracy"] > 0.8
    assert not any(type(m).__module__.startswith("archwright") for m in result.model.modules())
    assert (tmp_path / "report.html").exists()
    assert (tmp_path / "export").is_dir()
    other = SharedWeights(SPACE.supernet(seed=3), TASK)
    with pytest.raises(InputError, match="weights"):
        aw.search(SPACE, other, **how, device="cpu", out=tmp_path)


def test_ways_of_ending(shared):
    candidate = Candidate(SPACE, SPACE.default, seed=1, n_threads=1)
    supernet = shared.supernet
    as_it_is = SharedWeights(supernet, TASK, final="inherited").final(candidate)
    assert as_it_is.n_epochs == 0
    assert evaluate(as_it_is.model, TASK)["loss"] == pytest.approx(
        shared.score(SPACE.default)["loss"], rel=1e-5
    )
    tuned = SharedWeights(supernet, TASK, final_epochs=2).final(candidate)
    assert tuned.n_epochs == 2
    assert len(tuned.curve) == 2
    recipe = Recipe(epochs=2)
    anew = SharedWeights(supernet, TASK, final="anew", recipe=recipe).final(candidate)
    plain = aw.Train(TASK, recipe=recipe).final(candidate)
    assert anew.test == plain.test


def test_several_targets(shared):
    targets = {"small": {"params": 100}, "medium": {"params": 200}, "any": {}}
    found = search_targets(SPACE, shared, targets, strategy="random", trials=8, final=False)
    assert list(found) == list(targets)
    assert found["small"].best.metrics["params"] <= 100
    assert found["medium"].best.metrics["params"] <= 200
    with pytest.raises(InputError, match="at least one"):
        search_targets(SPACE, shared, {})
    for name in (".", "..", "a/b"):
        with pytest.raises(InputError, match="a target is a name"):
            search_targets(SPACE, shared, {name: {"params": "20k"}})
    with pytest.raises(InputError, match="leave limits= out"):
        search_targets(SPACE, shared, targets, limits={})


def test_trust_is_measured_kept_and_recorded(shared):
    own = pickle.loads(pickle.dumps(shared))
    found = trust(own, n=5, epochs=1, repeats=2)
    assert own.trust is found
    assert found.ceiling is not None
    assert "noise ceiling" in str(found)
    assert found.n == len(set(found.architectures)) == 5
    assert found.inherited == tuple(own.score(a)["accuracy"] for a in found.architectures)
    assert "parameters" in str(found)
    result = aw.search(SPACE, own, trials=2, final=False, baselines=False)
    assert result.info["trust"]["kendall"] == found.kendall
    with pytest.raises(InputError, match="at least"):
        trust(own, architectures=[SPACE.default])


def test_low_trust_is_warned_of():
    values = [0.1, 0.5, 0.3, 0.2, 0.4, 0.6]
    archs = [SPACE.sample(seed=i) for i in range(6)]

    def of(inherited, maximize=True):
        return compared(
            metric="m",
            maximize=maximize,
            architectures=archs,
            inherited=inherited,
            alone=values,
            params=[1, 1, 1, 1, 1, 1],
        )

    assert of(values).kendall == pytest.approx(1)
    assert of(values).regret == 0
    assert of(values, maximize=False).regret == 0
    assert not of(values).warnings
    bad = of([-v for v in values])
    assert bad.kendall == pytest.approx(-1)
    assert "hardly ranks" in bad.warnings[0]
    assert bad.regret == pytest.approx(0.5)
    assert "Warning" in str(bad)


def test_errors_before_any_work(shared):
    supernet = shared.supernet
    with pytest.raises(InputError, match="train_supernet"):
        SharedWeights(nn.Linear(2, 2), TASK)
    with pytest.raises(InputError, match="needs a Task"):
        SharedWeights(supernet, None)
    with pytest.raises(UnknownNameError, match="fine_tune"):
        SharedWeights(supernet, TASK, final="fine_tuned")
    with pytest.raises(InputError, match=r"not run|must return"):
        SharedWeights(supernet, aw.Task.load("iris"))
    with pytest.raises(InputError, match="other hyper-parameters"):
        shared.check({"lr": 0.1})
    candidate = Candidate(SPACE, SPACE.default, staged=True)
    with pytest.raises(InputError, match="one budget"):
        shared.evaluate(candidate)


def test_threads_that_share_an_evaluator_get_the_right_figures(shared):
    architectures = list({SPACE.sample(seed=i): None for i in range(30)})
    alone = pickle.loads(pickle.dumps(shared))
    wanted = [alone.score(a) for a in architectures]
    together = pickle.loads(pickle.dumps(shared))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(together.score, architectures))
    assert found == wanted
