from random import Random

import pytest

from archwright.strategies import RegularizedEvolution
from tests.strategies.problems import flat, history_of, zoo


def test_the_published_setting():
    strategy = RegularizedEvolution.amoebanet()
    assert (strategy.population, strategy.sample, strategy.n_mutations) == (100, 25, 1)
    assert strategy.crossover == 0


def test_its_mutations_of_inputs_and_operations_are_equally_likely_on_its_space():
    space = zoo("nasnet")
    parent = space.sample(seed=0)
    history = history_of(space, [(parent, 1)])
    strategy = RegularizedEvolution(population=1, sample=1)
    n_inputs = 0
    for seed in range(400):
        child = strategy.propose(history, Random(seed)).architecture
        (changed,) = (path for path in parent if parent[path] != child[path])
        n_inputs += changed.endswith("/from")
    assert 160 < n_inputs < 240


def test_parents_come_from_the_youngest_only_whatever_the_length():
    space = flat()
    rng = Random(0)
    history = history_of(space, [(space.sample(rng=rng), 5000 - i) for i in range(5000)])
    strategy = RegularizedEvolution(population=20, sample=20)
    parents = [strategy.propose(history, Random(seed)).parent for seed in range(100)]
    # The best of all and of the population is its oldest member, number 4980.
    assert min(parents) == 4980
    assert parents.count(4980) > 50
    assert strategy not in history.memory


@pytest.mark.parametrize(("crossover", "low", "high"), [(0.0, 0, 0), (1.0, 10, 30)])
def test_children_of_two_parents_where_asked_for(crossover, low, high):
    space = flat(n=8, k=5)
    history = history_of(space, [(dict.fromkeys(space.paths, value), 1) for value in (0, 4)])
    strategy = RegularizedEvolution(population=2, sample=1, crossover=crossover)
    children = [strategy.propose(history, Random(i)).architecture.values() for i in range(40)]
    # A mutation alone changes one value; the mate is the parent itself half of the time.
    mixed = sum(min(list(child).count(0), list(child).count(4)) > 1 for child in children)
    assert low <= mixed <= high
