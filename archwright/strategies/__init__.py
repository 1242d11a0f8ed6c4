"""Search strategies: one small file for each published method.

`STRATEGIES` is the one place where names become strategies. What needs a heavy library loads on
first use.
"""

import importlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from archwright.errors import InputError, unknown_name
from archwright.strategies.base import Strategy, any_new, first_new, random_proposal

if TYPE_CHECKING:
    from archwright.strategies.additive_gp import AdditiveGP as AdditiveGP
    from archwright.strategies.ant_colony import AntColony as AntColony
    from archwright.strategies.asha import ASHA as ASHA
    from archwright.strategies.auto import Auto as Auto
    from archwright.strategies.bananas import BANANAS as BANANAS
    from archwright.strategies.bohb import BOHB as BOHB
    from archwright.strategies.bowl import NASBOWL as NASBOWL
    from archwright.strategies.cascade import Cascade as Cascade
    from archwright.strategies.cascade_stages import Stage as Stage
    from archwright.strategies.curve_stopping import CurveStopping as CurveStopping
    from archwright.strategies.differential_evolution import (
        DifferentialEvolution as DifferentialEvolution,
    )
    from archwright.strategies.evolution import RegularizedEvolution as RegularizedEvolution
    from archwright.strategies.fidelity import MultiFidelity as MultiFidelity
    from archwright.strategies.fidelity import multi_fidelity as multi_fidelity
    from archwright.strategies.gaussian_process import (
        GaussianProcessSearch as GaussianProcessSearch,
    )
    from archwright.strategies.genetic import Genetic as Genetic
    from archwright.strategies.grid import Grid as Grid
    from archwright.strategies.hyperband import Hyperband as Hyperband
    from archwright.strategies.local_search import LocalSearch as LocalSearch
    from archwright.strategies.mobster import MOBSTER as MOBSTER
    from archwright.strategies.npenas import NPENAS as NPENAS
    from archwright.strategies.nsga2 import NSGA2 as NSGA2
    from archwright.strategies.nsga3 import NSGA3 as NSGA3
    from archwright.strategies.optuna_bridge import as_optuna_sampler as as_optuna_sampler
    from archwright.strategies.optuna_pruner import OptunaPruner as OptunaPruner
    from archwright.strategies.optuna_sampler import CMAES as CMAES
    from archwright.strategies.optuna_sampler import TPE as TPE
    from archwright.strategies.optuna_sampler import OptunaGP as OptunaGP
    from archwright.strategies.optuna_sampler import OptunaNSGA2 as OptunaNSGA2
    from archwright.strategies.optuna_sampler import OptunaSampler as OptunaSampler
    from archwright.strategies.pareto_local import ParetoLocalSearch as ParetoLocalSearch
    from archwright.strategies.particle_swarm import ParticleSwarm as ParticleSwarm
    from archwright.strategies.pnas import PNAS as PNAS
    from archwright.strategies.policy import Policy as Policy
    from archwright.strategies.ppo import PPO as PPO
    from archwright.strategies.q_learning import QLearning as QLearning
    from archwright.strategies.random_search import RandomSearch as RandomSearch
    from archwright.strategies.reinforce import Reinforce as Reinforce
    from archwright.strategies.stopping import MedianStopping as MedianStopping
    from archwright.strategies.stopping import Stopping as Stopping
    from archwright.strategies.stopping import as_stopping as as_stopping
    from archwright.strategies.successive_halving import SuccessiveHalving as SuccessiveHalving
    from archwright.strategies.trees import TreeEnsembleSearch as TreeEnsembleSearch
    from archwright.strategies.warm_start import CheapScores as CheapScores
    from archwright.strategies.warm_start import WarmStart as WarmStart

_HOMES = {
    "additive_gp": "additive_gp:AdditiveGP",
    "ant_colony": "ant_colony:AntColony",
    "asha": "asha:ASHA",
    "auto": "auto:Auto",
    "bananas": "bananas:BANANAS",
    "bohb": "bohb:BOHB",
    "cascade": "cascade:Cascade",
    "cmaes": "optuna_sampler:CMAES",
    "differential_evolution": "differential_evolution:DifferentialEvolution",
    "evolution": "evolution:RegularizedEvolution",
    "genetic": "genetic:Genetic",
    "gp": "gaussian_process:GaussianProcessSearch",
    "grid": "grid:Grid",
    "hyperband": "hyperband:Hyperband",
    "local": "local_search:LocalSearch",
    "mobster": "mobster:MOBSTER",
    "nas_bowl": "bowl:NASBOWL",
    "npenas": "npenas:NPENAS",
    "nsga2": "nsga2:NSGA2",
    "nsga3": "nsga3:NSGA3",
    "optuna_gp": "optuna_sampler:OptunaGP",
    "optuna_nsga2": "optuna_sampler:OptunaNSGA2",
    "pareto_local": "pareto_local:ParetoLocalSearch",
    "particle_swarm": "particle_swarm:ParticleSwarm",
    "pnas": "pnas:PNAS",
    "ppo": "ppo:PPO",
    "q_learning": "q_learning:QLearning",
    "random": "random_search:RandomSearch",
    "reinforce": "reinforce:Reinforce",
    "successive_halving": "successive_halving:SuccessiveHalving",
    "tpe": "optuna_sampler:TPE",
    "trees": "trees:TreeEnsembleSearch",
}


class _Registry(Mapping[str, Callable[[], Strategy]]):
    """Name -> what makes the strategy with its default options."""

    def __getitem__(self, name: str) -> Callable[[], Strategy]:
        module, attribute = _HOMES[name].split(":")
        made: Callable[[], Strategy] = getattr(
            importlib.import_module(f"archwright.strategies.{module}"), attribute
        )
        return made

    def __iter__(self) -> Iterator[str]:
        return iter(_HOMES)

    def __len__(self) -> int:
        return len(_HOMES)


STRATEGIES: Mapping[str, Callable[[], Strategy]] = _Registry()
_OTHERS = {
    "CheapScores": "warm_start",
    "CurveStopping": "curve_stopping",
    "MedianStopping": "stopping",
    "MultiFidelity": "fidelity",
    "OptunaPruner": "optuna_pruner",
    "OptunaSampler": "optuna_sampler",
    "Policy": "policy",
    "Stage": "cascade_stages",
    "Stopping": "stopping",
    "WarmStart": "warm_start",
    "as_optuna_sampler": "optuna_bridge",
    "as_stopping": "stopping",
    "multi_fidelity": "fidelity",
}
"""What has no name of its own among the strategies -> its module."""

_CLASSES = {home.split(":")[1]: name for name, home in _HOMES.items()}


def __getattr__(name: str) -> Any:
    if name in _OTHERS:
        return getattr(importlib.import_module(f"archwright.strategies.{_OTHERS[name]}"), name)
    if name not in _CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return STRATEGIES[_CLASSES[name]]


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
            name = given.partition(":")[0]
            if ":" in given and name in STRATEGIES:
                kind = _HOMES[name].partition(":")[2]
                raise InputError(
                    f"options of a strategy are arguments of its class: strategy={given!r} is "
                    f"archwright.strategies.{kind}(option=value)"
                )
            raise unknown_name("strategy", given, STRATEGIES)
        return STRATEGIES[given]()
    if isinstance(given, type) and hasattr(given, "propose"):
        raise InputError(
            f"strategy must be an object, got the class {given.__name__}: make one, "
            f"{given.__name__}(...)"
        )
    if isinstance(given, type) or not isinstance(given, Strategy):
        raise InputError(
            f"strategy must be a name ({', '.join(sorted(STRATEGIES))}) or an object with a "
            f"propose(history, rng) method, got {given!r}"
        )
    return given


def name_of(strategy: Strategy) -> str:
    """The name under which a strategy is known, else its class's name.

    >>> name_of(as_strategy("random"))
    'random'
    """
    kind = type(getattr(strategy, "wrapped", strategy))
    for name, home in _HOMES.items():
        module, attribute = home.split(":")
        if (kind.__module__, kind.__qualname__) == (f"archwright.strategies.{module}", attribute):
            return name
    return kind.__name__


__all__ = [
    "STRATEGIES",
    "AdditiveGP",
    "ASHA",
    "AntColony",
    "Auto",
    "BANANAS",
    "BOHB",
    "CMAES",
    "Cascade",
    "CheapScores",
    "CurveStopping",
    "DifferentialEvolution",
    "GaussianProcessSearch",
    "Genetic",
    "Grid",
    "Hyperband",
    "LocalSearch",
    "MOBSTER",
    "NASBOWL",
    "NPENAS",
    "NSGA2",
    "NSGA3",
    "OptunaGP",
    "OptunaNSGA2",
    "OptunaSampler",
    "PNAS",
    "PPO",
    "MedianStopping",
    "MultiFidelity",
    "OptunaPruner",
    "ParetoLocalSearch",
    "ParticleSwarm",
    "Policy",
    "QLearning",
    "RandomSearch",
    "RegularizedEvolution",
    "Reinforce",
    "Stage",
    "Stopping",
    "Strategy",
    "SuccessiveHalving",
    "TPE",
    "TreeEnsembleSearch",
    "WarmStart",
    "any_new",
    "as_stopping",
    "as_optuna_sampler",
    "as_strategy",
    "first_new",
    "multi_fidelity",
    "name_of",
    "random_proposal",
]
