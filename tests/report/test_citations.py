import re

import pytest

import archwright as aw
from archwright.proxies import PROXIES, ZeroCost
from archwright.report.citations import METHODS, REFERENCES, recipe_methods, references
from archwright.report.citations_of_proxies import CITED, PUBLICATIONS
from archwright.report.page import render
from archwright.strategies import STRATEGIES
from archwright.zoo import build_space


def test_every_method_names_references_that_exist():
    for name, keys in METHODS.items():
        assert keys, name
        assert all(key in REFERENCES for key in keys), name


def test_every_reference_is_cited_somewhere_or_general():
    cited = {key for keys in METHODS.values() for key in keys}
    assert set(REFERENCES) - cited <= {"lindauer2020", "tan2019", "huang2017"}


@pytest.mark.parametrize("reference", REFERENCES.values(), ids=lambda r: r.key)
def test_references_are_complete(reference):
    assert re.fullmatch(r"[a-z]+\d{4}[a-z]*", reference.key)
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


def test_every_proxy_with_a_paper_has_its_references():
    papers = {name for name, proxy in PROXIES.items() if proxy.reference}
    assert papers == set(CITED) - {"zero_cost"}
    for name in papers:
        sources = [r.arxiv or r.title.split(":")[0] for r in references(name)]
        assert any(source in PROXIES[name].reference for source in sources), name


def test_proxies_take_no_key_that_is_taken():
    keys = [key for key, *_ in PUBLICATIONS]
    assert len(keys) == len(set(keys))
    for key, _, title, *_ in PUBLICATIONS:
        assert REFERENCES[key].title == title


def test_a_report_of_proxies_cites_them():
    space = build_space("mlp", input_shape=(8,), n_outputs=3)
    judge = ZeroCost(["params", "synflow", "naswot"], batch=8)
    page = render(aw.search(space, judge, maximize="synflow", trials=2))
    assert "2006.05467" in page
    assert "2006.04647" in page
    assert "2101.08134" in page
    assert "2502.04975" not in page
