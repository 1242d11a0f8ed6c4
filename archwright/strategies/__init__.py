"""Search strategies: one small file for each published method.

`STRATEGIES` is the one place where names become strategies.
"""

from collections.abc import Callable

from archwright.errors import InputError, unknown_name
from archwright.strategies.base import Strategy, any_new, first_new, random_proposal
from archwright.strategies.evolution import RegularizedEvolution
from archwright.strategies.grid import Grid
from archwright.strategies.local_search import LocalSearch
from archwright.strategies.random_search import RandomSearch

STRATEGIES: dict[str, Callable[[], Strategy]] = {
    "evolution": RegularizedEvolution,
    "grid": Grid,
    "local": LocalSearch,
    "random": RandomSearch,
}


def as_strategy(given: "str | Strategy") -> Strategy:
    """A strategy from its name, or the strategy itself.

    Raises:
        UnknownNameError: no strategy has that name; the message lists them.
        InputError: it is neither a name nor has a `propose` method.

    >>> as_strategy("random")
    RandomSearch()
    """
    if isinstance(given, str):
        if given not in STRATEGIES:
            raise unknown_name("strategy", given, STRATEGIES)
        return STRATEGIES[given]()
    if isinstance(given, type) or not isinstance(given, Strategy):
        raise InputError(
            f"strategy must be a name ({', '.join(sorted(STRATEGIES))}) or an object with a "
            f"propose(history, rng) method, got {given!r}"
        )
    return given


def name_of(strategy: Strategy) -> str:
    """The name under which a strategy is known, else its class's name.

    >>> name_of(RandomSearch())
    'random'
    """
    for name, factory in STRATEGIES.items():
        if type(strategy) is factory:
            return name
    return type(strategy).__name__


__all__ = [
    "STRATEGIES",
    "Grid",
    "LocalSearch",
    "RandomSearch",
    "RegularizedEvolution",
    "Strategy",
    "any_new",
    "as_strategy",
    "first_new",
    "name_of",
    "random_proposal",
]
