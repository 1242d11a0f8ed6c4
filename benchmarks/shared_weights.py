"""Shared weights on Fashion-MNIST: how they rank networks, and searches under three limits.

    python benchmarks/shared_weights.py [--rules spos sandwich fairnas] [--networks 30]
        [--rows 600] [--validation 1000] [--epochs 8] [--passes 40] [--side 14] [--max-depth 2]
        [--trials 60] [--repeats 1] [--seed 0] [--json FILE] [--keep FOLDER]

Seeded rows of Fashion-MNIST, averaged down to `side` pixels, and the zoo's `mobilenet`. A supernet
is trained by each rule for as many passes over the rows, forward and backward (`--passes`: those of
one architecture; a rule that runs four a step gets a quarter of the epochs). The same random
networks are then judged by the shared weights and trained apart, all alike; beside it the ranking
by parameters. With `--repeats 2` each is trained apart twice, with other seeds: the mean is
compared, and how well one ranks as the other does is the noise ceiling. With `--keep` the
supernets' checkpoints are kept, and a run that was stopped does not train them again. The supernet
of the rule named first is also searched under three limits on FLOPs; what comes out is taken out,
and its costs are counted on the network itself.
"""

from __future__ import annotations

import argparse
import gzip
import json
import platform
import time
from pathlib import Path
from random import Random

import numpy as np
import torch
from scipy.stats import kendalltau, spearmanr

import archwright as aw
from archwright.evaluators import SharedWeights
from archwright.hardware import costs
from archwright.runs import search_targets
from archwright.supernet.rules import RULES, Sandwich
from archwright.supernet.sizes import Sizes
from archwright.supernet.training import train_supernet
from archwright.supernet.trust import compared
from archwright.training import Recipe, fit
from archwright.zoo import build_space

DATA = Path(__file__).parents[2] / "shared" / "data" / "sets" / "fashion_mnist"
PASSES = {"spos": 1, "rsps": 1, "fairnas": 4, "sandwich": 4, "attentive": 4}


def idx(path):
    raw = gzip.decompress(Path(path).read_bytes())
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def task_of(n_rows, n_validation, side, seed):
    x = idx(next(DATA.glob("*train-images*")))
    y = idx(next(DATA.glob("*train-labels*")))
    rows = np.random.default_rng(seed).permutation(len(x))[: n_rows + n_validation]
    x = x[rows].reshape(len(rows), side, 28 // side, side, 28 // side).mean((2, 4))
    return aw.Task.from_arrays(
        x.round().astype(np.uint8), y[rows], validation=n_validation / len(rows), test=0
    )


class Timed:
    def __enter__(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *error):
        self.wall, self.cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu

    def __str__(self):
        return f"{self.cpu:.0f} CPU s ({self.wall:.0f} s)"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rules", nargs="+", default=["spos", "sandwich", "fairnas"])
    parser.add_argument("--networks", type=int, default=30)
    parser.add_argument("--rows", type=int, default=600)
    parser.add_argument("--validation", type=int, default=1000)
    parser.add_argument("--epochs", type=float, default=8)
    parser.add_argument("--passes", type=float, default=40)
    parser.add_argument("--side", type=int, default=14, choices=[7, 14, 28])
    parser.add_argument("--max-depth", type=int, default=2)
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep")
    parser.add_argument("--json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"python {platform.python_version()}, {platform.machine()}, {options}", flush=True)
    task = task_of(options.rows, options.validation, options.side, options.seed)
    shape = task.input_shape
    space = build_space("mobilenet", input_shape=shape, n_outputs=10, max_depth=options.max_depth)
    print(f"{task!r}, {space.size:.3g} networks", flush=True)
    record = {"options": vars(options)}

    shared = {}
    for name in options.rules:
        rule = Sandwich() if name == "sandwich" else RULES[name]()
        with Timed() as took:
            made = train_supernet(
                space,
                task,
                rule=rule,
                epochs=options.passes / PASSES[name],
                seed=options.seed,
                checkpoint=None if options.keep is None else Path(options.keep) / name,
            )
        shared[name] = SharedWeights(made, task)
        print(f"supernet by {rule}: {made.n_passes} passes, {took}", flush=True)
        record[name] = {"train_cpu_seconds": took.cpu, "n_passes": made.n_passes}

    judge = shared[options.rules[0]]
    targets = {}
    sizes = Sizes(space, shape)
    flops = sorted(sizes.flops(space.sample(seed=i)) for i in range(60))
    for name, share in (("small", 0.1), ("medium", 0.3), ("large", 0.6)):
        targets[name] = {"flops": flops[int(share * len(flops))]}
    fast = SharedWeights(
        judge.supernet, task, n_batches=1, validation_rows=min(500, options.validation)
    )
    with Timed() as took:
        found = search_targets(
            space,
            fast,
            targets,
            strategy="evolution",
            trials=options.trials,
            seed=options.seed,
            final=False,
            device="cpu",
        )
    print(f"three searches of {options.trials} trials: {took}", flush=True)
    record["search"] = {"cpu_seconds": took.cpu, "seconds": took.wall, "targets": {}}
    for name, result in found.items():
        best = result.best
        network = judge.extract(best.architecture)
        counted = costs(network, shape, names=("flops", "params"))
        limit = targets[name]["flops"]
        ok = counted["flops"] <= limit
        print(
            f"  {name}: {limit:.3g} FLOPs allowed, {counted['flops']:.3g} counted on the network "
            f"({'kept' if ok else 'BROKEN'}), {counted['params']:,} parameters, inherited "
            f"accuracy {judge.score(best.architecture)['accuracy']:.3f} on all validation rows; "
            f"{len(result.history.complete)} of {len(result.trials)} trials judged"
        )
        record["search"]["targets"][name] = {"limit": limit, **counted, "kept": ok}

    n_judged, rng = 40, Random(options.seed + 1)
    with Timed() as took:
        for _ in range(n_judged):
            fast.score(space.sample(rng=rng))
    print(
        f"judging alone (128 rows to calibrate, {len(fast._on('cpu').y)} to judge): "
        f"{60 * n_judged / took.cpu:.0f} a CPU minute ({60 * n_judged / took.wall:.0f} a minute)",
        flush=True,
    )
    record["judged_per_cpu_minute"] = 60 * n_judged / took.cpu

    rng, networks = Random(options.seed), {}
    while len(networks) < options.networks:
        networks.setdefault(space.sample(rng=rng))
    params = [sizes.costs(arch)["params"] for arch in networks]
    values = np.zeros((options.repeats, len(networks)))
    with Timed() as took:
        for k, arch in enumerate(networks):
            for i in range(options.repeats):
                seed = options.seed + i
                fitted = fit(
                    space.build(arch, seed=seed), task, Recipe(epochs=options.epochs), seed=seed
                )
                values[i, k] = fitted.metrics["accuracy"]
            print(f"  {k + 1} {values[:, k].round(3)}", flush=True)
    alone = values.mean(axis=0)
    print(f"{len(networks)} networks apart, {options.epochs:g} epochs each: {took}")
    print(f"their accuracies: {alone.min():.3f} .. {alone.max():.3f}, sd {alone.std():.4f}")
    if options.repeats > 1:
        others = (values.sum(axis=0) - values[0]) / (options.repeats - 1)
        record["ceiling"] = [float(f(values[0], others)[0]) for f in (kendalltau, spearmanr)]
        print("noise ceiling: Kendall {:.2f}, Spearman {:.2f}".format(*record["ceiling"]))
    for name, one in shared.items():
        trust = compared(
            metric="accuracy",
            maximize=True,
            architectures=list(networks),
            inherited=[one.score(arch)["accuracy"] for arch in networks],
            alone=alone.tolist(),
            params=params,
            epochs=options.epochs,
            seconds=took.wall,
            seed=options.seed,
        )
        print(f"\n{name}\n{trust}", flush=True)
        record[name]["trust"] = trust.to_dict()
    if options.json:
        Path(options.json).write_text(json.dumps(record, indent=1, default=str))


if __name__ == "__main__":
    main()
