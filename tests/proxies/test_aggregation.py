import math

import numpy as np
import pytest

from archwright.errors import InputError, UnknownNameError
from archwright.proxies import HOWS, Fitted, Ranking, aggregate, agreement, ndcg

POPULATION = [
    {"params": 1.0, "naswot": 30.0},
    {"params": 2.0, "naswot": 10.0},
    {"params": 3.0, "naswot": 20.0},
    {"params": 4.0, "naswot": 40.0},
]


def test_ways_by_hand():
    places = np.array([[1, 3], [2, 1], [3, 2], [4, 4]]) / 4
    expected = {
        "rank_sum": places.mean(1),
        "non_linear": np.log(places).mean(1),
        "log_rank": -np.log(1.25 - places).mean(1),
    }
    for how, values in expected.items():
        assert aggregate(POPULATION, how=how) == pytest.approx(values.tolist())


def test_weights_count_as_copies():
    rng = np.random.default_rng(0)
    table = [{"params": float(a), "naswot": float(b)} for a, b in rng.normal(size=(9, 2))]
    copied = [scores | {"near": scores["naswot"]} for scores in table]
    for how in HOWS:
        weighted = aggregate(table, how=how, weights={"naswot": 2})
        assert weighted == pytest.approx(aggregate(copied, how=how))
        assert weighted != pytest.approx(aggregate(table, how=how))


@pytest.mark.parametrize("weights", [{"near": 2}, {"params": 0}, {"params": float("nan")}])
def test_weights_that_cannot_be(weights):
    with pytest.raises(InputError, match="weights must be positive numbers of params"):
        aggregate([{"params": 1.0}], weights=weights)


def test_ways_differ_in_what_they_favour():
    even, uneven = {"params": 60.0, "naswot": 60.0}, {"params": 100.0, "naswot": 20.0}
    reference = [{"params": float(i), "naswot": float(i)} for i in range(101)]
    fair, bold = (Ranking(reference, how=how) for how in ("non_linear", "log_rank"))
    assert fair(even) > fair(uneven)
    assert bold(even) < bold(uneven)


def test_smaller_is_better_for_some():
    assert aggregate([{"ntk": 5.0}, {"ntk": 2.0}], how="rank_sum") == [0.5, 1.0]


def test_equal_values_share_their_places():
    table = [{"params": 1.0}, {"params": 1.0}, {"params": 2.0}]
    assert aggregate(table, how="rank_sum") == pytest.approx([0.5, 0.5, 1.0])


def test_missing_values_are_worst():
    table = [{"params": 1.0}, {}, {"params": 2.0}]
    values = aggregate(table)
    assert values[1] < values[0] < values[2]
    assert all(math.isfinite(v) for v in values)


def test_ranking_of_others():
    ranking = Ranking(POPULATION, ["params"], how="rank_sum")
    low, between, high = (ranking({"params": v}) for v in (-5.0, 2.5, 99.0))
    assert low < between < high
    assert (low, between, high) == (0.25, 2.5 / 4, 1.0)
    assert ranking.all(POPULATION).tolist() == [0.25, 0.5, 0.75, 1.0]


def test_any_increasing_change_of_a_score_changes_nothing():
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(50, 2))
    table = [dict(zip(("params", "naswot"), map(float, row), strict=True)) for row in raw]
    other = [{"params": math.exp(r["params"]), "naswot": r["naswot"] ** 3} for r in table]
    assert aggregate(table) == aggregate(other)


@pytest.mark.parametrize("model", Fitted.MODELS)
def test_a_fitted_combination_beats_its_parts(model):
    rng = np.random.default_rng(0)
    a, b, noise = rng.normal(size=(3, 200))
    value = a - b + 0.1 * noise
    table = [{"params": float(x), "naswot": float(y)} for x, y in zip(a, b, strict=True)]
    fitted = Fitted(model=model).fit(table[:100], value[:100].tolist())
    found = agreement(fitted.predict(table[100:]), value[100:].tolist())
    single = agreement(a[100:].tolist(), value[100:].tolist())
    assert found.spearman > 0.9 > single.spearman


def test_fitted_takes_missing_values():
    table = [{"params": float(i)} if i % 3 else {} for i in range(30)]
    fitted = Fitted(["params"]).fit(table, [float(i % 3 > 0) * i for i in range(30)])
    low, high = fitted.predict([{}, {"params": 29.0}])
    assert low < high


def test_agreement_by_hand():
    scores, values = [1, 2, 3, 4, 5], [1.0, 3.0, 2.0, 5.0, 4.0]
    found = agreement(scores, values)
    assert found.spearman == pytest.approx(0.8)
    assert found.kendall == pytest.approx(0.6)
    assert found.regret == 1.0
    assert agreement(values, values).ndcg == 1.0
    assert agreement([1, 1, 1], [1.0, 2.0, 3.0]).spearman == 0


def test_ties_at_the_top_give_what_one_of_them_gives():
    assert agreement([2, 2, 1], [1.0, 3.0, 5.0]).regret == 3.0


def test_size_in_disguise_is_seen():
    rng = np.random.default_rng(0)
    size = np.repeat(np.arange(10), 10)
    value = size + 0.1 * rng.normal(size=100)
    found = agreement((size + 0.1 * rng.normal(size=100)).tolist(), value.tolist(), groups=size)
    assert found.spearman > 0.9
    assert abs(found.within_spearman) < 0.3
    assert found.n_within == 100


def test_ndcg_rewards_the_top():
    values = list(range(100))
    swapped_top, swapped_bottom = values.copy(), values.copy()
    swapped_top[99], swapped_top[50] = 50, 99
    swapped_bottom[0], swapped_bottom[49] = 49, 0
    assert ndcg(swapped_top, values) < ndcg(swapped_bottom, values) == 1.0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: aggregate([]), "population is empty"),
        (lambda: aggregate([{"x": 1.0}]), "known proxy"),
        (lambda: aggregate(POPULATION, ["zen"]), "has a value of 'zen'"),
        (lambda: aggregate(POPULATION, ["nasswot"]), "did you mean 'naswot'"),
        (lambda: aggregate(POPULATION, how="ranksum"), "did you mean 'rank_sum'"),
        (lambda: Fitted(model="lasso"), "unknown model"),
        (lambda: Fitted().fit(POPULATION, [1, 2]), "one finite value for each"),
        (lambda: Fitted().fit(POPULATION, [1, 2, 3, math.nan]), "one finite value for each"),
        (lambda: Fitted().predict(POPULATION), "call fit"),
        (lambda: agreement([1, 2], [1, 2]), "at least 3"),
        (lambda: agreement([1, 2, 3], [1, 2, math.inf]), "finite"),
    ],
)
def test_what_cannot_be(call, message):
    with pytest.raises((InputError, UnknownNameError), match=message):
        call()
