from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.errors import InputError, UnknownNameError
from archwright.training import RECIPE_FIELDS, Recipe


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("lr", 0, "lr must be a number above 0, or None, got 0"),
        ("lr", float("nan"), "lr must be a number above 0"),
        ("lr", "fast", "got 'fast'"),
        ("weight_decay", -1e-3, "at least 0"),
        ("momentum", 1.0, "below 1"),
        ("batch_size", 0, "whole number of at least 1"),
        ("batch_size", 2.5, "whole number of at least 1"),
        ("batch_size", True, "got True"),
        ("epochs", 0, "above 0"),
        ("warmup", 1, "at least 0 and below 1"),
        ("label_smoothing", 1.0, "below 1"),
        ("clip_norm", 0.0, "above 0, or None"),
        ("ema", 1.0, "or True or False"),
        ("mixup", 1.5, "at most 1"),
        ("cutmix", -0.1, "at least 0"),
        ("augment", 1, "True, False or None"),
        ("augment_share", 2, "at most 1"),
        ("augment_until", -1, "at least 0"),
        ("channels_last", "yes", 'True, False or "auto"'),
        ("patience", 0, "whole number"),
        ("validate_every", 0, "whole number"),
        ("distill_alpha", 2, "at most 1"),
        ("distill_temperature", 0, "above 0"),
    ],
)
def test_a_value_out_of_range_names_field_rule_and_value(field, value, said):
    with pytest.raises(InputError, match=field) as caught:
        Recipe(**{field: value})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("field", "value", "nearest"),
    [
        ("optimizer", "adam", "adamw"),
        ("schedule", "cosin", "cosine"),
        ("precision", "float16", "float32"),
    ],
)
def test_an_unknown_name_lists_the_known_ones(field, value, nearest):
    with pytest.raises(UnknownNameError, match=nearest):
        Recipe(**{field: value})


def test_replace_refuses_unknown_fields():
    with pytest.raises(UnknownNameError, match="learning_rate"):
        Recipe().replace(learning_rate=0.1)


def test_fields_are_all_in_the_mapping():
    assert set(Recipe().to_dict()) == set(RECIPE_FIELDS)


@given(
    kind=st.sampled_from(["classification", "multilabel", "regression"]),
    modality=st.sampled_from(["image", "tabular", "other"]),
    n_rows=st.integers(1, 5_000_000),
    optimizer=st.sampled_from(["adamw", "sgd"]),
)
def test_the_rules_decide_every_field_within_bounds(kind, modality, n_rows, optimizer):
    recipe = Recipe(optimizer=optimizer).resolve(kind=kind, modality=modality, n_rows=n_rows)
    undecided = {name for name, value in recipe.to_dict().items() if value is None}
    assert undecided == {"patience", "validate_every"}
    assert 16 <= recipe.batch_size <= 512
    assert 1e-4 < recipe.lr < 2
    assert 15 <= recipe.epochs <= 150
    assert recipe.resolve(kind=kind, modality=modality, n_rows=n_rows) == recipe


def test_the_rules_keep_what_is_given():
    given_fields = {"lr": 1e-3, "batch_size": 7, "epochs": 2.5, "mixup": 0.1, "augment": False}
    recipe = Recipe(**given_fields).resolve(kind="classification", modality="image", n_rows=999)
    assert {name: getattr(recipe, name) for name in given_fields} == given_fields


def test_more_rows_take_larger_batches_and_fewer_epochs():
    sizes = [100, 1000, 10_000, 100_000]
    recipes = [Recipe().resolve(kind="classification", modality="image", n_rows=n) for n in sizes]
    batches = [recipe.batch_size for recipe in recipes]
    epochs = [recipe.epochs for recipe in recipes]
    assert batches == sorted(batches)
    assert epochs == sorted(epochs, reverse=True)


def test_numbers_of_numpy_are_kept_as_plain_ones():
    recipe = Recipe(epochs=np.int64(3), batch_size=np.int32(8), lr=np.float32(0.5))
    assert json.dumps(recipe.to_dict())
    assert recipe == Recipe(epochs=3, batch_size=8, lr=0.5)
