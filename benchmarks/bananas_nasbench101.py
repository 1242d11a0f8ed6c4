"""BANANAS and its peers on NAS-Bench-101: python benchmarks/bananas_nasbench101.py --seeds 10

The published order (150 evaluations, 200 seeds, test error of the best by validation, per cent):
random 6.341, TPE 6.415, regularized evolution 6.109, local search 5.932, BANANAS 5.923 (White et
al., AAAI 2021 and UAI 2021). Here validation regret is compared, as the compact file has no test
accuracies, and on the cells of which the file has results (30,001 of 423,624 in the compact one):

- a random architecture is one of those listed, each equally likely;
- a mutation is one of those listed that 400 draws of one or two changes meet (the same for all
  strategies, however many changes they ask for); where there is none, a random one;
- the neighbours that local search climbs along are those listed that differ in one decision.

Measured on 30,001 cells, regret after 150 evaluations, mean (standard error) of seeds 0 to 14: gp
0.083 (0.014), nas_bowl 0.091 (0.016), bananas 0.104 (0.024), evolution 0.131 (0.023), local 0.395
(0.042), random 0.412 (0.035). The order is the published one but for local search, which has few
listed neighbours to climb to. `tpe` puts cells together itself, most of which are not listed; these
cost no evaluation, but time.
"""

import argparse
import random
import statistics
import sys
import time

from archwright.benchmarks import ListedSpace, NasBench101, run_strategy
from archwright.errors import ArchwrightError
from archwright.space import Space

STRATEGIES = ("random", "evolution", "local", "tpe", "bananas", "npenas", "nas_bowl")
CHECKPOINTS = (20, 50, 100, 150)


class Near(ListedSpace):
    """A listed space in which the mutations of an architecture are looked for once."""

    def __init__(self, space: ListedSpace) -> None:
        super().__init__(space, space.n_listed, space.member, space.is_listed)
        self.near = {}
        # By canonical form: the published hash takes three times as long.
        self.forms = {self.canonical(self.member(i)) for i in range(self.n_listed)}
        self.is_listed = lambda arch: self.canonical(arch) in self.forms

    def mutate(self, arch, *, rng, n=1, rate=None):
        own = self.canonical(arch)
        if own not in self.near:
            self.near[own] = self._look(arch, own)
        return rng.choice(self.near[own]) if self.near[own] else self.sample(rng=rng)

    def _look(self, arch, own):
        rng = random.Random(own.id)
        found = {}
        for i in range(400):
            child = Space.mutate(self, arch, rng=rng, n=1 + i % 2)
            if self.is_listed(child):
                found.setdefault(self.canonical(child), child)
        found.pop(own, None)
        return list(found.values())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--queries", type=int, default=150)
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    parser.add_argument(
        "--path", help="the table, or its folder; else ARCHWRIGHT_DATA is looked at"
    )
    parser.add_argument("--csv", help="append strategy,seed,regrets,own_s to this file")
    asked = parser.parse_args()
    try:
        benchmark = NasBench101(path=asked.path)
    except ArchwrightError as error:
        sys.exit(str(error))
    benchmark.space = Near(benchmark.space)
    names = asked.strategies.split(",")
    found = {name: [] for name in names}
    for seed in range(asked.first, asked.first + asked.seeds):
        for name in names:
            began = time.perf_counter()
            run = run_strategy(benchmark, name, seed=seed, queries=asked.queries)
            seconds = time.perf_counter() - began
            regrets = [run.regret(q) for q in CHECKPOINTS if q <= asked.queries]
            found[name].append((*regrets, seconds))
            print(seed, name, *(f"{x:.3f}" for x in regrets), f"{seconds:.1f} s", flush=True)
            if asked.csv:
                with open(asked.csv, "a") as file:
                    print(name, seed, *regrets, seconds, sep=",", file=file)
    queries = [q for q in CHECKPOINTS if q <= asked.queries]
    print(f"\nMean validation regret in points, {asked.seeds} seeds (standard error)")
    print("strategy".ljust(14), *(f"{q:>15}" for q in queries), "  s a seed")
    for name, rows in sorted(
        found.items(), key=lambda item: statistics.mean(r[-2] for r in item[1])
    ):
        cells = []
        for column in zip(*(row[:-1] for row in rows), strict=True):
            error = statistics.stdev(column) / len(column) ** 0.5 if len(column) > 1 else 0.0
            cells.append(f"{statistics.mean(column):7.3f} ({error:.3f})".rjust(15))
        print(name.ljust(14), *cells, f"{statistics.mean(r[-1] for r in rows):8.1f}")


if __name__ == "__main__":
    main()
