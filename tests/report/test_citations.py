import re

import pytest

from archwright.report.citations import METHODS, REFERENCES, recipe_methods, references
from archwright.strategies import STRATEGIES


def test_every_method_names_references_that_exist():
    for name, keys in METHODS.items():
        assert keys, name
        assert all(key in REFERENCES for key in keys), name


def test_every_reference_is_cited_somewhere_or_general():
    cited = {key for keys in METHODS.values() for key in keys}
    assert set(REFERENCES) - cited <= {"lindauer2020", "tan2019", "huang2017"}


@pytest.mark.parametrize("reference", REFERENCES.values(), ids=lambda r: r.key)
def test_references_are_complete(reference):
    assert re.fullmatch(r"[a-z]+\d{4}", reference.key)
    year = re.findall(r"(?:19|20)\d\d", reference.venue)
    assert year
    assert reference.url.startswith("https://")
    if reference.arxiv:
        assert re.fullmatch(r"\d{4}\.\d{4,5}", reference.arxiv)
    assert reference.text.startswith(reference.authors)


def test_every_strategy_has_its_references():
    for name in STRATEGIES:
        assert references(name), name


def test_each_reference_once_and_unknown_names_pass():
    found = references("random", "random", "something of mine")
    assert [r.key for r in found] == ["bergstra2012", "li2019"]


def test_recipes():
    recipe = {
        "optimizer": "sgd",
        "schedule": "cosine",
        "mixup": 0.2,
        "ema": False,
        "precision": "bf16",
    }
    assert recipe_methods(recipe) == ["sgd", "cosine", "mixup", "mixed_precision"]
