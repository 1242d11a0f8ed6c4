"""How well each kind of low fidelity ranks networks: against full trainings, cost ratios measured.

    python benchmarks/fidelity.py [--data nasbench201 digits fashion] [--networks 24] [--repeats 2]
        [--epochs 4] [--space resnet_cnn] [--rows 1000] [--seed 0] [--out FOLDER]

digits (scikit-learn's) and Fashion-MNIST (seeded rows): random networks of a space of the zoo, each
trained in full and at each fidelity with other seeds, by `archwright.check_fidelity`; beside them
the ranking by the number of parameters, a random pick, and the noise ceiling. nasbench201: the
table's 12-epoch against its 200-epoch trainings of the same 24 and of 1,000 random cells, with the
table's simulated seconds. With --out a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import gzip
import math
import platform
import time
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np

import archwright as aw

DATA = Path(__file__).parents[2] / "shared" / "data" / "sets"
TABLES = DATA.parent / "bench"
FIDELITIES = [
    aw.Fidelity(epochs=0.5),
    aw.Fidelity(epochs=0.25),
    aw.Fidelity(data=0.5),
    aw.Fidelity(data=0.25),
    aw.Fidelity(resolution=0.5),
    aw.Fidelity(width=0.5),
    aw.Fidelity(width=0.25),
    aw.Fidelity(depth=0.5),
    aw.Fidelity(epochs=0.5, width=0.5),
]


def idx(path):
    raw = gzip.decompress(Path(path).read_bytes())
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


def task_of(name, n_rows, seed):
    if name == "digits":
        return aw.Task.load("digits")
    folder = DATA / "fashion_mnist"
    x = idx(next(folder.glob("*train-images*")))
    y = idx(next(folder.glob("*train-labels*")))
    rows = np.random.default_rng(seed).permutation(len(x))[: 2 * n_rows]
    # Half of the rows to validate on: accuracies of a few hundred rows would be mostly noise.
    return aw.Task.from_arrays(x[rows], y[rows], validation=0.5, test=0)


def trained(name, options):
    task = task_of(name, options.rows, options.seed)
    found = aw.check_fidelity(
        options.space,
        aw.Train(task, epochs=options.epochs),
        FIDELITIES,
        n=options.networks,
        repeats=options.repeats,
        seed=options.seed,
        workers=0,
        device="cpu",
        limits={"flops": options.flops} if options.flops else None,
        out=None if options.out is None else Path(options.out) / f"{name}-{options.space}",
    )
    print(f"\n{name}, {options.space}, {options.epochs:g} epochs, {task!r}\n{found}", flush=True)


def drawn(space, seed):
    """Random cells, none twice."""
    seen = set()
    rng = Random(seed)
    while True:
        cell = space.sample(rng=rng)
        if space.canonical(cell) not in seen:
            seen.add(space.canonical(cell))
            yield cell


def params(networks, cell):
    return sum(p.numel() for p in networks.build(cell, device="meta").parameters())


def nasbench201(options):
    from archwright import benchmarks
    from archwright.zoo import build_space

    networks = build_space("nasbench201", input_shape=(3, 32, 32), n_outputs=10)
    names = ("cifar10", "cifar100", "imagenet16-120")
    for benchmark in (benchmarks.load("nasbench201", dataset=name, path=TABLES) for name in names):
        short, full = benchmark.budgets[0], benchmark.budgets[-1]
        low = aw.Fidelity(epochs=short / full)
        for n in (options.networks, 1000):
            found = aw.check_fidelity(
                benchmark.space, benchmark, low, n=n, seed=options.seed, workers=0
            )
            cells = list(islice(drawn(benchmark.space, options.seed), n))
            seconds = [math.fsum(benchmark.seconds(c, b) for c in cells) for b in (short, full)]
            values = [benchmark.read(cell).metrics["valid_accuracy"] for cell in cells]
            sizes = [params(networks, cell) for cell in cells]
            by_size = aw.proxies.agreement(sizes, values)
            print(
                f"\nnasbench201 {benchmark.dataset}, {short:g} of {full:g} epochs, simulated "
                f"seconds {100 * seconds[0] / seconds[1]:.2f} % of a full training's\n{found}\n"
                f"Parameters of as many random cells: Spearman {by_size.spearman:.2f}, Kendall "
                f"{by_size.kendall:.2f}, regret {by_size.regret:.3g}.",
                flush=True,
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=["nasbench201", "digits", "fashion"])
    parser.add_argument("--networks", type=int, default=24)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--epochs", type=float, default=4)
    parser.add_argument("--space", default="resnet_cnn")
    parser.add_argument("--flops", help="only networks of at most so many, such as 2M")
    parser.add_argument("--rows", type=int, default=1000, help="training rows of Fashion-MNIST")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out")
    options = parser.parse_args()
    print(f"python {platform.python_version()}, {platform.machine()}, {options}", flush=True)
    began = time.monotonic()
    for name in options.data:
        if name == "nasbench201":
            nasbench201(options)
        else:
            trained(name, options)
    print(f"\n{time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
