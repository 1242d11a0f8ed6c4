"""The conformance suite must notice what it is there for."""

import itertools
import random

import pytest

from archwright.space import Architecture, Space, choice, integer
from archwright.testing import check_space


class Wrong(Space):
    """A space to break one method of."""


SEEDS = itertools.count()
"""Of draws that take no notice of the seed that they are given."""


def broken(**methods):
    kind = type("Broken", (Wrong,), methods)
    return kind({"op": choice(["conv", "pool", "skip"]), "depth": integer(1, 4)})


def foreign(self, *args, **kwargs):
    return Architecture({"op": "nothing", "depth": 1})


def test_a_right_space_passes():
    check_space(broken(), n=20)


@pytest.mark.parametrize(
    ("methods", "message"),
    [
        ({"size": property(lambda self: 11)}, "size must be the 12 enumerated"),
        ({"sample": foreign}, "a sample must be in the space"),
        (
            {
                "sample": lambda self, seed=None, *, rng=None, uniform=False: Space.sample(
                    self, seed=next(SEEDS)
                )
            },
            "the same architecture twice",
        ),
        ({"mutate": foreign}, "mutate() must stay in the space"),
        ({"mutate": lambda self, arch, **how: arch}, "mutate() must change something"),
        (
            {
                "mutate": lambda self, arch, rng, **how: Space.mutate(
                    self, Space.mutate(self, arch, rng=rng, n=2), rng=random.Random(0), n=2
                )
            },
            "mutate",
        ),
        ({"crossover": foreign}, "crossover() must stay in the space"),
        ({"crossover": lambda self, a, b, *, rng: self.sample(0)}, "a child has a parent's values"),
        ({"neighbours": lambda self, arch: [arch]}, "a neighbour differs in one decision"),
        ({"encode": lambda self, arch: Space.encode(self, arch)[1:]}, "one fixed length"),
        ({"canonical": lambda self, arch: self.sample()}, "canonical"),
        ({"restrict": lambda self, to: self}, "restricted to one architecture"),
        ({"describe": lambda self: ""}, "describe() must show every path"),
    ],
)
def test_a_broken_promise_is_noticed(methods, message):
    with pytest.raises(AssertionError) as caught:
        check_space(broken(**methods), n=30)
    assert message in str(caught.value)
