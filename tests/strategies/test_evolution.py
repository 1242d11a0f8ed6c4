from random import Random

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
