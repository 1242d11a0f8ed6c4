"""Prebuilt search spaces, one file per published family, sized to the data by rule.

>>> from archwright.zoo import SPACES, build_space
>>> len(SPACES), "mobilenet" in SPACES
(15, True)
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
    from archwright.zoo.fbnet import FBNET_C as FBNET_C
    from archwright.zoo.fbnet import FBNET_OPS as FBNET_OPS
    from archwright.zoo.fbnet import FBNet as FBNet
    from archwright.zoo.mlp import MLP as MLP
    from archwright.zoo.mobilenet import MobileNet as MobileNet
    from archwright.zoo.nasbench1shot1 import NASBench1Shot1 as NASBench1Shot1
    from archwright.zoo.nasbench101 import NASBENCH101_OPS as NASBENCH101_OPS
    from archwright.zoo.nasbench101 import NASBench101 as NASBench101
    from archwright.zoo.nasbench201 import NASBENCH201_OPS as NASBENCH201_OPS
    from archwright.zoo.nasbench201 import NASBench201 as NASBench201
    from archwright.zoo.nasnet import NASNET_OPS as NASNET_OPS
    from archwright.zoo.nasnet import NASNet as NASNet
    from archwright.zoo.ofa_mobilenet_v3 import OFAMobileNetV3 as OFAMobileNetV3
    from archwright.zoo.ofa_resnet import OFAResNet as OFAResNet
    from archwright.zoo.proxyless import PROXYLESS_CPU as PROXYLESS_CPU
    from archwright.zoo.proxyless import PROXYLESS_GPU as PROXYLESS_GPU
    from archwright.zoo.proxyless import PROXYLESS_MOBILE as PROXYLESS_MOBILE
    from archwright.zoo.proxyless import PROXYLESS_OPS as PROXYLESS_OPS
    from archwright.zoo.proxyless import Proxyless as Proxyless
    from archwright.zoo.resnet_cnn import ResNetCNN as ResNetCNN
    from archwright.zoo.shufflenet_v2_spos import SPOS_FOUND as SPOS_FOUND
    from archwright.zoo.shufflenet_v2_spos import SPOS_OPS as SPOS_OPS
    from archwright.zoo.shufflenet_v2_spos import ShuffleNetV2SPOS as ShuffleNetV2SPOS

# Loaded when first used, so that the names of the spaces can be listed without torch.
_HOMES = {
    "BranchedCNN": "branched_cnn",
    "ChainCNN": "chain_cnn",
    "DARTS": "darts",
    "DARTS_OPS": "darts",
    "DARTS_V2": "darts",
    "FBNET_C": "fbnet",
    "FBNET_OPS": "fbnet",
    "FBNet": "fbnet",
    "MLP": "mlp",
    "MobileNet": "mobilenet",
    "NASBENCH101_OPS": "nasbench101",
    "NASBENCH201_OPS": "nasbench201",
    "NASBench101": "nasbench101",
    "NASBench1Shot1": "nasbench1shot1",
    "NASBench201": "nasbench201",
    "NASNET_OPS": "nasnet",
    "NASNet": "nasnet",
    "OFAMobileNetV3": "ofa_mobilenet_v3",
    "OFAResNet": "ofa_resnet",
    "PROXYLESS_CPU": "proxyless",
    "PROXYLESS_GPU": "proxyless",
    "PROXYLESS_MOBILE": "proxyless",
    "PROXYLESS_OPS": "proxyless",
    "Proxyless": "proxyless",
    "ResNetCNN": "resnet_cnn",
    "SPOS_FOUND": "shufflenet_v2_spos",
    "SPOS_OPS": "shufflenet_v2_spos",
    "ShuffleNetV2SPOS": "shufflenet_v2_spos",
}

__all__ = [
    "BranchedCNN",
    "ChainCNN",
    "DARTS",
    "DARTS_OPS",
    "DARTS_V2",
    "Entry",
    "FBNET_C",
    "FBNET_OPS",
    "FBNet",
    "MLP",
    "MobileNet",
    "NASBENCH101_OPS",
    "NASBENCH201_OPS",
    "NASBench101",
    "NASBench1Shot1",
    "NASBench201",
    "NASNET_OPS",
    "NASNet",
    "OFAMobileNetV3",
    "OFAResNet",
    "PROXYLESS_CPU",
    "PROXYLESS_GPU",
    "PROXYLESS_MOBILE",
    "PROXYLESS_OPS",
    "Proxyless",
    "ResNetCNN",
    "SPACES",
    "SPOS_FOUND",
    "SPOS_OPS",
    "ShuffleNetV2SPOS",
    "build_space",
    "suggest",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"archwright.zoo.{_HOMES[name]}"), name)
