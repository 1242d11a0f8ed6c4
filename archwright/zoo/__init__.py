"""Prebuilt search spaces, one file for each published family."""

from archwright.zoo.registry import SPACES as SPACES
from archwright.zoo.registry import Entry as Entry
from archwright.zoo.registry import build_space as build_space
from archwright.zoo.registry import suggest as suggest

__all__ = ["SPACES", "Entry", "build_space", "suggest"]
