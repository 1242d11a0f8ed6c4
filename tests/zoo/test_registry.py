"""The registry: names become spaces, and what cannot be becomes one clear sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from archwright.errors import InputError, UnknownNameError
from archwright.nn import ModelSpace
from archwright.zoo import SPACES, build_space, suggest

IMAGES = sorted(name for name, entry in SPACES.items() if "image" in entry.modalities)


def test_names_are_those_of_the_documentation() -> None:
    assert set(SPACES) == {
        "mlp",
        "resnet_cnn",
        "mobilenet",
        "chain_cnn",
        "branched_cnn",
        "nasnet",
        "nasbench201",
        "darts",
        "proxyless",
        "fbnet",
        "ofa_mobilenet_v3",
        "ofa_resnet",
        "shufflenet_v2_spos",
        "nasbench101",
        "nasbench1shot1",
    }


@pytest.mark.parametrize("name", sorted(SPACES))
def test_entries_are_complete(name: str) -> None:
    entry = SPACES[name]
    assert callable(entry.factory)
    assert entry.description
    assert entry.reference
    assert entry.modalities
    assert set(entry.modalities) <= {"image", "tabular", "other"}


@pytest.mark.parametrize("name", sorted(SPACES))
def test_build_space(name: str) -> None:
    shape = (1, 8, 8) if name in IMAGES else (12,)
    space = build_space(name, input_shape=shape, n_outputs=3)
    assert isinstance(space, ModelSpace)
    assert space.name == name
    assert space.contains(space.default)
    model = space.build(space.default).eval()
    assert model(torch.zeros(2, *shape)).shape == (2, 3)


def test_options_reach_the_space() -> None:
    small = build_space("mobilenet", input_shape=(1, 8, 8), n_outputs=3, max_depth=1)
    assert small.size < build_space("mobilenet", input_shape=(1, 8, 8), n_outputs=3).size


def test_lists_of_sizes_are_taken() -> None:
    assert build_space("resnet_cnn", input_shape=[1, 8, 8], n_outputs=3).name == "resnet_cnn"


def test_unknown_names_list_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="resnet_cnn"):
        build_space("resnet", input_shape=(1, 8, 8), n_outputs=10)


@pytest.mark.parametrize("name", sorted(SPACES))
@pytest.mark.parametrize(
    ("shape", "n_outputs"),
    [
        (None, 10),
        (8, 10),
        ("abc", 10),
        ((), 10),
        ((1, -8, 8), 10),
        ((1, 0, 8), 10),
        ((1, 8.5, 8), 10),
        ((1, 8, 8), 0),
        ((1, 8, 8), -1),
        ((1, 8, 8), 2.5),
        ((1, 8, 8), True),
        ((1, 8, 8), None),
        ((1, 8, 8), "ten"),
    ],
)
def test_bad_sizes(name: str, shape: object, n_outputs: object) -> None:
    with pytest.raises(InputError) as caught:
        build_space(name, input_shape=shape, n_outputs=n_outputs)  # type: ignore[arg-type]
    given = shape if n_outputs == 10 and not isinstance(n_outputs, bool) else n_outputs
    assert name in str(caught.value)
    assert repr(given) in str(caught.value)


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("shape", [(8,), (8, 8), (1, 8, 8, 8)])
def test_image_spaces_want_images(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match=r"channels, height, width.*mlp"):
        build_space(name, input_shape=shape, n_outputs=10)


@pytest.mark.parametrize("name", IMAGES)
@pytest.mark.parametrize("shape", [(1, 3, 8), (1, 8, 3), (3, 1, 1)])
def test_images_of_a_few_pixels(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(InputError, match="at least 4 pixels a side"):
        build_space(name, input_shape=shape, n_outputs=10)


@pytest.mark.parametrize("name", sorted(SPACES))
def test_unknown_options_are_named(name: str) -> None:
    with pytest.raises(InputError, match="widht"):
        build_space(name, input_shape=(1, 8, 8), n_outputs=10, widht=3)


@pytest.mark.parametrize("name", sorted(SPACES))
def test_rows_are_taken_by_every_space(name: str) -> None:
    assert build_space(name, input_shape=(1, 8, 8), n_outputs=10, n_rows=500).name == name
    with pytest.raises(InputError, match="n_rows"):
        build_space(name, input_shape=(1, 8, 8), n_outputs=10, n_rows=0)


@pytest.mark.parametrize("shape", [(1, 4, 4), (1, 8, 8), (1, 28, 28), (3, 224, 224)])
def test_suggest_for_images(shape: tuple[int, ...]) -> None:
    name = suggest("image", shape, 1000)
    assert "image" in SPACES[name].modalities
    build_space(name, input_shape=shape, n_outputs=10)


@pytest.mark.parametrize(
    ("modality", "shape"),
    [("tabular", (12,)), ("other", (12,)), ("other", (3, 7)), ("image", (1, 2, 2))],
)
def test_suggest_for_all_else(modality: str, shape: tuple[int, ...]) -> None:
    name = suggest(modality, shape, 1000)
    assert name == "mlp"
    build_space(name, input_shape=shape, n_outputs=10)


@pytest.mark.parametrize("name", sorted(SPACES))
def test_every_space_is_in_the_documentation(name: str) -> None:
    page = (Path(__file__).parents[2] / "docs/spaces.md").read_text(encoding="utf-8")
    assert f"| `{name}` |" in page
