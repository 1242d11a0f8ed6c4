import json

import numpy as np
import pandas as pd
import pytest

from archwright.errors import DataError, UnknownNameError
from archwright.tasks import Columns
from archwright.tasks.columns import CLIP, Column, fit_columns, parse_number, stack, to_numbers


def mixed(n=300, seed=0):
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(
        {
            "size": rng.normal(50, 10, n),
            "income": rng.lognormal(5, 3, n),
            "gain": np.where(rng.random(n) < 0.95, 0.0, 5000.0),
            "rooms": rng.integers(1, 6, n),
            "owner": rng.random(n) < 0.5,
            "colour": rng.choice(["red", "green", "blue"], n, p=[0.6, 0.395, 0.005]),
            "city": rng.choice([f"city{k}" for k in range(80)], n),
            "sold": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 900, n), "D"),
        }
    )
    frame.loc[rng.random(n) < 0.1, "size"] = np.nan
    frame.loc[rng.random(n) < 0.1, "colour"] = None
    frame.loc[rng.random(n) < 0.1, "sold"] = pd.NaT
    return frame


def by_scikit_learn(fitted, frame):
    """scikit-learn's own transform of a frame, its columns in the order of `feature_names`."""
    columns = fitted.columns
    numbers, texts = columns.read(columns.select(frame))
    made = fitted.transformer.transform(stack(numbers, texts)).astype(np.float64)
    parts = {}
    place = 0
    for name, part, _ in fitted.transformer.transformers_:
        if name == "remainder":
            continue
        width = len(range(*fitted.transformer.output_indices_[name].indices(10**6)))
        parts[name] = made[:, place : place + width]
        place += width
        assert part is not None
    ordered = np.empty((len(frame), len(columns.number_names)))
    for name in ("plain", "heavy"):
        if name in parts:
            places = next(p for n, _, p in fitted.transformer.transformers_ if n == name)
            ordered[:, places] = parts[name]
    rest = [
        parts[n]
        for n, _, _ in fitted.transformer.transformers_
        if n not in ("plain", "heavy", "remainder")
    ]
    return np.concatenate([ordered, *rest], 1)


@pytest.mark.parametrize("n", [60, 300, 2500])
def test_constants_give_what_scikit_learn_gives(n):
    train, fresh = mixed(n), mixed(200, seed=1)
    fresh.loc[3, "colour"] = "violet"
    fresh.loc[4, "rooms"] = 10_000
    fitted = fit_columns(train)
    for frame in (train, fresh):
        ours = fitted.columns.apply(frame)
        assert ours.dtype == np.float32
        assert ours.shape == (len(frame), len(fitted.columns.feature_names))
        np.testing.assert_allclose(ours, by_scikit_learn(fitted, frame), rtol=2e-6, atol=2e-6)


def test_many_rows_make_piecewise_features_and_few_do_not():
    assert not any(fit_columns(mixed(300)).columns.pieces)
    pieces = fit_columns(mixed(2500)).columns.pieces
    assert len(pieces[0]) == 11
    assert pieces[2] == ()  # nearly all the same: no pieces to speak of


def test_constants_survive_json():
    columns = fit_columns(mixed(2500)).columns
    again = Columns.from_dict(json.loads(json.dumps(columns.to_dict())))
    assert again == columns
    fresh = mixed(50, seed=2)
    np.testing.assert_array_equal(again.apply(fresh), columns.apply(fresh))


def test_only_training_rows_decide():
    train = mixed(100)
    columns = fit_columns(train).columns
    before = columns.apply(train.iloc[:1])
    wild = pd.concat([train.iloc[:1], mixed(100, seed=9).assign(size=1e9)])
    np.testing.assert_array_equal(columns.apply(wild)[:1], before)


def test_features_are_finite_and_bounded():
    made = fit_columns(mixed(2500)).columns.apply(mixed(500, seed=3).assign(size=1e30))
    assert np.isfinite(made).all()
    assert np.abs(made).max() <= CLIP


def test_heavy_tails_are_told_from_others():
    columns = fit_columns(mixed()).columns
    heavy = dict(zip(columns.number_names, columns.heavy, strict=True))
    assert heavy["income"]
    assert not heavy["size"]
    assert not heavy["rooms"]


def test_rare_and_unknown_categories_share_a_bucket():
    columns = fit_columns(mixed(2500)).columns
    names = list(columns.feature_names)
    bucket = names.index("colour=(rare)") if "colour=(rare)" in names else None
    city = names.index("city=(rare)")
    made = columns.apply(mixed(3, seed=5).assign(city="nowhere", colour="violet"))
    assert made[:, city].tolist() == [1.0] * 3
    if bucket is not None:
        assert made[:, bucket].tolist() == [1.0] * 3
    assert sum(name.startswith("city=") for name in names) <= 50


def test_missing_categories_are_one_of_their_own():
    assert "colour=(missing)" in fit_columns(mixed()).columns.feature_names


def test_a_missing_value_that_training_did_not_know_is_filled():
    columns = fit_columns(mixed().assign(size=lambda f: f["size"].fillna(50.0))).columns
    assert np.isfinite(columns.apply(mixed(5).assign(size=np.nan, rooms=np.nan))).all()


def test_dates_become_parts():
    columns = fit_columns(mixed()).columns
    parts = [name for name in columns.feature_names if name.startswith("sold:")]
    waves = ("month_sin", "month_cos", "weekday_sin", "weekday_cos")
    numbers = ["sold:days", *(f"sold:{wave}" for wave in waves)]
    assert parts == numbers + [f"{name}:missing" for name in numbers]


def test_a_weekday_is_the_calendars():
    days = pd.DataFrame({"day": pd.date_range("2023-12-30", periods=60, freq="D")})
    columns = fit_columns(days).columns
    place = columns.number_names.index("day:weekday_sin")
    numbers, _ = columns.read(days)
    expected = np.sin(2 * np.pi * days["day"].dt.day_of_week.to_numpy() / 7)
    np.testing.assert_allclose(numbers[:, place], expected, atol=1e-12)


def test_dates_written_as_text_are_the_same_as_dates():
    dates = mixed()
    text = dates.assign(sold=dates["sold"].dt.strftime("%d/%m/%Y"))
    first, second = fit_columns(dates).columns, fit_columns(text).columns
    assert second.columns[-1] == Column(
        "sold", "date", parts=first.columns[-1].parts, dayfirst=True
    )
    np.testing.assert_allclose(first.apply(dates), second.apply(text), atol=1e-5)


def test_numbers_written_as_text_are_read():
    text = pd.Series(["1,200", "$3", "4 %", " 5 ", "?", "n/a", None, "1e3", "-2.5"], name="x")
    expected = [1200, 3, 4, 5, np.nan, np.nan, np.nan, 1000, -2.5]
    np.testing.assert_array_equal(to_numbers(text), expected)
    assert parse_number("true") == 1.0
    with pytest.raises(ValueError, match="could not convert"):
        parse_number("1,2,3")


def test_a_column_of_numbers_with_a_stray_word_names_row_and_value():
    frame = mixed(100).assign(price=[str(k * 1.5) for k in range(99)] + ["cheap"])
    with pytest.raises(DataError, match=r"column 'price' holds numbers, but row 99 holds 'cheap'"):
        fit_columns(frame)
    kept = fit_columns(frame, kinds={"price": "drop"}).columns
    assert kept.dropped == {"price": "as asked"}


def test_few_values_of_which_some_are_numbers_are_categories():
    frame = mixed(100).assign(doors=["2", "4", "5+", "more"] * 25)
    column = next(c for c in fit_columns(frame).columns.columns if c.name == "doors")
    assert column.kind == "categorical"


def test_columns_that_say_nothing_are_left_out_with_a_reason():
    n = 100
    frame = mixed(n).assign(
        id=range(n),
        always=3,
        word="same",
        empty=None,
        note=[f"some text {k}" for k in range(n)],
    )
    fitted = fit_columns(frame)
    assert fitted.columns.dropped == {
        "id": "a running number",
        "always": "always 3",
        "word": "always 'same'",
        "empty": "empty",
        "note": "free text or names: nearly every row has its own",
    }
    assert any("left out" in note and "'note'" in note for note in fitted.notes)
    assert any("missing values" in note for note in fitted.notes)


def test_a_kind_can_be_asked_for():
    columns = fit_columns(mixed(), kinds={"rooms": "categorical"}).columns
    assert "rooms=3" in columns.feature_names
    with pytest.raises(UnknownNameError, match="did you mean 'rooms'"):
        fit_columns(mixed(), kinds={"room": "categorical"})
    with pytest.raises(UnknownNameError, match="did you mean 'categorical'"):
        fit_columns(mixed(), kinds={"rooms": "category"})
    with pytest.raises(DataError, match="cannot be read as dates"):
        fit_columns(mixed(), kinds={"colour": "date"})
    with pytest.raises(DataError, match="column 'colour' holds numbers, but row"):
        fit_columns(mixed(), kinds={"colour": "numeric"})


def test_categories_are_the_same_as_numbers_and_as_text():
    numbers = pd.DataFrame({"zip": [1, 2, 1, 2] * 10, "size": range(40)})
    columns = fit_columns(numbers, kinds={"zip": "categorical", "size": "numeric"}).columns
    text = numbers.assign(zip=numbers["zip"].astype(str))
    real = numbers.assign(zip=numbers["zip"].astype(float))
    for frame in (text, real):
        np.testing.assert_array_equal(columns.apply(frame), columns.apply(numbers))


@pytest.fixture(scope="module")
def columns():
    return fit_columns(mixed()).columns


class TestApplying:
    def test_order_and_further_columns_do_not_matter(self, columns):
        frame = mixed(20, seed=4)
        shuffled = frame[frame.columns[::-1]].assign(more=1)
        np.testing.assert_array_equal(columns.apply(shuffled), columns.apply(frame))

    def test_names_match_regardless_of_case_and_space(self, columns):
        frame = mixed(20, seed=4)
        loose = frame.rename(columns={"size": " Size", "colour": "COLOUR"})
        np.testing.assert_array_equal(columns.apply(loose), columns.apply(frame))

    def test_records_and_mappings(self, columns):
        frame = mixed(3, seed=4)
        expected = columns.apply(frame)
        np.testing.assert_array_equal(columns.apply(frame.to_dict("records")), expected)
        np.testing.assert_array_equal(columns.apply(frame.to_dict("list")), expected)
        np.testing.assert_array_equal(columns.apply(frame.to_dict("records")[0]), expected[:1])
        np.testing.assert_array_equal(columns.apply(frame.iloc[0]), expected[:1])

    def test_a_lacking_column_is_named_with_the_nearest(self, columns):
        frame = mixed(3).rename(columns={"income": "incomes"})
        with pytest.raises(DataError, match="'income'; the nearest to 'income' is 'incomes'"):
            columns.apply(frame)

    def test_no_rows_give_no_rows(self, columns):
        assert columns.apply(mixed(3).iloc[:0]).shape == (0, len(columns.feature_names))

    def test_infinite_numbers_are_refused(self, columns):
        with pytest.raises(DataError, match="column 'size' holds inf in row 1"):
            columns.apply(mixed(3).assign(size=[1.0, np.inf, 2.0]))

    def test_two_columns_of_one_name_are_refused(self, columns):
        frame = pd.concat([mixed(3), mixed(3)[["size"]]], axis=1)
        with pytest.raises(DataError, match="2 columns named 'size'"):
            columns.apply(frame)

    def test_an_array_needs_the_columns_of_training(self, columns):
        with pytest.raises(DataError, match="needs 8 columns in the order of training"):
            columns.apply(np.zeros((2, 3)))


def test_arrays_go_by_place():
    x = np.random.default_rng(0).normal(size=(60, 3))
    columns = fit_columns(pd.DataFrame(x)).columns
    frame = pd.DataFrame(x, columns=["a", "b", "c"])
    np.testing.assert_array_equal(columns.apply(x), columns.apply(frame))
    np.testing.assert_array_equal(columns.apply(x[0]), columns.apply(x[:1]))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"a": [1] * 30, "b": ["x"] * 30}), "no input column is left"),
        (pd.DataFrame({"a": [[1], [2]] * 10}), "column 'a' holds a list"),
        (pd.DataFrame({"a": [1 + 2j, 3j] * 10}), "column 'a' holds complex numbers"),
        (pd.DataFrame({"a": [1.0, np.inf] * 10}), "column 'a' holds inf in row 1"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(frame, message):
    with pytest.raises(DataError, match=message):
        fit_columns(frame)


def test_odd_types_of_columns():
    n = 60
    frame = pd.DataFrame(
        {
            "span": pd.to_timedelta(np.arange(n) % 7, "h"),
            "month": pd.period_range("2020-01", periods=n, freq="M"),
            "big": pd.array([1, None, 3] * (n // 3), dtype="Int64"),
            "flag": pd.array([True, None, False] * (n // 3), dtype="boolean"),
            "yes": ["true", "false", None] * (n // 3),
            "kind": pd.Categorical(["a", "b", None] * (n // 3)),
            "zone": pd.date_range("2020-01-01", periods=n, freq="7h", tz="Europe/Paris"),
        }
    )
    columns = fit_columns(frame).columns
    kinds = {column.name: column.kind for column in columns.columns}
    assert kinds == {
        "span": "numeric",
        "month": "date",
        "big": "numeric",
        "flag": "boolean",
        "yes": "boolean",
        "kind": "categorical",
        "zone": "date",
    }
    assert np.isfinite(columns.apply(frame)).all()


def days(*odd, n=60):
    written = [f"2024-{k % 12 + 1:02d}-{k % 28 + 1:02d}" for k in range(n)]
    written[: len(odd)] = odd
    return pd.DataFrame({"day": written, "size": np.arange(n) * 0.5})


def test_single_entries_that_are_no_dates_are_told():
    fitted = fit_columns(days("soon", "2024-13-45", "unknown"))
    assert fitted.columns.columns[0].kind == "date"
    (note,) = (note for note in fitted.notes if "'day'" in note)
    assert note.startswith("column 'day': 2 of 60 training rows hold no date that can be read")
    assert "'soon' in row 0" in note
    assert not any("no date" in note for note in fit_columns(days(None, "")).notes)


def test_many_entries_that_are_no_dates_are_refused_where_dates_were_asked_for():
    odd = days(*["soon"] * 9)
    assert fit_columns(odd).columns.columns[0].kind == "categorical"
    with pytest.raises(DataError, match=r"9 of its 60 entries cannot be read as dates.*'soon'"):
        fit_columns(odd, kinds={"day": "date"})
    with pytest.raises(DataError, match=r"9 of its 60 entries cannot be read as dates.*'soon'"):
        fit_columns(days()).columns.apply(odd)


def test_one_date_only_is_dropped_also_where_it_was_asked_for():
    same = days().assign(day="2024-01-01")
    assert fit_columns(same, kinds={"day": "date"}).columns.dropped == {
        "day": "always the same date"
    }


def test_a_trained_network_is_offered_no_other_kind_of_column():
    made = fit_columns(
        pd.DataFrame({"size": np.arange(40) * 0.5, "owner": [True, False] * 20})
    ).columns
    with pytest.raises(
        DataError, match=r"'size' holds numbers, but row 1 .*Correct it, or"
    ) as size:
        made.apply(pd.DataFrame({"size": ["1", "big"], "owner": [True, False]}))
    with pytest.raises(DataError, match="'owner' holds true or false, but row 0") as owner:
        made.apply(pd.DataFrame({"size": [1, 2], "owner": ["rented", "no"]}))
    with pytest.raises(DataError, match="dates where true or false is expected"):
        made.apply(pd.DataFrame({"size": [1], "owner": [pd.Timestamp("2024-01-01")]}))
    assert "columns=" not in f"{size.value}{owner.value}"


def test_integers_beyond_all_floats_are_refused():
    with pytest.raises(DataError, match="'size' holds inf in row 2"):
        fit_columns(pd.DataFrame({"size": [1, 2, 10**400, *range(40)]}))
    assert parse_number(10**400) == np.inf
