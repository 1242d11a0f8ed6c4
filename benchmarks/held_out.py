"""Tables over NAS-Bench-201's cells that the default strategy was not designed on.

Adversarial accuracies on CIFAR-10 (Jung, Lukasik and Keuper, Neural Architecture Design and
Robustness: A Dataset, ICLR 2023; eps 2) and the accuracies on further tasks that come with
HW-NAS-Bench-360. `python benchmarks/default_strategy.py --benchmarks held-out/fgsm,...` reads them
from here. PGD is not among them: it made the strategy change.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from archwright.benchmarks import Table
from archwright.benchmarks.nasbench201 import OPS, nasbench201_space

ATTACKS = {
    "fgsm": "fgsm@Linf_eps-2.0",
    "apgd": "aa_apgd-ce@Linf_eps-2.0",
    "square": "aa_square@Linf_eps-2.0",
}
EDGES = ("01", "02", "12", "03", "13", "23")
TASKS = ("cifar100", "ninapro", "darcy")
NAMES = tuple(f"held-out/{name}" for name in (*ATTACKS, *TASKS))


def held_out(name: str, data: Path) -> Table:
    """One of the tables; cells without a result are left out."""
    space = nasbench201_space()
    cells = pd.read_parquet(data / "bench" / "nasbench201" / "nasbench201.parquet")
    if name in ATTACKS:
        table = pd.read_parquet(
            data / "bench" / "nasbench201" / "nb201_robustness_cifar10.parquet"
        ).set_index("arch_index")[ATTACKS[name]]
    else:
        table = pd.read_parquet(data / "bench" / "hwnasbench360" / "hwnasbench360.parquet")
        table = table[table["task"] == name].groupby("arch_idx")["accuracy"].first()
    ops = cells.set_index("arch_index")[[f"op_e{edge}" for edge in EDGES]]
    rows = [
        (dict(zip(space.paths, (OPS[op] for op in ops.loc[i]), strict=True)), {"accuracy": value})
        for i, value in table.dropna().items()
    ]
    return Table(space, rows, name="held-out", dataset=name, unit="%")
