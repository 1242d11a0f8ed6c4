"""Prebuilt search spaces, one file per published family, sized to the data by rule.

>>> from archwright.zoo import SPACES, build_space
>>> sorted(SPACES)
['branched_cnn', 'chain_cnn', 'mlp', 'mobilenet', 'nasbench201', 'nasnet', 'resnet_cnn']
>>> build_space("mlp", input_shape=(8,), n_outputs=3, n_rows=150).default["body"]
'plain'
"""

from archwright.zoo.branched_cnn import BranchedCNN as BranchedCNN
from archwright.zoo.chain_cnn import ChainCNN as ChainCNN
from archwright.zoo.mlp import MLP as MLP
from archwright.zoo.mobilenet import MobileNet as MobileNet
from archwright.zoo.nasbench201 import NASBENCH201_OPS as NASBENCH201_OPS
from archwright.zoo.nasbench201 import NASBench201 as NASBench201
from archwright.zoo.nasnet import NASNET_OPS as NASNET_OPS
from archwright.zoo.nasnet import NASNet as NASNet
from archwright.zoo.nasnet import nasnet_space as nasnet_space
from archwright.zoo.registry import SPACES as SPACES
from archwright.zoo.registry import Entry as Entry
from archwright.zoo.registry import build_space as build_space
from archwright.zoo.registry import suggest as suggest
from archwright.zoo.resnet_cnn import ResNetCNN as ResNetCNN

__all__ = [
    "NASBENCH201_OPS",
    "NASNET_OPS",
    "SPACES",
    "BranchedCNN",
    "ChainCNN",
    "Entry",
    "MLP",
    "MobileNet",
    "NASBench201",
    "NASNet",
    "ResNetCNN",
    "build_space",
    "nasnet_space",
    "suggest",
]
