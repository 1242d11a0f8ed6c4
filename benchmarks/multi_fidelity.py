"""Strategies with several budgets beside random search: on NAS-Bench-201 and with real training.

    python benchmarks/multi_fidelity.py --only table --data ../shared/data
    python benchmarks/multi_fidelity.py --only reach --data ../shared/data
    python benchmarks/multi_fidelity.py --only stages
    python benchmarks/multi_fidelity.py --only training --cpu-seconds 60 --seeds 3

`table`: mean test accuracy of what validation chose, after so many simulated seconds. On
"nasbench201-12" every evaluation is a training of 12 epochs (the protocol of the published 93.70
for random search, 93.61 for BOHB and 93.92 for regularized evolution at 12,000 s on CIFAR-10); on
"nasbench201" one of 12 or of 200, and a promotion costs the difference. `reach`: simulated
time until the best full training lies within 0.3 points of the optimum. `queries`: regret on
NAS-Bench-101, trained for 4, 12, 36 and 108 epochs. `stages`: what going on from a checkpoint costs
in accuracy and saves in time. `training`: networks for 200 rows of digits, at equal CPU time.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import copy
import functools
import math
import statistics
import time
import warnings

MULTI = ("successive_halving", "hyperband", "asha", "bohb")


def table(args):
    from archwright.benchmarks import NasBench201, run_strategy

    for dataset in args.datasets.split(","):
        for epochs, names in ((12, ("random", "evolution", "bohb")), (200, ("random", *MULTI))):
            benchmark = NasBench201(dataset, path=args.data, epochs=epochs)
            for name in names:
                tests, own = [], []
                for seed in range(args.table_seeds):
                    run = run_strategy(
                        benchmark, name, seed=seed, queries=10_000, seconds=args.simulated
                    )
                    tests.append(run.steps[-1].test)
                    own.append(run.own_s)
                spread = statistics.stdev(tests) if len(tests) > 1 else 0.0
                print(
                    f"{benchmark.name:15s} {dataset:15s} {name:20s} {args.simulated:,.0f} s: test "
                    f"{statistics.mean(tests):.2f} +- {spread:.2f} ({len(tests)} seeds; own "
                    f"{statistics.mean(own):.2f} s)",
                    flush=True,
                )


def reach(args):
    """Time to come within so many points of the optimum; what never came counts as infinite.

    Only what was trained in full counts as found. The unit is the mean time of a full training. A
    run ends when it is there by validation and by test (where the best by validation is) and the
    last of the checkpoints is past.
    """
    from archwright.benchmarks import NasBench201, run_strategy

    within = args.within
    for dataset in args.datasets.split(","):
        benchmark = NasBench201(dataset, path=args.data)
        places = list(benchmark.source.places())
        unit = statistics.mean(benchmark.source.seconds(place, 1) for place in places)
        print(f"{dataset}: a full training takes {unit:,.0f} s on average", flush=True)
        for name in _names(args, ("random", "evolution", "auto", "mobster")):
            times, curves, own = {"validation": [], "test": []}, [], []
            for seed in range(args.table_seeds):
                watched = _Watched(name, benchmark, within, unit * CHECKPOINTS[-1])
                limit = unit * args.limit
                run = run_strategy(benchmark, watched, seed=seed, queries=10_000, seconds=limit)
                found = [step for step in run.steps if step.trial in watched.full]
                for kind, regret in (("validation", "regret"), ("test", "test_regret")):
                    hit = (s.seconds for s in found if getattr(s, regret) <= within + 1e-9)
                    times[kind].append(next(hit, math.inf) / unit)
                curves.append([_at(found, unit * at) for at in CHECKPOINTS])
                own.append(1000 * run.own_s / max(1, watched.n))
            for kind, values in times.items():
                ordered = sorted(values)
                missed = sum(math.isinf(v) for v in values)
                print(
                    f"{dataset:15s} {name:20s} {kind:10s} median {statistics.median(ordered):6.1f}"
                    f" p90 {ordered[math.ceil(0.9 * len(ordered)) - 1]:6.1f} full trainings, "
                    f"not within {args.limit:g}: {missed} of {len(values)}",
                    flush=True,
                )
            for i, kind in enumerate(("validation", "test")):
                middle = [statistics.median(c[j][i] for c in curves) for j in range(len(curves[0]))]
                shown = ", ".join(f"{n}: {v:.2f}" for n, v in zip(CHECKPOINTS, middle, strict=True))
                print(f"{'':15s} {name:20s} median {kind} regret at {shown}", flush=True)
            print(f"{'':15s} {name:20s} own {statistics.mean(own):.0f} ms a proposal", flush=True)


def _names(args, default):
    return args.strategies.split(",") if args.strategies else default


CHECKPOINTS = (2, 5, 10)
"""Mean times of a full training."""


class _Watched:
    """A strategy, and which trials it asked to be trained in full."""

    def __init__(self, name, benchmark, within, least_s):
        from archwright.strategies import as_strategy

        self.wrapped = as_strategy(name)
        self.benchmark, self.within, self.least_s = benchmark, within, least_s
        self.full, self.n, self.seconds, self.best = set(), 0, 0.0, None

    def _there(self, history):
        """Whether the best of the full trainings is as near the optimum as it has to be."""
        last = history.trials[-1] if history.trials else None
        if last is None:
            return False
        self.seconds += last.seconds
        score = history.objective.score(last.metrics)
        if last.number in self.full and (self.best is None or score > self.best[0]):
            self.best = score, self.benchmark.test(last.architecture)
        if self.best is None or self.seconds < self.least_s:
            return False
        bound = self.benchmark.test_optimum - self.within
        return self.best[0] >= self.benchmark.optimum - self.within and (
            self.best[1] >= bound or _test_of_the_optimum(self.benchmark) < bound
        )

    def propose(self, history, rng):
        if self._there(history):
            return None
        proposal = self.wrapped.propose(history, rng)
        self.n += 1
        if proposal is not None and history.level(proposal.budget) >= history.level(None):
            self.full.add(history.next_number)
        return proposal


@functools.cache
def _test_of_the_optimum(benchmark):
    """Test value of the architecture that is the best by validation."""
    source = benchmark.source
    best = max(source.places(), key=lambda p: benchmark.objective.score(source.metrics(p, 1)))
    return source.test(best)


def _at(steps, seconds):
    """Regret on validation and test data after so many seconds; infinite before any."""
    done = [step for step in steps if step.seconds <= seconds]
    return (done[-1].regret, done[-1].test_regret) if done else (math.inf, math.inf)


def queries(args):
    """Regret after so many full trainings' worth of epochs, where budgets lie on one curve."""
    from archwright.benchmarks import load, run_strategy

    benchmark = load(args.benchmark, path=args.data)
    for name in _names(args, ("random", "evolution", "auto", *MULTI, "mobster")):
        runs = [
            run_strategy(benchmark, name, seed=seed, queries=args.queries)
            for seed in range(args.table_seeds)
        ]
        found = []
        for at in (n for n in (5, 10, 20, 50, 100) if n <= args.queries):
            # Before the first full training nothing is chosen: the median counts that as worst.
            regrets = [run.regret(at) for run in runs]
            middle = statistics.median(float("inf") if r is None else r for r in regrets)
            found.append(f"{at}: {middle:.3f}")
        print(
            f"{benchmark.name} {name:20s} median regret after {', '.join(found)} "
            f"({len(runs)} seeds)",
            flush=True,
        )


def stages(args):
    """One architecture after the other: anew by recipe, anew in stages, and in a chain."""
    from archwright.tasks import Task
    from archwright.training import Recipe, Stages, fit
    from archwright.zoo import build_space

    task = Task.load("digits")
    space = build_space(
        "mobilenet", input_shape=task.input_shape, n_outputs=10, n_rows=len(task.train)
    )
    for seed in range(args.seeds):
        architecture = space.sample(seed=seed)

        def train(epochs, stages=None, architecture=architecture, seed=seed):
            start = time.process_time()
            fitted = fit(
                space.build(architecture, seed=seed),
                task,
                Recipe(epochs=epochs),
                seed=seed,
                n_threads=1,
                stages=stages,
            )
            return fitted.metrics, time.process_time() - start

        state, spent = None, 0.0
        for epochs in (1, 3, 9, 27):
            kept = []
            metrics, seconds = train(
                epochs, Stages(state=state, keep=lambda s, kept=kept: kept.append(copy.deepcopy(s)))
            )
            state, spent = kept[0], spent + seconds
            anew, anew_s = train(epochs, Stages())
            recipe, _ = train(epochs)
            print(
                f"architecture {seed}, {epochs:2d} epochs: continued {metrics['accuracy']:.4f} "
                f"({seconds:.1f} s), anew in stages {anew['accuracy']:.4f} ({anew_s:.1f} s), anew "
                f"by the recipe {recipe['accuracy']:.4f}",
                flush=True,
            )


def training(args):
    from archwright.evaluators import Train
    from archwright.runs import search
    from archwright.tasks import Task
    from archwright.zoo import build_space

    # Few rows, so that there is something left to gain.
    task = Task.load("digits").subset(200)
    train = Train(task, epochs=27)
    space = build_space(
        "mobilenet", input_shape=task.input_shape, n_outputs=10, n_rows=len(task.train)
    )

    class Clocked:
        """Ends the search by CPU seconds, so that other work on the machine does not count."""

        full_budget = train.full_budget
        input_shape = train.input_shape

        def __init__(self):
            self.end = time.process_time() + args.cpu_seconds

        def evaluate(self, candidate):
            candidate.n_threads = 1
            metrics = train.evaluate(candidate)
            if time.process_time() > self.end:
                raise KeyboardInterrupt
            return metrics

    for seed in range(args.seeds):
        for name in ("random", *MULTI):
            result = search(
                space,
                Clocked(),
                maximize="accuracy",
                strategy=name,
                trials=10_000,
                seed=seed,
                limits={"params": 20_000},
            )
            best = result.best
            tried = {t.architecture for t in result.trials if t.state == "complete"}
            print(
                f"{name:20s} seed {seed}: validation accuracy {best.metrics['accuracy']:.4f} "
                f"loss {best.metrics['loss']:.4f} at {best.budget or 27:g} epochs, "
                f"{len(tried)} architectures",
                flush=True,
            )


def main():
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=tuple(PARTS), required=True)
    parser.add_argument("--data", help="file or folder of NAS-Bench-201")
    parser.add_argument("--datasets", default="cifar10")
    parser.add_argument("--simulated", type=float, default=12_000)
    parser.add_argument("--table-seeds", type=int, default=100)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cpu-seconds", type=float, default=60.0)
    parser.add_argument("--within", type=float, default=0.3, help="points of accuracy")
    parser.add_argument("--limit", type=float, default=150, help="mean times of a full training")
    parser.add_argument("--strategies", help="for reach and queries: names, comma between")
    parser.add_argument("--benchmark", default="nasbench101", help="for queries")
    parser.add_argument("--queries", type=int, default=100, help="full trainings, for queries")
    args = parser.parse_args()
    PARTS[args.only](args)


PARTS = {
    "table": table,
    "reach": reach,
    "queries": queries,
    "stages": stages,
    "training": training,
}


if __name__ == "__main__":
    main()
