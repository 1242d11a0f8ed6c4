"""What weights that are passed on are worth: from parents to children, and from a teacher.

    python benchmarks/weights.py inherit [--seeds 0 1 2 3 4] [--trials 10] [--epochs 4]
    python benchmarks/weights.py teacher [--seeds 0 1 2 3 4] [--data digits fashion] [--epochs 10]

Both take `--rows 600`: of the data, before they are split (three fifths are trained on).

`inherit`: regularised evolution of `resnet_cnn` on digits, the same number of trials and of epochs
a trial, with new weights, with the parent's weights, and with the parent's function; and random
search. Printed are the best validation accuracy that the search saw, that of the same winner
trained again for as many epochs from new weights (what of the first was inherited training), and
the test accuracy after its final training from new weights. A seed decides split, search and
weights.

`teacher`: the narrowest `resnet_cnn` alone, and taught by the default one that was trained on the
same rows for twice as many epochs: test accuracies.
"""

from __future__ import annotations

import argparse
import gzip
import statistics
import time
from pathlib import Path

import numpy as np
import torch

import archwright as aw
from archwright.evaluators import Candidate, Train
from archwright.nn import ModelSpace
from archwright.strategies import RandomSearch, RegularizedEvolution
from archwright.tasks import Task
from archwright.training import Recipe, evaluate, fit
from archwright.zoo import build_space

FASHION = Path(__file__).parents[2] / "shared" / "data" / "sets" / "fashion_mnist"


def digits(seed: int, n_rows: int) -> Task:
    """Some of the 1,797 digits, drawn and split by the seed."""
    from sklearn.datasets import load_digits

    data = load_digits()
    rows = np.random.default_rng(seed).permutation(len(data.target))[:n_rows]
    x = data.images[rows, None].astype("float32") / 16
    return Task.from_arrays(x, data.target[rows], seed=seed)


def fashion(seed: int, n_rows: int) -> Task:
    """Some images of Fashion-MNIST, drawn and split by the seed."""
    images, labels = (_idx(next(FASHION.rglob(f"train-{part}*"))) for part in ("images", "labels"))
    rows = np.random.default_rng(seed).permutation(len(images))[:n_rows]
    x = images[rows, None].astype("float32") / 255
    return Task.from_arrays(x, labels[rows].astype(int), seed=seed)


def _idx(path: Path) -> np.ndarray:
    raw = gzip.decompress(path.read_bytes())
    shape = [int.from_bytes(raw[4 + 4 * i : 8 + 4 * i], "big") for i in range(raw[3])]
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * raw[3]).reshape(shape)


TASKS = {"digits": digits, "fashion": fashion}


def space_for(task: Task) -> ModelSpace:
    """The networks for a task's images."""
    return build_space("resnet_cnn", input_shape=task.input_shape, n_outputs=task.n_outputs)


WAYS = {
    "random": (None, RandomSearch()),
    "new weights": (None, RegularizedEvolution(population=4, sample=2)),
    "parent's weights": ("weights", RegularizedEvolution(population=4, sample=2)),
    "parent's function": ("morphism", RegularizedEvolution(population=4, sample=2)),
}


def inheritance(seeds: list[int], n_rows: int, n_trials: int, epochs: float) -> None:
    """Print a line for each way and seed, then the medians."""
    rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in WAYS}
    for seed in seeds:
        task = digits(seed, n_rows)
        space = space_for(task)
        for name, (inherit, strategy) in WAYS.items():
            begun = time.monotonic()
            train = Train(task, epochs=epochs, inherit=inherit, final_epochs=2 * epochs)
            result = aw.search(
                space,
                train,
                strategy=strategy,
                trials=n_trials,
                seed=seed,
                workers=0,
                device="cpu",
                final=False,
                baselines=False,
            )
            best = result.best
            again = Candidate(space, best.architecture, seed=best.seed + 1, n_threads=1)
            anew = Train(task, epochs=epochs).evaluate(again)["accuracy"]
            final = Train(task, epochs=2 * epochs).final(
                Candidate(space, best.architecture, seed=seed, n_threads=1)
            )
            assert final.test is not None
            children = [t for t in result.trials if t.note]
            kept = sum("function of" in str(t.note) for t in children)
            rows[name].append((best.metrics["accuracy"], anew, final.test["accuracy"]))
            print(
                f"seed {seed}  {name:18} best {rows[name][-1][0]:.4f}  anew {anew:.4f}  "
                f"final test {rows[name][-1][2]:.4f}  {len(children)} inherited, of "
                f"{kept} the function  {time.monotonic() - begun:.0f} s",
                flush=True,
            )
    print(f"\n{'':18} {'best seen':>10} {'anew':>10} {'final test':>10}   (medians)")
    for name, found in rows.items():
        print(
            f"{name:18} "
            + " ".join(f"{statistics.median(c):10.4f}" for c in zip(*found, strict=True))
        )


def narrowest(space: ModelSpace) -> dict:
    """The default architecture with the least width everywhere."""
    arch = space.default
    changed = True
    while changed:
        changed = False
        for other in space.neighbours(arch):
            if set(other) == set(arch) and any(
                path.endswith("width") and other[path] < arch[path] for path in arch
            ):
                arch, changed = other, True
                break
    return arch


def teaching(seeds: list[int], names: list[str], n_rows: int, epochs: float) -> None:
    """Print test accuracies for each data set and seed, then the medians."""
    for data in names:
        rows = []
        for seed in seeds:
            task = TASKS[data](seed, n_rows)
            space = space_for(task)
            begun = time.monotonic()
            big = Candidate(space, space.default, seed=seed, n_threads=1)
            # On the training rows alone, as the student.
            teacher = fit(big.model(), task, Recipe(epochs=2 * epochs), seed=seed, n_threads=1)
            small = narrowest(space)
            found = [evaluate(teacher.model, task, "test")["accuracy"]]
            for taught in (None, teacher.model):
                student = fit(
                    space.build(small, seed=seed),
                    task,
                    Recipe(epochs=epochs),
                    seed=seed,
                    teacher=taught,
                    n_threads=1,
                )
                found.append(evaluate(student.model, task, "test")["accuracy"])
            rows.append(found)
            print(
                f"{data:8} seed {seed}  teacher {found[0]:.4f}  alone {found[1]:.4f}  "
                f"taught {found[2]:.4f}  {time.monotonic() - begun:.0f} s",
                flush=True,
            )
        medians = [statistics.median(column) for column in zip(*rows, strict=True)]
        better = sum(row[2] > row[1] for row in rows)
        print(
            f"{data}: {len(task.train)} rows; medians: teacher {medians[0]:.4f}, alone "
            f"{medians[1]:.4f}, taught {medians[2]:.4f}; taught is better in {better} of "
            f"{len(rows)} seeds\n",
            flush=True,
        )


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=["inherit", "teacher"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--trials", type=int, default=10)
    parser.add_argument("--epochs", type=float, default=None, help="4 for inherit, 10 for teacher")
    parser.add_argument("--data", nargs="+", default=["digits", "fashion"], choices=list(TASKS))
    parser.add_argument("--rows", type=int, default=600)
    given = parser.parse_args()
    torch.set_num_threads(1)
    if given.part == "inherit":
        inheritance(given.seeds, given.rows, given.trials, given.epochs or 4)
    else:
        teaching(given.seeds, given.data, given.rows, given.epochs or 10)


if __name__ == "__main__":
    main()
