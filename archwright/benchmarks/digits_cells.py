"""`digits-cells`: a benchmark that ships in the package, 3,255 distinct cells trained for it.

What it is made of, and how, is told in docs/digits-cells.md. Here nothing needs torch.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from archwright.benchmarks.base import Benchmark
from archwright.benchmarks.rows import Canonical, Rows
from archwright.errors import InputError
from archwright.space import (
    Architecture,
    Branch,
    CellGraph,
    Decision,
    Scalar,
    Space,
    choice,
    subset,
)
from archwright.trials import Objective

if TYPE_CHECKING:
    import pandas as pd

    from archwright.nn import ModelSpace

FILE = Path(__file__).with_name("digits_cells.npz")
"""The table in the package."""
EPOCHS = (1, 2, 4, 8, 16)
"""After which of its epochs each network was read."""
SEEDS = (0, 1, 2)
"""Seeds of the initial weights and of the order of the training images."""
NOT_LIVE = 255
"""The code of a decision that is not live."""
_COSTS = ("params", "flops")


class DigitsCells(Benchmark):
    """3,255 distinct cells, trained on scikit-learn's 8 x 8 digits with three seeds each.

    A cell has three nodes; each takes one or two of what comes before it and does one of seven
    things to their sum: a 1 x 1 or 3 x 3 convolution in two groups, a separable one of 3 x 3 or
    5 x 5, maximum or average pooling, nothing. These are 6,174 architectures; canonical duplicates
    answer the same. Metrics: `valid_accuracy` (in per cent of 700 images), `valid_loss` (nats),
    `params`, `flops`; test accuracy is that on 697 images, the mean of three seeds. Simulated
    seconds are those of training one network.

    Args:
        seed: 0, 1 or 2, validation results of one training, as a search on real data meets them;
            None, the mean of the three.
        epochs: a training in full: 1, 2, 4, 8 or 16. The numbers of epochs below can be asked for
            as budgets. They are points of one training, with a learning rate that falls to 0 at
            epoch 16.
        minimize: further goals, of `valid_loss`, `params` and `flops`.
        limits: metric -> upper bound, as for `archwright.search`.

    Raises:
        InputError: an unknown seed, number of epochs or goal.

    >>> benchmark = DigitsCells()
    >>> benchmark.space.size, len(benchmark.source)
    (6174, 3255)
    >>> sorted(benchmark.read(benchmark.space.default).metrics)
    ['flops', 'params', 'valid_accuracy', 'valid_loss']
    """

    def __init__(
        self,
        *,
        seed: int | None = None,
        epochs: int = 16,
        minimize: str | Sequence[str] = (),
        limits: dict[str, float] | None = None,
    ) -> None:
        if seed is not None and seed not in SEEDS:
            raise InputError(f"digits-cells: seed must be one of {SEEDS} or None, got {seed!r}")
        if epochs not in EPOCHS:
            raise InputError(f"digits-cells: epochs must be one of {EPOCHS}, got {epochs!r}")
        goals: list[Any] = [minimize]
        if isinstance(minimize, Iterable) and not isinstance(minimize, str):
            goals = list(minimize)
        if not (limits is None or isinstance(limits, Mapping)):
            raise InputError(
                f"digits-cells: limits must be a mapping from metric to upper bound, got {limits!r}"
            )
        for name in goals:
            if name not in ("valid_loss", *_COSTS):
                raise InputError(
                    "digits-cells: minimize must be of valid_loss, params and flops, got "
                    f"{name!r}; valid_accuracy is maximised always"
                )
        table = DigitsTable.load()
        budgets = EPOCHS[: EPOCHS.index(epochs) + 1]
        which = slice(None) if seed is None else slice(seed, seed + 1)
        accuracy = table.valid_accuracy[:, which].mean(1)
        loss = table.valid_loss[:, which].mean(1)
        space = digits_cells_space()
        source = Rows(
            Canonical(space),
            {Architecture({"cell": form}): row for row, form in enumerate(table.forms)},
            [
                {
                    "valid_accuracy": accuracy[:, e].tolist(),
                    "valid_loss": loss[:, e].tolist(),
                    "params": table.params.tolist(),
                    "flops": table.flops.tolist(),
                }
                for e in range(len(budgets))
            ],
            seconds=[table.seconds[:, e].tolist() for e in range(len(budgets))],
            test=table.test_accuracy[:, :, len(budgets) - 1].mean(1).tolist(),
        )
        super().__init__(
            "digits-cells",
            space,
            source,
            Objective.of(maximize="valid_accuracy", minimize=goals, limits=limits or {}),
            dataset="digits" if seed is None else f"digits, seed {seed}",
            budgets=budgets,
            unit="%",
        )


@dataclass(frozen=True)
class DigitsTable:
    """All that was measured, each row a distinct cell; for studies of the table itself.

    Attributes:
        codes: cells x decisions, the position of each decision's value in its domain in the order
            of the space's `paths`; 255: not live.
        forms: the canonical expression of each cell.
        params: parameters.
        flops: FLOPs of one image.
        valid_accuracy: cells x seeds x epochs, in per cent.
        test_accuracy: the same on test images.
        valid_loss: cells x seeds x epochs, mean cross-entropy in nats.
        train_loss: the same over the epoch's training steps.
        seconds: cells x epochs, simulated seconds of training one network up to an epoch.
        about: versions, numbers of images, seeds and epochs.
    """

    codes: npt.NDArray[np.uint8]
    forms: tuple[str, ...]
    params: npt.NDArray[np.int64]
    flops: npt.NDArray[np.int64]
    valid_accuracy: npt.NDArray[np.float64]
    test_accuracy: npt.NDArray[np.float64]
    valid_loss: npt.NDArray[np.float64]
    train_loss: npt.NDArray[np.float64]
    seconds: npt.NDArray[np.float64]
    about: dict[str, Any]

    @classmethod
    def load(cls, file: Path = FILE) -> DigitsTable:
        """The table in the package, or one made anew.

        Args:
            file: what `python -m archwright.benchmarks.make_digits_cells` wrote.

        >>> table = DigitsTable.load()
        >>> table.valid_accuracy.shape
        (3255, 3, 5)
        """
        with np.load(file) as kept:
            about = json.loads(bytes(kept["about"]))
            return cls(
                codes=kept["codes"],
                forms=tuple(bytes(kept["forms"]).decode().split("\n")),
                params=kept["params"].astype(np.int64),
                flops=kept["flops"].astype(np.int64),
                valid_accuracy=kept["valid_correct"] * (100 / about["n_valid"]),
                test_accuracy=kept["test_correct"] * (100 / about["n_test"]),
                valid_loss=kept["valid_loss"] / 1000,
                train_loss=kept["train_loss"] / 1000,
                seconds=kept["seconds"] / 1e6,
                about=about,
            )

    @cached_property
    def architectures(self) -> list[Architecture]:
        """One architecture of each class, that which was trained."""
        space = digits_cells_space()
        values = [list(space.decision(path).domain.values()) for path in space.paths]
        return [
            space.check(
                {
                    path: known[code]
                    for path, known, code in zip(space.paths, values, row, strict=True)
                    if code != NOT_LIVE
                }
            )
            for row in self.codes.tolist()
        ]

    def frame(self) -> pd.DataFrame:
        """One row for each cell and seed: decisions, costs, and the readings of every epoch.

        >>> DigitsTable.load().frame().shape
        (9765, 39)
        """
        import pandas as pd

        n = len(self.forms)
        rows = np.repeat(np.arange(n), len(SEEDS))
        paths = list(digits_cells_space().paths)
        frame = pd.DataFrame([dict(self.architectures[i]) for i in rows], columns=paths)
        frame["seed"] = np.tile(SEEDS, n)
        more: dict[str, Any] = {"params": self.params[rows], "flops": self.flops[rows]}
        for name in ("valid_accuracy", "test_accuracy", "valid_loss", "train_loss"):
            for e, epoch in enumerate(EPOCHS):
                more[f"{name}_{epoch}"] = getattr(self, name)[:, :, e].reshape(-1)
        more["seconds_16"] = self.seconds[rows, -1]
        more["form"] = [self.forms[i] for i in rows]
        return frame.assign(**more)


def digits_cells_space() -> Space:
    """The space, as plain decisions: what `digits_cells_networks` has without torch.

    >>> digits_cells_space().size
    6174
    """
    paths = [f"cell/{node}/op" for node in (1, 2, 3)]
    inputs = [None, "cell/2/inputs", "cell/3/inputs"]
    cell = CellGraph.on_nodes("cell", 1, paths, inputs=inputs, output="loose", identity="skip")
    decisions = [_operation(paths[0])]
    for node in (2, 3):
        decisions.append(Decision(f"cell/{node}/inputs", subset(node, low=1, high=2)))
        decisions.append(_operation(paths[node - 1]))
    space = Space(decisions, cells=[cell])
    space.name = "digits-cells"
    return space


def digits_cells_networks() -> ModelSpace:
    """The same space with networks, to train them oneself. It needs torch.

    >>> digits_cells_networks() == digits_cells_space()
    True
    """
    from archwright.benchmarks.digits_network import DigitsCell
    from archwright.nn import ModelSpace

    space = ModelSpace(DigitsCell)
    space.name = "digits-cells"
    return space


def _operation(path: str) -> Decision:
    below: dict[str, tuple[str, tuple[Scalar, ...]]] = {
        "conv": ("kernel", (1, 3)),
        "separable": ("kernel", (3, 5)),
        "pool": ("kind", ("max", "avg")),
    }
    branches = [
        Branch({op}, [Decision(f"{path}={op}/{name}", choice(values))])
        for op, (name, values) in below.items()
    ]
    return Decision(path, choice([*below, "skip"]), branches=tuple(branches))
