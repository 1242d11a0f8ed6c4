"""Make the table of digits-cells anew: `python -m archwright.benchmarks.make_digits_cells`.

Trains every distinct architecture with three seeds, on one core, from scikit-learn's data. What was
trained is kept in a folder, so that a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn
import torch

from archwright._version import __version__
from archwright.benchmarks.digits_cells import EPOCHS, NOT_LIVE, SEEDS, digits_cells_networks
from archwright.benchmarks.digits_training import N_TEST, N_TRAIN, N_VALID, load, train
from archwright.hardware import costs
from archwright.nn import ModelSpace
from archwright.space import Architecture, Space

_KINDS = (
    ("conv", 1), ("conv", 3), ("separable", 3), ("separable", 5), ("pool", "max"), ("pool", "avg")
)  # fmt: skip


def groups(space: Space) -> list[list[Architecture]]:
    """One architecture of each canonical class, together with those of the same operations.

    >>> from archwright.benchmarks.digits_cells import digits_cells_space
    >>> found = groups(digits_cells_space())
    >>> len(found), sum(map(len, found))
    (343, 3255)
    """
    seen = set()
    found: dict[Any, list[Architecture]] = {}
    for architecture in space.enumerate():
        canonical = space.canonical(architecture)
        if canonical not in seen:
            seen.add(canonical)
            key = tuple((p, v) for p, v in architecture.items() if not p.endswith("/inputs"))
            found.setdefault(key, []).append(architecture)
    return list(found.values())


def encode(space: Space, architecture: Architecture) -> list[int]:
    """The position of each decision's value in its domain, in the order of `space.paths`."""
    return [
        list(space.decision(path).domain.values()).index(architecture[path])
        if path in architecture
        else NOT_LIVE
        for path in space.paths
    ]


def make(folder: Path, out: Path) -> None:
    """Train what `folder` does not hold yet, and write the table.

    Args:
        folder: for what was trained so far, a file for each combination of operations.
        out: the table to write.
    """
    folder.mkdir(parents=True, exist_ok=True)
    space, data = digits_cells_networks(), load()
    todo = groups(space)
    started = time.monotonic()
    for i, architectures in enumerate(todo):
        file = folder / f"{i:03d}.npz"
        if file.exists():
            continue
        read = train(space, architectures, data)
        cost = _costs(space, architectures)
        part = file.with_suffix(".part")
        with part.open("wb") as stream:
            np.savez(
                stream,
                codes=np.array([encode(space, arch) for arch in architectures], np.uint8),
                params=np.array([c["params"] for c in cost]),
                flops=np.array([c["flops"] for c in cost]),
                **{name: getattr(read, name) for name in read.__dataclass_fields__},
            )
        part.replace(file)
        print(f"{i + 1} of {len(todo)}, {time.monotonic() - started:.0f} s", flush=True)
    write(folder, space, todo, out)


def _costs(space: ModelSpace, architectures: list[Architecture]) -> list[dict[str, float]]:
    """Parameters and FLOPs, counted once for each number of features that are classified."""
    known: dict[int, dict[str, float]] = {}
    found = []
    for architecture in architectures:
        network: Any = space.build(architecture, device="meta")
        features = network.head[-1].in_features
        if features not in known:
            known[features] = costs(network, (1, 8, 8), names=("params", "flops"))
        found.append(known[features])
    return found


def write(folder: Path, space: Space, todo: list[list[Architecture]], out: Path) -> None:
    """Put the parts together, as small whole numbers."""
    parts = [dict(np.load(folder / f"{i:03d}.npz")) for i in range(len(todo))]
    measured = np.array([part["seconds"][-1] / (len(SEEDS) * len(part["codes"])) for part in parts])
    counts = np.array([_operations(architectures[0]) for architectures in todo])
    full = counts @ np.linalg.lstsq(counts, measured, rcond=None)[0]
    shares = np.array(EPOCHS) / EPOCHS[-1]
    for part, seconds in zip(parts, full, strict=True):
        part["seconds"] = np.tile(seconds * shares, (len(part["codes"]), 1))
    table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    forms = [space.canonical(arch)["cell"] for architectures in todo for arch in architectures]
    about = {
        "format": 1,
        "epochs": EPOCHS,
        "seeds": SEEDS,
        "n_train": N_TRAIN,
        "n_valid": N_VALID,
        "n_test": N_TEST,
        "archwright": __version__,
        "torch": torch.__version__,
        "sklearn": sklearn.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
    }
    with out.open("wb") as stream:
        np.savez_compressed(
            stream,
            about=_bytes(json.dumps(about)),
            forms=_bytes("\n".join(map(str, forms))),
            codes=table["codes"],
            params=table["params"].astype(np.uint16),
            flops=table["flops"].astype(np.uint16),
            valid_correct=table["valid_correct"].astype(np.uint16),
            test_correct=table["test_correct"].astype(np.uint16),
            # In thousandths of a nat, and in microseconds.
            valid_loss=np.rint(table["valid_loss"] * 1e3).clip(0, 65535).astype(np.uint16),
            train_loss=np.rint(table["train_loss"] * 1e3).clip(0, 65535).astype(np.uint16),
            seconds=np.rint(table["seconds"] * 1e6).astype(np.uint32),
        )


def _operations(architecture: Architecture) -> list[int]:
    """One, and how often each operation is in the cell.

    On a machine that does other things, too, the time measured for one group is off by as much as
    groups differ: what is kept is the sum of what operations cost, by least squares over all.
    """
    done: list[tuple[Any, ...]] = []
    for node in (1, 2, 3):
        path = f"cell/{node}/op"
        below = [v for p, v in architecture.items() if p.startswith(f"{path}=")]
        done.append((architecture[path], *below))
    return [1, *(done.count(kind) for kind in _KINDS)]


def _bytes(text: str) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text.encode(), np.uint8)


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("digits_cells_parts"))
    parser.add_argument("--out", type=Path, default=Path("digits_cells.npz"))
    given = parser.parse_args()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    make(given.folder, given.out)


if __name__ == "__main__":
    main()
