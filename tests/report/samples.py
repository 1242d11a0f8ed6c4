"""Results made up for the tests: no search is run, every number comes from a seeded generator."""

from __future__ import annotations

import math
import random
from pathlib import Path
from typing import Any

from archwright.space import Branch, Choice, Decision, Integer, Real, Space
from archwright.trials import Baseline, Final, History, Objective, Result, Trial


def mobile_space(n_stages: int = 3, max_depth: int = 3) -> Space:
    """Conditional, like a stage of inverted bottlenecks."""
    roots = [Decision("width", Choice((16, 24, 32)), default=24)]
    for s in range(n_stages):
        layers = []
        for i in range(max_depth):
            own = (
                Decision(f"stage.{s}/depth.{i}/kernel", Choice((3, 5))),
                Decision(f"stage.{s}/depth.{i}/expand", Choice((2, 3, 6)), default=3),
            )
            layers.append(Branch(set(range(i + 1, max_depth + 1)), own))
        roots.append(Decision(f"stage.{s}/depth", Integer(1, max_depth), branches=tuple(layers)))
        roots.append(Decision(f"stage.{s}/se", Choice((False, True))))
    return Space(roots)


def costs_of(architecture: Any) -> dict[str, float]:
    params = 900.0
    width = architecture.get("width", 24)
    for path, value in architecture.items():
        if path.endswith("/expand"):
            stage = int(path.split("/")[0].split(".")[1])
            kernel = architecture[path.replace("expand", "kernel")]
            channels = width * (1 + 0.5 * stage)
            params += channels * value * (2 * channels + kernel * kernel) * 0.45
    params = float(round(params))
    return {
        "params": params,
        "flops": float(round(params * 61.7)),
        "latency_ms": 0.35 + params / 60_000,
    }


def accuracy_of(architecture: Any, rng: random.Random) -> float:
    params = costs_of(architecture)["params"]
    quality = 0.955 + 0.033 * (1 - math.exp(-params / 22_000))
    quality += 0.004 * sum(1 for k, v in architecture.items() if k.endswith("/se") and v)
    quality -= 0.002 * sum(1 for k, v in architecture.items() if k.endswith("kernel") and v == 5)
    return round(min(0.9975, quality + rng.gauss(0, 0.0025)), 4)


def curve_of(best: float, n: int, rng: random.Random) -> tuple[dict[str, float], ...]:
    return tuple(
        {
            "epoch": e,
            "train_loss": round(2.1 * math.exp(-e / 2.5) + 0.05 + rng.random() * 0.02, 4),
            "accuracy": round(best - 0.6 * math.exp(-e / 1.6) - rng.random() * 0.003, 4),
        }
        for e in range(1, n + 1)
    )


TRACEBACK = """Traceback (most recent call last):
  File "/home/user/model.py", line 31, in forward
    return self.head(x.flatten(1))
RuntimeError: mat1 and mat2 shapes cannot be multiplied (64x{n} and 128x10)"""


def mobile_result(
    *,
    n: int = 120,
    minimize: str | None = None,
    limit: float | None = 50_000,
    with_final: bool = True,
    graph: Any = None,
    seed: int = 0,
    folder: Path | None = None,
    **changes: Any,
) -> Result:
    """As a search on digits with a limit on the parameters would leave it."""
    rng = random.Random(seed)
    space = mobile_space()
    limits = {} if limit is None else {"params": limit}
    objective = Objective.of(maximize="accuracy", minimize=minimize, limits=limits)
    history = History(space, objective)
    clock, good, nan = 4.0, [], "NotFinite: loss is NaN"
    number = 0
    while number < n:
        if number == 0:
            arch, origin, parent = space.default, "default", None
        elif number < 26 or not good:
            arch, origin, parent = space.sample(rng=rng), "random", None
        else:
            best = max(rng.sample(good, min(8, len(good))), key=lambda t: t.metrics["accuracy"])
            arch, origin, parent = space.mutate(best.architecture, rng=rng), "mutation", best.number
        metrics = costs_of(arch)
        common = {"origin": origin, "parent": parent, "seed": rng.getrandbits(31), "started": clock}
        if not objective.feasible(metrics):
            text = "; ".join(objective.broken(metrics))
            trial = Trial(number, arch, "infeasible", metrics, error=text, finished=clock, **common)
            history.add(trial)
            number += 1
            continue
        seconds = 1.2 + metrics["params"] / 30_000 + rng.random()
        clock += seconds / 2
        common |= {"seconds": seconds, "finished": clock}
        if number in (17, 44, 61):
            error = TRACEBACK.format(n=rng.randint(100, 999))
            trial = Trial(number, arch, "failed", metrics, error=error, **common)
        elif number > 79 and not any(t.error == nan for t in history):
            trial = Trial(number, arch, "failed", metrics, error=nan, **common)
        else:
            score = accuracy_of(arch, rng) - (0.05 if number % 37 == 5 else 0)
            metrics |= {"accuracy": score, "loss": round(1.2 - score, 4)}
            trial = Trial(
                number, arch, "complete", metrics, curve_of(score, 8, rng), budget=8.0, **common
            )
            good.append(trial)
        history.add(trial)
        number += 1
    info: dict[str, Any] = {
        "seed": seed,
        "strategy": "evolution",
        "space": "mobilenet",
        "metric": "accuracy",
        "trials_asked": None,
        "seconds_asked": 300.0,
        "n_workers": 2,
        "planned_at": 4.0,
        "search_seconds": clock,
        "final_seconds": 61.2,
        "export_seconds": 9.4,
        "seconds": clock + 72.9,
        "stopped": "time is up",
        "command": "archwright search digits --maximize accuracy --limit params=50k --minutes 5 "
        "--out runs/digits --seed 0",
        "versions": {"python": "3.11.7", "archwright": "0.1.0", "torch": "2.13.0"},
        "machine": "Some CPU @ 2.2 GHz, 2 cores, 8 GiB; Linux x86_64; Python 3.11.7, torch 2.13.0",
        "notes": [],
        "task": {
            "name": "digits",
            "kind": "classification",
            "modality": "image",
            "n_train": 1078,
            "n_validation": 359,
            "n_test": 360,
            "n_outputs": 10,
            "input_shape": [1, 8, 8],
        },
        "recipe": {
            "optimizer": "adamw",
            "lr": 0.003,
            "schedule": "one_cycle",
            "batch_size": 64,
            "label_smoothing": 0.1,
        },
    }
    info.update(changes)
    result = Result(history, info, folder=folder)
    result.baselines = [
        Baseline("random forest", {"accuracy": 0.9721}, {"accuracy": 0.9667}, 0.9),
        Baseline("logistic regression", {"accuracy": 0.9582}, {"accuracy": 0.9611}, 0.2),
        Baseline("k nearest neighbours", {"accuracy": 0.9833}, {"accuracy": 0.9806}, 0.1),
    ]
    best = history.best
    if with_final and best is not None:
        result.finals = [
            Final(
                best.number,
                best.architecture,
                {"accuracy": 0.9917, "macro_f1": 0.9915, "loss": 0.041},
                (0.976, 0.9972),
                {
                    **costs_of(best.architecture),
                    "size_bytes": 193_412.0,
                    "activation_bytes": 41_000.0,
                },
                tuple(
                    {"epoch": p["epoch"], "train_loss": p["train_loss"]}
                    for p in curve_of(0.99, 24, rng)
                ),
                58.3,
                24,
                folder="export",
                graph=graph if graph is not None else mobile_graph(),
            )
        ]
    return result


class _Graph:
    """Builds what `archwright.hardware.graph` gives."""

    def __init__(self, shape: list[int]) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.edges: list[list[int]] = []
        self.add("input", "input", "", shape, [])

    def add(
        self, label: str, kind: str, name: str, shape: list[int], before: list[int], params: int = 0
    ) -> int:
        number = len(self.nodes)
        positions = math.prod(shape[1:]) if len(shape) == 3 else 1
        self.nodes.append(
            {
                "id": number,
                "label": label,
                "kind": kind,
                "name": name,
                "shape": shape,
                "params": params,
                "flops": 2 * params * positions,
            }
        )
        self.edges.extend([b, number] for b in before)
        return number

    def finish(self, last: int, n: int) -> dict[str, Any]:
        self.add("output", "output", "", [n], [last])
        return {"nodes": self.nodes, "edges": self.edges}


def mobile_graph(blocks: int = 7) -> dict[str, Any]:
    """Inverted bottlenecks with residual additions."""
    g = _Graph([1, 8, 8])
    x = g.add("conv 3x3 24", "Conv2d", "stem.0", [24, 8, 8], [0], 216)
    x = g.add("batch norm", "BatchNorm2d", "stem.1", [24, 8, 8], [x], 48)
    x = g.add("relu", "ReLU", "stem.2", [24, 8, 8], [x])
    for b in range(blocks):
        size, start, name = (8 if b < 3 else 4), x, f"stages.{b // 3}.{b % 3}"
        for k, (label, p) in enumerate(
            [("conv 1x1 72", 1728), ("depthwise conv 3x3 72", 648), ("conv 1x1 24", 1728)]
        ):
            shape = [24 if k == 2 else 72, size, size]
            x = g.add(label, "Conv2d", f"{name}.conv{k}", shape, [x], p)
            x = g.add("batch norm", "BatchNorm2d", f"{name}.norm{k}", shape, [x], 144)
            if k < 2:
                x = g.add("hardswish", "Hardswish", f"{name}.act{k}", shape, [x])
        if b != 3:
            x = g.add("add", "add", name, [24, size, size], [start, x])
    x = g.add("average pool global", "AdaptiveAvgPool2d", "pool", [24, 1, 1], [x])
    x = g.add("linear 10", "Linear", "head", [10], [x], 250)
    return g.finish(x, 10)


def cell_graph(cells: int = 6) -> dict[str, Any]:
    """Cells with five sums of two branches, each reading the two cells before, as NASNet's."""
    rng = random.Random(1)
    g = _Graph([3, 32, 32])
    before = last = 0
    kinds = ["depthwise conv 3x3 32", "depthwise conv 5x5 32", "average pool 3x3", "max pool 3x3"]
    for c in range(cells):
        shape = [32, 32 >> (c // 2), 32 >> (c // 2)]
        hidden = [before, last]
        sums = []
        for b in range(5):
            ends = []
            for side in range(2):
                label = rng.choice(kinds)
                kind, params = ("Conv2d", 1200) if "conv" in label else ("AvgPool2d", 0)
                name = f"cells.{c}.nodes.{b}.{side}"
                ends.append(g.add(label, kind, name, shape, [rng.choice(hidden)], params))
            hidden.append(g.add("add", "add", f"cells.{c}.nodes.{b}", shape, ends))
            sums.append(hidden[-1])
        used = {a for a, _ in g.edges}
        free = [s for s in sums if s not in used]
        before, last = last, g.add("concat", "concat", f"cells.{c}", [160, *shape[1:]], free)
    return g.finish(g.add("linear 10", "Linear", "head", [10], [last], 1610), 10)


def table_result(n: int = 5000) -> Result:
    """A search of a table: thousands of cheap trials, nothing trained."""
    rng = random.Random(7)
    space = Space(
        {f"edge.{i}": Choice(("none", "skip", "conv1", "conv3", "pool")) for i in range(6)}
    )
    worth = {"none": -3.0, "skip": 0.2, "conv1": 0.5, "conv3": 1.0, "pool": -0.4}
    history = History(space, Objective.of(minimize="error"))
    for i in range(n):
        arch = space.sample(rng=rng)
        score = sum(worth[v] * (1 + k / 6) for k, v in enumerate(arch.values()))
        error = round(6 + 60 / (1 + math.exp(score)) + rng.gauss(0, 0.3), 3)
        origin = "random" if i < 100 else "mutation"
        history.add(Trial(i, arch, metrics={"error": error}, origin=origin))
    return Result(history, {"seed": 7, "strategy": "evolution", "space": "nasbench201"})


def nothing_result() -> Result:
    """Every trial failed or broke the limit."""
    space = mobile_space()
    history = History(space, Objective.of(maximize="accuracy", limits={"params": 100}))
    rng = random.Random(0)
    for i in range(12):
        arch = space.sample(rng=rng)
        text = f"params is {costs_of(arch)['params']:g}, the limit is params <= 100"
        history.add(Trial(i, arch, "infeasible", costs_of(arch), error=text))
    return Result(history, {"seed": 0, "strategy": "random", "space": "mobilenet", "seconds": 0.4})


def hostile_result() -> Result:
    """Markup, quotes and characters from everywhere in every text that a user can set."""
    space = Space(
        [
            Decision('a<b>&"c"', Choice(("<script>alert(1)</script>", "größer ≥ 3", "日本"))),
            Decision("lr", Real(1e-4, 1e-1, log=True)),
        ]
    )
    history = History(space, Objective.of(maximize="acc<uracy>"))
    rng = random.Random(3)
    for i in range(14):
        history.add(
            Trial(i, space.sample(rng=rng), metrics={"acc<uracy>": rng.random()}, origin="<i>x</i>")
        )
    history.add(
        Trial(
            14, space.sample(rng=rng), "failed", error="Boom\x00\x1b[31m</pre><img src=x onerror=y>"
        )
    )
    info = {
        "strategy": "</title><script>1</script>",
        "space": "sp&ce \udcff",
        "command": "archwright search 'a&b <c>.csv' --target \"x\"",
        "task": {"name": "</h1>日本 data"},
        "notes": ["<b>note</b>"],
        "stopped": "time > up",
    }
    return Result(history, info)
