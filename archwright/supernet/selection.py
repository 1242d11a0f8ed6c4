"""Selection by perturbation: what the trained supernet misses most (DARTS-PT)."""

from __future__ import annotations

import torch

from archwright.nn import seeded
from archwright.nn.mixture import Mixture
from archwright.space import Subset
from archwright.supernet.bilevel import Bilevel

_N_BATCHES = 4


def by_perturbation(search: Bilevel, *, tune_steps: int = 0, seed: int = 0) -> None:
    """Fix the decisions one by one, each at the value whose removal harms the supernet most.

    In random order, each choice of an operation is tried without each of its values; the one
    whose loss on held-out rows is the greatest stays. Then the same for inputs, without each
    candidate. The choices are left in `search.strengths.allowed`. What is not an operation or
    inputs, such as a width, keeps its strengths.

    Source: Ruochen Wang et al., "Rethinking Architecture Selection in Differentiable NAS", ICLR
    2021, arXiv:2108.04392, algorithm 1.

    Differences from the paper: the loss on a few batches instead of the accuracy on all held-out
    rows; the supernet is tuned between decisions only where `tune_steps` says so; edges are chosen
    after all operations by the strength of those (DARTS' rule) unless they have strengths.

    Args:
        search: a search that has ended.
        tune_steps: steps of the weights after each decision.
        seed: of the order and the rows.
    """
    strengths, method = search.strengths, search.method
    generator = torch.Generator().manual_seed(seed)
    chosen = [
        path
        for path, one in strengths.decisions.items()
        if one.mixed and one.is_operation and path in strengths.values
    ]
    rows = search.halves.rows[1]
    rows = rows[torch.randperm(len(rows), generator=generator)]
    batches = [
        search.halves.batch(part, augment=False)
        for part in rows.split(search.settings.batch_size)[:_N_BATCHES]
    ]
    with seeded(seed), torch.no_grad():
        search.supernet.train()
        statistics = {name: b.clone() for name, b in search.supernet.named_buffers()}
        for k in torch.randperm(len(chosen), generator=generator).tolist():
            path = chosen[k]
            losses = _without(search, path, batches)
            best = max(losses, key=losses.__getitem__)
            strengths.allowed[path] = (best,)
            for batch in batches[:tune_steps]:
                with torch.enable_grad():
                    search._weight_step(batch, 1.0)
        for name, b in search.supernet.named_buffers():
            b.copy_(statistics[name])
    assert method.selection == "perturbation"


def _without(
    search: Bilevel, path: str, batches: list[tuple[torch.Tensor, torch.Tensor]]
) -> dict[int, float]:
    """The loss without each value of a decision that is still allowed."""
    strengths = search.strengths
    domain = strengths.decisions[path].domain
    assert not isinstance(domain, Subset)
    allowed = strengths.allowed.get(path, tuple(range(int(domain.size))))
    if len(allowed) == 1:
        return {allowed[0]: 0.0}
    losses = {}
    for k in allowed:
        mixture, _ = search._mixture(1.0, "weights")
        if path not in mixture.weights:  # not live under what was fixed above it
            return dict.fromkeys(allowed, 0.0)
        weights = mixture.weights[path].clone()
        weights[k] = 0.0
        rest = tuple(j for j in allowed if j != k)
        changed = Mixture(
            {**mixture.weights, path: weights}, {**mixture.computed, path: rest}, mixture.values
        )
        total = 0.0
        with search.supernet.mixed(changed):
            for batch in batches:
                total += float(search._loss(batch))
        losses[k] = total
    return losses
