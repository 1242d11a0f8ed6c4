"""Queries a second on NAS-Bench-201's space, and what one proposal costs as the history grows.

    python benchmarks/table_speed.py

CPU seconds, one thread, the best of five repetitions. The values are made up: a look-up costs the
same whatever it says.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import random
import time

from archwright.benchmarks import Table, run_strategy
from archwright.benchmarks.nasbench201 import nasbench201_space
from archwright.space import Space, integer
from archwright.strategies import RegularizedEvolution
from archwright.trials import History, Objective, Trial

NAMES = ("random", "local", "evolution", "nsga2:population=100", "genetic")


def cpu(function):
    start = time.process_time()
    function()
    return time.process_time() - start


def queries_a_second(n=2000, repeats=5):
    space = nasbench201_space()
    rows = {a: {"valid": random.Random(a.id).random()} for a in space.enumerate()}
    table = Table(space, rows, metric="valid")
    for name in NAMES:
        best = min(
            cpu(lambda name=name: run_strategy(table, name, seed=0, queries=n))
            for _ in range(repeats)
        )
        print(f"{name:24} {n / best:10,.0f} queries a second")


def proposals(lengths=(100, 10_000, 100_000), n=2000, repeats=5):
    # A large space, so that what is new does not become rare.
    space = Space({f"d{i}": integer(0, 9) for i in range(12)})
    rng = random.Random(0)
    for length in lengths:
        history = History(space, Objective.of(maximize="score"))
        for number in range(length):
            metrics = {"score": rng.random()}
            history.add(Trial(number, space.sample(rng=rng), metrics=metrics))
        strategy = RegularizedEvolution()
        generators = [random.Random(i) for i in range(n)]

        def ask(strategy=strategy, history=history, generators=generators):
            for generator in generators:
                strategy.propose(history, generator)

        best = min(cpu(ask) for _ in range(repeats))
        print(f"evolution, {length:>7,} trials  {1e6 * best / n:10.1f} microseconds a proposal")


if __name__ == "__main__":
    queries_a_second()
    proposals()
