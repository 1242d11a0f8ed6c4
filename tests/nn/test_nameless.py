"""A domain without a name is of no use inside a constructor."""

import pytest
import torch

import archwright as aw
from archwright.errors import SpaceError


def test_a_nameless_choice_in_a_constructor_says_what_to_write():
    with pytest.raises(SpaceError, match=r'choice\("name", \[value, ...\]\)'):
        aw.ModelSpace(lambda: torch.nn.Sequential(aw.linear(3, aw.choice([8, 16]))))
    assert aw.Space({"width": aw.choice([8, 16])}).size == 2
