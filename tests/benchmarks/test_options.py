import pytest

from archwright.benchmarks import load
from archwright.benchmarks.options import label, labelled, options_of, parse
from archwright.errors import InputError, UnknownNameError
from archwright.strategies import RandomSearch, RegularizedEvolution


def test_values_are_read_as_what_they_look_like():
    name, options = options_of("x", "a: b=1 :c=0.5:d=true:e=none:f=text")
    assert name == "a"
    assert options == {"b": 1, "c": 0.5, "d": True, "e": None, "f": "text"}


def test_a_strategy_with_options():
    assert parse("evolution:population=7:sample=3") == RegularizedEvolution(population=7, sample=3)
    assert parse("random") == RandomSearch()


def test_labels_make_the_strategy_again():
    strategy = RegularizedEvolution(population=7, sample=3, crossover=0.5)
    assert parse(label(strategy)) == strategy


def test_an_object_without_fields_is_called_by_its_class():
    class Mine:
        def propose(self, history, rng):
            return None

    assert list(labelled([Mine()])) == ["random", "Mine"]
    assert list(labelled(Mine())) == ["random", "Mine"]
    with pytest.raises(InputError, match="two strategies are called 'Mine'"):
        labelled([Mine(), Mine()])


def test_random_keeps_its_place():
    assert list(labelled("evolution,random")) == ["evolution", "random"]
    assert list(labelled("evolution, local")) == ["random", "evolution", "local"]


@pytest.mark.parametrize("text", ["evolution:population", "evolution:=3", "evolution::"])
def test_options_have_names_and_values(text):
    with pytest.raises(InputError, match="name=value"):
        parse(text)


def test_unknown_options_name_the_known():
    with pytest.raises(UnknownNameError, match="Known: crossover, n_mutations"):
        parse("evolution:mutations=3")
    with pytest.raises(InputError, match="unknown option of random"):
        parse("random:n=3")


@pytest.mark.parametrize("name", ["synthetic-needle", "digits-cells"])
@pytest.mark.parametrize("option", ["foo", "name", "kind", "make"])
def test_options_that_a_benchmark_lacks_are_one_sentence(name, option):
    with pytest.raises(InputError, match=f"{name} has no such option: '{option}'"):
        load(name, **{option: 1})
