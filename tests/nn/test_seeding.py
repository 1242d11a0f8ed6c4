"""Seeding and sketching leave the process as it was."""

import subprocess
import sys

import pytest
import torch
from torch import nn

import archwright.nn as aw
from archwright.nn.sketch import sketching


def test_seeded_restores_on_errors():
    before = torch.random.get_rng_state()
    with pytest.raises(ZeroDivisionError), aw.seeded(1):
        torch.rand(3)[0] / (1 // 0)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_seeded_with_none_changes_nothing():
    with aw.seeded(5):
        expected = torch.rand(2)
    with aw.seeded(5), aw.seeded(None):
        assert torch.equal(torch.rand(2), expected)


@pytest.mark.gpu
def test_seeded_on_cuda():
    torch.rand(1, device="cuda")
    before = torch.cuda.get_rng_state()
    with aw.seeded(1):
        a = torch.rand(3, device="cuda")
    with aw.seeded(1):
        b = torch.rand(3, device="cuda")
    assert torch.equal(a, b)
    assert torch.equal(torch.cuda.get_rng_state(), before)


def test_sketching_fills_nothing_and_only_on_meta():
    with sketching():
        layer = nn.Embedding(10, 3)
        nn.init.trunc_normal_(layer.weight, std=0.02)
        real = torch.zeros(2, device="cpu").normal_(generator=torch.Generator().manual_seed(0))
    assert layer.weight.is_meta
    assert real.abs().min() > 0


@pytest.mark.integration
def test_tracing_does_not_load_the_compiler():
    code = (
        "import sys, archwright.nn as aw\n"
        "aw.ModelSpace(lambda: aw.embedding(aw.choice('n', [10, 20]), 4))\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
