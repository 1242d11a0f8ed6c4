"""The law of the language over spaces that use every word and twin."""

import pytest
import torch
from torch import nn

import archwright.nn as aw
from archwright.testing.law import check_law
from tests.nn.toys import TOYS


@pytest.mark.parametrize("name", TOYS)
def test_law(name):
    space, inputs = TOYS[name]
    check_law(space, inputs, n=100)


class Hooked(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = aw.linear(2, aw.choice("width", [2, 3]))
        self.inner.register_forward_hook(lambda *_: None)

    def forward(self, x):
        return self.inner(x)


class Chance(nn.Module):
    """A network that is another one in each mode of reading."""

    def __init__(self):
        super().__init__()
        self.inner = aw.linear(2, aw.choice("width", [2, 3]))
        self.factor = 1.0 if type(self.inner) is nn.Linear else 2.0

    def forward(self, x):
        return self.factor * self.inner(x)


class Keeps(nn.Module):
    """Keeps a class of the language."""

    def __init__(self):
        super().__init__()
        self.inner = aw.linear(2, aw.choice("width", [2, 3]))
        self.space = aw.ModelSpace(lambda: aw.linear(1, aw.choice("n", [1, 2])))

    def forward(self, x):
        return self.inner(x)


@pytest.mark.parametrize(
    ("factory", "pattern"),
    [
        (Hooked, "'inner' has _forward_hooks"),
        (Chance, "extract and supernet differ by"),
        (Keeps, r"\.space is ModelSpace"),
    ],
)
def test_the_check_notices(factory, pattern):
    with pytest.raises(AssertionError, match=pattern):
        check_law(aw.ModelSpace(factory), lambda: torch.randn(3, 2), n=3)


def test_the_check_leaves_the_generators_alone():
    before = torch.random.get_rng_state()
    space, inputs = TOYS["mlp"]
    check_law(space, inputs, n=3)
    assert torch.equal(torch.random.get_rng_state(), before)
