"""The one place where names of spaces become spaces."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from archwright.errors import InputError, unknown_name

if TYPE_CHECKING:
    from archwright.nn import ModelSpace


@dataclass(frozen=True)
class Entry:
    """One space of the zoo.

    Attributes:
        factory: where its constructor is, "module:name"; loaded when it is built.
        description: one line.
        modalities: kinds of data that it takes: "image", "tabular", "other".
        reference: the paper it comes from.
    """

    factory: str
    description: str
    modalities: tuple[str, ...]
    reference: str


SPACES: dict[str, Entry] = {
    "branched_cnn": Entry(
        "archwright.zoo.branched_cnn:BranchedCNN",
        "stages of nodes that choose their inputs: several branches and skip connections",
        ("image",),
        "Elsken et al. 2019, Neural Architecture Search: A Survey (chain-structured, branched)",
    ),
    "chain_cnn": Entry(
        "archwright.zoo.chain_cnn:ChainCNN",
        "one layer after another: number, operation, filters, kernel and stride of each",
        ("image",),
        "Baker et al. 2017, Designing Neural Network Architectures using Reinforcement Learning",
    ),
    "mlp": Entry(
        "archwright.zoo.mlp:MLP",
        "multi-layer perceptrons: depth, widths, activation, normalisation, dropout, residual",
        ("tabular", "other"),
        "Gorishniy et al. 2021, Revisiting Deep Learning Models for Tabular Data",
    ),
    "mobilenet": Entry(
        "archwright.zoo.mobilenet:MobileNet",
        "stages of inverted bottlenecks: kernel, expansion, width, depth, squeeze-excitation",
        ("image",),
        "Howard et al. 2019, MobileNetV3; Cai et al. 2020, Once-for-All",
    ),
    "nasbench201": Entry(
        "archwright.zoo.nasbench201:NASBench201",
        "the cell of NAS-Bench-201: six edges, five operations",
        ("image",),
        "Dong and Yang 2020, NAS-Bench-201",
    ),
    "nasnet": Entry(
        "archwright.zoo.nasnet:nasnet_space",
        "a normal and a reduction cell, stacked",
        ("image",),
        "Zoph et al. 2018, Learning Transferable Architectures",
    ),
    "resnet_cnn": Entry(
        "archwright.zoo.resnet_cnn:ResNetCNN",
        "stages of residual blocks, sized for small budgets on a CPU",
        ("image",),
        "He et al. 2016, Deep Residual Learning",
    ),
}


def build_space(
    name: str, *, input_shape: Sequence[int], n_outputs: int, **options: Any
) -> ModelSpace:
    """A space of the zoo for inputs and outputs of the given size.

    Args:
        name: one of `SPACES`.
        input_shape: shape of one input, without the batch.
        n_outputs: outputs of the network.
        options: those of the space itself.

    Raises:
        UnknownNameError: no space has that name; the message lists them.
        InputError: the space does not take such inputs.

    >>> build_space("mlp", input_shape=(8,), n_outputs=3).name
    'mlp'
    """
    if name not in SPACES:
        raise unknown_name("space", name, SPACES)
    from archwright.nn import ModelSpace

    entry = SPACES[name]
    if ("image" in entry.modalities) != (len(input_shape) == 3) and "other" not in entry.modalities:
        fitting = [n for n, e in SPACES.items() if "other" in e.modalities]
        raise InputError(
            f"the space {name!r} takes images (channels, height, width), and these inputs have the "
            f"shape {tuple(input_shape)}; choose {' or '.join(fitting)}, or leave the space out"
        )
    module, attribute = entry.factory.split(":")
    factory = getattr(importlib.import_module(module), attribute)
    if isinstance(factory, type):
        space = ModelSpace(factory, tuple(input_shape), n_outputs, **options)
    else:
        space = factory(tuple(input_shape), n_outputs, **options)
    space.name = name
    return space


def suggest(modality: str, input_shape: Sequence[int], n_rows: int) -> str:
    """The name of the space to search when none was asked for.

    >>> suggest("tabular", (12,), 1000), suggest("image", (1, 28, 28), 6000)
    ('mlp', 'resnet_cnn')
    """
    return "resnet_cnn" if modality == "image" and len(input_shape) == 3 else "mlp"
