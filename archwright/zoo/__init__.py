"""Prebuilt search spaces, one file per published family, sized to the data by rule.

>>> from archwright.zoo import SPACES, build_space
>>> sorted(SPACES)
['branched_cnn', 'chain_cnn', 'darts', 'mlp', 'mobilenet', 'nasbench201', 'nasnet', 'resnet_cnn']
>>> build_space("mlp", input_shape=(8,), n_outputs=3, n_rows=150).default["body"]
'plain'
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from archwright.zoo.registry import SPACES as SPACES
from archwright.zoo.registry import Entry as Entry
from archwright.zoo.registry import build_space as build_space
from archwright.zoo.registry import suggest as suggest

if TYPE_CHECKING:
    from archwright.zoo.branched_cnn import BranchedCNN as BranchedCNN
    from archwright.zoo.chain_cnn import ChainCNN as ChainCNN
    from archwright.zoo.darts import DARTS as DARTS
    from archwright.zoo.darts import DARTS_OPS as DARTS_OPS
    from archwright.zoo.darts import DARTS_V2 as DARTS_V2
    from archwright.zoo.mlp import MLP as MLP
    from archwright.zoo.mobilenet import MobileNet as MobileNet
    from archwright.zoo.nasbench201 import NASBENCH201_OPS as NASBENCH201_OPS
    from archwright.zoo.nasbench201 import NASBench201 as NASBench201
    from archwright.zoo.nasnet import NASNET_OPS as NASNET_OPS
    from archwright.zoo.nasnet import NASNet as NASNet
    from archwright.zoo.resnet_cnn import ResNetCNN as ResNetCNN

# Loaded when first used, so that the names of the spaces can be listed without torch.
_HOMES = {
    "BranchedCNN": "branched_cnn",
    "ChainCNN": "chain_cnn",
    "DARTS": "darts",
    "DARTS_OPS": "darts",
    "DARTS_V2": "darts",
    "MLP": "mlp",
    "MobileNet": "mobilenet",
    "NASBENCH201_OPS": "nasbench201",
    "NASBench201": "nasbench201",
    "NASNET_OPS": "nasnet",
    "NASNet": "nasnet",
    "ResNetCNN": "resnet_cnn",
}

__all__ = [
    "DARTS_OPS",
    "DARTS_V2",
    "NASBENCH201_OPS",
    "NASNET_OPS",
    "SPACES",
    "BranchedCNN",
    "ChainCNN",
    "DARTS",
    "Entry",
    "MLP",
    "MobileNet",
    "NASBench201",
    "NASNet",
    "ResNetCNN",
    "build_space",
    "suggest",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"archwright.zoo.{_HOMES[name]}"), name)
