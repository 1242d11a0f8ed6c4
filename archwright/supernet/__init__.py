"""Supernets: trained by rules and then searched, or searched while they learn."""

from archwright.supernet.bilevel import Bilevel, Searched, Settings
from archwright.supernet.calibration import Calibration, calibrate
from archwright.supernet.costs import ExpectedCost
from archwright.supernet.derive import derive, scores
from archwright.supernet.kernels import add_kernel_transforms
from archwright.supernet.memory import peak_bytes
from archwright.supernet.method import Method, Stage
from archwright.supernet.methods import METHODS, as_method
from archwright.supernet.relaxations import Dirichlet, Gumbel, Sigmoid, Softmax, TwoPaths
from archwright.supernet.relaxing import Relaxable, relaxable
from archwright.supernet.rules import RULES, Enas, Pass, Rule, Step, as_rule
from archwright.supernet.search import Found, relaxed_search
from archwright.supernet.training import SharedTraining, train_supernet
from archwright.supernet.watch import Eigenvalue, Skips, as_stop, dominant_eigenvalue

__all__ = [
    "METHODS",
    "RULES",
    "Bilevel",
    "Calibration",
    "Dirichlet",
    "Eigenvalue",
    "Enas",
    "ExpectedCost",
    "Found",
    "Gumbel",
    "Method",
    "Pass",
    "Relaxable",
    "Rule",
    "Searched",
    "Settings",
    "SharedTraining",
    "Sigmoid",
    "Skips",
    "Softmax",
    "Stage",
    "Step",
    "TwoPaths",
    "add_kernel_transforms",
    "as_method",
    "as_rule",
    "as_stop",
    "calibrate",
    "derive",
    "dominant_eigenvalue",
    "peak_bytes",
    "relaxable",
    "relaxed_search",
    "scores",
    "train_supernet",
]
