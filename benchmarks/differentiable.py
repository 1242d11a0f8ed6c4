"""DARTS' collapse on NAS-Bench-201's space, and what avoids it, on a reduced proxy.

    python benchmarks/differentiable.py --methods darts gdas drnas beta-darts --seeds 0 1 2

The supernet is that of NAS-Bench-201 with fewer channels and cells, the data a part of CIFAR-10's
training images, halved in size by averaging; the derived cell is judged by the table's test
accuracy after 200 epochs at full size. Beside it: random cells, by the same table. Published, at
full size (50 epochs of all images, 16 channels, 5 cells): DARTS 54.30, GDAS 93.5, DrNAS and
beta-DARTS 94.36.

All methods take their published settings; the step size of the strengths is multiplied by the rule
of `Settings.speed`, the same for all: in fewer steps than published they can move about as far.
"""

from __future__ import annotations

import argparse
import io
import json
import lzma
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

import archwright as aw
from archwright.benchmarks.nasbench201 import NasBench201
from archwright.supernet import METHODS, Settings, relaxed_search
from archwright.zoo import build_space

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"


def images(folder: Path, n: int, seed: int = 0) -> tuple[Any, Any]:
    """`n` training images of CIFAR-10, 16 x 16, and their classes."""
    from PIL import Image

    index = np.load(folder / "train_index.npz")
    with lzma.open(folder / "train.jpegs.xz") as file:
        blob = file.read()
    offset, labels = index["offset"], index["label"]
    rows = np.sort(np.random.default_rng(seed).permutation(len(labels))[:n])
    found = np.stack(
        [np.asarray(Image.open(io.BytesIO(blob[offset[i] : offset[i + 1]]))) for i in rows]
    ).astype(np.float32)
    small = found.reshape(n, 16, 2, 16, 2, 3).mean((2, 4))
    return small.round().astype(np.uint8).transpose(0, 3, 1, 2), labels[rows]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=["darts", "gdas", "drnas", "beta-darts"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--channels", type=int, default=4)
    parser.add_argument("--cells", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--speed", type=float, help="left out: the rule of Settings")
    parser.add_argument("--data", type=Path, default=DATA / "sets" / "cifar10")
    parser.add_argument("--table", type=Path, default=DATA / "bench" / "nasbench201")
    parser.add_argument("--out", type=Path, help="a file that gets one JSON line a search")
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = NasBench201("cifar10", path=options.table)
    x, y = images(options.data, options.images)
    task = aw.Task.from_arrays(x, y, validation=0.02, test=0)
    space = build_space(
        "nasbench201", input_shape=(3, 16, 16), n_outputs=10, C=options.channels, N=options.cells
    )
    rng = np.random.default_rng(0)
    random_cells = [table.test(space.sample(seed=int(s))) for s in rng.integers(1 << 30, size=1000)]
    print(
        f"random cells (1000): median {statistics.median(random_cells):.2f}, "
        f"10th to 90th percentile {np.percentile(random_cells, 10):.2f} to "
        f"{np.percentile(random_cells, 90):.2f}",
        flush=True,
    )
    found: dict[str, list[float]] = {}
    for seed in options.seeds:
        for name in options.methods:
            method = METHODS[name]
            began = time.process_time()
            settings = Settings(
                epochs=options.epochs, batch_size=options.batch, seed=seed, speed=options.speed
            )
            made = relaxed_search(space, task, method, settings)
            arch = made.architectures[0]
            accuracy = table.test(arch)
            found.setdefault(name, []).append(accuracy)
            course = []
            for record in made.trajectory[:: max(1, options.epochs // 10)]:
                chosen = {
                    path: list(space.decision(path).domain.values())[int(np.argmax(p))]
                    for path, p in record["probabilities"].items()
                }
                course.append(round(table.test(space.check(chosen)), 2))
            record = {
                "method": name,
                "seed": seed,
                "test_accuracy": accuracy,
                "skip_share": made.trajectory[-1]["skip_share"],
                "course": course,
                "cpu_seconds": round(time.process_time() - began, 1),
                "cell": dict(arch),
                "probabilities": made.trajectory[-1]["probabilities"],
            }
            print(json.dumps(record), flush=True)
            if options.out is not None:
                with options.out.open("a") as file:
                    file.write(json.dumps(record) + "\n")
    for name, values in found.items():
        print(f"{name:12s} median {statistics.median(values):.2f}  {[round(v, 2) for v in values]}")


if __name__ == "__main__":
    main()
