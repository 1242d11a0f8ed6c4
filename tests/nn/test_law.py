"""The law of the language over spaces that use every word and twin."""

import pytest

from archwright.testing.law import check_law
from tests.nn.toys import TOYS


@pytest.mark.parametrize("name", TOYS)
def test_law(name):
    space, inputs = TOYS[name]
    check_law(space, inputs, n=100)
