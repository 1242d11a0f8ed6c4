"""Supernets: activation, gradients, copies."""

import copy
import pickle

import pytest
import torch
from torch import nn

import archwright.nn as aw
from archwright.errors import SpaceError
from tests.nn.toys import TOYS


def net():
    width = aw.choice("width", [2, 4])
    return nn.Sequential(
        aw.linear(3, width), aw.batch_norm1d(width), aw.dropout(0.0), aw.linear(width, 2)
    )


SPACE = aw.ModelSpace(net)
NARROW, WIDE = {"width": 2}, {"width": 4}
X = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))


def test_activation_nests_and_restores():
    supernet = SPACE.supernet(seed=0)
    assert supernet.architecture is None
    with supernet.active(NARROW) as same:
        assert same is supernet
        assert supernet.architecture == SPACE.check(NARROW)
        with supernet.active(WIDE):
            assert supernet.architecture["width"] == 4
            assert supernet.model[0](X).shape == (8, 4)
        assert supernet.model[0](X).shape == (8, 2)
        with pytest.raises(ZeroDivisionError), supernet.active(WIDE):
            1 / 0  # noqa: B018
        assert supernet.model[0](X).shape == (8, 2)
    assert supernet.architecture is None
    with pytest.raises(SpaceError):
        supernet(X)


def test_two_supernets_are_apart():
    a, b = SPACE.supernet(seed=0), SPACE.supernet(seed=0)
    with a.active(NARROW), pytest.raises(SpaceError):
        b(X)


def test_gradients_reach_the_active_slices_only():
    supernet = SPACE.supernet(seed=0)
    with supernet.active(NARROW):
        supernet(X).square().sum().backward()
    weight = supernet.model[0]._parameters["weight"]
    assert weight.grad[:2].abs().min() > 0
    assert weight.grad[2:].abs().max() == 0
    assert supernet.model[3]._parameters["weight"].grad[:, 2:].abs().max() == 0
    before = weight.detach().clone()
    with supernet.active(NARROW):  # an optimiser sees whole tensors, active or not
        torch.optim.SGD(supernet.parameters(), lr=0.1).step()
    assert not torch.equal(weight[:2], before[:2])
    assert torch.equal(weight[2:], before[2:])


def test_running_statistics_are_shared():
    supernet = SPACE.supernet(seed=0).train()
    with supernet.active(NARROW):
        supernet(X)
    mean = supernet.model[1]._buffers["running_mean"]
    assert mean[:2].abs().min() > 0
    assert mean[2:].abs().max() == 0
    assert supernet.extract(NARROW)[1].num_batches_tracked == 1


def test_training_learns():
    supernet = SPACE.supernet(seed=0).train()
    optimizer = torch.optim.Adam(supernet.parameters(), lr=0.05)
    target = X[:, :2].clone()

    def loss(arch):
        with supernet.active(arch):
            return (supernet(X) - target).square().mean()

    first = loss(NARROW).item()
    for step in range(60):
        optimizer.zero_grad()
        loss((NARROW, WIDE)[step % 2]).backward()
        optimizer.step()
    assert loss(NARROW).item() < 0.5 * first


def test_extract_shares_nothing_and_keeps_mode_type_and_gradients():
    supernet = SPACE.supernet(seed=0).eval().double()
    supernet.model[0].bias.requires_grad_(False)
    small = supernet.extract(NARROW)
    assert not small.training
    assert not small[0].bias.requires_grad
    assert small[0].weight.dtype == torch.float64
    small[0].weight.data.zero_()
    assert supernet.model[0]._parameters["weight"].abs().min() > 0
    assert supernet.train().extract(NARROW).training
    assert supernet.architecture is None


def test_extract_leaves_the_generators_alone():
    supernet = SPACE.supernet(seed=0)
    before = torch.random.get_rng_state()
    supernet.extract(WIDE)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("how", ["deepcopy", "pickle"])
@pytest.mark.parametrize("name", TOYS)
def test_copies_are_whole_and_apart(name, how):
    space, inputs = TOYS[name]
    with aw.seeded(0):
        x = inputs()
    x = x if isinstance(x, tuple) else (x,)
    supernet = space.supernet(seed=0).eval()
    again = copy.deepcopy(supernet) if how == "deepcopy" else pickle.loads(pickle.dumps(supernet))
    arch = space.sample(seed=5)
    with torch.no_grad(), supernet.active(arch):
        with pytest.raises(SpaceError):
            again(*x)
        with again.active(arch):
            torch.testing.assert_close(again(*x), supernet(*x), rtol=0, atol=0, equal_nan=True)
    again.load_state_dict(supernet.state_dict())


def test_initialisation_loops_see_torch_layers():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = aw.conv2d(1, aw.choice("width", [2, 4]), kernel=3)
            self.tied = aw.linear(3, aw.choice("n", [2, 4]), bias=False)
            self.table = aw.embedding(aw.choice("n", [2, 4], shared=True), 3)
            self.table.weight = self.tied.weight
            for module in self.modules():
                if isinstance(module, nn.Conv2d):
                    nn.init.constant_(module.weight, 2.0)

        def forward(self, x):
            return self.conv(x)

    class Shared(Net):
        def __init__(self):
            with aw.scope("net", shared=True):
                super().__init__()

    supernet = aw.ModelSpace(Shared).supernet(seed=0)
    assert supernet.model.conv.weight.unique().tolist() == [2.0]
    assert isinstance(supernet.model.conv, nn.Conv2d)
    with supernet.active({"net/width": 2, "net/n": 2}):
        assert supernet.model.conv.weight.shape == (2, 1, 3, 3)
        assert supernet.model.conv.out_channels == 2
        assert supernet.model.tied.weight.shape == (2, 3)
    small = supernet.extract({"net/width": 2, "net/n": 2})
    assert small.tied.weight is small.table.weight
    assert torch.equal(small.tied.weight, supernet.model.tied.weight[:2])


def test_lists_and_rows_iterate_over_the_live_items():
    def make():
        return nn.ModuleDict(
            {
                "row": aw.repeat("row", 1, 3, lambda i: nn.Identity()),
                "list": aw.repeat("list", 0, 2, lambda i: nn.Identity(), as_list=True),
            }
        )

    supernet = aw.ModelSpace(make).supernet()
    row, items = supernet.model["row"], supernet.model["list"]
    assert (len(row), len(items)) == (3, 2)
    with supernet.active({"row": 2, "list": 0}):
        assert (len(row), len(list(row)), len(items), list(items)) == (2, 2, 0, [])
    assert isinstance(items, nn.ModuleList)
    assert isinstance(row, nn.Sequential)


def test_it_can_be_shown():
    text = repr(TOYS["conv2d"][0].supernet())
    assert "out_channels=width" in text
    assert "groups=2 * width" in text
    assert "cell" in repr(TOYS["darts"][0].supernet())
