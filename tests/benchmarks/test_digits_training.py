"""Networks of digits-cells trained side by side are trained as they would be alone."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import archwright as aw
from archwright.benchmarks import digits_training
from archwright.benchmarks.abreast import CellsAbreast, wiring
from archwright.benchmarks.digits_network import DigitsCell

OPERATIONS = {
    "cell/1/op": "separable",
    "cell/1/op=separable/kernel": 5,
    "cell/2/op": "conv",
    "cell/2/op=conv/kernel": 3,
    "cell/3/op": "pool",
    "cell/3/op=pool/kind": "max",
}
WIRINGS = [((0, 1), (1, 2)), ((0,), (0,)), ((1,), (2,)), ((0,), (0, 1))]


@pytest.fixture(scope="module")
def space():
    return aw.ModelSpace(DigitsCell)


@pytest.fixture(scope="module")
def architectures(space):
    return [
        space.check(OPERATIONS | {"cell/2/inputs": second, "cell/3/inputs": third})
        for second, third in WIRINGS
    ]


@pytest.fixture(scope="module")
def data():
    return digits_training.load()


def train_alone(space, architecture, data, seed, epochs):
    """The recipe in plain torch; answers the network and its last epoch's mean loss."""
    network = space.build(architecture, seed=seed)
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.02, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 160)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        losses = []
        network.train()
        for batch in torch.randperm(400, generator=generator).split(40):
            loss = F.cross_entropy(network(data.images[batch][:, None]), data.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
    return network.eval(), sum(losses) / len(losses)


@pytest.mark.parametrize("training", [True, False])
def test_networks_abreast_compute_what_each_computes(space, architectures, training):
    networks = [space.build(arch, seed=i).train(training) for i, arch in enumerate(architectures)]
    together = CellsAbreast(networks, [wiring(arch) for arch in architectures]).train(training)
    x = torch.randn(6, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    made = together(x)
    for i, network in enumerate(networks):
        assert torch.allclose(made[:, i], network(x[:, i : i + 1]), atol=1e-5)


def test_training_abreast_is_training_alone(space, architectures, data, monkeypatch):
    monkeypatch.setattr(digits_training, "EPOCHS", (1, 2))
    # The schedule is over all epochs: 16 of them, of which two are run here.
    monkeypatch.setattr(digits_training, "N_STEPS", 160)
    seeds = (0, 2)
    readings = digits_training.train(space, architectures, data, seeds=seeds)
    for i in (0, 3):
        for k, seed in enumerate(seeds):
            network, train_loss = train_alone(space, architectures[i], data, seed, 2)
            with torch.no_grad():
                logits = network(data.images[400:1100, None])
            right = (logits.argmax(1) == data.labels[400:1100]).sum().item()
            loss = F.cross_entropy(logits, data.labels[400:1100]).item()
            assert readings.train_loss[i, k, 1] == pytest.approx(train_loss, rel=1e-3)
            assert readings.valid_loss[i, k, 1] == pytest.approx(loss, rel=1e-2)
            assert abs(readings.valid_correct[i, k, 1] - right) <= 7


def test_the_data_are_split_without_overlap_and_standardised_by_the_training_images(data):
    assert data.images.shape == (1797, 8, 8)
    assert float(data.images[:400].mean()) == pytest.approx(0, abs=1e-5)
    assert float(data.images[:400].std()) == pytest.approx(1, abs=1e-5)
    assert np.bincount(data.labels[:400].numpy()).min() >= 25


def test_abreast_refuses_a_layer_that_it_does_not_know():
    from archwright.benchmarks.abreast import abreast

    with pytest.raises(TypeError, match="PReLU"):
        abreast([torch.nn.PReLU(), torch.nn.PReLU()])


def test_abreast_keeps_all_of_a_convolution():
    from archwright.benchmarks.abreast import abreast

    nets = [torch.nn.Conv2d(2, 3, 3, padding=2, dilation=2, padding_mode="circular") for _ in "ab"]
    x = torch.randn(2, 4, 8, 8)
    made = torch.cat([net(x[:, 2 * i : 2 * i + 2]) for i, net in enumerate(nets)], 1)
    assert torch.allclose(abreast(nets)(x), made, atol=1e-5)
