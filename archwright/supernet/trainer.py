"""The steps of training a supernet, and everything from which they can go on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import nullcontext
from random import Random
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from archwright.errors import InputError, NotFinite
from archwright.nn import Supernet
from archwright.space import Architecture
from archwright.supernet.calibration import Calibration
from archwright.supernet.rules import Pass, Rule, Step
from archwright.supernet.rules.base import FIRST, KEPT
from archwright.supernet.sizes import Sizes
from archwright.training.averaging import WeightAverage
from archwright.training.distillation import distillation_loss
from archwright.training.inference import check_outputs
from archwright.training.layout import lay_out, use_channels_last
from archwright.training.mixing import cutmix, mixup
from archwright.training.optimizers import build_optimizer
from archwright.training.recipe import Recipe

if TYPE_CHECKING:
    from archwright.tasks import Task

REWARD_ROWS = 256


class Trainer:
    """A supernet in training: one `step` after the other, `state` and `load` in between.

    Args:
        supernet: trained in place.
        task: the data.
        recipe: with every field decided.
        rule: which architectures a step trains.
        sizes: draws and measures architectures.
        seed: of everything random.
        device: where.
        n_steps: of the whole training, for the average of the weights.
    """

    def __init__(
        self,
        supernet: Supernet,
        task: Task,
        recipe: Recipe,
        *,
        rule: Rule,
        sizes: Sizes,
        seed: int,
        device: torch.device,
        n_steps: int,
    ) -> None:
        self.supernet = supernet.to(device)
        self.task = task
        self.recipe = recipe
        self.rule = rule
        self.device = device
        self.x, self.y = task.train.x.to(device), task.train.y.to(device)
        batch_size = min(recipe.batch_size or 1, len(self.x))
        self.steps_per_epoch = math.ceil(len(self.x) / batch_size)
        bf16 = recipe.precision == "bf16" or (
            recipe.precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported()
        )
        if recipe.precision == "fp16" or (recipe.precision == "bf16" and device.type != "cuda"):
            raise InputError(
                f"a supernet trains in float32, and in bf16 on a GPU: precision "
                f"{recipe.precision!r} on {device.type!r} is neither; use 'auto'"
            )
        self.bf16 = bf16
        self.channels_last = use_channels_last(
            supernet, self.x.shape, setting=recipe.channels_last, device=device, half=bf16
        )
        if self.channels_last:
            lay_out(supernet, torch.channels_last)
        self.calibration = Calibration(supernet)
        self.optimizer = build_optimizer(supernet, recipe)
        self.parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.average: WeightAverage | None = None
        if recipe.ema:
            decay = 1.0 - 1.0 / max(5.0, 0.02 * n_steps)
            self.average = WeightAverage(
                supernet, decay=decay if recipe.ema is True else float(recipe.ema)
            )
        self.augment = task.augment if recipe.augment else None
        self.mixers = [
            (mixer, alpha)
            for mixer, alpha in ((mixup, recipe.mixup), (cutmix, recipe.cutmix))
            if alpha and (mixer is mixup or self.x.ndim == 4)
        ]
        self.shuffling = torch.Generator().manual_seed(seed)
        self.drawing = torch.Generator().manual_seed(seed + 1)
        self.context = Step(supernet.space, sizes, Random(seed), keep=self._keep)
        self.context.reward = self._reward
        self.teacher: nn.Module | None = None
        self._teacher_arch: dict[str, Any] = {}
        self._first_outputs: Tensor | None = None
        self.n_passes = 0  # of the last step
        self.supernet.train()

    # -- one step -------------------------------------------------------------------------

    def step(self, rows: Tensor, *, lr: float, number: int, progress: float, first: bool) -> Tensor:
        """Train what the rule says on some rows; the mean loss of its passes.

        Args:
            rows: positions of the batch.
            lr: the learning rate.
            number: of the step, from 0.
            progress: how much of the training is done.
            first: whether it begins an epoch.
        """
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        x, y, other, share = self._batch(rows, plain=progress >= self.recipe.augment_until)
        context = self.context
        context.number, context.progress, context.starts_epoch = number, progress, first
        context.loss = lambda arch: self._judge(arch, x, y)
        passes = list(self.rule.plan(context))
        if not passes:
            raise InputError(f"the rule {self.rule!r} planned no pass for step {number}")
        self.n_passes = len(passes)
        whole = sum(one.weight for one in passes)
        self._first_outputs = None
        total = torch.zeros((), device=self.device)
        for one in passes:
            with self.supernet.active(one.architecture):
                loss = self._loss(one, x, y, other, share) * (one.weight / whole)
                loss.backward()
            total += loss.detach()
        self._first_outputs = None
        if self.recipe.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.recipe.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        if self.average is not None:
            self.average.update()
        return total

    def _loss(self, one: Pass, x: Tensor, y: Tensor, other: Tensor | None, share: float) -> Tensor:
        with self._casting():
            outputs = self.supernet(x)
        outputs = check_outputs(outputs, len(x), self.task).float()
        if self._first_outputs is None:
            self._first_outputs = outputs.detach()
        taught = self._taught(one, x)
        by_labels = taught is None or one.teacher_share < 1
        loss = outputs.new_zeros(())
        if by_labels:
            smoothing = self.recipe.label_smoothing or 0.0
            loss = self.task.loss(outputs, y, label_smoothing=smoothing)
            if other is not None:
                mixed = self.task.loss(outputs, other, label_smoothing=smoothing)
                loss = share * loss + (1.0 - share) * mixed
        if taught is not None:
            distance = distillation_loss(
                outputs,
                taught,
                kind=self.task.kind,
                temperature=self.recipe.distill_temperature,
            )
            loss = torch.lerp(loss, distance, one.teacher_share)
        return loss

    def _taught(self, one: Pass, x: Tensor) -> Tensor | None:
        if one.teacher is None or one.teacher_share == 0:
            return None
        if one.teacher == FIRST:
            assert self._first_outputs is not None
            return self._first_outputs
        if one.teacher != KEPT or self.teacher is None:
            raise InputError(
                f"the rule {self.rule!r} names the teacher {one.teacher!r}: it must be None, "
                f"{FIRST!r}, or {KEPT!r} once step.keep(arch) was called"
            )
        with torch.no_grad(), self._casting():
            outputs: Tensor = self.teacher(x)
        return outputs.float()

    def _batch(self, rows: Tensor, *, plain: bool) -> tuple[Tensor, Tensor, Tensor | None, float]:
        """A prepared batch, its targets, those it is mixed with, and the share of the former."""
        rows = rows.to(self.device)
        x = self.task.prepare(self.x.index_select(0, rows))
        y = self.y.index_select(0, rows)
        if self.augment is not None and not plain:
            n = math.ceil(self.recipe.augment_share * len(x))
            x = torch.cat([self.augment(x[:n], self.drawing), x[n:]]) if n else x
        other, share = None, 1.0
        if self.mixers and not plain:
            which = 0
            if len(self.mixers) > 1:
                which = int(torch.randint(2, (), generator=self.drawing))
            mixer, alpha = self.mixers[which]
            mixed = mixer(x, alpha, self.drawing)
            x, share = mixed.x, mixed.share
            other = y.flip(0) if share < 1.0 else None
        return self._laid_out(x), y, other, share

    def _laid_out(self, x: Tensor) -> Tensor:
        return x.contiguous(memory_format=torch.channels_last) if self.channels_last else x

    def _casting(self) -> Any:
        return torch.autocast(self.device.type, torch.bfloat16) if self.bf16 else nullcontext()

    # -- what rules ask -------------------------------------------------------------------

    def _judge(self, arch: Architecture, x: Tensor, y: Tensor) -> float:
        outputs = self._outputs(arch, x)
        return float(self.task.loss(outputs, y))

    def _reward(self, arch: Architecture) -> float:
        task = self.task
        rows = torch.randperm(len(task.validation), generator=self.drawing)[:REWARD_ROWS]
        x = self._laid_out(task.prepare(task.validation.x[rows].to(self.device)))
        outputs = self._outputs(arch, x)
        value = next(iter(task.metrics(outputs.cpu(), task.validation.y[rows].cpu()).values()))
        if not math.isfinite(value):
            raise NotFinite(f"the reward of {dict(arch)} is {value}")
        return value if task.metric.maximize else -value

    def _outputs(self, arch: Architecture, x: Tensor) -> Tensor:
        with (
            torch.no_grad(),
            self._casting(),
            self.supernet.active(arch),
            self.calibration.batch_statistics(),
        ):
            outputs: Tensor = self.supernet(x)
        return outputs.float()

    def _keep(self, arch: Architecture) -> None:
        with self.average.applied() if self.average else nullcontext():
            weights = self.supernet.extract(arch).state_dict()
        self._set_teacher(dict(arch), weights)

    def _set_teacher(self, arch: dict[str, Any], weights: Mapping[str, Tensor]) -> None:
        # Built anew, also when it has just been extracted: in another layout of memory its outputs
        # would differ in the last bits from those after a resumption.
        teacher = self.supernet.space.build(arch, seed=0)
        teacher.load_state_dict(weights)
        teacher.to(self.device).eval().requires_grad_(False)
        if self.channels_last:
            lay_out(teacher, torch.channels_last)
        self.teacher, self._teacher_arch = teacher, arch

    # -- before and after -----------------------------------------------------------------

    def finish(self) -> None:
        """Take the averaged weights, if there are any, and leave the supernet in eval mode."""
        if self.average is not None:
            with self.average.applied():
                weights = {k: v.detach().clone() for k, v in self.supernet.state_dict().items()}
            self.supernet.load_state_dict(weights)
        self.supernet.zero_grad(set_to_none=True)
        if self.channels_last:
            lay_out(self.supernet, torch.contiguous_format)
        self.supernet.eval()

    def state(self, shuffled: Tensor) -> dict[str, Any]:
        """Everything from which the training goes on, as tensors and plain values.

        Args:
            shuffled: the state of the source of order when the present epoch began.
        """
        on_cuda = self.device.type == "cuda"
        return {
            "model": self.supernet.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
            "shuffling": shuffled,
            "drawing": self.drawing.get_state(),
            "rule": self.context.rng.getstate(),
            "memory": self.context.memory,
            "teacher": None if self.teacher is None else self.teacher.state_dict(),
            "teacher_arch": self._teacher_arch,
            "torch": torch.get_rng_state(),
            "cuda": torch.cuda.get_rng_state(self.device) if on_cuda else None,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Take up what `state` gave."""
        self.supernet.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.shuffling.set_state(state["shuffling"])
        self.drawing.set_state(state["drawing"])
        version, internal, gauss = state["rule"]
        self.context.rng.setstate((version, tuple(internal), gauss))
        self.context.memory = state["memory"]
        self.context.scratch = {}
        self.teacher, self._teacher_arch = None, {}
        if state["teacher"] is not None:
            self._set_teacher(dict(state["teacher_arch"]), state["teacher"])
        torch.set_rng_state(state["torch"])
        if self.device.type == "cuda" and state["cuda"] is not None:
            torch.cuda.set_rng_state(state["cuda"], self.device)
