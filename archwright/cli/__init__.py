"""The command line: ``archwright search DATA`` and what belongs to it."""

from archwright.cli.app import main as main

__all__ = ["main"]
