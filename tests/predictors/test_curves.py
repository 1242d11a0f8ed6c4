import pickle
import subprocess
import sys

import numpy as np
import pytest

from archwright.errors import InputError, UnknownNameError
from archwright.predictors.curves import FAMILIES, METHODS, Curve, CurvePredictor, extrapolate
from archwright.predictors.curves.parametric import posterior
from archwright.predictors.curves.shapes import ENSEMBLE, shapes
from archwright.predictors.curves.table import Table, fitted_line, rising_line

EPOCHS = np.arange(1.0, 31.0)
ALONE = ["parametric", "last_value", *FAMILIES]
WITH_LOSSES = {"sotl", "sotl_e"}


def family(seed=0, n=40, noise=0.0):
    """Curves that rise at different rates to different ends, as reports with training losses."""
    rng = np.random.default_rng(seed)
    curves = []
    for a, rate in zip(rng.uniform(0.7, 0.9, n), rng.uniform(0.3, 0.9, n), strict=True):
        values = a - 0.6 * EPOCHS**-rate + noise * rng.normal(size=len(EPOCHS))
        curves.append(
            [
                {"step": int(e), "accuracy": float(v), "train_loss": float(2 * (1 - v))}
                for e, v in zip(EPOCHS, values, strict=True)
            ]
        )
    return curves


def test_reports_and_values_become_curves():
    reports = [
        {"step": 0, "accuracy": 0.1},
        {"step": 4, "train_loss": 2.0},
        {"step": 2, "accuracy": 0.2, "train_loss": 3.0},
        {"step": 6, "accuracy": float("nan")},
        {"step": 8, "accuracy": 0.4},
        {"step": 8, "accuracy": 0.5},
    ]
    curve = Curve.of(reports, metric="accuracy")
    assert curve == Curve((2.0, 8.0), (0.2, 0.5), ((2.0, 3.0), (4.0, 2.0)))
    assert curve.upto(5) == Curve((2.0,), (0.2,), ((2.0, 3.0), (4.0, 2.0)))
    assert curve.upto(1) is None
    assert curve.at(np.array([1.0, 5.0, 9.0])).tolist() == pytest.approx([0.2, 0.35, 0.5])
    assert Curve.of([1.0, 2.0], steps=(10, 30)).steps == (10.0, 30.0)


@pytest.mark.parametrize(
    ("given", "options", "message"),
    [
        ([], {}, "no finite value"),
        ([float("nan"), float("inf")], {}, "no finite value"),
        ([{"step": 1, "loss": 1.0}], {}, "give metric="),
        ([{"step": 1, "loss": 1.0}], {"metric": "accuracy"}, "no finite value of accuracy"),
        (["high"], {}, "must be numbers"),
        (0.5, {}, "sequence of values"),
        ("curve", {}, "sequence of values"),
        ([0.5, 0.6], {"steps": [1]}, "1 numbers for 2 values"),
    ],
)
def test_what_is_no_curve_is_refused(given, options, message):
    with pytest.raises(InputError, match=message):
        Curve.of(given, **options)


@pytest.mark.parametrize("name", FAMILIES)
def test_each_family_finds_a_curve_of_its_own(name):
    steps = np.arange(1.0, 31.0)
    rows, _ = shapes(steps, 100.0, (name,))
    assert np.isfinite(rows).all()
    row = rows[len(rows) // 2]
    mean, std = posterior(steps, (0.3 + 0.5 * row[:-1])[None], 100.0, (name,))
    end, last = 0.3 + 0.5 * row[-1], 0.3 + 0.5 * row[-2]
    assert abs(mean[0] - end) < 0.05
    assert abs(mean[0] - end) < max(0.5 * abs(last - end), 0.02)
    assert 0 < std[0] < 0.3


@pytest.mark.parametrize("method", ALONE)
def test_a_change_of_unit_changes_the_prediction_alike(method):
    rng = np.random.default_rng(1)
    values = 0.8 - 0.6 * EPOCHS[:12] ** -0.6 + 0.01 * rng.normal(size=12)
    mean, std = extrapolate(values, at=30, method=method)
    error, error_std = extrapolate(100 * (1 - values), at=30, method=method)
    assert error == pytest.approx(100 * (1 - mean))
    assert error_std == pytest.approx(100 * std)
    # Steps in another unit, too.
    scaled = extrapolate(values, steps=50 * EPOCHS[:12], at=1500, method=method)
    assert scaled == pytest.approx((mean, std))


@pytest.mark.parametrize("method", ["parametric", "last_value"])
def test_hard_curves_get_finite_answers(method):
    for values in ([0.1, 0.1, 0.1, 0.1], [0.0] * 5, [0.1, 0.9, 0.1, 0.9, 0.1], [2.0, 1.0, 0.5]):
        mean, std = extrapolate(values, at=50, method=method)
        assert np.isfinite([mean, std]).all()
        assert std >= 0
    assert extrapolate([0.1, 0.1, 0.1], at=50, method=method).mean == pytest.approx(0.1)
    assert extrapolate([0.3], at=50, method=method) == (0.3, np.inf)
    gaps = extrapolate([0.2, float("nan"), 0.4, 0.45], at=50, method=method)
    assert gaps == extrapolate([0.2, 0.4, 0.45], steps=[1, 3, 4], at=50, method=method)
    # What has come there already is no prediction.
    assert extrapolate([0.2, 0.4, 0.5], at=2, method=method) == (0.4, 0.0)


def test_a_longer_way_is_less_certain_and_a_longer_curve_more():
    values = 0.8 - 0.6 * EPOCHS**-0.6
    stds = [extrapolate(values[:10], at=at).std for at in (12, 20, 50, 200)]
    assert stds == sorted(stds)
    seen = [extrapolate(values[:n], at=30).std for n in (5, 10, 20, 29)]
    assert seen == sorted(seen, reverse=True)


def test_many_curves_at_once_are_the_same_as_one_by_one():
    rng = np.random.default_rng(0)
    values = 0.8 - rng.uniform(0.2, 0.7, (7, 1)) * EPOCHS[:9] ** -0.5
    means, stds = posterior(EPOCHS[:9], values, 30.0)
    for row, mean, std in zip(values, means, stds, strict=True):
        assert extrapolate(row, at=30) == pytest.approx((mean, std))


def test_families_count_alike_in_the_ensemble():
    rows, prior = shapes(EPOCHS, 100.0, tuple(ENSEMBLE))
    assert prior.sum() == pytest.approx(1.0)
    assert len(set(np.round(prior, 12))) > 1
    assert np.ptp(rows, axis=1) == pytest.approx(np.ones(len(rows)))


def test_held_out_predictions_are_made_without_the_curve():
    rng = np.random.default_rng(0)
    base = rng.normal(size=8)
    finals = base + 0.3 * rng.normal(size=8)
    for rule in (fitted_line, rising_line):
        held_out, _ = rule(base, finals, base)
        for i in range(8):
            rest = np.arange(8) != i
            _, found = rule(base[rest], finals[rest], base[i : i + 1])
            assert held_out[i] == pytest.approx(found[0])


@pytest.mark.parametrize("method", METHODS)
def test_learnt_predictions_beat_the_mean_and_know_their_error(method):
    curves = family(noise=0.003)
    finals = np.array([c[-1]["accuracy"] for c in curves])
    known, asked = curves[:25], curves[25:]
    predictor = CurvePredictor(method, metric="accuracy").fit(known)
    found = np.array(predictor.predict_many([c[:8] for c in asked]))
    errors = np.abs(found[:, 0] - finals[25:])
    assert errors.mean() < np.abs(finals[25:] - finals[:25].mean()).mean()
    assert np.mean(errors < 2 * found[:, 1]) > 0.8
    # It is the same one by one, and from plain curves where no losses are needed.
    assert predictor.predict(asked[0][:8]) == pytest.approx(tuple(found[0]))
    if method not in WITH_LOSSES | {"auto"}:
        plain = [[p["accuracy"] for p in c] for c in curves]
        again = CurvePredictor(method).fit(plain[:25]).predict(plain[25][:8])
        assert again == pytest.approx(tuple(found[0]))


def test_auto_learns_more_than_the_last_value_tells():
    curves = family(seed=3, noise=0.003)
    finals = np.array([c[-1]["accuracy"] for c in curves])
    errors = {}
    for method in ("auto", "last_value"):
        predictor = CurvePredictor(method, metric="accuracy").fit(curves[:25])
        means = np.array(predictor.predict_many([c[:8] for c in curves[25:]]))[:, 0]
        errors[method] = np.abs(means - finals[25:]).mean()
    assert errors["auto"] < 0.7 * errors["last_value"]


def test_what_counts_may_be_another_value_than_the_last():
    curves = [[p["accuracy"] for p in c] for c in family()]
    best = [max(c) + 0.05 for c in curves]
    for method in ("auto", "last_value", "ridge"):
        mean, _ = CurvePredictor(method).fit(curves, best).predict(curves[0][:20])
        plain, _ = CurvePredictor(method).fit(curves).predict(curves[0][:20])
        assert mean == pytest.approx(plain + 0.05, abs=0.01)


@pytest.mark.parametrize("method", ["lc_svr", "ridge", "auto"])
def test_features_of_architectures_help_where_the_curve_says_nothing(method):
    rng = np.random.default_rng(0)
    width = rng.uniform(-1, 1, 40)
    curves = [[0.1, 0.1, 0.1, 0.5 + 0.3 * w] for w in width]
    known, asked = range(30), range(30, 40)
    predictor = CurvePredictor(method)
    predictor.fit([curves[i] for i in known], features=width[list(known), None])
    found = [predictor.predict(curves[i][:2], features=[width[i]]).mean for i in asked]
    assert np.corrcoef(found, [curves[i][-1] for i in asked])[0, 1] > 0.9
    with pytest.raises(InputError, match="or to neither"):
        predictor.predict(curves[0][:2])
    with pytest.raises(InputError, match="1 features"):
        predictor.predict(curves[0][:2], features=[0.1, 0.2])


def test_curves_with_other_steps_and_other_lengths_are_compared():
    values = [[p["accuracy"] for p in c] for c in family()]
    thin = [Curve.of(v[1::2], steps=EPOCHS[1::2]) for v in values[:20]]
    short = [Curve.of(v[:5]) for v in values[20:25]]
    predictor = CurvePredictor("ridge", at=30).fit([*thin, *short])
    mean, std = predictor.predict(values[30][:9])
    assert abs(mean - values[30][-1]) < 0.05
    assert std < 0.1
    # Where too few came as far, the curve is on its own.
    alone = CurvePredictor("auto", at=30).fit([*thin[:2], *short]).predict(values[30][:9])
    assert alone == pytest.approx(extrapolate(values[30][:9], at=30))
    with pytest.raises(InputError, match="learns from finished curves"):
        CurvePredictor("ridge", at=30).fit(short).predict(values[30][:9])


def test_what_cannot_be_answered_is_refused():
    curves = [[0.1, 0.2, 0.3]] * 4
    with pytest.raises(UnknownNameError, match="last_value"):
        extrapolate([0.1, 0.2], at=5, method="lastvalue")
    with pytest.raises(InputError, match="method must be a name"):
        CurvePredictor(CurvePredictor)
    for method in ("lc_svr", "ridge", "sotl", "sovl"):
        with pytest.raises(InputError, match="finished"):
            extrapolate([0.1, 0.2], at=5, method=method)
    for at in (0, -1, float("nan"), "end"):
        with pytest.raises(InputError, match="at must be"):
            extrapolate([0.1, 0.2], at=at)
    with pytest.raises(InputError, match="at least 4"):
        CurvePredictor().fit(curves[:3])
    with pytest.raises(InputError, match="at least 5"):
        CurvePredictor("lc_svr").fit(curves).predict([0.1])
    with pytest.raises(InputError, match="one finite number"):
        CurvePredictor().fit(curves, [0.1] * 3)
    with pytest.raises(InputError, match="one finite number"):
        CurvePredictor().fit(curves, [0.1, 0.2, 0.3, float("nan")])
    with pytest.raises(InputError, match="features must be"):
        CurvePredictor().fit(curves, features=[[1.0]])
    with pytest.raises(InputError, match="fit the predictor"):
        CurvePredictor().predict([0.1])
    with pytest.raises(InputError, match="training losses"):
        CurvePredictor("sotl").fit(curves).predict([0.1])


def test_constant_and_equal_curves_teach_too():
    for method in ("auto", "last_value", "sovl", "ridge", "lc_svr"):
        mean, std = CurvePredictor(method).fit([[0.1, 0.1, 0.1]] * 12).predict([0.1, 0.1])
        assert (mean, std) == pytest.approx((0.1, 0.0), abs=1e-6)


def test_a_fitted_predictor_travels():
    predictor = CurvePredictor(metric="accuracy").fit(family())
    again = pickle.loads(pickle.dumps(predictor))
    part = family(seed=5)[0][:6]
    assert again.predict(part) == predictor.predict(part)


def test_tables_have_losses_only_where_all_have():
    with_losses = Curve.of(family()[0], metric="accuracy")
    without = Curve(with_losses.steps, with_losses.values)
    assert Table.of([with_losses], with_losses, 30.0).losses.shape == (1, 30)
    assert Table.of([with_losses, without], with_losses, 30.0).losses is None


def test_nothing_heavy_is_imported():
    code = (
        "import sys, archwright.predictors.curves as c; c.extrapolate([.1, .2, .3], at=9); "
        "print([m for m in ('torch', 'scipy', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_last_value_ranks_as_it_stands():
    values = np.array([0.1, 0.2, 0.3, 0.4, 0.5])
    asked = np.array([[0.15], [0.45]])
    known = Table(np.array([1.0]), values[:, None], 9.0)
    method = METHODS["last_value"]()
    _, found = method.learn(known, 0.5 + values / 2, Table(np.array([1.0]), asked, 9.0))
    assert found == pytest.approx([0.575, 0.725])
    # Finished curves that crossed do not turn the order round.
    held_out, found = method.learn(known, 1 - values, Table(np.array([1.0]), asked, 9.0))
    assert found == pytest.approx([0.7, 0.7])
    assert held_out[0] == pytest.approx((1 - values)[1:].mean())
