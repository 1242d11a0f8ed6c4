"""How the networks of digits-cells are trained and read."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from archwright.benchmarks.abreast import CellsAbreast, wiring
from archwright.benchmarks.digits_cells import EPOCHS, SEEDS
from archwright.nn import ModelSpace

N_TRAIN, N_VALID, N_TEST = 400, 700, 697
BATCH = 40
N_STEPS = EPOCHS[-1] * (N_TRAIN // BATCH)
LEARNING_RATE = 0.02
WEIGHT_DECAY = 0.01
# Reading takes images by this many: what they make then stays in the processor's cache.
_READ = 40


@dataclass(frozen=True)
class Digits:
    """The images of scikit-learn, standardised, in the order that the split was drawn.

    Attributes:
        images: 1,797 x 8 x 8; the first 400 train, the next 700 validate, 697 test.
        labels: 1,797.
    """

    images: Tensor
    labels: Tensor


def load() -> Digits:
    """The data, always split the same way.

    >>> load().images.shape
    torch.Size([1797, 8, 8])
    """
    from sklearn.datasets import load_digits

    found = load_digits()
    order = np.random.RandomState(0).permutation(len(found.target))
    images = torch.tensor(found.images[order], dtype=torch.float32)
    known = images[:N_TRAIN]
    return Digits((images - known.mean()) / known.std(), torch.tensor(found.target[order]))


@dataclass(frozen=True)
class Readings:
    """What was read of some architectures, each `architectures x seeds x epochs`.

    Attributes:
        valid_correct: validation images (of 700) that were classified correctly.
        test_correct: test images (of 697).
        valid_loss: mean cross-entropy on the validation images, in nats.
        train_loss: mean cross-entropy over the epoch's training steps, in nats.
        seconds: processor time of the training up to each epoch, as `epochs` numbers, of all
            architectures together.
    """

    valid_correct: npt.NDArray[np.int64]
    test_correct: npt.NDArray[np.int64]
    valid_loss: npt.NDArray[np.float64]
    train_loss: npt.NDArray[np.float64]
    seconds: npt.NDArray[np.float64]


def train(
    space: ModelSpace,
    architectures: Sequence[Mapping[str, Any]],
    data: Digits,
    *,
    seeds: Sequence[int] = SEEDS,
) -> Readings:
    """Train architectures that differ in their wiring only, side by side, with all seeds.

    AdamW, learning rate 0.02 falling to 0 by half a cosine over 16 epochs, weight decay 0.01,
    batches of 40, no augmentation.

    Args:
        space: the space of `DigitsCell`.
        architectures: with the same operations.
        data: from `load`.
        seeds: one network is trained with each.
    """
    networks = [space.build(arch, seed=seed) for seed in seeds for arch in architectures]
    model = CellsAbreast(networks, [wiring(arch) for _ in seeds for arch in architectures])
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY, fused=True
    )
    steps = N_TRAIN // BATCH
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, N_STEPS)
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]
    each, shape = len(architectures), (len(seeds), len(architectures))
    kept: dict[str, list[Any]] = {name: [] for name in ("valid", "test", "loss", "train", "time")}
    spent = 0.0
    for epoch in range(1, EPOCHS[-1] + 1):
        started = time.process_time()
        model.train()
        orders = torch.stack([torch.randperm(N_TRAIN, generator=g) for g in generators], 1)
        orders = orders.repeat_interleave(each, 1)  # images x networks
        total = torch.zeros(len(networks))
        for batch in orders.split(BATCH):
            x = data.images[batch].contiguous(memory_format=torch.channels_last)
            losses = _losses(model(x), data.labels[batch]).mean(0)
            optimizer.zero_grad()
            # The sum over networks: each gets the gradient that it would get alone.
            losses.sum().backward()
            optimizer.step()
            schedule.step()
            total += losses.detach()
        spent += time.process_time() - started
        if epoch in EPOCHS:
            correct, loss = _read(model, data, len(networks))
            kept["valid"].append(correct[:N_VALID].sum(0).view(shape).numpy())
            kept["test"].append(correct[N_VALID:].sum(0).view(shape).numpy())
            kept["loss"].append(loss[:N_VALID].double().mean(0).view(shape).numpy())
            kept["train"].append((total.double() / steps).view(shape).numpy())
            kept["time"].append(spent)

    def stacked(name: str) -> Any:
        return np.stack(kept[name], -1).swapaxes(0, 1)  # architectures x seeds x epochs

    return Readings(
        stacked("valid"),
        stacked("test"),
        stacked("loss"),
        stacked("train"),
        np.array(kept["time"]),
    )


def _losses(logits: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each image and network; logits `batch x n x 10`, labels `batch x n`."""
    each = F.cross_entropy(logits.flatten(0, 1), labels.flatten(), reduction="none")
    return each.view(labels.shape)


@torch.no_grad()
def _read(model: CellsAbreast, data: Digits, n: int) -> tuple[Tensor, Tensor]:
    """Right or wrong, and the loss, for each validation and test image and each network."""
    model.eval()
    images = data.images[N_TRAIN:, None].expand(-1, n, -1, -1)
    logits = torch.cat(
        [model(part.contiguous(memory_format=torch.channels_last)) for part in images.split(_READ)]
    )
    labels = data.labels[N_TRAIN:, None].expand(-1, n)
    return logits.argmax(-1) == labels, _losses(logits, labels)
