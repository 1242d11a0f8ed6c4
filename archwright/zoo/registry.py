"""The prebuilt spaces by name."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from archwright.errors import InputError, unknown_name
from archwright.zoo.shapes import SMALLEST_SIDE, check_count, check_shape

if TYPE_CHECKING:
    from archwright.nn import ModelSpace


@dataclass(frozen=True)
class Entry:
    """A prebuilt space. Reading the table of entries does not import torch; building does.

    Attributes:
        name: how it is called.
        model: where its module class (or the function that makes the space) is, "module:name".
        description: one line.
        modalities: what data it is for: "image", "tabular", "other".
        reference: authors, title, venue, year, arXiv id.
        scaled: which options are a width or a depth of networks; see `ModelSpace`.
    """

    name: str
    model: str
    description: str
    modalities: tuple[str, ...]
    reference: str
    scaled: Mapping[str, str] = field(default_factory=dict)

    @property
    def options(self) -> dict[str, Any]:
        """Name -> default of what `build_space` takes for it besides the sizes of the data.

        >>> SPACES["nasbench201"].options
        {'C': 16, 'N': 5}
        """
        parameters = inspect.signature(self._model()).parameters
        return {
            option: parameter.default
            for option, parameter in parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        }

    def factory(self, input_shape: Sequence[int], n_outputs: int, **options: Any) -> ModelSpace:
        """The space for inputs and outputs of these sizes."""
        from archwright.nn import ModelSpace

        model = self._model()
        if isinstance(model, type):
            return ModelSpace(model, input_shape, n_outputs, scaled=self.scaled, **options)
        return model(input_shape, n_outputs, **options)

    def _model(self) -> Any:
        module, name = self.model.split(":")
        return getattr(importlib.import_module(module), name)


SPACES: dict[str, Entry] = {
    entry.name: entry
    for entry in (
        Entry(
            "mlp",
            "archwright.zoo.mlp:MLP",
            "perceptrons for tables: embedding, depth, widths, activation, norm, dropout, residual",
            ("tabular", "other"),
            "Gorishniy et al., Revisiting Deep Learning Models for Tabular Data, NeurIPS 2021, "
            "arXiv:2106.11959",
        ),
        Entry(
            "resnet_cnn",
            "archwright.zoo.resnet_cnn:ResNetCNN",
            "stages of residual blocks: width, depth, kind of block and of halving",
            ("image",),
            "He et al., Deep Residual Learning for Image Recognition, CVPR 2016, arXiv:1512.03385",
            {"width_share": "width", "depth_share": "depth"},
        ),
        Entry(
            "chain_cnn",
            "archwright.zoo.chain_cnn:ChainCNN",
            "a chain of layers: how many, operation, filters, kernel and stride of each",
            ("image",),
            "Baker et al., Designing Neural Network Architectures using Reinforcement Learning, "
            "ICLR 2017, arXiv:1611.02167",
        ),
        Entry(
            "branched_cnn",
            "archwright.zoo.branched_cnn:BranchedCNN",
            "nodes with parallel branches, and skip connections between them",
            ("image",),
            "Elsken et al., Neural Architecture Search: A Survey, JMLR 2019, arXiv:1808.05377",
        ),
        Entry(
            "mobilenet",
            "archwright.zoo.mobilenet:MobileNet",
            "inverted bottlenecks: width, depth, kernel, expansion, squeeze-excitation",
            ("image",),
            "Cai et al., Once-for-All, ICLR 2020, arXiv:1908.09791; Howard et al., Searching for "
            "MobileNetV3, ICCV 2019, arXiv:1905.02244",
            {"width_share": "width", "depth_share": "depth"},
        ),
        Entry(
            "nasnet",
            "archwright.zoo.nasnet:nasnet_space",
            "a normal and a reduction cell of 5 nodes and 13 operations, stacked",
            ("image",),
            "Zoph et al., Learning Transferable Architectures for Scalable Image Recognition, CVPR "
            "2018, arXiv:1707.07012",
        ),
        Entry(
            "nasbench201",
            "archwright.zoo.nasbench201:NASBench201",
            "the published cell of 4 nodes and 5 operations: 15,625 networks",
            ("image",),
            "Dong and Yang, NAS-Bench-201, ICLR 2020, arXiv:2001.00326",
            {"C": "width", "N": "depth"},
        ),
        Entry(
            "darts",
            "archwright.zoo.darts:DARTS",
            "the published cells of differentiable search: 4 nodes, 2 edges each, 8 operations",
            ("image",),
            "Liu et al., DARTS: Differentiable Architecture Search, ICLR 2019, arXiv:1806.09055",
            {"C": "width", "n_cells": "depth"},
        ),
        Entry(
            "proxyless",
            "archwright.zoo.proxyless:Proxyless",
            "a chain of 21 layers: kernel, expansion or nothing",
            ("image",),
            "Cai et al., ProxylessNAS, ICLR 2019, arXiv:1812.00332",
            {"width_share": "width", "depth_share": "depth"},
        ),
        Entry(
            "fbnet",
            "archwright.zoo.fbnet:FBNet",
            "a chain of 22 layers: kernel, expansion, groups or nothing",
            ("image",),
            "Wu et al., FBNet, CVPR 2019, arXiv:1812.03443",
            {"width_share": "width", "depth_share": "depth"},
        ),
        Entry(
            "ofa_mobilenet_v3",
            "archwright.zoo.ofa_mobilenet_v3:OFAMobileNetV3",
            "the published five units of inverted bottlenecks: depth, kernel, expansion",
            ("image",),
            "Cai et al., Once-for-All, ICLR 2020, arXiv:1908.09791",
            {"width_share": "width", "depth_share": "depth"},
        ),
        Entry(
            "ofa_resnet",
            "archwright.zoo.ofa_resnet:OFAResNet",
            "ResNet-50D with depth, expansion and widths decided",
            ("image",),
            "Cai et al., Once-for-All, ICLR 2020, arXiv:1908.09791",
            {"width_share": "width", "depth_share": "depth"},
        ),
        Entry(
            "shufflenet_v2_spos",
            "archwright.zoo.shufflenet_v2_spos:ShuffleNetV2SPOS",
            "20 choice blocks of ShuffleNetV2: kernel 3, 5 or 7, or xception",
            ("image",),
            "Guo et al., Single Path One-Shot Neural Architecture Search with Uniform Sampling, "
            "ECCV 2020, arXiv:1904.00420",
            {"width_share": "width", "depth_share": "depth"},
        ),
        Entry(
            "nasbench101",
            "archwright.zoo.nasbench101:nasbench101_space",
            "the published cells of up to 7 vertices and 9 edges",
            ("image",),
            "Ying et al., NAS-Bench-101, ICML 2019, arXiv:1902.09635",
            {"C": "width", "N": "depth"},
        ),
        Entry(
            "nasbench1shot1",
            "archwright.zoo.nasbench1shot1:nasbench1shot1_space",
            "cells of NAS-Bench-101's kind with a fixed number of inputs a node",
            ("image",),
            "Zela et al., NAS-Bench-1Shot1, ICLR 2020, arXiv:2001.10422",
            {"C": "width", "N": "depth"},
        ),
    )
}
"""The prebuilt spaces, by name."""


def build_space(
    name: str,
    *,
    input_shape: Sequence[int],
    n_outputs: int,
    n_rows: int | None = None,
    **options: Any,
) -> ModelSpace:
    """A prebuilt space, sized to the data.

    Args:
        name: key of `SPACES`.
        input_shape: shape of one input without the batch: (channels, height, width) for images,
            (columns,) for tables.
        n_outputs: classes, or numbers to predict.
        n_rows: rows to train on, where known; spaces that do not ask for it pass it over.
        **options: see the space's `Entry.options`.

    Raises:
        UnknownNameError: no such space.
        InputError: a shape, number or option that the space cannot use.

    >>> build_space("nasbench201", input_shape=(3, 32, 32), n_outputs=10, N=1).size
    15625
    >>> build_space("mobilenet", input_shape=(12,), n_outputs=2)
    Traceback (most recent call last):
    ...
    archwright.errors.InputError: mobilenet: input_shape must be (channels, height, width), such ...
    """
    if name not in SPACES:
        raise unknown_name("space", name, SPACES)
    entry = SPACES[name]
    for option in options:
        if option not in entry.options:
            known = ", ".join(f"{key}={value!r}" for key, value in entry.options.items())
            raise InputError(
                f"{name}: unknown option {option!r}; besides input_shape, n_outputs and n_rows it "
                f"takes {known}"
            )
    if n_rows is not None:
        check_count(name, "n_rows", n_rows)
        if "n_rows" in entry.options:
            options["n_rows"] = n_rows
    space = entry.factory(check_shape(name, input_shape), n_outputs, **options)
    space.name = name
    return space


def suggest(modality: str, input_shape: Sequence[int], n_rows: int | None = None) -> str:
    """The name of the space to search for some data, when nothing is known but this.

    Args:
        modality: "image", "tabular" or "other".
        input_shape: shape of one input without the batch.
        n_rows: rows to train on.

    Measured on one core with `archwright.training`'s default recipe, see `resnet_cnn`.

    >>> suggest("image", (1, 28, 28)), suggest("tabular", (14,)), suggest("image", (1, 2, 2))
    ('resnet_cnn', 'mlp', 'mlp')
    """
    del n_rows  # every size is served by the same space; its networks are sized by the shape
    shape = check_shape("suggest", input_shape)
    if modality == "image" and len(shape) == 3 and min(shape[1:]) >= SMALLEST_SIDE:
        return "resnet_cnn"
    return "mlp"
