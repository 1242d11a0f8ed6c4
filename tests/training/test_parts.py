"""Averaging, mixing, distillation, optimisers, layout, run time."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from archwright.errors import InputError
from archwright.nn.contexts import threads
from archwright.training import Recipe
from archwright.training.averaging import WeightAverage
from archwright.training.distillation import distillation_loss
from archwright.training.layout import lay_out
from archwright.training.mixing import _beta, cutmix, mixup
from archwright.training.optimizers import build_optimizer
from archwright.training.runtime import is_out_of_memory, resolve_device
from tests.training.networks import equal, perceptron, small_cnn


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_the_average_is_the_corrected_exponential_one(decay):
    layer = nn.Linear(3, 2)
    average = WeightAverage(layer, decay=decay)
    history = []
    for _ in range(7):
        with torch.no_grad():
            layer.weight.copy_(torch.randn_like(layer.weight))
        history.append(layer.weight.detach().clone())
        average.update()
    weights = torch.tensor([decay**k for k in range(7)][::-1])
    expected = (torch.stack(history) * weights[:, None, None]).sum(0) / weights.sum()
    with average.applied():
        torch.testing.assert_close(layer.weight.detach(), expected)
    assert torch.equal(layer.weight, history[-1])


def test_running_statistics_are_averaged_and_counters_left():
    norm = nn.BatchNorm1d(2)
    average = WeightAverage(norm, decay=0.5)
    norm(torch.randn(8, 2) + 3)
    before = norm.running_mean.clone()
    average.update()
    norm(torch.randn(8, 2) + 9)
    average.update()
    with average.applied():
        assert (norm.running_mean > before).all()
        assert norm.num_batches_tracked == 2


def test_an_error_inside_the_context_puts_the_weights_back():
    layer = nn.Linear(2, 2)
    average = WeightAverage(layer, decay=0.5)
    average.update()
    with torch.no_grad():
        layer.weight.zero_()
    with pytest.raises(RuntimeError), average.applied():
        raise RuntimeError
    assert not layer.weight.any()


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.mark.parametrize("alpha", [0.05, 0.2, 1.0])
def test_shares_follow_the_symmetric_beta_distribution(alpha):
    source = generator()
    shares = torch.tensor([_beta(alpha, source) for _ in range(4000)])
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(1 / (4 * (2 * alpha + 1)), abs=0.02)


def test_mixup_blends_mirrored_rows():
    x = torch.randn(5, 3)
    mixed = mixup(x, 1.0, generator())
    torch.testing.assert_close(mixed.x, mixed.share * x + (1 - mixed.share) * x.flip(0))
    assert torch.equal(mixed.x[2], x[2])


def test_cutmix_counts_the_pixels_that_it_pastes():
    x = torch.stack([torch.zeros(1, 9, 7), torch.ones(1, 9, 7)])
    source = generator()
    for _ in range(50):
        mixed = cutmix(x, 1.0, source)
        assert mixed.x[0].mean().item() == pytest.approx(1 - mixed.share, abs=1e-6)
        assert mixed.x[1].mean().item() == pytest.approx(mixed.share, abs=1e-6)


@pytest.mark.parametrize("mixer", [mixup, cutmix])
def test_mixing_follows_its_generator(mixer):
    x = torch.randn(4, 1, 6, 6)
    assert torch.equal(mixer(x, 0.5, generator()).x, mixer(x, 0.5, generator()).x)


def test_distillation_at_temperature_1_is_cross_entropy_less_the_teachers_entropy():
    outputs, taught = torch.randn(6, 3), torch.randn(6, 3)
    soft = taught.softmax(1)
    entropy = -(soft * soft.log()).sum(1).mean()
    distance = distillation_loss(outputs, taught, kind="classification", temperature=1.0)
    torch.testing.assert_close(distance, F.cross_entropy(outputs, soft) - entropy)


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_a_student_nearer_to_its_teacher_loses_less(kind):
    taught = torch.randn(6, 3)
    far, near = taught + 2 * torch.randn(6, 3), taught + 0.1 * torch.randn(6, 3)
    losses = [distillation_loss(outputs, taught, kind=kind) for outputs in (near, far)]
    assert losses[0] < losses[1]


def test_norms_and_biases_are_not_decayed():
    network = perceptron()
    recipe = Recipe(lr=0.1, weight_decay=0.5, optimizer="sgd", momentum=0.0)
    optimizer = build_optimizer(network, recipe)
    for parameter in network.parameters():
        parameter.grad = torch.zeros_like(parameter)
    before = {name: p.detach().clone() for name, p in network.named_parameters()}
    optimizer.step()
    for name, parameter in network.named_parameters():
        assert torch.equal(parameter, before[name]) == (parameter.ndim == 1)


def test_a_network_without_parameters_is_refused():
    with pytest.raises(InputError, match="Flatten has no trainable parameter"):
        build_optimizer(nn.Flatten(), Recipe(lr=0.1, weight_decay=0.0))


def test_layouts_keep_values_and_are_undone():
    network, other = small_cnn(), small_cnn()
    lay_out(network, torch.channels_last)
    assert equal(network, other)
    lay_out(network, torch.contiguous_format)
    assert all(tensor.is_contiguous() for tensor in network.state_dict().values())


def test_an_unknown_device_is_an_input_error():
    with pytest.raises(InputError, match="'gpu'"):
        resolve_device("gpu")


@pytest.mark.parametrize("n_threads", [0, -1, 1.5, True, "two"])
def test_threads_must_be_a_whole_number(n_threads):
    with pytest.raises(InputError, match="n_threads"), threads(n_threads):
        pass


def test_threads_are_put_back_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(KeyError), threads(before + 1):
        raise KeyError
    assert torch.get_num_threads() == before


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), True),
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
    ],
)
def test_what_counts_as_out_of_memory(error, memory):
    assert is_out_of_memory(error) == memory
