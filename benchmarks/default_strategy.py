"""The default strategy beside its rivals, on every table that is there, one setting for all.

    python benchmarks/default_strategy.py --seeds 200 --queries 200 --benchmarks nasbench201/cifar10

Reads the tables where `archwright.benchmarks.places` looks for them (ARCHWRIGHT_DATA, or
../shared/data); held_out.py names those that the strategy was not designed on. Prints queries to
the optimum (median, 90th percentile, the share of seeds that reach it; a run ends there), mean
regret after 20, 50, 100, 150 and 200 queries, and the strategy's own processor time for each
proposal.

    python benchmarks/default_strategy.py --proposals

prints instead what one proposal costs after 100, 300 and 1,000 random trials, in several spaces.

    python benchmarks/default_strategy.py --digits 5

trains instead: `mobilenet` for digits under 20,000 parameters, 40 trials of `--epochs` each, with
so many seeds, beside random search.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from random import Random

import numpy as np
from held_out import held_out

from archwright.benchmarks import load, run_strategy
from archwright.benchmarks.run import Run
from archwright.strategies import Strategy, as_strategy
from archwright.trials import History, Objective, Proposal, Trial

TABLES = (
    "nasbench201/cifar10",
    "nasbench201/cifar100",
    "nasbench201/ImageNet16-120",
    "nasbench101",
    "nasbench301",
)
AT = (20, 50, 100, 150, 200)


@dataclass(frozen=True)
class Until:
    """A strategy that ends once the optimum is found: what follows would change no figure here."""

    strategy: Strategy
    optimum: float

    def propose(self, history: History, rng: Random) -> Proposal | None:
        """See `Strategy.propose`."""
        if history.scores and max(history.scores) >= self.optimum - 1e-9:
            return None
        return self.strategy.propose(history, rng)


def runs(name: str, strategy: str, seeds: Sequence[int], queries: int) -> list[Run]:
    """The runs of one strategy on one table."""
    table, _, dataset = name.partition("/")
    if table == "held-out":
        benchmark = held_out(dataset, Path(os.environ["ARCHWRIGHT_DATA"]))
    else:
        benchmark = load(table, dataset=dataset) if dataset else load(table)
    asked = as_strategy(strategy)
    if benchmark.proven and benchmark.objective.primary.maximize:
        asked = Until(asked, benchmark.optimum)
    return [run_strategy(benchmark, asked, seed=seed, queries=queries) for seed in seeds]


def line(name: str, strategy: str, found: Sequence[Run], queries: int) -> str:
    """One row of the table."""
    needed = np.array([r.queries_to_optimum or np.inf for r in found])
    regrets = [(k, [r.regret(k) for r in found]) for k in AT if k <= queries]
    cells = [
        f"{np.mean([x for x in values if x is not None]):7.3f}" if None not in values else "      -"
        for _, values in regrets
    ]
    own = 1e3 * sum(r.own_s for r in found) / sum(r.queries for r in found)
    middle = np.quantile(needed, 0.5, method="higher")
    far = np.quantile(needed, 0.9, method="higher")
    return (
        f"{name:28s}{strategy:14s}{len(found):6d}{middle:8.0f}{far:8.0f}"
        f"{np.isfinite(needed).mean():8.1%}{' '.join(cells)}{own:9.1f}"
    )


def digits(n_seeds: int, epochs: int) -> None:
    """The best validation accuracy of both, for each seed and in the median."""
    import archwright as aw
    from archwright.zoo import build_space

    space = build_space("mobilenet", input_shape=(1, 8, 8), n_outputs=10)
    found: dict[str, list[float]] = {"auto": [], "random": []}
    for seed in range(n_seeds):
        for strategy, best in found.items():
            result = aw.search(
                space,
                aw.Train(aw.Task.load("digits"), epochs=epochs),
                maximize="accuracy",
                limits={"params": 20_000},
                trials=40,
                strategy=strategy,
                seed=seed,
                final=False,
                baselines=False,
            )
            best.append(result.best.metrics["accuracy"])
            print(f"{strategy:14s}seed {seed}: {best[-1]:.4f}", flush=True)
    for strategy, best in found.items():
        print(f"{strategy:14s}median of {n_seeds}: {np.median(best):.4f}")


def proposals(strategies: Sequence[str]) -> None:
    """Median CPU milliseconds of ten proposals, after so many random trials."""
    from archwright.zoo import build_space

    lengths = (100, 300, 1000)
    print(f"{'space':14s}{'strategy':14s}" + "".join(f"{n:>9d}" for n in lengths))
    shapes = {"mlp": (20,), "mobilenet": (1, 8, 8), "nasbench201": (3, 32, 32), "nasnet": (3, 8, 8)}
    for name, shape in shapes.items():
        space = build_space(name, input_shape=shape, n_outputs=10, n_rows=1000)
        for strategy in strategies:
            cells = []
            for length in lengths:
                history = History(space, Objective.of(maximize="score"))
                rng = Random(0)
                while len(history) < length:
                    architecture = space.sample(rng=rng)
                    if history.is_new(architecture):
                        metrics = {"score": rng.random()}
                        history.add(Trial(len(history), architecture, metrics=metrics))
                asked, took = as_strategy(strategy), []
                for seed in range(11):
                    start = time.process_time()
                    asked.propose(history, Random(seed))
                    took.append(1e3 * (time.process_time() - start))
                cells.append(float(np.median(took[1:])))  # the first builds the features
            print(f"{name:14s}{strategy:14s}" + "".join(f"{ms:9.1f}" for ms in cells), flush=True)


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--benchmarks", default=",".join(TABLES))
    parser.add_argument("--strategies", default="auto,evolution,tpe,bananas,random")
    parser.add_argument("--proposals", action="store_true")
    parser.add_argument("--digits", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=3)
    options = parser.parse_args()
    if options.digits:
        digits(options.digits, options.epochs)
        return
    if options.proposals:
        proposals(options.strategies.split(","))
        return
    os.environ.setdefault("ARCHWRIGHT_DATA", "../shared/data")
    print(
        f"{'table':28s}{'strategy':14s}{'seeds':>6s}{'median':>8s}{'p90':>8s}{'reached':>8s}"
        f"{' '.join(f'{k:>7d}' for k in AT if k <= options.queries)}{'own ms':>9s}"
    )
    shares = [range(i, options.seeds, options.workers) for i in range(options.workers)]
    with ProcessPoolExecutor(options.workers) as pool:
        for name in options.benchmarks.split(","):
            for strategy in options.strategies.split(","):
                parts = [
                    pool.submit(runs, name, strategy, share, options.queries) for share in shares
                ]
                found = [run for part in parts for run in part.result()]
                print(line(name, strategy, found, options.queries), flush=True)


if __name__ == "__main__":
    main()
