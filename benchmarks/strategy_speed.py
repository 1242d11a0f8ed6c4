"""Speed of the population strategies on a table, beside a plain Python loop and pymoo.

    python benchmarks/strategy_speed.py

CPU seconds, the best of three repetitions, one thread; compare within one run only. pymoo is
measured where it is installed.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import itertools
import random
import warnings

import numpy as np
from speed import OPS, best_of, plain_evolution

from archwright import benchmarks
from archwright.evaluators import Candidate, Table
from archwright.runs import search
from archwright.space import Choice, Space
from archwright.strategies import (
    NSGA2,
    NSGA3,
    AntColony,
    DifferentialEvolution,
    Genetic,
    LocalSearch,
    ParetoLocalSearch,
    ParticleSwarm,
    RandomSearch,
    RegularizedEvolution,
)
from archwright.strategies.sorting import non_dominated_ranks
from archwright.trials import History, Objective, Trial

N = 3000
SINGLE = {
    "random": RandomSearch(),
    "evolution": RegularizedEvolution(),
    "evolution, population 100, sample 25": RegularizedEvolution.amoebanet(),
    "local": LocalSearch(),
    "genetic": Genetic(),
    "differential_evolution": DifferentialEvolution(),
    "particle_swarm": ParticleSwarm(),
    "ant_colony": AntColony(),
}
SEVERAL = {
    "random": RandomSearch(),
    "evolution": RegularizedEvolution(),
    "nsga2": NSGA2(),
    "nsga2, population 100": NSGA2(population=100),
    "nsga3, population 100": NSGA3(population=100),
    "local": LocalSearch(),
    "pareto_local": ParetoLocalSearch(),
}


def made_up_table():
    """NAS-Bench-201's cells without isomorphism, additive values with some noise."""
    space = Space({f"edge.{i}": Choice(OPS) for i in range(6)})
    gains = [[random.Random(17 * i + j).random() for j in range(5)] for i in range(6)]
    costs = [[random.Random(91 * i + j).random() for j in range(5)] for i in range(6)]
    rows = {}
    for architecture in space.enumerate():
        codes = [OPS.index(op) for op in architecture.values()]
        noise = random.Random(architecture.id).random()
        accuracy = sum(gains[i][c] for i, c in enumerate(codes)) + noise
        latency = sum(costs[i][c] for i, c in enumerate(codes))
        rows[architecture] = {"accuracy": accuracy, "latency": latency}
    return space, Table(space, rows)


def loops():
    space, table = made_up_table()
    rate = N / best_of(lambda: plain_evolution(N))
    print(f"plain Python evolution, no record     {rate:9,.0f}/s")
    for goals, strategies in (({}, SINGLE), ({"minimize": "latency"}, SEVERAL)):
        print(f"\n{1 + len(goals)} objective{'s' if goals else ''}, {N:,} evaluations")
        for name, strategy in strategies.items():

            def run(strategy=strategy, goals=goals):
                search(
                    space,
                    table,
                    maximize="accuracy",
                    strategy=strategy,
                    trials=N,
                    final=False,
                    workers=0,
                    **goals,
                )

            run()
            ours, theirs = N / best_of(run), N / best_of(lambda: plain_evolution(N))
            print(f"  {name:36s}{ours:9,.0f}/s   {ours / theirs:.2f} x the plain loop", flush=True)
    pymoo_loop()


def pymoo_loop():
    try:
        from pymoo.algorithms.moo.nsga2 import NSGA2 as Theirs
        from pymoo.core.problem import ElementwiseProblem
        from pymoo.optimize import minimize
    except ImportError:
        print("  pymoo is not installed")
        return
    rows = np.random.default_rng(0).random((5**6, 2))
    powers = 5 ** np.arange(6)

    class Problem(ElementwiseProblem):
        def __init__(self):
            super().__init__(n_var=6, n_obj=2, xl=0, xu=4.999)

        def _evaluate(self, x, out, *_, **__):
            out["F"] = rows[int(x.astype(int) @ powers)]

    def run():
        minimize(Problem(), Theirs(pop_size=100), ("n_eval", N), seed=0)

    run()
    print(f"  pymoo's NSGA-II, population 100     {N / best_of(run):9,.0f}/s")


def arena():
    """The loop of `archwright bench` on the same table, canonical duplicates excluded."""
    space, table = made_up_table()
    rows = {a: table.evaluate(Candidate(space, a)) for a in space.enumerate()}
    both = {
        "": benchmarks.Table(space, rows, metric="accuracy"),
        " (two objectives)": benchmarks.Table(
            space, rows, metric=["accuracy", "latency"], minimize=["latency"]
        ),
    }
    print(f"\nin the arena, {N:,} evaluations")
    for label, strategy, goals in (
        ("random", "random", ""),
        ("local", "local", ""),
        ("evolution", "evolution", ""),
        ("genetic", "genetic", ""),
        ("nsga2, population 100", "nsga2:population=100", " (two objectives)"),
    ):

        def run(strategy=strategy, goals=goals):
            benchmarks.run_strategy(both[goals], strategy, seed=0, queries=N)

        run()
        print(f"  {label + goals:40s}{N / best_of(run):9,.0f}/s", flush=True)


def lengths():
    """What one proposal costs after histories of different length."""
    space = Space({f"edge.{i}": Choice(OPS) for i in range(12)})
    one = Objective.of(maximize="accuracy")
    two = Objective.of(maximize="accuracy", minimize="latency")
    print("\nCPU microseconds for a proposal, after so many trials")
    print(f"  {'':36s}{'100':>9}{'10,000':>9}{'100,000':>9}")
    pairs = [(k, v, one) for k, v in SINGLE.items()] + [(k, v, two) for k, v in SEVERAL.items()]
    times = {(name, objective.single): [] for name, _, objective in pairs}
    for length in (100, 10_000, 100_000):
        rng = random.Random(0)
        trials = []
        for number in range(length):
            metrics = {"accuracy": rng.random(), "latency": rng.random()}
            trials.append(Trial(number, space.sample(rng=rng), metrics=metrics))
        for name, strategy, objective in pairs:
            history = History(space, objective, trials)
            seeds = itertools.count()

            def propose(strategy=strategy, history=history, seeds=seeds):
                # A fresh generator each, as in a search; that alone costs 5 microseconds.
                for _ in range(100):
                    strategy.propose(history, random.Random(next(seeds)))

            propose()
            times[name, objective.single].append(1e6 * best_of(propose) / 100)
    for (name, single), row in times.items():
        label = name if single else f"{name} (two objectives)"
        print(f"  {label:36s}" + "".join(f"{t:9.0f}" for t in row))


def sorting():
    print("\nCPU milliseconds for non-dominated sorting")
    try:
        from pymoo.util.nds.non_dominated_sorting import NonDominatedSorting
    except ImportError:
        NonDominatedSorting = None
    for n, m in ((200, 2), (200, 3), (10_000, 2), (10_000, 3), (200, 5)):
        points = np.random.default_rng(0).random((n, m))
        text = f"{1e3 * best_of(lambda points=points: non_dominated_ranks(points)):6.2f}"
        if NonDominatedSorting is not None:
            sort = NonDominatedSorting().do
            seconds = best_of(lambda sort=sort, points=points: sort(-points, return_rank=True))
            text += f", pymoo {1e3 * seconds:6.2f}"
        print(f"  {n:6,} points, {m} objectives: {text}")


def main():
    warnings.simplefilter("ignore")
    parts = {"loops": loops, "arena": arena, "lengths": lengths, "sorting": sorting}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=sorted(parts))
    chosen = parser.parse_args().only
    for name, part in parts.items():
        if chosen in (None, name):
            part()


if __name__ == "__main__":
    main()
