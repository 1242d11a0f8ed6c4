"""Rules by which a supernet with shared weights is trained: which architectures, by what loss."""

from __future__ import annotations

from typing import Any

from archwright.errors import InputError, unknown_name
from archwright.supernet.rules.attentive import Attentive
from archwright.supernet.rules.base import Pass, Rule, Step, compose
from archwright.supernet.rules.enas import Enas
from archwright.supernet.rules.fairness import StrictFairness
from archwright.supernet.rules.random_sharing import RandomSharing
from archwright.supernet.rules.sandwich import Sandwich
from archwright.supernet.rules.shrinking import ProgressiveShrinking
from archwright.supernet.rules.single_path import SinglePath

RULES: dict[str, type] = {
    "spos": SinglePath,
    "rsps": RandomSharing,
    "fairnas": StrictFairness,
    "sandwich": Sandwich,
    "ofa": ProgressiveShrinking,
    "attentive": Attentive,
}
"""The rules that need no further part, by name."""


def as_rule(given: Any) -> Rule:
    """The rule itself, or the one of that name with its defaults.

    Raises:
        UnknownNameError: no such rule.
        InputError: it is neither a name nor an object with ``plan(step)``.

    >>> as_rule("sandwich")
    Sandwich(n=2, distill=True)
    """
    if isinstance(given, str):
        if given == "enas":
            raise InputError(
                "ENAS needs a controller: give rule=Enas(archwright.strategies.Policy())"
            )
        if given not in RULES:
            raise unknown_name("training rule", given, RULES)
        rule: Rule = RULES[given]()
        return rule
    if isinstance(given, type) or not callable(getattr(given, "plan", None)):
        raise InputError(
            f"rule must be one of {', '.join(RULES)}, or an object with plan(step), got {given!r}"
        )
    return given


__all__ = [
    "RULES",
    "Attentive",
    "Enas",
    "Pass",
    "ProgressiveShrinking",
    "RandomSharing",
    "Rule",
    "Sandwich",
    "SinglePath",
    "Step",
    "StrictFairness",
    "as_rule",
    "compose",
]
