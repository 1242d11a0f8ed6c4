import math
from random import Random

import pytest

from archwright.errors import SpaceError
from archwright.space import (
    Branch,
    Choice,
    Decision,
    EdgeLimit,
    Integer,
    Real,
    Space,
    Subset,
)
from archwright.strategies.episode_coders import Episode
from archwright.strategies.episodes import Course


def conditional():
    kernel = Decision("op=conv/kernel", Choice((3, 5, 7)))
    op = Decision("op", Choice(("conv", "pool", "skip")), branches=(Branch({"conv"}, [kernel]),))
    depth = Decision(
        "depth",
        Integer(1, 3),
        branches=[
            Branch(set(range(i, 4)), [Decision(f"depth.{i}/width", Choice((8, 16)))])
            for i in (1, 2, 3)
        ],
    )
    return Space(
        [
            op,
            depth,
            Decision("lr", Real(1e-4, 1e-1, log=True)),
            Decision("units", Integer(1, 1000, log=True)),
            Decision("batch", Integer(8, 256, step=8)),
            Decision("inputs", Subset(6, 2, 3)),
            Decision("some", Subset(9, 0, 9, allowed=[(i, i + 1) for i in range(8)] + [(0,)] * 1)),
            Decision("only", Choice(("this",))),
        ]
    )


def limited():
    """Nodes of a cell whose edges are limited together, some live only in deeper cells."""
    deep = [Decision("inputs.4", Subset(5, 2))]
    return Space(
        [
            Decision("inputs.2", Subset(3, 1)),
            Decision("nodes", Integer(3, 4), branches=[Branch({4}, deep)]),
            Decision("inputs.3", Subset(6, 1)),
        ],
        constraints=[EdgeLimit(("inputs.2", "inputs.3", "inputs.4"), 5)],
    )


def drawing(rng, taken):
    def pick(step, allowed, width):
        option = rng.choice(range(width) if allowed is None else allowed)
        taken.steps.append(step)
        taken.options.append(option)
        taken.allowed.append(allowed)
        return option

    return pick


@pytest.mark.parametrize("make", [conditional, limited])
def test_what_is_made_is_in_the_space_and_reads_as_it_was_made(make):
    space = make()
    course = Course(space)
    rng = Random(0)
    for _ in range(300):
        taken = Episode([], [], [])
        pick = drawing(rng, taken)
        made = course.make(lambda s, a, pick=pick: pick(s, a, course.widths[s]), rng)
        assert made is not None  # one limit alone leads into no dead end
        assert space.why_not(made) is None
        assert course.read(made) == taken


@pytest.mark.parametrize("make", [conditional, limited])
def test_every_architecture_has_its_choices_and_they_are_allowed(make):
    space = make()
    course = Course(space)
    for seed in range(300):
        episode = course.read(space.sample(seed))
        for step, option, allowed in zip(
            episode.steps, episode.options, episode.allowed, strict=True
        ):
            assert 0 <= option < course.widths[step]
            assert allowed is None or (option in allowed and len(allowed) < course.widths[step])


def test_decisions_that_are_not_live_are_not_made():
    course = Course(conditional())
    n = {
        op: len(course.read({**conditional().default, "op": op, "op=conv/kernel": 3}))
        for op in ("conv", "pool")
    }
    assert n["conv"] == n["pool"] + 1


def test_limits_leave_room_for_what_must_follow():
    # Three of five are taken and inputs.3 needs one: no room for the two of inputs.4.
    arch = limited().check({"inputs.2": (0, 1, 2), "nodes": 3, "inputs.3": (0,)})
    assert Course(limited()).read(arch).allowed[1] == [0]
    arch = limited().check({"inputs.2": (0,), "nodes": 3, "inputs.3": (0,)})
    assert Course(limited()).read(arch).allowed[1] is None


def test_ranges_are_cut_evenly_on_their_own_scale():
    space = Space({"lr": Real(1e-4, 1.0, log=True)})
    course = Course(space)
    assert course.widths == [4, 4]
    assert course.read({"lr": 1e-4}).options == [0, 0]
    assert course.read({"lr": 1.0}).options == [3, 3]
    assert course.read({"lr": 1.1e-2}).options == [2, 0]
    options = iter([2, 1])
    made = course.make(lambda step, allowed: next(options), Random(0))
    assert 9 / 16 <= (math.log10(made["lr"]) + 4) / 4 <= 10 / 16


def test_parts_without_an_integer_are_not_chosen():
    # On the logarithm 1..20 has sixteenths of 0.187, and there is no integer in the second.
    course = Course(Space({"n": Integer(1, 20, log=True)}))
    assert course.read({"n": 1}).options == [0, 0]
    assert 1 not in course.read({"n": 1}).allowed[1]
    reached = {tuple(course.read({"n": n}).options) for n in range(1, 21)}
    assert len(reached) < 16
    rng = Random(0)
    assert {
        course.make(lambda s, a: rng.choice(range(4) if a is None else a), rng)["n"]
        for _ in range(600)
    } == set(range(1, 21))


def test_a_dynamic_space_is_refused():
    class Dynamic(Space):
        @property
        def paths(self):
            raise SpaceError("dynamic")

    with pytest.raises(SpaceError):
        Course(Dynamic({"a": Choice((1, 2))}))
