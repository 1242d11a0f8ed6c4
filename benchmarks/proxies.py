"""Which zero-cost proxies to trust, and what they cost: see docs/proxies.md.

python benchmarks/proxies.py --n 100                    # agreement with accuracy, all proxies
python benchmarks/proxies.py --n 500 --names combination --batch 32
python benchmarks/proxies.py --cost                     # in plain forward and backward passes

Cells are drawn from the 6,466 distinct ones of NAS-Bench-201 with seed 0; the first n of them are
the same for every n up to 500. The tables lie at $ARCHWRIGHT_DATA, --data or ../shared/data.
Scores are kept in the file of --scores, if given, and not computed twice.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from proxies_one_by_one import one_by_one
from scipy.stats import spearmanr

from archwright.benchmarks.nasbench201 import EDGES, OPS, PATHS, distinct
from archwright.proxies import (
    COMBINATION,
    COMBINATION_WEIGHTS,
    GROUPS,
    HOWS,
    PROXIES,
    aggregate,
    agreement,
    score,
)
from archwright.proxies.registry import resolve, upward
from archwright.zoo import build_space

SHAPE = (3, 32, 32)
SETS = {"CIFAR-10": "c10", "CIFAR-100": "c100", "ImageNet16-120": "in16"}
PUBLISHED_NAMES = {"naswot": "nwot"}
DRAWN = 500
SEVEN = ("grad_norm", "snip", "plain", "fisher", "l2_norm", "naswot", "jacov")
THIRTEEN = (*SEVEN, "params", "flops", "epe_nas", "grasp", "synflow", "zen")
SLOW = ("grasp", "gradsign", "ntk", "zico")


def table(folder: Path) -> pd.DataFrame:
    """The published table, in the order of official indices."""
    frame = pd.read_parquet(folder / "bench" / "nasbench201" / "nasbench201.parquet")
    return frame.sort_values("arch_index").reset_index(drop=True)


def sample(frame: pd.DataFrame, n: int) -> list[int]:
    """Rows of distinct cells: the first n of a fixed random order."""
    codes = frame[[f"op_e{i}{j}" for i, j in EDGES]].to_numpy(dtype=np.int64)
    _, _, rows = distinct(codes)
    drawn = np.random.default_rng(0).choice(len(rows), max(n, DRAWN), replace=False)
    return [rows[i] for i in drawn[:n]]


def architecture(frame: pd.DataFrame, row: int) -> dict[str, str]:
    """The decisions of a cell."""
    return {path: OPS[frame[f"op_e{i}{j}"][row]] for path, (i, j) in zip(PATHS, EDGES, strict=True)}


def scored(frame: pd.DataFrame, rows: list[int], names: list[str], options: Any) -> list[dict]:
    """Scores of the cells; those of each of the seeds are averaged."""
    kept: dict[str, dict[str, float]] = {}
    if options.scores and options.scores.exists():
        kept = json.loads(options.scores.read_text())
    space = build_space("nasbench201", input_shape=SHAPE, n_outputs=10)
    start = time.perf_counter()
    found = []
    for k, row in enumerate(rows):
        each = []
        for seed in range(options.seeds):
            key = f"{row} {seed} {options.batch} {options.inputs}"
            known = kept.setdefault(key, {})
            missing = [n for n in names if n not in known]
            if missing:
                model = space.build(space.check(architecture(frame, row)), seed=seed)
                data = "natural" if options.inputs == "natural" else None
                known |= score(
                    model, missing, input_shape=SHAPE, batch=options.batch, seed=seed, data=data
                )
            each.append(known)
        both = set.intersection(*(set(e) for e in each))
        found.append({n: statistics.fmean(e[n] for e in each) for n in names if n in both})
        if options.scores and (k % 10 == 9 or k + 1 == len(rows)):
            options.scores.write_text(json.dumps(kept))
    print(f"{len(rows)} cells, {time.perf_counter() - start:.0f} s; {options}")
    return found


def report(frame: pd.DataFrame, rows: list[int], found: list[dict], names: list[str]) -> None:
    """Print agreement with accuracy, proxy by proxy and for combinations."""
    lines = {}
    for name in names:
        lines[name] = [upward(s, name) for s in found]
    combinations = {"combination": COMBINATION} | GROUPS
    for label, members in combinations.items():
        if set(members) <= set(names):
            weights = COMBINATION_WEIGHTS if label == "combination" else None
            for how in HOWS:
                lines[f"{label} ({how})"] = aggregate(found, members, how=how, weights=weights)
    size = frame["params_M"][rows].tolist()
    for title, short in SETS.items():
        accuracy = frame[f"{short}_test_ep200"][rows].tolist()
        print(f"\n{title}: test accuracy after 200 epochs, {len(rows)} cells")
        print(f"{'':32} Spearman Kendall  nDCG@50 regret  within equal params")
        for name, values in lines.items():
            a = agreement(values, accuracy, groups=size)
            print(
                f"{name:32} {a.spearman:8.3f} {a.kendall:7.3f} {a.ndcg:8.3f} {a.regret:6.2f} "
                f"{a.within_spearman:8.3f} (n = {a.n_within})"
            )
    published(frame, rows, lines)


def published(frame: pd.DataFrame, rows: list[int], lines: dict[str, list[float]]) -> None:
    """Print how our scores agree with the published ones, cell by cell."""
    print("\nagainst the published scores (CIFAR-10 images, batch of 64), same cells")
    print(f"{'':16} rank correlation   with CIFAR-10 accuracy: ours  published     n")
    accuracy = frame["c10_test_ep200"][rows].to_numpy()
    for name, values in lines.items():
        column = f"zc_c10_{PUBLISHED_NAMES.get(name, name)}"
        if column in frame:
            theirs, ours = frame[column][rows].to_numpy(), np.asarray(values)
            ok = np.isfinite(theirs) & np.isfinite(ours)
            figures = [
                spearmanr(a[ok], b[ok])[0]
                for a, b in ((ours, theirs), (ours, accuracy), (theirs, accuracy))
            ]
            print(
                f"{name:16} {figures[0]:16.3f} {figures[1]:29.3f} {figures[2]:10.3f} {ok.sum():5}"
            )


def plain_pass(model: torch.nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    """One forward and backward pass, as in training."""
    model.zero_grad()
    F.cross_entropy(model(x), y).backward()


def cost(frame: pd.DataFrame, options: Any) -> None:
    """Print what proxies cost in plain passes of the same network and batch."""
    torch.set_num_threads(1)
    space = build_space("nasbench201", input_shape=SHAPE, n_outputs=10)
    x = torch.randn(options.batch, *SHAPE)
    y = torch.randint(10, (options.batch,))
    calls = {"the seven": SEVEN, "the thirteen": THIRTEEN, "combination": COMBINATION}
    calls |= {name: (name,) for name in PROXIES} if options.each else {}
    ratios: dict[str, list[float]] = {name: [] for name in [*calls, "one by one", "share"]}
    for row in sample(frame, options.n):
        model = space.build(space.check(architecture(frame, row)), seed=0)
        score(model, THIRTEEN, input_shape=SHAPE, batch=2)  # whatever is done once is done

        plain_pass(model, x, y)
        for name, names in calls.items():
            plain, ours = [], []
            for _ in range(options.repeats):  # in turn, so that both see the same machine
                start = time.process_time()
                plain_pass(model, x, y)
                plain.append(time.process_time() - start)
                start = time.process_time()
                score(model, names, input_shape=SHAPE, batch=options.batch)
                ours.append(time.process_time() - start)
            ratios[name].append(min(ours) / min(plain))
        start = time.process_time()
        one_by_one(model, x, y)
        ratios["one by one"].append((time.process_time() - start) / min(plain))
        ratios["share"].append(ratios["the thirteen"][-1] / ratios["one by one"][-1])
    print(f"CPU time in plain passes (forward, backward); batch {options.batch}, {options.n} cells")
    for name, values in ratios.items():
        print(f"{name:16} median {statistics.median(values):.2f}, largest {max(values):.2f}")


def main() -> None:
    """Parse, compute, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n", type=int, default=None, help="cells (100; for --cost 5)")
    parser.add_argument("--skip", type=int, default=0, help="leave out so many of them, the first")
    parser.add_argument("--names", default="all", help="proxies, groups, all, fast or combination")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=1, help="initialisations to average over")
    parser.add_argument("--inputs", choices=("natural", "white"), default="natural")
    parser.add_argument("--scores", type=Path, help="file to keep scores in")
    parser.add_argument("--cost", action="store_true")
    parser.add_argument("--each", action="store_true", help="with --cost: each proxy by itself")
    parser.add_argument("--repeats", type=int, default=3)
    default = os.environ.get("ARCHWRIGHT_DATA", "../shared/data")
    parser.add_argument("--data", type=Path, default=Path(default))
    options = parser.parse_args()
    frame = table(options.data)
    if options.cost:
        options.n = options.n or 5
        cost(frame, options)
        return
    torch.set_num_threads(1)
    rows = sample(frame, options.n or 100)[options.skip :]
    if options.names == "all":
        names = list(PROXIES)
    elif options.names == "fast":
        names = [name for name in PROXIES if name not in SLOW]
    elif options.names == "combination":
        names = ["params", "flops", "n_layers", *COMBINATION]
    else:
        names = resolve(options.names.split(","))
    report(frame, rows, scored(frame, rows, names, options), names)


if __name__ == "__main__":
    main()
