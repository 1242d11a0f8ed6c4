"""What a strategy cannot search it refuses before any work, and nothing else."""

from random import Random

import pytest
import torch

from archwright.errors import InputError, MissingExtraError
from archwright.nn import ModelSpace, choice
from archwright.space import Choice, Space
from archwright.strategies import STRATEGIES
from archwright.strategies.population import SEVERAL
from archwright.trials import History, Objective, Trial


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        for i in range(choice("depth", [1, 2, 3])):
            choice(f"width{i}", [1, 2, 3, 4])


def metrics_of(architecture):
    return {"score": float(sum(architecture.values())), "cost": 1.0, "loss": 0.0}


def search(strategy, space, objective):
    history = History(space, objective, full_budget=27)
    for number in range(15):
        proposal = strategy.propose(history, Random(number))
        a = proposal.architecture
        history.add(Trial(number, a, metrics=metrics_of(a), budget=proposal.budget))


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_dynamic_space_is_searched_or_refused(name):
    space, objective = ModelSpace(Net, dynamic=True), Objective.of(maximize="score")
    strategy, refusal = STRATEGIES[name](), ""
    try:
        if hasattr(strategy, "check"):
            strategy.check(space, objective)
    except MissingExtraError as error:
        pytest.skip(str(error))
    except InputError as error:
        refusal = str(error)
    if refusal:
        assert f"{name!r} needs the list of all decisions" in refusal
    else:
        search(strategy, space, objective)


@pytest.mark.parametrize("name", SEVERAL)
def test_those_named_for_several_objectives_take_them(name):
    space = Space({f"d{i}": Choice(range(4)) for i in range(4)})
    objective = Objective.of(maximize="score", minimize="cost")
    strategy = STRATEGIES[name]()
    if hasattr(strategy, "check"):
        strategy.check(space, objective)
    search(strategy, space, objective)
