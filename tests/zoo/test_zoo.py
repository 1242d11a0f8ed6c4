"""Every space of the zoo: the law on a hundred architectures, sizes, gradients."""

import random

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from archwright.nn import ModelSpace
from archwright.testing import check_law
from archwright.zoo import SPACES, build_space
from archwright.zoo.shapes import image_scale
from tests.zoo.small import SMALL

IMAGE_SPACES = [name for name, entry in SPACES.items() if "image" in entry.modalities]

# Deep or wide even so: fewer architectures of these in the tests that run each time.
LARGE = (
    "nasnet",
    "darts",
    "proxyless",
    "fbnet",
    "ofa_mobilenet_v3",
    "ofa_resnet",
    "shufflenet_v2_spos",
)


def small(name: str, input_shape: tuple[int, ...] | None = None) -> ModelSpace:
    if input_shape is None:
        input_shape = (5,) if name == "mlp" else (1, 8, 8)
    return build_space(name, input_shape=input_shape, n_outputs=3, **SMALL.get(name, {}))


def n_parameters(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


class TestLaw:
    @pytest.mark.parametrize("name", SPACES)
    def test_build_extract_and_supernet_agree(self, name):
        shape = (4, 5) if name == "mlp" else (2, 1, 8, 8)
        n = 20 if name in LARGE else 100
        check_law(small(name), lambda: torch.randn(shape), n=n)

    @pytest.mark.slow
    @pytest.mark.parametrize("name", SPACES)
    def test_at_full_size(self, name):
        shape = (4, 20) if name == "mlp" else (2, 3, 32, 32)
        space = build_space(name, input_shape=shape[1:], n_outputs=10)
        check_law(space, lambda: torch.randn(shape), n=100)

    def test_mlp_of_flattened_images(self):
        check_law(small("mlp", (1, 3, 3)), lambda: torch.randn(4, 1, 3, 3), n=20)


class TestNetworks:
    @settings(max_examples=25, deadline=None)
    @given(
        name=st.sampled_from(IMAGE_SPACES),
        shape=st.tuples(st.integers(1, 4), st.integers(4, 70), st.integers(4, 70)),
        seed=st.integers(0, 1000),
    )
    def test_any_size_of_image(self, name, shape, seed):
        space = small(name, shape)
        model = space.build(space.sample(seed=seed), device="meta")
        assert model(torch.zeros(2, *shape, device="meta")).shape == (2, 3)

    @pytest.mark.parametrize(
        ("name", "shape", "low", "high"),
        [
            ("resnet_cnn", (1, 8, 8), 20_000, 50_000),
            ("resnet_cnn", (1, 28, 28), 60_000, 150_000),
            ("resnet_cnn", (3, 224, 224), 1_000_000, 3_000_000),
            ("chain_cnn", (1, 8, 8), 20_000, 50_000),
            ("chain_cnn", (1, 28, 28), 50_000, 150_000),
            ("branched_cnn", (1, 8, 8), 30_000, 60_000),
            ("branched_cnn", (1, 28, 28), 60_000, 150_000),
            ("mobilenet", (1, 8, 8), 20_000, 50_000),
            ("mobilenet", (1, 28, 28), 50_000, 150_000),
            ("mobilenet", (3, 224, 224), 1_000_000, 5_000_000),
            ("nasnet", (1, 8, 8), 20_000, 100_000),
            ("mlp", (8,), 10_000, 50_000),
        ],
    )
    def test_default_network_is_sized_to_the_data(self, name, shape, low, high):
        space = build_space(name, input_shape=shape, n_outputs=10)
        assert low <= n_parameters(space.build(space.default, device="meta")) <= high

    @pytest.mark.parametrize("name", SPACES)
    def test_default_is_what_calling_the_class_makes(self, name):
        space = small(name)
        if name in ("nasnet", "nasbench1shot1"):
            pytest.skip("its default is given by the function that makes the space")
        built = space.build(space.default).state_dict()
        called = space.factory(*space.args, **space.kwargs).state_dict()
        assert {k: v.shape for k, v in built.items()} == {k: v.shape for k, v in called.items()}

    @pytest.mark.parametrize("name", SPACES)
    def test_a_few_steps_reduce_the_loss(self, name):
        space = small(name)
        rng = torch.Generator().manual_seed(0)
        shape = (96, 5) if name == "mlp" else (96, 1, 8, 8)
        y = torch.randint(0, 3, (96,), generator=rng)
        x = torch.randn(shape, generator=rng)
        # The class is the sign pattern of the first two entries, which a network can learn.
        x.flatten(1)[:, :4] += (y[:, None] - 1) * 2.0
        model = space.build(space.default, seed=0)
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        losses = []
        for _ in range(25):
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[0] < 2.5
        assert losses[-1] < 0.6 * losses[0]

    @pytest.mark.parametrize("name", SPACES)
    def test_all_parameters_of_the_default_get_gradients(self, name):
        space = small(name)
        model = space.build(space.default, seed=0)
        x = torch.randn(8, 5) if name == "mlp" else torch.randn(8, 1, 8, 8)
        model(x).square().sum().backward()
        assert [key for key, p in model.named_parameters() if p.grad is None] == []


class TestSpaces:
    @pytest.mark.parametrize("name", SPACES)
    def test_neighbours_and_crossover_stay_inside(self, name):
        space = small(name)
        rng = random.Random(0)
        a, b = space.sample(rng=rng), space.sample(rng=rng)
        assert space.contains(space.mutate(a, rng=rng))
        assert space.contains(space.crossover(a, b, rng=rng))
        assert all(space.contains(arch) for arch in space.neighbours(a)[:20])

    @pytest.mark.parametrize("name", SPACES)
    def test_default_and_random_differ(self, name):
        space = small(name)
        assert len({space.default, *(space.sample(seed=s) for s in range(5))}) == 6

    def test_sizes(self):
        assert small("nasbench201").size == 5**6
        # Two inputs of 2, 3, 4 or 5, each with one of 8 operations; two cells.
        assert small("darts").size == (1 * 3 * 6 * 10 * 8**8) ** 2
        # Two edges of five nodes: 13 operations of 2, 3, 4, 5 or 6 sources each; two cells.
        assert small("nasnet").size == (13**10 * (2 * 3 * 4 * 5 * 6) ** 2) ** 2
        # embedding (none, periodic x 3) x dropout x activation x norm x
        # (plain: depths 1 to 4 of 5 widths; residual: 4 widths x 4 depths x 3 expansions)
        bodies = 5 + 5**2 + 5**3 + 5**4 + 4 * 4 * 3
        assert build_space("mlp", input_shape=(8,), n_outputs=1).size == 4 * 5 * 3 * 3 * bodies


class TestScale:
    @given(st.integers(1, 4), st.integers(4, 600), st.integers(4, 600))
    def test_at_least_one_pixel_and_no_huge_maps_are_left(self, channels, height, width):
        scale = image_scale("x", (channels, height, width))
        total = scale.stem_stride
        for stride in scale.strides:
            total *= stride
        assert min(height, width) / total >= 0.5
        assert total == 32 or height * width / total**2 <= 200

    def test_widths_never_shrink(self):
        for side in (4, 8, 16, 28, 64, 224):
            widths = image_scale("x", (1, side, side)).widths()
            assert list(widths) == sorted(widths)
