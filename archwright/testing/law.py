"""The law of the space language, for spaces of your own.

`build(arch)` and `supernet.extract(arch)` are the same plain torch network, and it computes what
the supernet computes while `arch` is active.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from archwright.nn import ModelSpace, seeded
from archwright.space import Architecture

_HOOKS = (
    "_backward_pre_hooks",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_pre_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


def check_law(
    space: ModelSpace,
    example_inputs: Callable[[], Any],
    *,
    n: int = 100,
    seed: int = 0,
    relative: float = 1e-6,
) -> None:
    """Raises AssertionError where a space breaks the law of the language.

    For `n` random architectures:

    1. `build(arch)` and `supernet.extract(arch)` have the same `state_dict` keys and shapes;
    2. neither holds a class of the language, a hook, or a tensor it shares with the supernet;
    3. in eval mode the extracted network computes what the supernet computes under
       `active(arch)`, bit by bit, or within `relative` of the greatest output where slicing
       changes the order of a sum;
    4. the built network, given the extracted weights, computes exactly what the extracted does.

    The supernet's weights, running statistics included, are random, so that a wrong slice shows.

    Args:
        space: the space.
        example_inputs: makes the input: a tensor, or a tuple of what the network takes. It is
            called once, inside `seeded`.
        n: how many architectures are drawn.
        seed: for the architectures, the weights and the inputs.
        relative: the greatest difference allowed, relative to the greatest output.

    >>> import archwright as aw
    >>> def net():
    ...     width = aw.choice("width", [4, 8])
    ...     return nn.Sequential(aw.linear(3, width), nn.ReLU(), aw.linear(width, 2))
    >>> check_law(aw.ModelSpace(net), lambda: torch.randn(5, 3), n=4)
    """
    with seeded(seed):
        inputs = example_inputs()
        supernet = space.supernet(seed=seed).eval()
        randomise(supernet)
    if not isinstance(inputs, tuple):
        inputs = (inputs,)
    own = {t.untyped_storage().data_ptr() for t in supernet.state_dict().values() if t.numel()}
    rng = random.Random(seed)
    for _ in range(n):
        arch = space.sample(rng=rng)
        built = space.build(arch, seed=seed).eval()
        extracted = supernet.extract(arch)
        _same_state(built, extracted, arch)
        for model in (built, extracted):
            _check_plain(model, own, arch)
        with torch.no_grad():
            with supernet.active(arch):
                expected = _tensors(supernet(*inputs))
            found = _tensors(extracted(*inputs))
            built.load_state_dict(extracted.state_dict())
            again = _tensors(built(*inputs))
        assert len(found) == len(expected), f"{arch}: extract answers {len(found)} tensors"
        for ours, theirs, third in zip(found, expected, again, strict=True):
            assert ours.shape == theirs.shape, (
                f"{arch}: extract answers {tuple(ours.shape)}, the supernet {tuple(theirs.shape)}"
            )
            assert torch.equal(ours, third), (
                f"{arch}: the built network with the extracted weights computes something else"
            )
            if not torch.equal(ours, theirs):
                worst = float((ours - theirs).abs().max())
                allowed = relative * float(theirs.abs().max())
                assert worst <= allowed, (
                    f"{arch}: extract and supernet differ by {worst:.3g}, allowed {allowed:.3g}"
                )


def randomise(model: nn.Module) -> None:
    """Fill parameters and running statistics at random, from torch's current generator.

    A fresh network hides mistakes: scales are one, shifts and running means zero.

    >>> layer = nn.BatchNorm1d(2)
    >>> with seeded(0):
    ...     randomise(layer)
    >>> bool((layer.running_var > 0.4).all()), bool((layer.weight == 1).any())
    (True, False)
    """
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
        for name, buffer in model.named_buffers():
            if buffer.is_floating_point():
                if name.endswith("running_var"):
                    buffer.copy_(torch.rand_like(buffer) + 0.5)
                else:
                    buffer.add_(torch.randn_like(buffer) * 0.1)


def _same_state(built: nn.Module, extracted: nn.Module, arch: Architecture) -> None:
    shapes = [
        {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
        for model in (built, extracted)
    ]
    assert shapes[0] == shapes[1], (
        f"{arch}: build has {sorted(shapes[0].items() - shapes[1].items())}, extract has "
        f"{sorted(shapes[1].items() - shapes[0].items())}"
    )


def _check_plain(model: nn.Module, shared: set[int], arch: Architecture) -> None:
    for path, module in model.named_modules():
        for cls in type(module).__mro__:
            assert not cls.__module__.startswith("archwright.nn"), (
                f"{arch}: module {path!r} is a {cls.__module__}.{cls.__name__}"
            )
        for hooks in _HOOKS:
            assert not getattr(module, hooks), f"{arch}: module {path!r} has {hooks}"
        for name, value in vars(module).items():
            assert not type(value).__module__.startswith("archwright.nn"), (
                f"{arch}: {path}.{name} is {value!r}"
            )
    for name, tensor in model.state_dict().items():
        assert tensor.untyped_storage().data_ptr() not in shared or not tensor.numel(), (
            f"{arch}: {name!r} shares memory with the supernet"
        )


def _tensors(output: Any) -> list[Tensor]:
    """The tensors in what a network answers."""
    if isinstance(output, Tensor):
        return [output]
    if isinstance(output, Mapping):
        output = list(output.values())
    if isinstance(output, Sequence) and not isinstance(output, str):
        return [tensor for item in output for tensor in _tensors(item)]
    return []
