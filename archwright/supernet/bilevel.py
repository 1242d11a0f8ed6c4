"""The loop of differentiable search: weights on one half of the rows, strengths on the other."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn

from archwright.errors import InputError, LedgerError, whole_number
from archwright.hardware.kinds import COSTS
from archwright.nn import ModelSpace, Supernet, seeded
from archwright.nn.containers import ElasticLayer
from archwright.nn.contexts import threads
from archwright.nn.mixture import Mixture
from archwright.supernet.costs import ExpectedCost
from archwright.supernet.halves import Halves
from archwright.supernet.memory import partial_channels, peak_bytes, recomputing
from archwright.supernet.method import Method
from archwright.supernet.perturbations import perturbed
from archwright.supernet.relaxing import Relaxable, relaxable
from archwright.supernet.strengths import Strengths, entropy
from archwright.supernet.unrolled import unrolled_gradient
from archwright.supernet.watch import Stop, dominant_eigenvalue, skip_share
from archwright.tasks import Task
from archwright.training.layout import lay_out, use_channels_last
from archwright.training.runtime import resolve_device

FORMAT = 1
_PUBLISHED_STEPS = 19_500  # 50 epochs of 25,000 rows in batches of 64


@dataclass(frozen=True)
class Settings:
    """How long and where a differentiable search runs.

    Attributes:
        epochs: passes over a half of the training rows.
        batch_size: rows of a step.
        seed: of everything random.
        device: where it runs.
        seconds: it ends after the epoch in which so many are over; None: no bound.
        patience: it ends when the derived choices have not changed for so many epochs; None: never.
        stop: a further rule, asked after each epoch.
        eigenvalue: whether the dominant eigenvalue is measured each epoch (costs about 20 steps).
        checkpointing: whether parts are computed twice to save memory.
        cost: a cost in the loss, or None.
        cost_weight: its weight ("add": times the cost as a share of that at the beginning;
            "multiply": the exponent).
        speed: factor of the strengths' step size. None: 19,500 (the steps of the published searches
            on CIFAR-10) over the steps that are made, from 1 to 100, so that in a shorter search
            the strengths can move as far.
        n_threads: CPU threads; None leaves torch's setting.
    """

    epochs: int = 50
    batch_size: int = 64
    seed: int = 0
    device: str | torch.device = "cpu"
    seconds: float | None = None
    patience: int | None = None
    stop: Stop | None = None
    eigenvalue: bool = False
    checkpointing: bool = False
    cost: ExpectedCost | None = None
    cost_weight: float = 0.1
    speed: float | None = None
    n_threads: int | None = None

    def __post_init__(self) -> None:
        whole_number("epochs", self.epochs)
        whole_number("batch_size", self.batch_size, least=2)
        whole_number("seed", self.seed, least=0)
        if self.patience is not None:
            whole_number("patience", self.patience)
        if self.speed is not None and not self.speed > 0:
            raise InputError(f"speed must be above 0, or None, got {self.speed!r}")
        if self.seconds is not None and not self.seconds > 0:
            raise InputError(f"seconds must be above 0, or None, got {self.seconds!r}")

    def speed_for(self, steps: int) -> float:
        """The factor of the strengths' step size in a search of so many steps.

        >>> Settings().speed_for(1950), Settings(speed=2.0).speed_for(1950)
        (10.0, 2.0)
        """
        if self.speed is not None:
            return self.speed
        return min(100.0, max(1.0, _PUBLISHED_STEPS / max(1, steps)))


@dataclass
class Searched:
    """What the loop leaves.

    Attributes:
        strengths: at the end.
        supernet: with its weights.
        method: that was used.
        trajectory: one record an epoch, plain values: losses, entropy, share of skip connections,
            seconds, and under "probabilities" those of each decision.
        relaxable: which decisions were mixed, and why not the others.
        peak_bytes: the memory estimated beforehand.
        stopped: why it ended.
        seconds: in all.
    """

    strengths: Strengths
    supernet: Supernet
    method: Method
    trajectory: list[dict[str, Any]]
    relaxable: Relaxable
    peak_bytes: int
    stopped: str = "all epochs are done"
    seconds: float = 0.0
    halves: Halves | None = field(default=None, repr=False)


class Bilevel:
    """A differentiable search that can be stopped after any epoch and go on from its state.

    Args:
        space: the space.
        task: the data. Validation and test rows are not touched.
        method: the method.
        settings: how long and where.
        allowed: path -> positions that take part (progressive search); missing: all.
        found: which decisions can be mixed; None: it is found out.

    Raises:
        SpaceError: the space has no supernet, or one that cannot be relaxed.
    """

    def __init__(
        self,
        space: ModelSpace,
        task: Task,
        method: Method,
        settings: Settings,
        *,
        allowed: Mapping[str, tuple[int, ...]] | None = None,
        found: Relaxable | None = None,
    ) -> None:
        if method.perturbation and method.adversarial and settings.checkpointing:
            raise InputError(
                f"{method.name} looks for its perturbation by gradients, which checkpointing=True "
                "does not keep: leave checkpointing out, or take 'sdarts'"
            )
        self.space, self.task, self.method, self.settings = space, task, method, settings
        self.device = resolve_device(settings.device)
        self.single = method.order == "single"
        self.halves = Halves(
            task,
            batch_size=settings.batch_size,
            seed=settings.seed,
            device=self.device,
            whole=self.single,
        )
        example = self.halves.batch(torch.arange(2), augment=False)[0]
        self.found = found or relaxable(space, example, seed=settings.seed)
        with seeded(settings.seed):
            self.supernet = space.supernet().to(self.device)
            self.strengths = Strengths.start(
                space,
                self.supernet,
                self.found,
                edge_weights=method.edge_weights,
                scale=method.start,
                device=self.device,
            )
        self.channels_last = use_channels_last(
            self.supernet, example.shape, setting="auto", device=self.device, half=False
        )
        if self.channels_last:
            lay_out(self.supernet, torch.channels_last)
        if allowed:
            self.strengths.allowed.update(allowed)
        if not self.strengths.values:
            raise InputError(f"{space!r} has no decision that differentiable search can make")
        if not method.affine:
            _keep_scales(self.supernet)
        self.weights = [p for p in self.supernet.parameters() if p.requires_grad]
        if not self.weights:
            raise InputError("this supernet has no weights to train")
        self.optimizer = torch.optim.SGD(
            self.weights,
            lr=method.lr,
            momentum=method.momentum,
            weight_decay=method.weight_decay,
        )
        self.architect = torch.optim.Adam(
            self.strengths.tensors(),
            lr=method.architecture_lr * settings.speed_for(self.halves.steps * settings.epochs),
            betas=method.architecture_betas,
            weight_decay=method.architecture_decay,
        )
        self.trajectory: list[dict[str, Any]] = []
        self.baseline: float | None = None
        self.first_cost: float | None = None
        self.seconds = 0.0
        self.stopped = ""
        with seeded(settings.seed), torch.enable_grad():
            mixture, _ = self._mixture(0.0, "weights")
            self.peak_bytes = peak_bytes(
                self.supernet.train(), mixture, example, batch_size=settings.batch_size
            )

    # ------------------------------------------------------------------ the loop

    def run(
        self,
        *,
        keep: Callable[[dict[str, Any]], None] | None = None,
        on_epoch: Callable[[dict[str, Any]], Any] | None = None,
    ) -> Searched:
        """Search until the end, from where the state is.

        Args:
            keep: given the state after each epoch.
            on_epoch: given the record of each epoch.
        """
        with threads(self.settings.n_threads):
            while not self.stopped:
                if len(self.trajectory) >= self.settings.epochs:
                    self.stopped = "all epochs are done"
                    break
                record = self._epoch()
                if on_epoch is not None:
                    on_epoch(record)
                self.stopped = self._why_stop() or ""
                if keep is not None:
                    keep(self.state())
        return Searched(
            self.strengths,
            self.supernet,
            self.method,
            self.trajectory,
            self.found,
            self.peak_bytes,
            self.stopped,
            self.seconds,
            self.halves,
        )

    def _why_stop(self) -> str | None:
        settings, epochs = self.settings, self.trajectory
        if settings.seconds is not None and self.seconds >= settings.seconds:
            return "the time is up"
        n = settings.patience
        if n is not None and len(epochs) > n:
            chosen = [
                {
                    path: max(range(len(p)), key=p.__getitem__)
                    for path, p in e["probabilities"].items()
                }
                for e in epochs[-n - 1 :]
            ]
            if all(one == chosen[0] for one in chosen) and epochs[-1]["architecture_steps"]:
                return f"the choices have not changed for {n} epochs"
        return settings.stop(epochs) if settings.stop is not None else None

    def _epoch(self) -> dict[str, Any]:
        began = perf_counter()
        method, settings = self.method, self.settings
        epoch, n_steps = len(self.trajectory), self.halves.steps
        searching = epoch >= round(method.warmup * settings.epochs)
        losses = torch.zeros(2, device=self.device)
        lr = method.lr
        # Each epoch has a seed of its own, so that a resumed search draws the same, on any device.
        with seeded(settings.seed + 1_000_003 * (epoch + 1)), ExitStack() as stack:
            stack.enter_context(partial_channels(self.supernet, method.partial))
            if settings.checkpointing:
                stack.enter_context(recomputing(self.supernet))
            self.supernet.train()
            for i, (rows, others) in enumerate(self.halves.epoch()):
                progress = (epoch + i / n_steps) / settings.epochs
                lr = method.lr_last + (method.lr - method.lr_last) * 0.5 * (
                    1.0 + math.cos(math.pi * progress)
                )
                for group in self.optimizer.param_groups:
                    group["lr"] = lr
                batch = self.halves.batch(rows)
                if self.single:
                    losses += self._joint_step(batch, progress, searching)
                    continue
                if searching:
                    held = self.halves.batch(others)
                    losses[1] += self._architecture_step(held, batch, progress, lr)
                losses[0] += self._weight_step(batch, progress)
            eigenvalue = self._eigenvalue(progress) if settings.eigenvalue else None
        self.seconds += perf_counter() - began
        probabilities = self.strengths.probabilities(method.relaxation)
        losses /= n_steps
        record: dict[str, Any] = {
            "epoch": epoch + 1,
            "train_loss": float(losses[0]),
            "architecture_loss": float(losses[1]) if searching else None,
            "lr": lr,
            "architecture_steps": searching,
            "entropy": entropy(probabilities),
            "skip_share": skip_share(probabilities, self.strengths),
            "seconds": self.seconds,
            "probabilities": probabilities,
        }
        if eigenvalue is not None:
            record["eigenvalue"] = eigenvalue
        if settings.cost is not None:
            record[f"expected_{settings.cost.name}"] = float(self._expected_cost().detach())
        if not math.isfinite(record["train_loss"]):
            raise InputError(
                f"the loss of the supernet became {record['train_loss']} in epoch {epoch + 1}: use "
                f"a smaller lr than {method.lr:g}"
            )
        self.trajectory.append(record)
        return record

    # ------------------------------------------------------------------ steps

    def _mixture(
        self, progress: float, phase: Any, *, strengths: Strengths | None = None
    ) -> tuple[Mixture, Tensor | None]:
        strengths = strengths or self.strengths
        mixture, log = strengths.mixture(
            self.method.relaxation,
            progress=progress,
            phase=phase,
            detached=phase == "weights" and not self.single,
        )
        if not self.method.changes:
            return mixture, log
        weights = dict(mixture.weights)
        for path in weights:
            for change in self.method.changes:
                weights[path] = change(
                    path, weights[path], strengths, progress=progress, phase=phase
                )
        return Mixture(weights, mixture.computed, mixture.values), log

    def _loss(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        # Inside the caller's `mixed`: what is computed twice must find it in the backward pass.
        x, y = batch
        if self.channels_last:
            x = x.contiguous(memory_format=torch.channels_last)
        return self.task.loss(self.supernet(x), y)

    def _weight_step(self, batch: tuple[Tensor, Tensor], progress: float) -> Tensor:
        mixture, _ = self._mixture(progress, "weights")
        if self.method.perturbation:
            mixture = perturbed(
                mixture,
                self.strengths,
                self.method,
                lambda m: self._evaluate(batch, m),
                progress=progress,
            )
        with self.supernet.mixed(mixture):
            loss = self._loss(batch)
            if loss.requires_grad:  # beside frozen layers a drawn path may have nothing to learn
                loss.backward()
        nn.utils.clip_grad_norm_(self.weights, self.method.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    def _evaluate(self, batch: tuple[Tensor, Tensor], mixture: Mixture) -> Tensor:
        """The loss with a gradient for the mixture's weights alone."""
        self._freeze(True)
        try:
            with self.supernet.mixed(mixture):
                return self._loss(batch)
        finally:
            self._freeze(False)

    def _freeze(self, frozen: bool) -> None:
        for parameter in self.weights:
            parameter.requires_grad_(not frozen)

    def _architecture_step(
        self,
        batch: tuple[Tensor, Tensor],
        training: tuple[Tensor, Tensor],
        progress: float,
        lr: float,
    ) -> Tensor:
        tensors = self.strengths.tensors()
        if self.method.order == "second":
            loss, gradients = unrolled_gradient(self, batch, training, progress, lr)
        else:
            self._freeze(True)
            try:
                mixture, log = self._mixture(progress, "architecture")
                with self.supernet.mixed(mixture):
                    loss = self._loss(batch)
                    gradients = self._grad(self._with_score(loss, log), tensors)
            finally:
                self._freeze(False)
        extra = self._beside_loss(loss.detach(), progress)
        if extra is not None:
            for k, more in enumerate(self._grad(extra, tensors)):
                gradients[k] = gradients[k] + more
        self._move(tensors, gradients)
        return loss.detach()

    def _joint_step(self, batch: tuple[Tensor, Tensor], progress: float, searching: bool) -> Tensor:
        tensors = self.strengths.tensors()
        mixture, log = self._mixture(progress, "architecture")
        with self.supernet.mixed(mixture):
            loss = self._loss(batch)
            total = self._with_score(loss, log)
            found = torch.autograd.grad(total, [*self.weights, *tensors], allow_unused=True)
        for parameter, gradient in zip(self.weights, found, strict=False):
            parameter.grad = gradient
        nn.utils.clip_grad_norm_(self.weights, self.method.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if searching:
            gradients = [
                torch.zeros_like(t) if g is None else g
                for t, g in zip(tensors, found[len(self.weights) :], strict=True)
            ]
            extra = self._beside_loss(loss.detach(), progress)
            if extra is not None:
                gradients = [
                    g + more for g, more in zip(gradients, self._grad(extra, tensors), strict=True)
                ]
            self._move(tensors, gradients)
        value = loss.detach()
        return torch.stack([value, value])

    def _grad(self, loss: Tensor, tensors: Sequence[Tensor]) -> list[Tensor]:
        if not loss.requires_grad:
            return [torch.zeros_like(t) for t in tensors]
        found = torch.autograd.grad(loss, tensors, allow_unused=True)
        return [
            torch.zeros_like(t) if g is None else g for t, g in zip(tensors, found, strict=True)
        ]

    def _move(self, tensors: Sequence[Tensor], gradients: Sequence[Tensor]) -> None:
        for tensor, gradient in zip(tensors, gradients, strict=True):
            tensor.grad = gradient
        self.architect.step()
        self.architect.zero_grad(set_to_none=True)

    def _with_score(self, loss: Tensor, log: Tensor | None) -> Tensor:
        """The loss, and what gives what was drawn the gradient of its score function.

        Source: Ronald J. Williams, "Simple Statistical Gradient-Following Algorithms for
        Connectionist Reinforcement Learning", Machine Learning 1992; the baseline is a moving mean.
        """
        if log is None:
            return loss
        value = float(loss.detach())
        before = value if self.baseline is None else self.baseline
        self.baseline = 0.9 * before + 0.1 * value
        return loss + (value - before) * log

    def _beside_loss(self, loss: Tensor, progress: float) -> Tensor | None:
        """What is added to the loss of the architecture step and does not need the supernet."""
        parts = [
            regulariser(self.strengths, self.method.relaxation, progress)
            for regulariser in self.method.regularisers
        ]
        cost = self.settings.cost
        if cost is not None:
            now = self._expected_cost()
            if self.first_cost is None:
                self.first_cost = max(float(now.detach()), 1e-12)
            share = (now / self.first_cost).clamp_min(1e-6)
            if self.method.cost == "add":
                parts.append(self.settings.cost_weight * share)
            else:  # loss * share ** weight, less its gradient by the loss itself
                parts.append(loss * share**self.settings.cost_weight)
        return sum(parts[1:], parts[0]) if parts else None

    def _expected_cost(self) -> Tensor:
        cost = self.settings.cost
        assert cost is not None
        return cost(self.space, self.strengths.shares(self.method.relaxation))

    def _eigenvalue(self, progress: float) -> float:
        from archwright.nn.mixed_cells import reference

        batch = self.halves.batch(self.halves.rows[1][: self.settings.batch_size], augment=False)
        self._freeze(True)
        statistics = {name: b.clone() for name, b in self.supernet.named_buffers()}
        try:
            mixture, _ = self._mixture(progress, "architecture")
            with reference(), self.supernet.mixed(mixture):
                return dominant_eigenvalue(self._loss(batch), self.strengths.tensors())
        finally:
            self._freeze(False)
            with torch.no_grad():
                for name, b in self.supernet.named_buffers():
                    b.copy_(statistics[name])

    # ------------------------------------------------------------------ state

    def _identity(self) -> dict[str, Any]:
        settings = self.settings
        return {
            "space": self.space.fingerprint,
            "task": self.task.fingerprint,
            "method": repr(self.method),
            "epochs": settings.epochs,
            "batch_size": settings.batch_size,
            "speed": settings.speed,
            "seed": settings.seed,
            "allowed": {path: list(p) for path, p in self.strengths.allowed.items()},
            "cost": _described(settings.cost),
            "cost_weight": settings.cost_weight,
        }

    def state(self) -> dict[str, Any]:
        """Everything that the rest of the search depends on."""
        return {
            "format": FORMAT,
            "identity": self._identity(),
            "weights": self.supernet.state_dict(),
            "strengths": {path: v.detach() for path, v in self.strengths.values.items()},
            "optimizer": self.optimizer.state_dict(),
            "architect": self.architect.state_dict(),
            "order": self.halves.generator.get_state(),
            "trajectory": self.trajectory,
            "baseline": self.baseline,
            "first_cost": self.first_cost,
            "seconds": self.seconds,
            "stopped": self.stopped,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a state.

        Raises:
            LedgerError: it is of another search.
        """
        if state.get("format") != FORMAT or state["identity"] != self._identity():
            raise LedgerError(
                "the differentiable search in this folder has another space, task, method or "
                "setting: give another out=, or the same arguments"
            )
        self.supernet.load_state_dict(state["weights"])
        with torch.no_grad():
            for path, value in state["strengths"].items():
                self.strengths.values[path].copy_(value)
        self.optimizer.load_state_dict(state["optimizer"])
        self.architect.load_state_dict(state["architect"])
        self.halves.generator.set_state(state["order"].cpu())
        self.trajectory = list(state["trajectory"])
        self.baseline, self.first_cost = state["baseline"], state["first_cost"]
        self.seconds, self.stopped = state["seconds"], state["stopped"]


def _described(cost: ExpectedCost | None) -> str | None:
    """A cost for the identity; what was measured comes out a little different each time."""
    known = None if cost is None else COSTS.get(cost.name)
    if cost is not None and known is not None and known.needs_measurement:
        return f"{cost.name}, measured, of {sorted(cost.table)}"
    return None if cost is None else repr(cost)


def _keep_scales(supernet: Supernet) -> None:
    """Let scale and shift of the normalisations inside mixed operations be what they are."""
    for layer in supernet.modules():
        if not isinstance(layer, ElasticLayer):
            continue
        for norm in layer.modules():
            if not isinstance(norm, nn.modules.batchnorm._BatchNorm) or not norm.affine:
                continue
            # One that begins at zero, as in residual branches, would pass nothing for ever.
            if bool((norm.weight == 1).all()) and bool((norm.bias == 0).all()):
                norm.weight.requires_grad_(False)
                norm.bias.requires_grad_(False)


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write a state whole or not at all."""
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        torch.save(dict(state), file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote.

    Raises:
        LedgerError: it cannot be read.
    """
    try:
        return torch.load(path, weights_only=True)
    except Exception as error:
        raise LedgerError(
            f"{path} cannot be read ({error}): remove it, and the search begins anew"
        ) from None
