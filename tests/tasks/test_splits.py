import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from archwright.errors import DataError
from archwright.tasks import Split
from archwright.tasks.splits import check_fraction, split_indices


@settings(deadline=None, max_examples=60)
@given(
    counts=st.lists(st.integers(1, 60), min_size=1, max_size=8),
    validation=st.floats(0.05, 0.45),
    test=st.floats(0.0, 0.45),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_deal_is_a_partition_and_every_class_is_in_train(counts, validation, test, seed):
    labels = np.repeat(np.arange(len(counts)), counts)
    n = len(labels)
    parts = split_indices(n, validation=validation, test=test, seed=seed, labels=labels)
    together = np.concatenate(parts)
    assert sorted(together.tolist()) == list(range(n))
    assert set(labels[parts[0]]) == set(range(len(counts)))
    for part, fraction in zip(parts[1:], (validation, test), strict=True):
        assert len(part) <= round(n * fraction)
        dealt = np.bincount(labels[part], minlength=len(counts))
        assert (np.abs(dealt - np.array(counts) * fraction) <= 1 + 1e-9).all() or min(counts) < 4


def test_a_deal_has_the_size_that_was_asked_for():
    labels = np.repeat([0, 1, 2], [50, 30, 20])
    train, validation, test = split_indices(100, validation=0.2, test=0.25, labels=labels)
    assert (len(train), len(validation), len(test)) == (55, 20, 25)


def test_the_same_seed_deals_the_same_rows_and_another_seed_others():
    deals = [split_indices(100, validation=0.2, test=0.2, seed=s)[1].tolist() for s in (1, 1, 2)]
    assert deals[0] == deals[1] != deals[2]


def test_dealing_leaves_the_global_random_state_alone():
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    split_indices(100, validation=0.2, test=0.2, seed=5)
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@pytest.mark.parametrize("value", [-0.1, 1.0, 1.5, "half", None, float("nan"), 0])
def test_a_fraction_outside_its_range_is_refused_by_name(value):
    with pytest.raises(DataError, match="validation must be a fraction"):
        check_fraction("validation", value)


def test_fractions_that_leave_nothing_to_train_on_are_refused():
    with pytest.raises(DataError, match="leave rows to train on"):
        split_indices(100, validation=0.5, test=0.5)


def test_a_split_needs_as_many_targets_as_inputs():
    with pytest.raises(DataError, match="3 inputs and 2 targets"):
        Split(torch.zeros(3, 2), torch.zeros(2))


def test_take_keeps_pairs_together():
    split = Split(torch.arange(5.0)[:, None], torch.arange(5))
    taken = split.take(np.array([3, 1]))
    assert taken.x[:, 0].tolist() == [3.0, 1.0]
    assert taken.y.tolist() == [3, 1]
