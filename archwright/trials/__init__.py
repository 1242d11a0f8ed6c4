"""Trials, objectives, fronts and results: pure values, no torch."""

from archwright.trials.fidelity import Fidelity
from archwright.trials.history import History
from archwright.trials.objective import Goal, Limit, Objective
from archwright.trials.pareto import dominates, hypervolume, pareto_front
from archwright.trials.result import Baseline, Final, Result
from archwright.trials.trial import Proposal, State, Trial

__all__ = [
    "Baseline",
    "Fidelity",
    "Final",
    "Goal",
    "History",
    "Limit",
    "Objective",
    "Proposal",
    "Result",
    "State",
    "Trial",
    "dominates",
    "hypervolume",
    "pareto_front",
]
