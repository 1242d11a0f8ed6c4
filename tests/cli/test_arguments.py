import math
import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.cli.arguments import (
    check_data,
    check_minutes,
    check_out,
    new_folder,
    parse_limits,
    reproduce,
    split_limit,
)
from archwright.errors import InputError


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ("params=50k", ("params", "<=", "50k")),
        ("params<=50k", ("params", "<=", "50k")),
        (" latency-ms <= 5 ms ", ("latency_ms", "<=", "5 ms")),
        ("accuracy>=0.9", ("accuracy", ">=", "0.9")),
        ("accuracy≥0.9", ("accuracy", ">=", "0.9")),
    ],
)
def test_limits_are_split(given, parts):
    assert split_limit(given) == parts


@pytest.mark.parametrize("given", ["params", "=5", "params=", "", "50k", "params 50k", "a b=5"])
def test_what_is_no_limit(given):
    with pytest.raises(InputError, match="NAME=VALUE"):
        split_limit(given)


@pytest.mark.parametrize("given", ["params<50k", "params>50k", "params==50k"])
def test_strict_bounds_say_what_to_write(given):
    with pytest.raises(InputError, match="both bounds are inclusive"):
        split_limit(given)


def test_units_and_intervals():
    limits = parse_limits(["params=50k", "latency_ms=5ms", "size_bytes=1MB", "accuracy>=90%"])
    assert limits == {
        "params": (-math.inf, 50_000),
        "latency_ms": (-math.inf, 5),
        "size_bytes": (-math.inf, 1_000_000),
        "accuracy": (0.9, math.inf),
    }
    assert parse_limits(["params>=1k", "params<=2k"]) == {"params": (1000, 2000)}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["params=50k", "params<=60k"], "twice"),
        (["params>=3k", "params<=2k"], "impossible"),
        (["params=5ms"], "count"),
        (["latency_ms=5MB"], "time"),
        (["params=lots"], "not a quantity"),
        (["params=nan"], "quantity"),
    ],
)
def test_limits_that_cannot_be(given, said):
    with pytest.raises(InputError, match=said):
        parse_limits(given)


@pytest.mark.parametrize("minutes", [0.0, -1.0, math.nan, math.inf])
def test_minutes(minutes):
    with pytest.raises(InputError, match="above 0"):
        check_minutes(minutes)


def test_data_that_is_not_there(tmp_path):
    (tmp_path / "cars.csv").write_text("a,b\n")
    (tmp_path / "empty.csv").write_text("")
    check_data(str(tmp_path / "cars.csv"))
    check_data(str(tmp_path))
    check_data("digits")
    with pytest.raises(InputError, match=r"did you mean '.*cars\.csv'"):
        check_data(str(tmp_path / "car.csv"))
    with pytest.raises(InputError, match="is empty"):
        check_data(str(tmp_path / "empty.csv"))
    with pytest.raises(InputError, match="is empty"):
        check_data(" ")
    with pytest.raises(InputError, match="no file or folder"):
        check_data("no/such/place")


def test_out_that_is_a_file(tmp_path):
    (tmp_path / "file").write_text("")
    for bad in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(InputError, match="is a file"):
            check_out(bad)
    check_out(tmp_path / "new" / "run")
    check_out(None)


def test_new_folders_are_numbered(tmp_path):
    base = tmp_path / "runs"
    assert new_folder("data/cars.csv", base) == base / "cars-1"
    (base / "cars-1").mkdir(parents=True)
    assert new_folder("data/cars.csv", base) == base / "cars-2"
    assert new_folder("digits", base).name == "digits-1"
    assert new_folder("größe & co.csv", base).name == "größe-co-1"
    assert new_folder("???", base).name == "run-1"


def test_dot_is_named_after_the_folder(tmp_path, monkeypatch):
    (tmp_path / "photos").mkdir()
    monkeypatch.chdir(tmp_path / "photos")
    assert new_folder(".", Path("runs")).name == "photos-1"


@given(st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1), st.integers(0, 9))
def test_the_command_reads_back(data, seed):
    words = shlex.split(reproduce(data, {"seed": seed, "minimize": ["params", "flops"], "x": None}))
    assert words == [
        "archwright", "search", data, "--seed", str(seed), "--minimize", "params", "--minimize",
        "flops",
    ]  # fmt: skip
