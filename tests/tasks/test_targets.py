import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.errors import DataError, UnknownNameError
from archwright.tasks import Target
from archwright.tasks.targets import as_plain_labels, fit_target, infer_kind, missing_rows


def fit(values, kind="classification", names=("y",)):
    return fit_target(as_plain_labels(values, "y"), kind=kind, names=names)


@given(st.lists(st.sampled_from(["a", "b", "c"]), min_size=5).filter(lambda v: len(set(v)) > 1))
def test_classes_come_back_from_confident_outputs(labels):
    target = fit(labels)
    codes = target.encode(labels)
    outputs = np.eye(target.n_outputs)[codes] * 9
    assert target.decode(outputs).values.tolist() == labels
    assert target.decode(outputs).probabilities.sum(1) == pytest.approx(1.0)


@given(st.lists(st.floats(-1e6, 1e6), min_size=3).filter(lambda v: np.std(v) > 1e-3))
def test_numbers_come_back_from_their_coded_form(numbers):
    target = fit(numbers, "regression")
    coded = target.encode(numbers)
    assert coded.shape == (len(numbers), 1)
    spread = np.ptp(numbers)
    assert target.decode(coded).values == pytest.approx(np.array(numbers), abs=1e-5 * spread + 1e-3)


def test_labels_keep_their_type():
    assert fit([3, 1, 3]).labels == (1, 3)
    assert fit([1.0, 2.0, 1.0]).labels == (1, 2)
    assert fit([True, False]).labels == (False, True)
    assert fit(np.array(["10", "9", "9"])).labels == ("9", "10")
    assert fit(pd.Series(["x", "y"], dtype="category")).labels == ("x", "y")


def test_outputs_of_a_regression_are_in_the_unit_of_the_target():
    target = fit([10.0, 20.0, 30.0], "regression")
    assert target.decode([[0.0], [1.0]]).values == pytest.approx([20.0, 20 + 200**0.5 / 3**0.5])
    assert target.decode([[0.0]]).probabilities is None


def test_multilabel_outputs_decode_to_zeros_and_ones():
    target = fit(np.array([[0, 1], [1, 0]]), "multilabel", ("cat", "dog"))
    decoded = target.decode([[-2.0, 3.0]])
    assert decoded.values.tolist() == [[0, 1]]
    assert decoded.probabilities[0] == pytest.approx([0.1192, 0.9526], abs=1e-4)
    assert list(decoded.frame().columns) == [
        *("prediction_cat", "prediction_dog", "probability_cat", "probability_dog")
    ]


def test_extreme_outputs_decode_without_overflow():
    assert fit(["a", "b"]).decode([[1e4, -1e4]]).probabilities.tolist() == [[1.0, 0.0]]
    target = fit(np.array([[0, 1], [1, 0]]), "multilabel", ("a", "b"))
    assert target.decode([[-1e4, 1e4]]).probabilities.tolist() == [[0.0, 1.0]]


def test_predictions_as_a_table():
    frame = fit(["no", "yes"]).decode([[0.0, 2.0]]).frame(["a.png"])
    assert list(frame.columns) == ["prediction", "probability_no", "probability_yes"]
    assert frame.loc["a.png", "prediction"] == "yes"


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (["a", "b"] * 10, "classification"),
        ([True, False] * 10, "classification"),
        (list(range(10)) * 5, "classification"),
        ([0.0, 1.0, 2.0] * 10, "classification"),
        ([1, 2] * 10, "classification"),
        (list(range(100)) * 6, "classification"),
        (list(range(25, 346)), "regression"),
        (list(range(40)), "regression"),
        ([0.5, 1.5] * 10, "regression"),
        (["0.5", "1.5", "2.25"] * 10, "regression"),
        (np.eye(3)[[0, 1, 2] * 5], "classification"),
        (np.array([[0, 1, 1], [1, 0, 0]] * 5), "multilabel"),
        (np.random.default_rng(0).normal(size=(20, 3)), "regression"),
        (np.random.default_rng(0).normal(size=(20, 1)), "regression"),
    ],
)
def test_kinds_are_inferred(values, kind):
    inferred, why = infer_kind(as_plain_labels(values, "y"), "y")
    assert inferred == kind
    assert "'y'" in why
    assert "kind=" in why


def test_missing_labels_are_found():
    assert missing_rows(np.array(["a", None, "", "b"], object)).tolist() == [1, 2]
    assert missing_rows([1.0, float("nan")]).tolist() == [1]
    assert missing_rows(pd.Series(["a", pd.NA])).tolist() == [1]
    assert missing_rows([[1, 0], [float("nan"), 1]]).tolist() == [1]


@pytest.mark.parametrize(
    ("values", "kind", "message"),
    [
        (["a"] * 5, "classification", "at least two classes.*all 5 rows are 'a'"),
        ([1.0] * 5, "regression", "target that varies.*is 1 in all 5"),
        (["a", "b"], "regression", "needs numbers.*such as 'a'"),
        ([1.0, np.inf], "regression", r"must be finite and below 1e\+100: row 1"),
        ([[0, 2], [1, 0]], "multilabel", "0 or 1, one column a label; got 2"),
        ([[1, 1], [1, 1]], "multilabel", "every label has one value only"),
    ],
)
def test_targets_that_cannot_be_learnt_are_refused(values, kind, message):
    names = ("y",) if np.ndim(values) == 1 else ("a", "b")
    with pytest.raises(DataError, match=message):
        fit(values, kind, names)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([1, "a", 2], object), "mix numbers and text: row 1 holds 'a'"),
        (np.array([(1, 2), (3,)], object), "row 0 holds a tuple"),
        ([1 + 2j, 3.0], "dtype complex128"),
    ],
)
def test_labels_of_no_single_sort_are_refused(values, message):
    with pytest.raises(DataError, match=message):
        as_plain_labels(values, "y")


def test_an_unknown_kind_lists_the_known():
    with pytest.raises(UnknownNameError, match="did you mean 'regression'"):
        fit([1.0, 2.0], "regresion")


def test_a_class_that_was_not_trained_on_is_refused():
    with pytest.raises(DataError, match=r"class 'cot' \(did you mean 'cat'\?\), row 1"):
        fit(["cat", "dog"]).encode(["dog", "cot"])


def test_outputs_of_the_wrong_width_are_refused():
    with pytest.raises(DataError, match="n x 2 are expected"):
        fit(["a", "b"]).decode(np.zeros((4, 3)))


@pytest.mark.parametrize(
    "target",
    [
        Target("classification", ("y",), labels=("a", 1, True)),
        Target("regression", ("u", "v"), mean=(1.0, 2.0), scale=(0.1, 3.0)),
    ],
)
def test_a_target_survives_json(target):
    assert Target.from_dict(json.loads(json.dumps(target.to_dict()))) == target
