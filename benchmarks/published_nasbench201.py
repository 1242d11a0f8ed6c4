"""NAS-Bench-201's own comparison: search on CIFAR-10 by 12-epoch validation for 12,000 simulated
seconds, then look up the test accuracy of the cell found on all three data sets.

    python benchmarks/published_nasbench201.py

Published (Dong and Yang, ICLR 2020, table 5): random search 93.70 / 71.04 / 44.57, regularized
evolution (population 10, sample 3) 93.92 / 71.84 / 45.54; optimum 94.37 / 73.51 / 47.31.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from statistics import mean, stdev

from archwright.benchmarks import NasBench201, compare
from archwright.benchmarks.places import VARIABLE

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=12_000)
    parser.add_argument("--strategies", default="evolution:population=10:sample=3,local")
    args = parser.parse_args()
    if SHARED.is_dir():
        os.environ.setdefault(VARIABLE, str(SHARED))
    tables = [NasBench201(name) for name in ("cifar10", "cifar100", "ImageNet16-120")]
    search_on = NasBench201("cifar10", epochs=12)
    result = compare(
        search_on, args.strategies, seeds=args.seeds, queries=15_625, seconds=args.seconds
    )
    for name, runs in result.on(result.problems[0]).items():
        cells = [run.last.architecture for run in runs]
        figures = []
        for table in tables:
            tests = [table.test(cell) for cell in cells]
            figures.append(f"{mean(tests):.2f} ± {stdev(tests):.2f}")
        print(f"{name:36} {' / '.join(figures)}   {mean(r.queries for r in runs):.0f} queries")


if __name__ == "__main__":
    main()
