"""Tables of trained architectures, and the protocol that compares strategies on them.

`BENCHMARKS` lists the names; each benchmark loads on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from archwright.benchmarks.base import Benchmark as Benchmark
from archwright.benchmarks.base import Reading as Reading
from archwright.benchmarks.compare import compare as compare
from archwright.benchmarks.comparison import Comparison as Comparison
from archwright.benchmarks.listed import ListedSpace as ListedSpace
from archwright.benchmarks.registry import BENCHMARKS as BENCHMARKS
from archwright.benchmarks.registry import load as load
from archwright.benchmarks.run import Run as Run
from archwright.benchmarks.run import run_strategy as run_strategy
from archwright.benchmarks.synthetic import synthetic as synthetic
from archwright.benchmarks.table import Table as Table

if TYPE_CHECKING:
    from archwright.benchmarks.digits_cells import DigitsCells as DigitsCells
    from archwright.benchmarks.hwnasbench import HwNasBench as HwNasBench
    from archwright.benchmarks.nasbench101 import NasBench101 as NasBench101
    from archwright.benchmarks.nasbench201 import NasBench201 as NasBench201
    from archwright.benchmarks.nasbench301 import NasBench301 as NasBench301

_HOMES = {
    "DigitsCells": "digits_cells",
    "HwNasBench": "hwnasbench",
    "NasBench101": "nasbench101",
    "NasBench201": "nasbench201",
    "NasBench301": "nasbench301",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"archwright.benchmarks.{_HOMES[name]}"), name)


__all__ = [
    "BENCHMARKS",
    "Benchmark",
    "Comparison",
    "DigitsCells",
    "HwNasBench",
    "ListedSpace",
    "NasBench101",
    "NasBench201",
    "NasBench301",
    "Reading",
    "Run",
    "Table",
    "compare",
    "load",
    "run_strategy",
    "synthetic",
]
