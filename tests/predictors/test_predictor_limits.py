"""What a predictor is given at the edges: too little, too large, or nothing that it can read."""

from __future__ import annotations

import numpy as np
import pytest

from archwright.errors import InputError
from archwright.predictors import Columns, Predictor
from archwright.space import Choice, Space

SPACE = Space({f"layer.{i}/width": Choice((8, 16, 32, 64)) for i in range(6)})
SEEN = [SPACE.sample(seed=seed) for seed in range(12)]
OTHERS = [SPACE.sample(seed=seed) for seed in range(100, 160)]
VALUES = [float(np.mean([np.log2(v) for v in a.values()])) for a in SEEN]


def test_custom_must_be_named():
    with pytest.raises(InputError, match="custom must map the name"):
        Predictor(SPACE, custom=lambda a: 1)


@pytest.mark.parametrize("as_columns", [False, True])
def test_a_custom_feature_that_raises_is_named(as_columns):
    def cost(architecture):
        return {"k": architecture["depth"]}

    columns = Columns(("k",), lambda listed: [[a["depth"]] for a in listed])
    predictor = Predictor(SPACE, custom={"cost": columns if as_columns else cost})
    with pytest.raises(InputError, match=r"'cost' failed for .*KeyError: 'depth'") as refused:
        predictor.fit(SEEN, VALUES)
    assert repr(SEEN[0]) in str(refused.value)


class Mean:
    """A model of one's own, without what calibrating needs."""

    def fit(self, table, targets, *, seed):
        self.mean = float(targets.mean())
        return self

    def predict(self, table):
        n = len(table.architectures)
        return np.full(n, self.mean), np.ones(n)


def test_a_model_of_ones_own():
    with pytest.raises(InputError, match=r"Mean.fit answers has no method held_out\(\)"):
        Predictor(SPACE, model=Mean()).fit(SEEN, VALUES)
    found = Predictor(SPACE, model=Mean(), calibrate=False).fit(SEEN, VALUES)
    assert np.isfinite(found.predict(OTHERS)).all()
    for wrong in (3, Mean, None):
        with pytest.raises(InputError, match="model must be one of auto"):
            Predictor(SPACE, model=wrong)


@pytest.mark.parametrize("targets", ["ranks", "values"])
@pytest.mark.parametrize("model", ["ridge", "auto", "additive"])
def test_one_architecture_several_times_says_little_of_others(model, targets):
    values = [0.8, 0.81, 0.79, 0.805, 0.8, 0.795, 0.79, 0.81]
    predictor = Predictor(SPACE, model=model, targets=targets).fit([SEEN[0]] * 8, values)
    mean, deviation = predictor.predict(OTHERS)
    assert 0.77 < mean.min() <= mean.max() < 0.83
    assert deviation.max() < 0.1


@pytest.mark.parametrize("model", ["auto", "extra_trees", "ridge", "sum_gp"])
@pytest.mark.parametrize("targets", ["ranks", "values"])
def test_means_stay_near_what_was_seen(model, targets):
    # One of them failed to learn: the slope below it leads to accuracies of -3.
    rng = np.random.default_rng(2)
    seen = [SPACE.sample(seed=2000 + seed) for seed in range(8)]
    values = np.sort(0.92 - 0.02 * rng.random(8))
    values[0] = 0.1
    values = rng.permutation(values)
    predictor = Predictor(SPACE, model=model, targets=targets).fit(seen, values)
    mean, deviation = predictor.predict(OTHERS)
    own = np.unique(values).std()
    assert values.min() - own <= mean.min()
    assert mean.max() <= values.max() + own
    assert deviation.max() <= 1.5 * np.ptp(values)  # half of the width of what is thought possible


def test_the_order_beyond_what_was_seen_is_kept():
    worst, best = (dict.fromkeys(SPACE.paths, v) for v in (8, 64))
    seen = [SPACE.sample(seed=seed) for seed in range(60)]
    values = [sum(np.log2(v) for v in a.values()) for a in seen]
    predictor = Predictor(SPACE, model="ridge", targets="values").fit(seen, values)
    middle = seen[:4]
    order = predictor.rank([worst, *middle, best])
    assert order[0] == SPACE.check(best)
    assert order[-1] == SPACE.check(worst)


def test_numbers_that_are_too_large_are_refused():
    with pytest.raises(InputError, match=r"below 1e\+100 in size, got 1e\+155 .*logarithms"):
        Predictor(SPACE, model="ridge").fit(SEEN, [*VALUES[:-1], 1e155])
    mean, deviation = (
        Predictor(SPACE, model="ridge").fit(SEEN, [1e90 * v for v in VALUES]).predict(OTHERS)
    )
    assert np.isfinite(mean).all()
    assert np.isfinite(deviation).all()
    predictor = Predictor(SPACE, model="ridge", custom={"cost": lambda a: 1e155})
    with pytest.raises(InputError, match=r"'cost'.* below 1e\+100"):
        predictor.fit(SEEN, VALUES)
