"""A space's networks before any training: do they run, what do they cost, which to time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from typing import Any

from archwright.errors import InputError
from archwright.space import Architecture, Space
from archwright.trials import Objective

Costs = Callable[[Architecture], Mapping[str, float]]

N_REMEMBERED = 10_000

N_SAMPLES_TIMED = 12
"""Random architectures among which the dearest is looked for, to be timed."""


def check_default(space: Space, evaluator: Any, *, seed: int) -> Any:
    """Build the default network and send two rows through it, before any work starts.

    Raises:
        InputError: the space has no networks, or its default one cannot serve the task.
    """
    import torch

    build = getattr(space, "build", None)
    if build is None:
        raise InputError(
            "training needs a space of networks (archwright.ModelSpace or one of the zoo), "
            f"got a plain {type(space).__name__} of values"
        )
    task = evaluator.task
    hyper = getattr(space, "hyper_part", None)
    if hyper is not None:
        evaluator.check(dict(hyper(space.default)))
    try:
        model = build(space.default, seed=seed)
        with torch.no_grad():
            outputs = model.eval()(task.prepare(task.train.x[:2]))
    except InputError:
        raise
    except Exception as error:
        raise InputError(
            "the space's default network does not run on this task's inputs of shape "
            f"{tuple(task.input_shape)} (without the batch): {type(error).__name__}: {error}"
        ) from error
    wanted = (2, task.n_outputs)
    if not isinstance(outputs, torch.Tensor) or tuple(outputs.shape) != wanted:
        got = tuple(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs)
        raise InputError(
            f"the space's default network must return a tensor of shape {wanted} for two rows "
            f"(rows, outputs of the task), got {got}"
        )
    return model


def networks_to_time(
    space: Space, model: Any, input_shape: tuple[int, ...]
) -> tuple[list[Any], list[float]]:
    """The default network `model` and the largest of some random ones, with their FLOPs."""
    from archwright.hardware import costs

    build = space.build  # type: ignore[attr-defined]
    samples = [space.sample(seed=i) for i in range(N_SAMPLES_TIMED)]
    found = [
        costs(build(a, device="meta"), input_shape, names=("flops",))["flops"] for a in samples
    ]
    largest = max(range(len(samples)), key=found.__getitem__)
    networks, flops = [model], [costs(model, input_shape, names=("flops",))["flops"]]
    if found[largest] > flops[0]:
        networks.append(build(samples[largest], seed=0))
        flops.append(found[largest])
    return networks, flops


def check_costs(
    space: Space,
    objective: Objective,
    input_shape: tuple[int, ...] | None,
    own: Collection[str] | None,
) -> None:
    """Refuse goals and limits on costs that cannot be computed or kept, before any work.

    Args:
        space: the space.
        objective: whose goals and limits name costs.
        input_shape: shape of one input, without the batch; None: unknown.
        own: metrics that the evaluator knows by itself.

    Raises:
        InputError: a cost needs the shape of an input, which is not known, or a limit asks for a
            negative one.
    """
    from archwright.hardware import COSTS

    for limit in objective.limits:
        if limit.metric in COSTS and limit.high < 0:
            raise InputError(f"the limit {limit} cannot be kept: {limit.metric} is never negative")
    names = _asked(space, objective, own) or []
    if input_shape is not None or not names:
        return
    needy = [n for n in names if COSTS[n].needs_forward or COSTS[n].needs_measurement]
    if needy:
        raise InputError(
            f"{', '.join(sorted(needy))} of a network needs the shape of its input: give "
            "search(..., input_shape=...), such as (3, 32, 32), without the batch"
        )


def _asked(space: Space, objective: Objective, own: Collection[str] | None) -> list[str] | None:
    """The costs that goals and limits name and are to be computed; None without networks."""
    if not hasattr(space, "build"):
        return None
    from archwright.hardware import COSTS

    return [m for m in objective.metrics if m in COSTS and m not in (own or ())]


def cost_function(
    space: Space,
    objective: Objective,
    input_shape: tuple[int, ...] | None,
    *,
    seed: int,
    device: str,
    own: Collection[str] | None = None,
) -> Costs | None:
    """What is computed of an architecture before it is trained; None where nothing is.

    Args:
        space: the space; one of values has no costs.
        objective: whose goals and limits name costs.
        input_shape: shape of one input, without the batch; None: unknown.
        seed: for the weights of a network that is timed.
        device: where it is timed.
        own: metrics that the evaluator knows by itself; nothing but what is asked for beyond them
            is computed then. None: it knows none.

    What `check_costs` refuses is taken to be refused already.
    """
    asked_names = _asked(space, objective, own)
    if asked_names is None or (own is not None and not asked_names):
        return None
    from archwright.hardware import COSTS, costs

    build = space.build  # type: ignore[attr-defined]
    usual = [] if own is not None else ["params"] if input_shape is None else ["params", "flops"]
    cheap = [n for n in asked_names if not COSTS[n].needs_measurement]
    cheap = list(dict.fromkeys([*usual, *cheap]))
    dear = [n for n in asked_names if COSTS[n].needs_measurement]

    def compute(architecture: Architecture) -> dict[str, float]:
        model = build(architecture, device="meta")
        found = costs(model, input_shape, names=cheap)
        if dear and objective.feasible(found):
            real = build(architecture, seed=seed)
            found |= costs(real, input_shape, names=dear, device=device)
        return found

    return compute


def remembering(costs: Costs | None) -> Costs | None:
    """The same costs, computed once for an architecture: a pool is judged before it is proposed."""
    return None if costs is None else lru_cache(maxsize=N_REMEMBERED)(costs)
