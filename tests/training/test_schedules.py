from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.errors import UnknownNameError
from archwright.training.schedules import SCHEDULES, schedule

warmups = st.floats(0.0, 0.9)


@pytest.mark.parametrize("name", SCHEDULES)
@given(progress=st.floats(0.0, 1.0), warmup=warmups)
def test_factors_stay_between_0_and_1(name, progress, warmup):
    assert -1e-12 <= schedule(name)(progress, warmup) <= 1 + 1e-12


@pytest.mark.parametrize("name", SCHEDULES)
@given(warmup=warmups)
def test_the_peak_is_where_the_warm_up_ends(name, warmup):
    assert schedule(name)(warmup, warmup) == pytest.approx(1.0)


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "constant"])
@given(warmup=warmups, positions=st.lists(st.floats(0.0, 1.0), min_size=2, max_size=2))
def test_the_rate_falls_to_nothing_after_the_warm_up(name, warmup, positions):
    factor = schedule(name)
    early, late = sorted(warmup + (1 - warmup) * p for p in positions)
    assert factor(early, warmup) >= factor(late, warmup) - 1e-9
    assert factor(1.0, warmup) == pytest.approx(0.0, abs=1e-9)


def test_an_unknown_schedule_lists_the_known_ones():
    with pytest.raises(UnknownNameError, match="one_cycle"):
        schedule("onecycle")
