"""Function-preserving morphism: a larger network that computes what its trained parent computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from archwright.errors import InputError, whole_number
from archwright.nn.contexts import evaluating
from archwright.nn.inheritance import Inheritance, check_pair, inherit
from archwright.nn.morphism_graph import CannotError, Network, Parent, copied
from archwright.nn.morphism_plan import Planner

TOLERANCE = 1e-5
"""Largest difference, against outputs of size 1 or their own size, that counts as none."""


@dataclass(frozen=True)
class Morphed:
    """What `morph` did to a network.

    Attributes:
        model: the network, changed in place.
        preserved: whether it computes what its parent computes, in eval mode, as measured.
        difference: largest difference of the outputs on the given inputs; NaN where their shapes
            differ.
        reason: why the function could not be preserved; None where it was.
        inherited: what was copied instead, where the function could not be preserved.
    """

    model: nn.Module
    preserved: bool
    difference: float
    reason: str | None = None
    inherited: Inheritance | None = None


def morph(
    model: nn.Module,
    parent: nn.Module,
    inputs: Tensor | tuple[Any, ...],
    *,
    noise: float = 0.5,
    seed: int = 0,
    otherwise: str = "inherit",
) -> Morphed:
    """Give a network weights with which it computes what its parent computes, in place.

    The network may be wider (channels of convolutions, linear layers and their normalisations,
    groups, sums, concatenations), deeper (layers that become the identity behind a ReLU, residual
    branches whose last scale is zero, gates that are open), and have larger kernels. Both forwards
    are traced and their operations compared, so this needs no space and works on any two modules
    that torch.fx can trace. The result is measured on `inputs`, and only what holds there is called
    preserved.

    Not possible is whatever takes something away (fewer channels, fewer layers, a smaller kernel),
    another stride or operation, a new layer behind an activation that is not the identity for
    positive numbers (SiLU, GELU, Hardswish), other than in a residual branch, and a normalisation
    over channels that are not all repeated equally often. `reason` then says where it failed.

    Sources: Tianqi Chen, Ian Goodfellow and Jonathon Shlens, "Net2Net: Accelerating Learning via
    Knowledge Transfer", ICLR 2016, arXiv:1511.05641 (repeated channels, identity layers); Tao Wei,
    Changhu Wang, Yong Rui and Chang Wen Chen, "Network Morphism", ICML 2016, arXiv:1603.01670
    (larger kernels by zeros).

    Differences from the papers: channels are repeated in turn instead of at random, so that the
    terms of a sum agree; noise goes into the shares by which repeated channels are read, which add
    up to one, so that the repetitions learn apart and the function still stays the same; new batch
    norms take the statistics of `inputs`, so that they are near the identity in training, too; no
    parametric activations are added.

    Args:
        model: a newly built network; changed in place.
        parent: a trained network; not changed, and nothing is shared with it.
        inputs: a batch that both take (a tuple where their forwards take several), as real as
            possible; 2 rows are enough, 64 give new batch norms better statistics. NumPy arrays are
            taken, too, in the parent's floating-point type; nothing is written into them.
        noise: how unequally repeated channels are read: 0 (equally; repetitions then learn the
            same for ever) to below 1.
        seed: of the noise.
        otherwise: what to do where the function cannot be preserved: "inherit" (see `inherit`),
            "leave" the network as it is, or "raise".

    Raises:
        InputError: an argument is out of range, one of the networks does not take `inputs`, or the
            function cannot be preserved and `otherwise` is "raise".

    Whatever goes wrong on the way, the network has its own weights again before anything else is
    done. Layers that are not yet initialised (`nn.LazyLinear`) are, by one batch of `inputs`.

    >>> parent = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    >>> wider = nn.Sequential(nn.Linear(4, 20), nn.ReLU(), nn.Linear(20, 2))
    >>> morph(wider, parent, torch.ones(2, 4)).preserved
    True
    >>> narrower = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2))
    >>> morph(narrower, parent, torch.ones(2, 4)).reason
    '0: narrower: 6 channels instead of 8'
    """
    check_pair(model, parent)
    if isinstance(noise, bool) or not isinstance(noise, int | float) or not 0 <= noise < 1:
        raise InputError(f"noise must be at least 0 and below 1, got {noise!r}")
    seed = whole_number("seed", seed, least=0)
    if otherwise not in ("inherit", "leave", "raise"):
        raise InputError(f'otherwise must be "inherit", "leave" or "raise", got {otherwise!r}')
    given = _as_tensors(inputs if isinstance(inputs, tuple) else (inputs,), _float_type(parent))
    # This also initialises lazy layers.
    _check_takes("parent", parent, given)
    _check_takes("model", model, given)
    before = {name: value.detach().clone() for name, value in _held(model).items()}
    reason = None
    try:
        with torch.no_grad():
            tensors = _planned(model, parent, given, float(noise), seed)
            _write(model, tensors)
        difference, scale = _compare(model, parent, given)
        if not difference <= TOLERANCE * max(1.0, scale):
            reason = f"the outputs differ by {difference:.3g}, though all parts seemed to fit"
    except CannotError as error:
        reason = str(error)
    except Exception as error:  # of a user's module: no reason to lose a trained parent's weights
        reason = f"reading the networks failed: {_said(error)}"
    except BaseException:
        _restore(model, before)
        raise
    if reason is None:
        return Morphed(model, preserved=True, difference=difference)
    _restore(model, before)
    if otherwise == "raise":
        raise InputError(
            f"the function cannot be preserved: {reason}; change something else, or let "
            'otherwise="inherit" copy what both networks share'
        )
    inherited = inherit(model, parent) if otherwise == "inherit" else None
    difference, _ = _compare(model, parent, given)
    return Morphed(model, False, difference, reason, inherited)


def _float_type(model: nn.Module) -> torch.dtype:
    found = (p.dtype for p in model.parameters() if p.is_floating_point())
    return next(found, torch.get_default_dtype())


def _as_tensors(inputs: tuple[Any, ...], dtype: torch.dtype) -> tuple[Any, ...]:
    found = []
    for given in inputs:
        if isinstance(given, np.ndarray):
            try:
                given = torch.tensor(given)
            except (TypeError, ValueError) as error:
                raise InputError(f"inputs must be tensors of numbers: {error}") from None
            given = given.to(dtype) if given.is_floating_point() else given
        found.append(given)
    return tuple(found)


def _check_takes(role: str, model: nn.Module, inputs: tuple[Any, ...]) -> None:
    try:
        with torch.no_grad(), evaluating(model):
            model(*copied(inputs))
    except Exception as error:
        shapes = ", ".join(
            f"{tuple(one.shape)} of {one.dtype}" if isinstance(one, Tensor) else repr(one)[:80]
            for one in inputs
        )
        raise InputError(
            f"the {role} does not take the inputs ({shapes}): {_said(error)}; give a batch as its "
            "forward takes it (a tuple where it takes several)"
        ) from error


def _said(error: Exception) -> str:
    lines = str(error).splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__


def _planned(
    model: nn.Module, parent: nn.Module, inputs: tuple[Any, ...], noise: float, seed: int
) -> dict[str, Tensor]:
    planner = Planner(Parent(parent, inputs), Network(model, inputs), noise, seed)
    planner.run()
    return planner.tensors


def _held(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by all of their names; no extra state, which may be anything."""
    return {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers(remove_duplicate=False)),
    }


def _write(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    own = _held(model)
    for name in tensors:
        if name not in own:  # computed from others, as by a parametrization
            raise CannotError(f"{name} is no parameter or buffer that could be set")
    for name, tensor in tensors.items():
        own[name].copy_(tensor)


def _restore(model: nn.Module, before: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, tensor in _held(model).items():
            # What was not changed may be such that it cannot be written.
            if name in before and not torch.equal(tensor, before[name]):
                tensor.copy_(before[name])


def _compare(model: nn.Module, parent: nn.Module, inputs: tuple[Any, ...]) -> tuple[float, float]:
    """Largest difference of the outputs, and their largest size."""
    with evaluating(model), evaluating(parent):
        own, theirs = _tensors(model(*copied(inputs))), _tensors(parent(*copied(inputs)))
    if [t.shape for t in own] != [t.shape for t in theirs]:
        return float("nan"), 1.0
    pairs = [(a.double(), b.double()) for a, b in zip(own, theirs, strict=True) if a.numel()]
    difference = max((float((a - b).abs().max()) for a, b in pairs), default=0.0)
    return difference, max((float(b.abs().max()) for _, b in pairs), default=0.0)


def _tensors(outputs: Any) -> list[Tensor]:
    if isinstance(outputs, Tensor):
        return [outputs]
    if isinstance(outputs, dict):
        outputs = outputs.values()
    if isinstance(outputs, str | bytes):
        return []
    if isinstance(outputs, tuple | list) or hasattr(outputs, "__iter__"):
        return [tensor for part in outputs for tensor in _tensors(part)]
    return []
