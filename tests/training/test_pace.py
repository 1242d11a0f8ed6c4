from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archwright.errors import InputError
from archwright.training.pace import Guard, Pace, Stretch


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(1, 200)), max_size=6))
def test_progress_rises_to_exactly_1_whatever_the_bends(bends):
    pace = Pace.straight(100)
    at_step = 0
    for forward, remaining in bends:
        at_step = min(at_step + forward, pace.n_steps - 1)
        pace = pace.heading(for_step=at_step + remaining, at_step=at_step)
    progress = [pace.progress(step) for step in range(pace.n_steps + 1)]
    assert progress[0] == 0.0
    assert progress[-1] == 1.0
    assert all(a < b for a, b in pairwise(progress))


def test_a_bend_leaves_the_past_as_it_was():
    before = Pace.straight(90)
    after = before.heading(for_step=60, at_step=30)
    assert [after.progress(step) for step in range(31)] == [
        before.progress(step) for step in range(31)
    ]


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        ((1, 0.0, 5),),
        ((0, 0.1, 5),),
        ((0, 0.0, 0),),
        ((0, 0.0, 10), (5, 1.0, 8)),
        ((0, 0.0, 10), (5, 0.5, 5)),
        ((0, 0.0, 10), (7, 0.5, 9), (6, 0.6, 9)),
    ],
)
def test_pieces_that_are_no_pace_are_refused(pieces):
    with pytest.raises(InputError, match="a pace needs pieces"):
        Pace(pieces)


def test_a_pace_is_read_back_from_json_lists():
    pace = Pace.straight(10).heading(for_step=8, at_step=4)
    assert Pace([list(piece) for piece in pace.pieces]) == pace


def guard(*, step_seconds: float = 0.1, **changes: float) -> Guard:
    settings = {"deadline": 100.0, "interval": 2.0, "n_steps": 1000}
    return Guard(rehearsed=[Stretch(step_seconds, 1)], **{**settings, **changes})


def run(watch: Guard, pace: Pace, step_seconds) -> tuple[float, Pace]:
    now = 0.0
    step = 0
    watch.start(now)
    while step < pace.n_steps:
        now += step_seconds(step)
        step += 1
        if watch.due(now):
            pace = watch.adjust(pace, step, now)
    return now, pace


def test_a_steady_machine_keeps_its_plan():
    now, pace = run(guard(), Pace.straight(960), lambda _: 0.1)
    assert pace == Pace.straight(960)
    assert now == pytest.approx(96.0)


def test_a_slower_machine_shortens_the_schedule_and_ends_in_time():
    now, pace = run(guard(), Pace.straight(980), lambda step: 0.1 if step < 300 else 0.35)
    assert now < 103.0
    assert pace.n_steps < 600


def test_a_faster_machine_lengthens_it_up_to_the_most_steps_allowed():
    now, pace = run(guard(n_steps=3000), Pace.straight(950), lambda _: 0.04)
    assert 85.0 < now < 101.0
    now, pace = run(guard(n_steps=1200), Pace.straight(950), lambda _: 0.01)
    assert pace.n_steps == 1200


def test_a_stall_is_not_taken_for_a_slow_machine():
    now, pace = run(guard(), Pace.straight(950), lambda step: 20.0 if step == 400 else 0.1)
    assert now < 103.0
    assert pace.n_steps > 700


def test_an_overrun_still_anneals():
    _, pace = run(guard(), Pace.straight(950), lambda step: 200.0 if step == 400 else 0.1)
    assert 5 <= pace.n_steps - 401 <= 20


def test_validation_counts_but_not_as_training():
    watch = guard(validation_seconds=5.0, steps_per_validation=50)
    # 0.1 s of training and 0.1 s of validation a step, and one validation at the end.
    assert watch.affordable(0.0) == 475
    watch.start(0.0)
    watch.validated(5.0)
    assert not watch.due(5.1)
    assert watch.due(5.3)


@pytest.mark.parametrize("seed", range(20))
def test_a_machine_that_is_slow_now_and_then_uses_its_time(seed):
    rng = random.Random(seed)
    spells = [rng.choice([1.0, 1.0, 2.5]) for _ in range(1000)]

    def seconds(step: int) -> float:
        return 0.1 * spells[step // 40]

    first = 0.1 * rng.choice([1.0, 2.5])
    watch = guard(n_steps=5000, step_seconds=first)
    now, pace = run(watch, Pace.straight(watch.affordable(0.0)), seconds)
    assert 88.0 < now < 103.0
    assert len(pace.pieces) < 40


@pytest.mark.parametrize("factor", [0.02, 0.1, 0.5, 2.0, 10.0])
def test_a_rehearsal_that_was_wrong_is_made_good(factor):
    watch = guard(n_steps=100_000, step_seconds=1.0)
    now, pace = run(watch, Pace.straight(watch.affordable(0.0)), lambda _: factor)
    assert 90.0 < now < 103.0
    # Not by a long tail after a hasty beginning.
    assert pace.progress(pace.n_steps // 2) < 0.6
