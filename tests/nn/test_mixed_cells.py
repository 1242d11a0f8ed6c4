"""Mixed cells: the fast way computes what the plain reference computes, in float64."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import archwright.nn as aw
from archwright.nn import channelwise, mixed_cells
from archwright.nn.channelwise import Line, Window
from archwright.nn.mixed_cells import reference
from archwright.nn.mixture import Mixture, NotRelaxable, n_weights, walk
from archwright.space import Subset
from archwright.zoo.darts import darts_space
from archwright.zoo.nasbench201 import nasbench201_space
from tests.nn.toys import TOYS


@pytest.fixture(params=["compiled", "torch"])
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """With the C functions, and without."""
    if request.param == "torch":
        monkeypatch.setattr(channelwise, "function", lambda *_: None)
    elif channelwise.function("depthwise", torch.zeros(1), 1) is None:
        pytest.skip("no compiler")
    return request.param


@pytest.fixture
def fast_calls(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Grows with each cell that is computed the fast way."""
    calls: list[Any] = []
    real = mixed_cells.fast

    def noted(cell: Any, *rest: Any) -> Any:
        calls.append(cell)
        return real(cell, *rest)

    monkeypatch.setattr(mixed_cells, "fast", noted)
    return calls


def randomised(space: aw.ModelSpace, *, train: bool) -> nn.Module:
    supernet = space.supernet(seed=0).double().train(train)
    generator = torch.Generator().manual_seed(1)
    for tensor in (*supernet.parameters(), *supernet.buffers()):
        if tensor.is_floating_point() and tensor.ndim == 1:
            drawn = torch.rand(tensor.shape, generator=generator, dtype=tensor.dtype)
            tensor.data.copy_(drawn + 0.5)
    return supernet


def drawn_mixture(
    space: aw.ModelSpace, computed: Any = None, zeros: bool = False, inputs: str = "ones"
) -> Mixture:
    generator = torch.Generator().manual_seed(2)
    weights = {}
    for decision in walk(space):
        n = n_weights(decision.domain)
        drawn = torch.rand(n, generator=generator, dtype=torch.float64).softmax(0)
        if zeros:
            drawn[:: max(2, n // 2)] = 0.0
        if isinstance(decision.domain, Subset) and inputs == "ones":
            drawn = torch.ones(n, dtype=torch.float64)
        else:
            drawn.requires_grad_()
        weights[decision.path] = drawn
    return Mixture(weights, computed or {})


def step(supernet: Any, mixture: Mixture, x: Tensor, plain: bool) -> dict[str, Tensor]:
    """Outputs, all gradients and all buffers of one step."""
    tensors = {**dict(supernet.named_parameters()), **mixture.weights}
    for tensor in tensors.values():
        tensor.grad = None
    x = x.clone().requires_grad_()
    torch.manual_seed(3)  # restored by the fixture below: for dropout
    with reference() if plain else contextlib.nullcontext(), supernet.mixed(mixture):
        output = supernet(x)
    output.square().mean().backward()
    assert x.grad is not None
    found = {"output": output.detach(), "input": x.grad}
    found |= {f"{name} grad": t.grad for name, t in tensors.items() if t.grad is not None}
    return found | {name: b.clone() for name, b in supernet.named_buffers()}


@pytest.fixture(autouse=True)
def _same_random_state() -> Iterator[None]:
    state = torch.random.get_rng_state()
    yield
    torch.random.set_rng_state(state)


def check_equal(
    space: aw.ModelSpace,
    shape: tuple[int, ...],
    mixture: Mixture,
    *,
    train: bool = True,
    frozen: Callable[[Any, Mixture], None] = lambda supernet, mixture: None,
    order: torch.memory_format = torch.contiguous_format,
) -> dict[str, Tensor]:
    supernet = randomised(space, train=train)
    frozen(supernet, mixture)
    x = torch.randn(shape, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    x = x.contiguous(memory_format=order)
    state = {name: t.clone() for name, t in supernet.state_dict().items()}
    expected = step(supernet, mixture, x, plain=True)
    supernet.load_state_dict(state)
    found = step(supernet, mixture, x, plain=False)
    # What has no gradient one way may have zeros the other way.
    for name in expected.keys() ^ found.keys():
        assert not {**expected, **found}[name].any(), name
    for name in expected.keys() & found.keys():
        torch.testing.assert_close(
            found[name], expected[name], rtol=1e-12, atol=1e-12, msg=lambda m, n=name: f"{n}: {m}"
        )
    return found


DARTS = darts_space((3, 8, 8), 3, C=4, n_cells=3)
RELAXED = darts_space((3, 8, 8), 3, C=3, n_cells=3, relaxed=True)
BENCH = nasbench201_space((3, 8, 8), 3, channels=4, n_cells=1)


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("space", [DARTS, RELAXED, BENCH], ids=["affine", "relaxed", "nasbench201"])
def test_published_cells(
    space: aw.ModelSpace, train: bool, kernels: str, fast_calls: list[Any]
) -> None:
    check_equal(space, (4, 3, 8, 8), drawn_mixture(space), train=train)
    assert len(fast_calls) == 3


def test_weights_of_zero_and_of_inputs(kernels: str) -> None:
    mixture = drawn_mixture(DARTS, zeros=True, inputs="drawn")
    found = check_equal(DARTS, (3, 3, 9, 7), mixture)
    assert found["normal/4/inputs grad"].abs().min() > 0


def test_only_what_is_computed(fast_calls: list[Any]) -> None:
    computed: dict[str, tuple[int, ...]] = {
        "normal/0-2": (0,),  # nothing
        "normal/1-2": (7,),
        "normal/3/inputs": (0, 2),
        "normal/4/inputs": (),  # the node receives nothing
        "reduction/0-2": (4, 1),
        "reduction/2-3": (3,),
    }
    check_equal(DARTS, (4, 3, 8, 8), drawn_mixture(DARTS, computed))
    assert len(fast_calls) == 3


@pytest.mark.parametrize("trained", ["network", "mixture"])
def test_only_what_is_trained_gets_gradients(trained: str) -> None:
    def frozen(supernet: Any, mixture: Mixture) -> None:
        for parameter in supernet.parameters():
            parameter.requires_grad_(trained == "network")
        for weights in mixture.weights.values():
            weights.requires_grad_(trained == "mixture")

    found = check_equal(RELAXED, (4, 3, 8, 8), drawn_mixture(RELAXED), frozen=frozen)
    assert ("normal/0-2 grad" in found) == (trained == "mixture")
    assert any(name.startswith("model.") and "grad" in name for name in found) == (
        trained == "network"
    )


class Own(nn.Module):
    """A user's module, with something no one knows inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gain = nn.Parameter(torch.ones(width, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x * self.gain)


def odd_ops(width: int) -> dict[str, Any]:
    """Operations that lack something, or have more than others, in one size."""

    def depthwise(kernel: int, **options: Any) -> nn.Module:
        return nn.Conv2d(width, width, kernel, groups=width, bias=False, **options)

    norm = nn.BatchNorm2d
    return {
        "zero": None,
        "identity": None,
        "no_relu": lambda: nn.Sequential(
            depthwise(3, padding=1), nn.Conv2d(width, width, 1, bias=False), norm(width)
        ),
        "depthwise_only": lambda: nn.Sequential(nn.ReLU(), depthwise(7, padding=3)),
        "in_place": lambda: nn.Sequential(
            norm(width), nn.ReLU(inplace=True), depthwise(5, padding=4, dilation=2)
        ),
        "dropout": lambda: nn.Sequential(
            nn.MaxPool2d(3, 1, 1), nn.Dropout(0.3, inplace=True), norm(width, momentum=None)
        ),
        "bias": lambda: nn.Sequential(
            nn.MaxPool2d(3, 1, 1), nn.Conv2d(width, width, 3, padding=1), nn.Identity()
        ),
        "full": lambda: nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(width, 2 * width, 1, bias=False),
            norm(2 * width),
            nn.ReLU(inplace=True),
            nn.Conv2d(2 * width, 2 * width, 3, padding=1, groups=2 * width, bias=False),
            nn.Conv2d(2 * width, width, 1, bias=False),
            norm(width, affine=False, track_running_stats=False),
        ),
        "own": lambda: nn.Sequential(Own(width), nn.AvgPool2d(3, 1, 1)),
        "elastic": lambda: nn.Sequential(
            nn.ReLU(), aw.conv2d(width, width, kernel=aw.choice("kernel", [1, 3]))
        ),
    }


class Odd(nn.Module):
    def __init__(self, on: Any = "edge", select: Any = "all", output: Any = "last") -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 5, 3, 2, 1)
        self.cell = aw.cell(
            "cell", odd_ops(5), nodes=3, select=select, op_on=on, output=output, zero="zero",
            identity="identity",
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return self.cell(self.stem(x))


ODD = {
    "edges": aw.ModelSpace(Odd),
    "nodes": aw.ModelSpace(Odd, on="node", select=(1, None), output="select"),
    "joined": aw.ModelSpace(Odd, output="concat"),
}


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", ODD)
def test_odd_operations(name: str, train: bool, kernels: str, fast_calls: list[Any]) -> None:
    space = ODD[name]
    mixture = drawn_mixture(space, inputs="drawn")
    # Dropout draws in the order in which an image lies in memory.
    check_equal(space, (3, 3, 14, 13), mixture, train=train, order=torch.channels_last)
    assert len(fast_calls) == 1


def one_cell(options: dict[str, Any]) -> aw.ModelSpace:
    return aw.ModelSpace(lambda: aw.cell("cell", options, nodes=2))


def test_sources_that_are_chosen(fast_calls: list[Any]) -> None:
    """With replacement, each edge has a weight a source."""
    cell = {
        "conv": lambda: nn.Sequential(nn.ReLU(), nn.Conv2d(3, 3, 1)),
        "pool": lambda: nn.AvgPool2d(3, 1, 1),
    }
    space = aw.ModelSpace(
        lambda: aw.cell("cell", cell, nodes=2, select=2, replacement=True, output="concat")
    )
    check_equal(space, (2, 3, 5, 5), drawn_mixture(space))
    assert len(fast_calls) == 1


@pytest.mark.parametrize("first", [nn.ReLU(inplace=True), nn.Sequential(nn.ELU(inplace=True))])
def test_what_changes_its_input_is_computed_plainly(
    first: nn.Module, fast_calls: list[Any]
) -> None:
    space = one_cell(
        {"conv": lambda: nn.Sequential(first, nn.Conv2d(3, 3, 1)), "pool": lambda: nn.MaxPool2d(1)}
    )
    supernet = space.supernet(seed=0)
    with torch.no_grad(), supernet.mixed(Mixture({p: torch.ones(2) for p in space.paths})):
        supernet(torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0)))
    assert fast_calls == []


def test_hooks_are_called(fast_calls: list[Any]) -> None:
    space = one_cell(
        {
            "conv": lambda: nn.Sequential(nn.ReLU(), nn.Conv2d(3, 3, 1)),
            "pool": lambda: nn.MaxPool2d(1),
        }
    )
    supernet = space.supernet(seed=0)
    called = []
    relus = [module for module in supernet.modules() if isinstance(module, nn.ReLU)]
    for relu in relus:
        relu.register_forward_hook(lambda *_: called.append(1))
    with supernet.mixed(Mixture({p: torch.ones(2) for p in space.paths})):
        supernet(torch.zeros(1, 3, 4, 4))
    assert len(called) == len(relus) == 3
    assert len(fast_calls) == 1


def test_what_is_no_image_is_computed_plainly(fast_calls: list[Any]) -> None:
    space, inputs = TOYS["nasbench101"]
    arch = space.sample(rng=random.Random(0))
    supernet = space.supernet(seed=0)
    with aw.seeded(0), supernet.mixed(Mixture.one_hot(space, arch)), torch.no_grad():
        supernet(inputs())
    assert fast_calls == []


def test_shapes_that_differ_are_named(fast_calls: list[Any]) -> None:
    space = one_cell({"a": lambda: nn.MaxPool2d(3, 1, 1), "b": lambda: nn.MaxPool2d(2, 1)})
    with (
        space.supernet().mixed(Mixture({p: torch.ones(2) for p in space.paths})) as supernet,
        pytest.raises(NotRelaxable, match="different shapes"),
    ):
        supernet(torch.zeros(1, 1, 4, 4))
    assert len(fast_calls) == 1


def test_one_value_a_channel_is_refused_as_by_torch() -> None:
    space = one_cell({"norm": lambda: nn.BatchNorm2d(2), "pool": lambda: nn.MaxPool2d(1)})
    with (
        space.supernet().mixed(Mixture({p: torch.ones(2) for p in space.paths})) as supernet,
        pytest.raises(ValueError, match="Expected more than 1 value per channel"),
    ):
        supernet(torch.zeros(1, 2, 1, 1))


WINDOWS = [
    Window(3, 1, 1, 1), Window(5, 1, 2, 1), Window(3, 2, 1, 1), Window(5, 2, 4, 2),
    Window(3, 1, 2, 2), Window(7, 2, 3, 1), Window(3, 1, 0, 1), Window(5, 3, 1, 2),
    Window(1, 2, 1, 1),
]  # fmt: skip


@pytest.mark.parametrize("channels", [1, 4, 24])
@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("size", [(9, 12), (8, 7)], ids=str)
def test_depthwise_convolutions(
    window: Window, channels: int, size: tuple[int, int], kernels: str
) -> None:
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    x = channelwise.last(drawn(3, channels, *size))
    weight = drawn(channels, 1, window.kernel, window.kernel)
    line = Line(drawn(channels), drawn(channels))
    for used in (None, line):
        rectified = x
        if used is not None:
            rectified = F.relu(x * line.scale[:, None, None] + line.shift[:, None, None])
        one, other = rectified.clone().requires_grad_(), weight.clone().requires_grad_()
        expected = F.conv2d(
            one, other, None, window.stride, window.padding, window.dilation, channels
        )
        grad = channelwise.last(drawn(*expected.shape))
        grads = torch.autograd.grad(expected, (one, other), grad)
        found = (
            channelwise.depthwise(x, weight, window, used),
            channelwise.depthwise_input_gradient(grad, weight, window, size),
            channelwise.depthwise_weight_gradient(grad, x, window, used),
        )
        for ours, theirs in zip(found, (expected, *grads), strict=True):
            torch.testing.assert_close(ours, theirs.detach(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_moments_of_large_means_keep_their_digits(dtype: torch.dtype, kernels: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(4, 6, 9, 9, generator=generator, dtype=torch.float64) + 1000
    x = channelwise.last(x.to(dtype))
    mean, variance = channelwise.statistics(x, eps=1e-5).moments
    exact = torch.var_mean(x.double(), (0, 2, 3), correction=0)
    torch.testing.assert_close(variance, exact[0], rtol=1e-5, atol=0)
    # Torch's batch normalisation, which is what is used without a compiler, adds up floats.
    rtol = 1e-6 if kernels == "torch" and dtype == torch.float32 else 1e-7
    torch.testing.assert_close(mean, exact[1], rtol=rtol, atol=0)


def test_numbers_that_are_none_stay(kernels: str) -> None:
    x = torch.full((1, 4, 3, 3), float("nan"))
    line = Line(torch.ones(4), torch.zeros(4))
    y = channelwise.depthwise(channelwise.last(x), torch.ones(4, 1, 1, 1), Window(1, 1, 0, 1), line)
    assert y.isnan().all()


def test_gradcheck(kernels: str) -> None:
    space = darts_space((1, 4, 4), 2, C=2, n_cells=1, relaxed=True)
    supernet = randomised(space, train=True)
    mixture = drawn_mixture(space)
    paths = [path for path in mixture.weights if path.startswith("reduction/")][:1]
    x = torch.randn(2, 1, 4, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)

    def output(*weights: Tensor) -> Tensor:
        mixed = {**mixture.weights, **dict(zip(paths, weights, strict=True))}
        with supernet.mixed(Mixture(mixed)):
            return supernet(x).square().mean()

    assert torch.autograd.gradcheck(output, [mixture.weights[path] for path in paths])


class AddsInPlace(nn.Module):
    def forward(self, x):
        x += 1.0
        return x


class HandsOn(nn.Module):
    def forward(self, x):
        return x


@pytest.mark.parametrize(
    "odd",
    [
        lambda: nn.Sequential(nn.AvgPool2d(3, 1, 1), nn.Dropout(0.5), nn.SiLU(inplace=True)),
        lambda: nn.Sequential(nn.ReLU(), AddsInPlace()),
        lambda: nn.Sequential(nn.ReLU(), HandsOn(), nn.Hardswish(inplace=True)),
    ],
)
@pytest.mark.parametrize("odd_first", [True, False])
def test_what_operations_share_is_changed_by_none_of_them(odd, odd_first):
    shared = {
        "pool": lambda: nn.Sequential(nn.AvgPool2d(3, 1, 1), nn.Conv2d(4, 4, 1)),
        "relu": lambda: nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 1)),
    }
    options = {"odd": odd, **shared} if odd_first else {**shared, "odd": odd}

    def net():
        return aw.cell("c", options, nodes=2)

    supernet = aw.ModelSpace(net).supernet(seed=0).double().eval()
    x = torch.randn(2, 4, 6, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    third = torch.full((3,), 1 / 3, dtype=torch.float64)
    weights = Mixture({f"c/{edge}": third for edge in ("0-1", "0-2", "1-2")})
    with torch.no_grad(), supernet.mixed(weights):
        found = supernet(x)
        with mixed_cells.reference():
            wanted = supernet(x)
    assert torch.allclose(found, wanted, rtol=1e-12, atol=1e-12)
