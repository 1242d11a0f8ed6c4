"""Building costs little more than calling the modules' constructors by hand."""

import random
import statistics
import time

import pytest
from torch import nn

import archwright.nn as aw
from tests.nn.toys import nasbench201


class ByHand(nn.Module):
    """A cell that holds what the built one holds."""

    def __init__(self, width, chosen):
        super().__init__()
        self.edges = nn.ModuleDict({name: make(op, width) for name, op in chosen.items()})


def make(op, width):
    if op == "avg_pool_3x3":
        return nn.AvgPool2d(3, 1, 1, count_include_pad=False)
    kernel = 1 if op == "nor_conv_1x1" else 3
    return nn.Sequential(
        nn.ReLU(),
        nn.Conv2d(width, width, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(width),
    )


@pytest.mark.slow
def test_sample_and_build_against_by_hand():
    n_cells, width = 15, 16
    space = aw.ModelSpace(nasbench201, width, n_cells)
    rng = random.Random(0)
    by_hand, built = [], []
    for _ in range(150):
        start = time.process_time()
        arch = space.sample(rng=rng)
        model = space.build(arch)
        built.append(time.process_time() - start)
        chosen = {name: arch[f"cell/{name[5]}-{name[7]}"] for name, _ in model[1].named_children()}
        start = time.process_time()
        nn.Sequential(
            nn.Conv2d(3, width, 3, padding=1), *(ByHand(width, chosen) for _ in range(n_cells))
        )
        by_hand.append(time.process_time() - start)
    ratio = statistics.mean(sorted(built)[:120]) / statistics.mean(sorted(by_hand)[:120])
    print(f"sample and build: {ratio:.2f} x by hand")
    assert ratio < 1.3
