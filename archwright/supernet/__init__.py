"""Supernets that are searched while they learn: differentiable search on any space."""

from archwright.supernet.bilevel import Bilevel, Searched, Settings
from archwright.supernet.costs import ExpectedCost
from archwright.supernet.derive import derive, scores
from archwright.supernet.memory import peak_bytes
from archwright.supernet.method import Method, Stage
from archwright.supernet.methods import METHODS, as_method
from archwright.supernet.relaxations import Dirichlet, Gumbel, Sigmoid, Softmax, TwoPaths
from archwright.supernet.relaxing import Relaxable, relaxable
from archwright.supernet.search import Found, relaxed_search
from archwright.supernet.watch import Eigenvalue, Skips, as_stop, dominant_eigenvalue

__all__ = [
    "METHODS",
    "Bilevel",
    "Dirichlet",
    "Eigenvalue",
    "ExpectedCost",
    "Found",
    "Gumbel",
    "Method",
    "Relaxable",
    "Searched",
    "Settings",
    "Sigmoid",
    "Skips",
    "Softmax",
    "Stage",
    "TwoPaths",
    "as_method",
    "as_stop",
    "derive",
    "dominant_eigenvalue",
    "peak_bytes",
    "relaxable",
    "relaxed_search",
    "scores",
]
