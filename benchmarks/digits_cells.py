"""The numbers in docs/digits-cells.md.

python benchmarks/digits_cells.py            # what is in the table
python benchmarks/digits_cells.py --search   # and how strategies fare on it (minutes)
"""

from __future__ import annotations

import argparse
import itertools
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from scipy.stats import kendalltau, spearmanr

from archwright.benchmarks import run_strategy
from archwright.benchmarks.digits_cells import EPOCHS, DigitsCells, DigitsTable, digits_cells_space

STRATEGIES = ("random", "local", "evolution")


def both(a: np.ndarray, b: np.ndarray) -> str:
    """Spearman's and Kendall's rank correlation."""
    return f"{spearmanr(a, b)[0]:.3f} / {kendalltau(a, b)[0]:.3f}"


def spread(table: DigitsTable) -> None:
    """Levels, noise, correlations."""
    valid, test = table.valid_accuracy, table.test_accuracy
    mean = valid[:, :, -1].mean(1)
    order = np.argsort(-mean, kind="stable")
    for q in (0, 1, 10, 25, 50, 75, 90, 99, 100):
        print(f"quantile {q}: valid {np.percentile(mean, q):.2f}", end=" ")
        print(f"test {np.percentile(test[:, :, -1].mean(1), q):.2f}")
    print(f"standard deviation between cells: {mean.std():.2f}")
    deviation = valid[:, :, -1].var(1, ddof=1)
    for share in (1, 0.1, 0.01):
        top = order[: round(share * len(order))]
        noise = np.sqrt(deviation[top].mean())
        print(
            f"best {share:.0%}: seed noise {noise:.2f}, of the mean of three {noise / 3**0.5:.2f}"
        )
        print(f"  between cells {mean[top].std():.2f}", end="; ")
        print(f"valid and test {both(mean[top], test[top, :, -1].mean(1))}")
    print("between seeds", [both(valid[:, a, -1], valid[:, b, -1]) for a, b in PAIRS])
    tenth = order[: len(order) // 10]
    print("  best tenth", [both(valid[tenth, a, -1], valid[tenth, b, -1]) for a, b in PAIRS])
    for e, epoch in enumerate(EPOCHS):
        early = valid[:, :, e].mean(1)
        print(f"epoch {epoch}: {both(early, mean)}, best tenth", end=" ")
        print(
            f"{both(early[tenth], mean[tenth])}, one seed {both(valid[:, 0, e], mean)}, mean",
            end=" ",
        )
        print(f"{early.mean():.1f}, winner's rank {1 + (early > early[order[0]]).sum()}", end=" ")
        print(f"its winner's rank at the end {1 + (mean > mean[early.argmax()]).sum()}")
    print("params", both(table.params, mean), table.params.min(), table.params.max())
    print("flops", both(table.flops, mean), table.flops.min(), table.flops.max())
    print("valid loss", both(-table.valid_loss[:, :, -1].mean(1), mean))
    print("train loss", both(-table.train_loss[:, :, -1].mean(1), mean))
    losses = table.train_loss.mean(1)
    print("seconds", table.seconds[:, -1].min(), table.seconds[:, -1].max(), losses.shape)


PAIRS = tuple(itertools.combinations(range(3), 2))


def landscape(table: DigitsTable) -> None:
    """The best cells, and how many hills there are."""
    space = digits_cells_space()
    mean = table.valid_accuracy[:, :, -1].mean(1)
    test = table.test_accuracy[:, :, -1].mean(1)
    order = np.argsort(-mean, kind="stable")
    for row in order[:8]:
        print(f"{mean[row]:.2f} {test[row]:.2f}", table.params[row], table.forms[row])
    print("test of the best by validation", test[order[0]], "best test", test.max())
    print("highest test rank of it", 1 + (test > test[order[0]]).sum())
    for seed in range(3):
        one = table.valid_accuracy[:, seed, -1]
        best = one.max()
        print(f"seed {seed}: best {best:.2f} by {(one == best).sum()} cells, rank by mean", end=" ")
        print(1 + (mean > mean[one.argmax()]).sum())
    value = dict(zip(table.forms, mean, strict=True))
    raw = {arch: value[space.canonical(arch)["cell"]] for arch in space.enumerate()}
    best = {}
    for arch, own in raw.items():
        hill = all(raw[near] <= own for near in space.neighbours(arch))
        best[space.canonical(arch)] = best.get(space.canonical(arch), False) or hill
    print("local optima", sum(best.values()), "of", len(best))
    top = {form for form in best if value[form["cell"]] == mean.max()}
    print(
        "architectures of the optimum", sum(space.canonical(a) in top for a in raw), "of", len(raw)
    )
    front = DigitsCells(minimize="params").front
    print("front of accuracy and parameters", len(front), front[:3], front[-3:])


def searching(seeds: int) -> None:
    """Queries to the optimum, regret after 50, 100 and 200."""
    for name in STRATEGIES:
        benchmark = DigitsCells()
        queries = 3255 if name == "random" else 1000
        runs = [run_strategy(benchmark, name, seed=s, queries=queries) for s in range(seeds)]
        found = [run.queries_to_optimum or np.inf for run in runs]
        regret = [np.median([run.regret(q) for run in runs]) for q in (20, 50, 100, 200)]
        print(
            name,
            "queries: median",
            np.median(found),
            "90 %",
            np.quantile(found, 0.9, method="higher"),
            end=" ",
        )
        print("within 200 and 1000", [np.mean(np.array(found) <= q) for q in (200, 1000)], end=" ")
        print("regret at 20, 50, 100, 200:", np.round(regret, 2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--search", action="store_true")
    parser.add_argument("--seeds", type=int, default=100)
    given = parser.parse_args()
    spread(DigitsTable.load())
    landscape(DigitsTable.load())
    if given.search:
        searching(given.seeds)
