"""Share of the true accuracy-latency hypervolume that strategies reach on HW-NAS-Bench.

    python benchmarks/hypervolume.py --data ../shared/data/bench --seeds 50

The problem: NAS-Bench-201's 6,466 distinct cells (of isomorphic ones the first by official index
counts), validation accuracy after 200 epochs on CIFAR-10, mean of its trainings, to be maximised,
and the measured latency on one of six devices to be minimised. Cells that a device does not
support fail. The reference point is the median accuracy less 20 per cent and the 99th percentile
of latency, over the distinct cells that are supported. Every query is a distinct cell. Medians
over seeds of the share of the hypervolume of the true front.

Two lines of random search: one draws distinct cells, each equally likely, as the figure quoted
for this problem does (edgegpu .64 / .68 / .75 at 50 / 100 / 200 queries, ...); the other is the
strategy "random", which draws operations: cells with many equal forms, which are small and fast
ones, come up more often, and they make up much of the front.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import random
import statistics
from pathlib import Path

import numpy as np
import pandas as pd

from archwright.strategies import as_strategy
from archwright.trials import History, Objective, Proposal, Trial, hypervolume, pareto_front
from archwright.zoo import build_space

DEVICES = ("edgegpu", "raspi4", "edgetpu", "pixel3", "eyeriss", "fpga")
OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
EDGES = ("0-1", "0-2", "1-2", "0-3", "1-3", "2-3")
STRATEGIES = ("random", "evolution", "local", "nsga2", "nsga3")
QUOTED = {  # random search over distinct cells, as quoted
    "edgegpu": (0.64, 0.68, 0.75),
    "raspi4": (0.88, 0.91, 0.94),
    "edgetpu": (0.83, 0.87, 0.91),
    "pixel3": (0.89, 0.92, 0.94),
    "eyeriss": (0.87, 0.92, 0.95),
    "fpga": (0.83, 0.86, 0.91),
}
OBJECTIVE = Objective.of(maximize="accuracy", minimize="latency_ms")


class Cells:
    """The distinct cells: canonical form -> row, and the rows that stand for them."""

    def __init__(self, data):
        self.space = build_space("nasbench201", input_shape=(3, 32, 32), n_outputs=10)
        table = pd.read_parquet(Path(data) / "nasbench201" / "nasbench201.parquet")
        self.accuracy = table["c10_valid_ep200_mean"].to_numpy()
        self.latency = pd.read_parquet(Path(data) / "hwnasbench" / "hwnasbench_nb201.parquet")
        self.cells, self.row_of = [], {}
        columns = [f"op_e{edge.replace('-', '')}" for edge in EDGES]
        for row, codes in enumerate(table[columns].to_numpy(int).tolist()):
            values = {f"cell/{e}": OPS[c] for e, c in zip(EDGES, codes, strict=True)}
            cell = self.space.check(values)
            self.cells.append(cell)
            self.row_of.setdefault(self.space.canonical(cell), row)
        self.rows = sorted(self.row_of.values())


class Problem:
    """One device."""

    def __init__(self, cells, device):
        self.cells = cells
        self.latency = cells.latency[f"c10_{device}_latency"].to_numpy()
        self.rows = [row for row in cells.rows if self.latency[row] > 0]
        points = [self.values(row) for row in self.rows]
        self.reference = (
            float(np.median([p[0] for p in points])) - 20,
            float(np.percentile([p[1] for p in points], 1)),
        )
        self.front = [points[i] for i in pareto_front(points)]
        self.whole = hypervolume(self.front, self.reference)

    def values(self, row):
        return float(self.cells.accuracy[row]), -float(self.latency[row])

    def share(self, points):
        front = [points[i] for i in pareto_front(points)]
        return hypervolume(front, self.reference) / self.whole

    def trial(self, number, proposal):
        row = self.cells.row_of[self.cells.space.canonical(proposal.architecture)]
        supported = self.latency[row] > 0
        accuracy, negative = self.values(row)
        return Trial(
            number,
            proposal.architecture,
            "complete" if supported else "failed",
            metrics={"accuracy": accuracy, "latency_ms": -negative} if supported else {},
            origin=proposal.origin,
            parent=proposal.parent,
            seed=number,
        )

    def run(self, name, seed, queries):
        """The share at each number of queries."""
        history = History(self.cells.space, OBJECTIVE)
        if name == "random, distinct cells":
            order = random.Random(seed).sample(self.rows, max(queries))
            proposals = (Proposal(self.cells.cells[row]) for row in order)
        else:
            strategy = as_strategy(name)
            # One stream for each seed and trial, as in a search.
            proposals = (
                strategy.propose(history, random.Random((seed << 32) + number))
                for number in range(max(queries))
            )
        found = []
        for number, proposal in enumerate(proposals):
            history.add(self.trial(number, proposal))
            if number + 1 in queries:
                points = [OBJECTIVE.values(trial.metrics) for trial in history.complete]
                found.append(self.share(points))
        return found


def text(shares):
    return " / ".join(f"{share:.3f}" for share in shares)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="../shared/data/bench", help="folder with the tables")
    parser.add_argument("--seeds", type=int, default=50)
    parser.add_argument("--queries", type=int, nargs="+", default=[50, 100, 200])
    parser.add_argument("--strategies", nargs="+", default=list(STRATEGIES))
    parser.add_argument("--devices", nargs="+", choices=DEVICES, default=list(DEVICES))
    given = parser.parse_args()
    cells = Cells(given.data)
    names = ["random, distinct cells", *given.strategies]
    queries = sorted(given.queries)
    means = {name: [] for name in names}
    print(f"median share of the hypervolume after {text_of(queries)} queries, {given.seeds} seeds")
    for device in given.devices:
        problem = Problem(cells, device)
        print(f"\n{device}: true front of {len(problem.front)} cells")
        if queries == [50, 100, 200]:
            print(f"  {'quoted, random over distinct cells':36s}{text(QUOTED[device])}")
        for name in names:
            runs = [problem.run(name, seed, queries) for seed in range(given.seeds)]
            middle = [statistics.median(column) for column in zip(*runs, strict=True)]
            means[name].append(middle)
            print(f"  {name:36s}{text(middle)}", flush=True)
    print("\nmean over devices")
    for name, rows in means.items():
        mean = [statistics.mean(column) for column in zip(*rows, strict=True)]
        print(f"  {name:36s}{text(mean)}")


def text_of(queries):
    return " / ".join(map(str, queries))


if __name__ == "__main__":
    main()
