"""The search-space language over torch: one constructor, read four ways.

In a module's constructor, numbers and layers become choices; `ModelSpace` finds them, builds
the network of an architecture, and makes a supernet that holds them all.
"""

from archwright.nn.attention import attention as attention
from archwright.nn.cells import cell as cell
from archwright.nn.cells import inputs as inputs
from archwright.nn.choices import choice as choice
from archwright.nn.choices import integer as integer
from archwright.nn.choices import layer as layer
from archwright.nn.choices import real as real
from archwright.nn.choices import repeat as repeat
from archwright.nn.choices import scope as scope
from archwright.nn.convolutions import conv1d as conv1d
from archwright.nn.convolutions import conv2d as conv2d
from archwright.nn.convolutions import conv_transpose2d as conv_transpose2d
from archwright.nn.dense import dropout as dropout
from archwright.nn.dense import embedding as embedding
from archwright.nn.dense import linear as linear
from archwright.nn.elastic import Elastic as Elastic
from archwright.nn.elastic import divisible as divisible
from archwright.nn.elastic import last as last
from archwright.nn.elastic import maximum as maximum
from archwright.nn.elastic import minimum as minimum
from archwright.nn.inheritance import Inheritance as Inheritance
from archwright.nn.inheritance import inherit as inherit
from archwright.nn.model_space import ModelSpace as ModelSpace
from archwright.nn.morphism import Morphed as Morphed
from archwright.nn.morphism import morph as morph
from archwright.nn.norms import batch_norm1d as batch_norm1d
from archwright.nn.norms import batch_norm2d as batch_norm2d
from archwright.nn.norms import group_norm as group_norm
from archwright.nn.norms import layer_norm as layer_norm
from archwright.nn.norms import rms_norm as rms_norm
from archwright.nn.parameters import parameter as parameter
from archwright.nn.recurrent import gru as gru
from archwright.nn.recurrent import lstm as lstm
from archwright.nn.seeding import seeded as seeded
from archwright.nn.supernet import Supernet as Supernet
from archwright.nn.wiring import Place as Place

__all__ = [
    "Elastic",
    "Inheritance",
    "ModelSpace",
    "Morphed",
    "Place",
    "Supernet",
    "attention",
    "batch_norm1d",
    "batch_norm2d",
    "cell",
    "choice",
    "conv1d",
    "conv2d",
    "conv_transpose2d",
    "divisible",
    "dropout",
    "embedding",
    "group_norm",
    "gru",
    "inherit",
    "inputs",
    "integer",
    "last",
    "layer",
    "layer_norm",
    "linear",
    "lstm",
    "maximum",
    "minimum",
    "morph",
    "parameter",
    "real",
    "repeat",
    "rms_norm",
    "scope",
    "seeded",
]
