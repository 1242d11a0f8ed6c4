import importlib.util
import pickle
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
from scipy.stats import kendalltau

from archwright.errors import ArchitectureError, InputError, MissingExtraError, UnknownNameError
from archwright.predictors import Columns, Predictor
from archwright.predictors.forests import Boosting, Forest
from archwright.predictors.mlp import _pair_slope
from archwright.predictors.predictor import MODELS
from archwright.predictors.smooth import Networks
from archwright.space import Branch, Choice, Decision, Integer, Space
from archwright.space.cells import CellGraph

OPS = ("none", "skip", "conv1", "conv3", "pool")
PATHS = ("a", "b", "c", "d", "e", "f")
EDGES = ((0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3))
QUICK = ("auto", "sum_gp", "joined_gp", "extra_trees", "ridge", "additive", "gp")
BOOSTED = ("lightgbm", "xgboost")


def cell_space():
    cell = CellGraph.on_edges(
        "cell",
        1,
        3,
        dict(zip(EDGES, PATHS, strict=True)),
        output="last",
        zero="none",
        identity="skip",
    )
    return Space({p: Choice(OPS) for p in PATHS}, cells=[cell])


def plain_space():
    return Space({f"layer.{i}/width": Choice((8, 16, 32, 64)) for i in range(6)})


def cell_value(arch):
    counts = Counter(arch.values())
    return 90.0 - 2.0 ** (4 - counts["conv3"]) - counts["none"] + 0.5 * (arch["f"] == "conv1")


def plain_value(arch):
    return sum(np.log2(v) for v in arch.values())


def drawn(space, n, start=0):
    return [space.sample(seed=start + i) for i in range(n)]


CELLS, PLAIN = cell_space(), plain_space()
BOTH = pytest.mark.parametrize(
    ("space", "value"), [(CELLS, cell_value), (PLAIN, plain_value)], ids=["cells", "plain"]
)


@BOTH
@pytest.mark.parametrize("model", QUICK)
def test_ranks_what_it_has_not_seen_on_the_scale_of_the_values(space, value, model):
    seen, rest = drawn(space, 60), drawn(space, 150, 1_000)
    predictor = Predictor(space, model=model).fit(seen, [value(a) for a in seen])
    mean, deviation = predictor.predict(rest)
    truth = np.array([value(a) for a in rest])
    assert mean.shape == deviation.shape == (150,)
    assert np.isfinite(mean).all()
    assert (deviation > 0).all()
    assert kendalltau(mean, truth)[0] > 0.5
    assert np.abs(mean - truth).mean() < truth.std()


@pytest.mark.parametrize(
    "model",
    [
        Forest("random_forest", n_trees=20),
        Boosting(n_trees=30),
        Networks(epochs=60),
        Networks(True),
    ],
)
def test_slower_models_rank_too(model):
    seen, rest = drawn(CELLS, 40), drawn(CELLS, 100, 1_000)
    predictor = Predictor(CELLS, model=model, calibrate=False)
    predictor.fit(seen, [cell_value(a) for a in seen])
    mean, _ = predictor.predict(rest)
    assert kendalltau(mean, [cell_value(a) for a in rest])[0] > 0.4


@pytest.mark.parametrize("ranking", [False, True])
def test_graph_networks_rank_cells_and_leave_torch_s_random_state_alone(ranking):
    import torch

    from archwright.predictors.gcn import GraphNetworks

    seen, rest = drawn(CELLS, 40), drawn(CELLS, 100, 1_000)
    before = torch.get_rng_state()
    model = GraphNetworks(CELLS, ranking=ranking, width=16, epochs=25, n_networks=2)
    predictor = Predictor(CELLS, model=model).fit(seen, [cell_value(a) for a in seen])
    mean, deviation = predictor.predict(rest)
    assert torch.equal(before, torch.get_rng_state())
    assert kendalltau(mean, [cell_value(a) for a in rest])[0] > 0.4
    assert (deviation > 0).all()
    again = Predictor(CELLS, model=model).fit(seen, [cell_value(a) for a in seen])
    assert np.array_equal(mean, again.predict(rest)[0])


def test_the_pairwise_loss_of_networks_falls_along_its_slope():
    rng = np.random.default_rng(0)
    found, y = rng.normal(size=(1, 5, 1)), rng.normal(size=(1, 5, 1))

    def loss(scores):
        better = [(i, j) for i in range(5) for j in range(5) if y[0, i, 0] > y[0, j, 0]]
        gaps = [scores[0, i, 0] - scores[0, j, 0] for i, j in better]
        return 2 * np.log1p(np.exp(-np.array(gaps))).sum() / 5

    slope = _pair_slope(found, y)
    for i in range(5):
        step = np.zeros_like(found)
        step[0, i] = 1e-6
        by_steps = (loss(found + step) - loss(found - step)) / 2e-6
        assert by_steps == pytest.approx(float(slope[0, i, 0]), rel=1e-4)


def test_graph_networks_need_cells():
    with pytest.raises(InputError, match="the space has none: take 'auto'"):
        Predictor(PLAIN, model="gcn")


@pytest.mark.parametrize("library", BOOSTED)
def test_boosting_libraries_work_or_are_named_before_any_work(library):
    seen = drawn(CELLS, 30)
    if importlib.util.find_spec(library) is None:
        with pytest.raises(MissingExtraError, match=rf"{library} is needed .*\[tabular\]"):
            Predictor(CELLS, model=library)
        return
    predictor = Predictor(CELLS, model=library, calibrate=False)
    mean, _ = predictor.fit(seen, [cell_value(a) for a in seen]).predict(seen)
    assert kendalltau(mean, [cell_value(a) for a in seen])[0] > 0.5


@pytest.mark.parametrize("targets", ["ranks", "values"])
def test_predictions_move_with_the_values(targets):
    seen, rest = drawn(PLAIN, 30), drawn(PLAIN, 20, 500)
    values = np.array([plain_value(a) for a in seen])
    one = Predictor(PLAIN, model="sum_gp", targets=targets).fit(seen, values).predict(rest)
    two = Predictor(PLAIN, model="sum_gp", targets=targets).fit(seen, 5 * values - 7).predict(rest)
    np.testing.assert_allclose(two[0], 5 * one[0] - 7, rtol=1e-6)
    np.testing.assert_allclose(two[1], 5 * one[1], rtol=1e-6)


@pytest.mark.parametrize("model", ["auto", "gp"])
def test_update_equals_a_fit_to_everything(model):
    seen, rest = drawn(CELLS, 30), drawn(CELLS, 20, 1_000)
    values = [cell_value(a) for a in seen]
    calls = []

    def seen_once(a):
        calls.append(a)
        return float(len(set(a.values())))

    custom = None if model == "gp" else {"kinds": seen_once}
    parts = Predictor(CELLS, model=model, custom=custom, calibrate=model == "gp")
    parts.update(seen[:20], values[:20]).update(seen[20:], values[20:]).update([], [])
    whole = Predictor(CELLS, model=model, custom=custom, calibrate=model == "gp")
    whole.fit(seen, values)
    for a, b in zip(parts.predict(rest), whole.predict(rest), strict=True):
        assert np.array_equal(a, b)
    if custom:  # each of two predictors asks once for an architecture
        assert max(Counter(calls).values()) == 2


def test_deviations_cover_what_they_say():
    rng = np.random.default_rng(0)
    seen, rest = drawn(PLAIN, 80), drawn(PLAIN, 300, 1_000)
    noisy = [plain_value(a) + rng.normal(0, 0.7) for a in seen]
    predictor = Predictor(PLAIN).fit(seen, noisy)
    mean, deviation = predictor.predict(rest)
    truth = np.array([plain_value(a) + rng.normal(0, 0.7) for a in rest])
    assert 0.8 < (np.abs(truth - mean) < 1.645 * deviation).mean() < 0.98
    told = predictor.calibration
    assert told.n == 80
    assert 0.8 < told.coverage[0.9] <= 1
    assert abs(told.kendall - kendalltau(mean, truth)[0]) < 0.15
    assert Predictor(PLAIN, calibrate=False).fit(seen, noisy).calibration is None


def test_more_is_known_near_what_was_seen():
    seen = drawn(PLAIN, 40)
    predictor = Predictor(PLAIN, model="sum_gp").fit(seen, [plain_value(a) for a in seen])
    far = drawn(PLAIN, 100, 1_000)
    assert predictor.predict(seen)[1].mean() < predictor.predict(far)[1].mean()


def test_custom_features_are_used():
    rng = np.random.default_rng(0)
    space = Space({f"x{i}": Choice(tuple("abcdefgh")) for i in range(5)})
    hidden = {a: float(rng.normal()) for a in dict.fromkeys(drawn(space, 300))}
    listed = list(hidden)
    seen, rest = listed[:60], listed[60:]
    truth = [hidden[a] for a in rest]

    def tau(**options):
        predictor = Predictor(space, **options).fit(seen, [hidden[a] for a in seen])
        return kendalltau(predictor.predict(rest)[0], truth)[0]

    table = Columns(("cost",), lambda archs: [[np.exp(9 * hidden[a])] for a in archs])
    assert abs(tau()) < 0.3  # noise, as far as the decisions tell
    assert tau(custom={"cost": table}) > 0.8
    assert tau(model="ridge", custom={"proxy": lambda a: {"score": -hidden[a]}}) > 0.8
    only = Predictor(space, model="ridge", features=[], custom={"cost": table})
    assert only.fit(seen, [hidden[a] for a in seen]).rank(rest)[0] == max(rest, key=hidden.get)


def test_rank_puts_the_best_first_whichever_way():
    seen, rest = drawn(PLAIN, 50), drawn(PLAIN, 30, 1_000)
    predictor = Predictor(PLAIN, model="ridge").fit(seen, [plain_value(a) for a in seen])
    high = predictor.rank(rest)
    assert sorted(map(repr, high)) == sorted(map(repr, rest))
    assert plain_value(high[0]) > plain_value(high[-1])
    assert predictor.rank(rest, maximize=False)[0] == high[-1]


def test_a_fitted_predictor_can_be_pickled():
    seen, rest = drawn(CELLS, 20), drawn(CELLS, 10, 1_000)
    for model in ("auto", "gp"):
        predictor = Predictor(CELLS, model=model).fit(seen, [cell_value(a) for a in seen])
        copy = pickle.loads(pickle.dumps(predictor))
        assert np.array_equal(copy.predict(rest)[0], predictor.predict(rest)[0])


def test_equal_values_and_equal_architectures_are_no_trouble():
    seen = drawn(CELLS, 6)
    for model in ("auto", "gp", "ridge", "additive"):
        predictor = Predictor(CELLS, model=model).fit(seen, [3.0] * 6)
        mean, deviation = predictor.predict(seen)
        np.testing.assert_allclose(mean, 3.0, atol=1e-6)
        assert np.isfinite(deviation).all()
        same = Predictor(CELLS, model=model, calibrate=False).fit(
            [seen[0]] * 6, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
        )
        assert 1 < same.predict([seen[0]])[0][0] < 6


def test_a_conditional_space_with_cells_and_hyper_parameters():
    decisions = [Decision(p, Choice(OPS)) for p in PATHS]
    cell = CELLS.cells[0]
    hidden = Decision("head=mlp/hidden", Choice((32, 64, 128)))
    head = Decision("head", Choice(("linear", "mlp")), branches=(Branch({"mlp"}, [hidden]),))
    depth = Decision("depth", Integer(1, 9))
    space = Space([*decisions, head, depth], cells=[cell])
    assert len({len(a) for a in drawn(space, 20)}) == 2

    def value(a):
        return cell_value({p: a[p] for p in PATHS}) + a["depth"] + 2 * (a["head"] == "mlp")

    seen, rest = drawn(space, 80), drawn(space, 100, 1_000)
    for model in ("auto", "gp", "ridge"):
        predictor = Predictor(space, model=model).fit(seen, [value(a) for a in seen])
        assert kendalltau(predictor.predict(rest)[0], [value(a) for a in rest])[0] > 0.45


SEEN = drawn(PLAIN, 10)


@pytest.mark.parametrize(
    ("listed", "values", "message"),
    [
        (SEEN[:3], [1, 2, 3], "at least 4 trained architectures are needed, got 3"),
        (SEEN, [1] * 9, "got 10 architectures and 9 values"),
        (SEEN, [1.0] * 9 + [float("nan")], r"values must be finite, got nan .*\(number 9\)"),
        (SEEN, [1.0] * 9 + [float("inf")], "values must be finite, got inf"),
        (SEEN, ["good"] * 10, "values must be numbers"),
        (drawn(CELLS, 10), [1.0] * 10, "layer.0/width"),
    ],
)
def test_what_cannot_be_fitted_is_refused(listed, values, message):
    with pytest.raises(InputError, match=message):
        Predictor(PLAIN, model="ridge").fit(listed, values)


def test_features_that_never_differ_are_refused():
    with pytest.raises(InputError, match="no feature differs"):
        Predictor(PLAIN, features=[], custom={"cost": lambda a: 1}).fit(SEEN, range(10))
    one = Space({"a": Choice((3,))})
    with pytest.raises(InputError, match="no feature differs"):
        Predictor(one).fit([one.default] * 5, range(5))


def test_foreign_architectures_and_no_fit_are_refused():
    predictor = Predictor(PLAIN, model="ridge")
    with pytest.raises(InputError, match="call fit"):
        predictor.predict(SEEN)
    with pytest.raises(InputError, match="call fit"):
        predictor.rank(SEEN)
    predictor.fit(SEEN, range(10))
    with pytest.raises(ArchitectureError):
        predictor.predict([{"width": 3}])
    assert [len(part) for part in predictor.predict([])] == [0, 0]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"model": "random_forst"}, UnknownNameError, "did you mean 'random_forest'"),
        ({"features": ["one_hott"]}, UnknownNameError, "did you mean 'one_hot'"),
        ({"features": ["graph"]}, InputError, "'graph' are of cells, and the space has none"),
        ({"features": "one_hot"}, InputError, "must be a list of names"),
        ({"features": ["one_hot", "one_hot"]}, InputError, "there twice"),
        ({"features": []}, InputError, "there are no features"),
        ({"targets": "logs"}, UnknownNameError, "scale of targets"),
        ({"ranking": True}, InputError, "ranking=True has no meaning for the model 'auto'"),
        ({"model": "gp", "features": ["one_hot"]}, InputError, "reads the architectures"),
        ({"custom": {"cost": 3}}, InputError, "expected a function"),
        ({"seed": -1}, InputError, "seed must be a whole number"),
    ],
)
def test_options_that_mean_nothing_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        Predictor(PLAIN, **options)
    with pytest.raises(InputError, match="space must be a Space"):
        Predictor({"a": 1})


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (lambda a: float("nan"), "'own': own of .* is nan"),
        (lambda a: "much", "expected numbers, got 'much'"),
        (lambda a: {str(a["layer.0/width"]): 1.0}, "for every architecture"),
        (Columns(("x", "y"), lambda archs: [[1.0]] * len(archs)), "expected a matrix of 10 x 2"),
    ],
)
def test_custom_features_that_are_no_numbers_are_refused(own, message):
    with pytest.raises(InputError, match=message):
        Predictor(PLAIN, model="ridge", custom={"own": own}).fit(SEEN, range(10))


def test_importing_predictors_loads_nothing_heavy():
    code = (
        "import sys, archwright.predictors;"
        "print([m for m in ('torch', 'sklearn', 'scipy') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"
    assert set(QUICK) < set(MODELS)
