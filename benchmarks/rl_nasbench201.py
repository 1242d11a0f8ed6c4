"""Reinforcement learning on NAS-Bench-201 under the published protocol.

    python benchmarks/rl_nasbench201.py [--seeds 100] [--dataset cifar10] [--csv FILE]

The protocol of Dong and Yang (ICLR 2020, arXiv 2001.00326, the methods without weight sharing): a
strategy is told the validation accuracy after 12 epochs, pays the simulated seconds of that
training and of one pass over the validation images, and stops before 12,000 of them are spent.
What is reported is the test accuracy after 200 epochs of the cell with the best 12-epoch
validation accuracy, mean and standard deviation over the seeds.

Simulated seconds: the table has the times of 1,000 of the 15,625 cells; those of the others are
predicted by least squares from the operations on the six edges (`NasBench201` in
archwright/benchmarks/nasbench201.py), and CIFAR-10's training times, taken on 50,000 images, are
halved, as the search trains on 25,000.

Different from the published runs: a cell that computes the same as a known one is never evaluated
again (the published ones pay for it; with --isomorphic only the very same cell is not); the last
training is not begun when it would not end in time (theirs counts); the published REINFORCE has a
table of logits as its policy and a learning rate of 0.001, ours an LSTM and 0.03.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import csv
import statistics
import sys
from pathlib import Path

from scipy.stats import wilcoxon

from archwright.benchmarks import NasBench201, run_strategy
from archwright.space import Space

STRATEGIES = ("random", "reinforce", "ppo", "q_learning", "evolution")
PUBLISHED = {"random": (93.70, 0.36), "reinforce": (93.85, 0.37), "evolution": (93.92, 0.30)}
DATA = Path(__file__).parents[2] / "shared" / "data" / "bench" / "nasbench201"


def main() -> None:
    """Run and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=12_000.0, help="simulated, for a run")
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    parser.add_argument("--path", default=str(DATA), help="the table of NAS-Bench-201")
    parser.add_argument(
        "--isomorphic",
        action="store_true",
        help="count cells that compute the same as different ones, as the published runs do",
    )
    parser.add_argument("--csv", help="a file for one row a seed")
    args = parser.parse_args()

    benchmark = NasBench201(args.dataset, path=args.path, epochs=12)
    if args.isomorphic:
        benchmark.space = Space(benchmark.space.decisions)
    names = args.strategies.split(",")
    runs = {}
    for name in names:
        runs[name] = []
        for seed in range(args.seeds):
            if sys.stderr.isatty():
                print(f"\r{name}: {seed + 1} of {args.seeds} ", end="", file=sys.stderr)
            found = run_strategy(
                benchmark,
                name,
                seed=seed,
                queries=10_000,
                seconds=args.seconds,
            )
            runs[name].append(found)
    print(
        f"\nNAS-Bench-201, {benchmark.dataset}, 12-epoch validation accuracy, "
        f"{args.seconds:g} simulated s, {args.seeds} seeds; test accuracy after 200 epochs, %"
    )
    head = ("strategy", "mean", "sd", "median", "p10", "valid 12", "queries", "ms/query", "p")
    print(("{:12s}" + "{:>10s}" * 8 + "  published").format(*head))
    for name in names:
        test = [run.last.test for run in runs[name]]
        valid = [run.last.value for run in runs[name]]
        queries = [run.queries for run in runs[name]]
        own = 1e3 * sum(run.own_s for run in runs[name]) / sum(queries)
        base = [run.last.test for run in runs.get("random", runs[name])]
        p = 1.0 if base == test else wilcoxon(test, base).pvalue
        published = ""
        if name in PUBLISHED and benchmark.dataset == "cifar10" and args.seconds == 12_000:
            published = "{:.2f} +- {:.2f}".format(*PUBLISHED[name])
        print(
            f"{name:12s}{statistics.fmean(test):10.2f}{statistics.pstdev(test):10.2f}"
            f"{statistics.median(test):10.2f}{sorted(test)[len(test) // 10]:10.2f}"
            f"{statistics.fmean(valid):10.2f}{statistics.fmean(queries):10.1f}{own:10.2f}"
            f"{p:10.1g}  {published}"
        )
    print("p: Wilcoxon's signed-rank test against random search, the same seeds")
    if args.csv:
        with open(args.csv, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(
                [
                    "dataset",
                    "strategy",
                    "seed",
                    "test",
                    "valid_12",
                    "queries",
                    "simulated_s",
                    "own_s",
                ]
            )
            for name in names:
                for run in runs[name]:
                    writer.writerow(
                        [
                            run.dataset,
                            name,
                            run.seed,
                            run.last.test,
                            run.last.value,
                            run.queries,
                            run.simulated_s,
                            run.own_s,
                        ]
                    )


if __name__ == "__main__":
    main()
