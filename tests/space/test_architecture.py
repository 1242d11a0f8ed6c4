import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archwright.errors import ArchitectureError
from archwright.space import Architecture

fixed = settings(derandomize=True, deadline=None, max_examples=100, database=None)
values = st.one_of(
    st.text(max_size=5),
    st.integers(-(10**20), 10**20),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.lists(st.integers(0, 9), max_size=3).map(tuple),
)
mappings = st.dictionaries(st.text(max_size=5), values, max_size=5)


@fixed
@given(mappings)
def test_json_round_trip(mapping):
    arch = Architecture(mapping)
    again = Architecture.from_json(arch.to_json())
    assert again == arch
    assert again.to_json() == arch.to_json()
    assert hash(again) == hash(arch)
    assert again.id == arch.id
    assert dict(again) == mapping


@fixed
@given(mappings, mappings)
def test_equal_means_equal_hash(a, b):
    one, two = Architecture(a), Architecture(b)
    assert (one == two) == (one.to_json() == two.to_json())
    if one == two:
        assert hash(one) == hash(two)


@fixed
@given(mappings)
def test_order_does_not_matter(mapping):
    turned = Architecture(dict(reversed(list(mapping.items()))))
    assert turned == Architecture(mapping)
    assert turned.id == Architecture(mapping).id


def test_known_answers():
    # These hashes and ids are stored in ledgers: a change would break resuming.
    arch = Architecture({"depth.2/op": "mbconv3", "depth": 3, "lr": 0.1, "in": (0, 2), "se": True})
    assert arch.to_json() == '{"depth":3,"depth.2/op":"mbconv3","in":[0,2],"lr":0.1,"se":true}'
    assert arch.id == "46d66a80476d7517db80bd3f971f77e1"
    assert hash(arch) == 2048275248123237288


@pytest.mark.integration
def test_hash_and_id_are_equal_in_every_process():
    code = (
        "from archwright.space import Architecture;"
        "a = Architecture({'op': 'conv', 'k': 3, 'n': None});print(hash(a), a.id)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("0", "1", "2")
    }
    assert len(found) == 1


def test_numbers_that_are_equal():
    assert Architecture({"a": 3}) == Architecture({"a": 3.0})
    assert Architecture({"a": 3.0}).to_json() == '{"a":3}'
    assert Architecture({"a": 1e20}) == Architecture({"a": 10**20})
    assert Architecture({"a": -0.0}) == Architecture({"a": 0})
    assert Architecture({"a": 0.05}).to_json() == '{"a":0.05}'
    assert Architecture({"a": 1}) != Architecture({"a": True})
    assert Architecture({"a": 1}) != Architecture({"a": "1"})
    assert Architecture({"a": np.int64(3), "b": np.float32(0.5)}).to_json() == '{"a":3,"b":0.5}'


def test_it_is_a_frozen_mapping():
    arch = Architecture({"b": 1, "a": [0, 1]})
    assert list(arch) == ["b", "a"]
    assert arch["a"] == (0, 1)
    assert arch.get("c") is None
    assert "b" in arch
    assert list(arch.items()) == [("b", 1), ("a", (0, 1))]
    with pytest.raises(TypeError):
        arch["b"] = 2
    with pytest.raises(AttributeError):
        arch.b = 2
    with pytest.raises(KeyError):
        arch["c"]


def test_changes_make_a_new_one():
    arch = Architecture({"depth": 2, "op": "conv"})
    assert arch | {"depth": 3} == Architecture({"depth": 3, "op": "conv"})
    assert arch.replace({"a/b": 1}, depth=1) == Architecture({"depth": 1, "op": "conv", "a/b": 1})
    assert arch.without("op", "x") == Architecture({"depth": 2})
    assert arch == Architecture({"depth": 2, "op": "conv"})


def test_copies():
    arch = Architecture({"a": (0, 1), "b": "x"})
    assert copy.copy(arch) is arch
    assert copy.deepcopy(arch) is arch
    assert pickle.loads(pickle.dumps(arch)) == arch


def test_repr_is_short():
    assert repr(Architecture({"op": "conv", "k": 3, "i": (0,)})) == (
        "Architecture(op=conv, k=3, i=(0,))"
    )
    assert len(repr(Architecture({f"decision.{i}": "value" for i in range(100)}))) < 300


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"a": float("nan")}, ["a", "finite", "nan"]),
        ({"a": object()}, ["a", "string, a number"]),
        ({"a": (0, "x")}, ["a", "tuple of integers"]),
        ({"a": [True]}, ["a"]),
        ({3: "a"}, ["3", "strings"]),
        ([("a", 1)], ["mapping"]),
    ],
)
def test_what_is_no_architecture(given, parts):
    with pytest.raises(ArchitectureError) as caught:
        Architecture(given)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("text", ["{", "[1]", "3", '{"a": {"b": 1}}', '{"a": NaN}'])
def test_json_that_is_no_architecture(text):
    with pytest.raises(ArchitectureError):
        Architecture.from_json(text)
