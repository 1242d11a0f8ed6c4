"""Every method on a toy and on every convolutional space of the zoo."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
import torch

from archwright.errors import InputError, UnknownNameError
from archwright.supernet import (
    METHODS,
    Bilevel,
    Method,
    Relaxable,
    Settings,
    as_method,
    derive,
    relaxable,
    relaxed_search,
    scores,
)
from archwright.zoo import SPACES, build_space
from tests.supernet.toys import SPACE, TASK, data
from tests.zoo.small import SMALL as ZOO_SMALL

SMALL = {
    **ZOO_SMALL,
    "resnet_cnn": {"max_blocks": 1},
    "chain_cnn": {"max_layers": 2},
    "branched_cnn": {"max_nodes": 2, "max_branches": 2},
    "mobilenet": {"max_depth": 1},
    "nasnet": {"N": 1, "filters": 2},
    "nasbench201": {"C": 2, "N": 1},
    "darts": {"C": 2, "n_cells": 3},
}
# All that these spaces have which cannot be mixed.
DRAWN: dict[str, set[str]] = {
    "resnet_cnn": {"dropout"},
    "mobilenet": {"dropout"},
    "nasbench201": set(),
    "darts": set(),
}
CONVOLUTIONAL = [name for name, entry in SPACES.items() if entry.modalities == ("image",)]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_on_a_toy(name: str) -> None:
    before = torch.random.get_rng_state()
    found = relaxed_search(SPACE, TASK, name, Settings(epochs=3, batch_size=12))
    assert torch.equal(before, torch.random.get_rng_state())
    (arch,) = found.architectures
    assert SPACE.why_not(arch) is None
    assert len(found.trajectory) == 3
    assert list(found.searched.relaxable.drawn) == ["stride"]
    for record in found.trajectory:
        for path, p in record["probabilities"].items():
            assert len(p) == SPACE.decision(path).domain.size
            assert all(x >= 0 for x in p)
    first, last = found.trajectory[0]["probabilities"], found.trajectory[-1]["probabilities"]
    assert any(first[path] != last[path] for path in first), "the strengths have not moved"


def search_once(name: str, methods: Iterable[str]) -> None:
    """Each method makes the steps of a search on a space of the zoo, and derives."""
    task = data(24, (3, 8, 8))
    space = build_space(
        name, input_shape=(3, 8, 8), n_outputs=task.n_outputs, n_rows=24, **SMALL.get(name, {})
    )
    # Whether a one-hot mixture computes the architecture is what decides it.
    found = relaxable(space, task.prepare(task.train.x[:2]))
    assert set(found.drawn) == DRAWN.get(name, set(found.drawn))
    for one in methods:
        method = METHODS[one].replace(warmup=0.0, stages=())
        search = Bilevel(space, task, method, Settings(epochs=1, batch_size=16), found=found)
        searched = search.run()
        (arch,) = derive(
            space, scores(search.strengths, method.relaxation), fixed=search.strengths.fixed
        )
        assert space.why_not(arch) is None
        assert 0 < searched.trajectory[0]["train_loss"] < 20


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_a_method_on_the_zoo(name: str) -> None:
    search_once(name, ["gdas" if name in ("nasnet", "darts") else "darts"])


@pytest.mark.slow
@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_every_method_on_the_zoo(name: str) -> None:
    search_once(name, METHODS)


def test_a_cell_knows_what_passes_and_what_does_not() -> None:
    task = data(24, (3, 8, 8))
    space = build_space("darts", input_shape=(3, 8, 8), n_outputs=3, C=2, n_cells=3)
    found = Relaxable(tuple(space.paths))
    search = Bilevel(space, task, METHODS["darts"], Settings(epochs=1), found=found)
    one = search.strengths.decisions
    assert one["normal/0-2"].zeros == one["reduction/0-2"].zeros == (0,)
    assert one["normal/0-2"].skips == (3,)
    assert one["normal/3/inputs"].is_wiring
    assert "normal/3/inputs" not in search.strengths.values


def test_methods_by_name() -> None:
    own = Method("mine", "")
    assert as_method(own) is own
    with pytest.raises(UnknownNameError, match="darts"):
        as_method("dart")
    with pytest.raises(InputError, match="a name or a Method"):
        as_method(3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "wrong",
    [{"order": "third"}, {"selection": "best"}, {"cost": "divide"}, {"partial": 0.0}, {"lr": 0.0},
     {"warmup": 1.0}, {"partial": 2.0}],
)  # fmt: skip
def test_wrong_methods(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        Method("mine", "", **wrong)  # type: ignore[arg-type]
