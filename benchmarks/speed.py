"""Speed of the loop, the ledger, sampling and building, beside plain Python and Optuna.

    python benchmarks/speed.py

Prints one table; every ratio is against a peer or a baseline in the same run. CPU seconds, the
best of three repetitions, one thread.
"""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import collections
import gc
import platform
import random
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

from archwright.evaluators import Table
from archwright.ledger import OptunaLedger
from archwright.runs import search
from archwright.space import Choice, Space
from archwright.trials import Objective, Trial

OPS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
N = 2000


def best_of(function, repeats=3):
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        function()
        seconds.append(time.process_time() - start)
    return min(seconds)


def nasbench201_space():
    from archwright.zoo import build_space

    return build_space("nasbench201", input_shape=(3, 32, 32), n_outputs=10)


def made_up_rows(space):
    rows = {}
    for architecture in space.enumerate():
        key = space.canonical(architecture)
        rows.setdefault(key, {"accuracy": random.Random(architecture.id).random()})
    return rows


def plain_evolution(n):
    """Regularized evolution in a dozen lines, without any record of what was evaluated."""
    rng = random.Random(0)
    population = collections.deque(maxlen=20)
    for _ in range(n):
        if len(population) < 20:
            cell = [rng.choice(OPS) for _ in range(6)]
        else:
            cell = list(max(rng.choices(population, k=10), key=lambda p: p[1])[0])
            edge = rng.randrange(6)
            cell[edge] = rng.choice([op for op in OPS if op != cell[edge]])
        population.append((cell, random.random()))


def loops(rows_out):
    space = nasbench201_space()
    table = Table.__new__(Table)
    table.space, table._rows = space, made_up_rows(space)

    def ours(strategy):
        return lambda: search(
            space, table, maximize="accuracy", strategy=strategy, trials=N, final=False, workers=0
        )

    plain_rate = N / best_of(lambda: plain_evolution(N))
    optuna_rates = optuna_loops(table, space)
    rows_out.append(("plain Python evolution (no record)", f"{plain_rate:,.0f}/s", ""))
    for name, rate in optuna_rates.items():
        rows_out.append((f"Optuna {name}", f"{rate:,.0f}/s", ""))
    for name in ("random", "evolution", "local", "grid"):
        rate = N / best_of(ours(name))
        ratio = rate / optuna_rates["random"]
        rows_out.append((f"archwright {name}", f"{rate:,.0f}/s", f"{ratio:.1f} x Optuna's random"))


def optuna_loops(table, space):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    paths = space.paths
    rows = table._rows

    def objective(trial):
        cell = {path: trial.suggest_categorical(path, OPS) for path in paths}
        return rows[space.canonical(space.check(cell))]["accuracy"]

    rates = {}
    for name, sampler, n in (
        ("random", optuna.samplers.RandomSampler(seed=0), 1000),
        ("NSGA-II", optuna.samplers.NSGAIISampler(seed=0), 500),
    ):

        def run(sampler=sampler, n=n):
            optuna.create_study(sampler=sampler, direction="maximize").optimize(objective, n)

        rates[name] = n / best_of(run)
    return rates


def ledgers(rows_out, n=300):
    space = Space({f"layer.{i}/op": Choice(OPS) for i in range(20)})
    objective = Objective.of(maximize="accuracy")

    def fill(where):
        ledger = OptunaLedger(where, "speed", space, objective)
        start = time.perf_counter()
        for number in range(n):
            architecture = space.sample(seed=number)
            ledger.start(Trial(number, architecture, "running"))
            metrics = {"accuracy": 0.5, "params": 1.0, "flops": 2.0}
            curve = tuple({"step": i, "accuracy": 0.5} for i in range(5))
            ledger.finish(Trial(number, architecture, metrics=metrics, curve=curve))
        return 1e3 * (time.perf_counter() - start) / n

    with tempfile.TemporaryDirectory() as folder:
        journal = min(fill(f"{folder}/{i}.log") for i in range(3))
        sqlite = fill(f"sqlite:///{folder}/a.db")
        start = time.perf_counter()
        OptunaLedger(f"{folder}/0.log", "speed", space, objective).load()
        opened = time.perf_counter() - start
    rows_out.append(
        ("ledger, journal: start and finish", f"{journal:.2f} ms", "wall, 20 decisions")
    )
    rows_out.append(
        (
            "ledger, SQLite: start and finish",
            f"{sqlite:.1f} ms",
            f"{sqlite / journal:.0f} x the journal",
        )
    )
    rows_out.append((f"ledger, journal: open with {n} trials", f"{1e3 * opened:.0f} ms", ""))


def building(rows_out):
    import torch
    from torch import nn

    torch.set_num_threads(1)
    space = nasbench201_space()

    def conv(a, b, kernel, stride):
        return nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(a, b, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(b),
        )

    def op(name, channels):
        if name == "avg_pool_3x3":
            return nn.AvgPool2d(3, 1, 1, count_include_pad=False)
        return conv(channels, channels, 3 if name == "nor_conv_3x3" else 1, 1)

    class Cell(nn.Module):
        def __init__(self, channels, edges):
            super().__init__()
            for edge, name in edges.items():
                setattr(self, edge, op(name, channels))

    class Reduction(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.conv_a = conv(channels, 2 * channels, 3, 2)
            self.conv_b = conv(2 * channels, 2 * channels, 3, 1)
            self.downsample = nn.Sequential(
                nn.AvgPool2d(2, 2), nn.Conv2d(channels, 2 * channels, 1, bias=False)
            )

    class Average(nn.Module):
        def forward(self, x):
            return x.mean((2, 3))

    class Network(nn.Module):
        """The same modules, made by hand without any search-space machinery."""

        def __init__(self, edges):
            super().__init__()
            self.stem = nn.Sequential(
                nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)
            )
            cells, channels = [], 16
            for stage in range(3):
                if stage:
                    cells.append(Reduction(channels))
                    channels *= 2
                cells.extend(Cell(channels, edges) for _ in range(5))
            self.cells = nn.Sequential(*cells)
            self.head = nn.Sequential(
                nn.BatchNorm2d(channels), nn.ReLU(), Average(), nn.Linear(channels, 10)
            )

    def edges_of(arch):
        """Edge -> operation, for the edges that the built cell holds (others reach nothing)."""
        built = space.build(arch).cells[0]
        return {name: arch[f"cell/{name[5]}-{name[7]}"] for name, _ in built.named_children()}

    def contents(model):
        parameters = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        return parameters, [name for name, _ in model.named_modules()]

    archs = [space.sample(seed=i) for i in range(30)]
    cells = [edges_of(arch) for arch in archs]
    for arch, edges in zip(archs, cells, strict=True):
        assert contents(space.build(arch)) == contents(Network(edges)), arch

    def by_hand():
        for edges in cells:
            Network(edges)

    def ours():
        for i in range(30):
            space.build(space.sample(seed=i))

    by_hand(), ours()
    # As timeit does: whose turn a collection falls into is chance, and costs a quarter of it.
    gc.collect()
    gc.disable()
    pairs = [(best_of(ours, 1), best_of(by_hand, 1)) for _ in range(9)]
    gc.enable()
    ratios = sorted(a / b for a, b in pairs)
    mine = min(a for a, _ in pairs) / 30 * 1e3
    rows_out.append(
        ("sample and build one nasbench201 network", f"{mine:.1f} ms", f"{ratios[4]:.2f} x by hand")
    )


def importing(rows_out):
    def seconds(code):
        script = f"import time; s = time.process_time(); {code}; print(time.process_time() - s)"
        runs = [
            float(
                subprocess.run(
                    [sys.executable, "-c", script], capture_output=True, text=True
                ).stdout
            )
            for _ in range(5)
        ]
        return min(runs)

    rows_out.append(("import archwright", f"{seconds('import archwright'):.3f} s", ""))
    rows_out.append(("import torch, for comparison", f"{seconds('import torch'):.2f} s", ""))


def main():
    warnings.simplefilter("ignore")
    parts = {"loops": loops, "ledgers": ledgers, "building": building, "importing": importing}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=sorted(parts))
    chosen = parser.parse_args().only
    rows = []
    for name, part in parts.items():
        if chosen in (None, name):
            part(rows)
    cpu = next(
        (
            x.split(":")[1].strip()
            for x in Path("/proc/cpuinfo").read_text().splitlines()
            if x.startswith("model name")
        ),
        platform.processor(),
    )
    print(f"{cpu}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    for row in rows:
        print(
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        )


if __name__ == "__main__":
    main()
