"""A probe: the passes over one network, each made once and only if some proxy asks for it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from archwright.errors import InputError
from archwright.hardware.tracing import example_input, first_line, tensors_in
from archwright.proxies.base import Undefined
from archwright.proxies.gathering import Gathered, Gatherer
from archwright.proxies.holding import Weights, wearing
from archwright.proxies.listening import Listener, Listening

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


_DIFFERENTIATED = frozenset({"input gradient", "loss gradient"})


class ForwardError(InputError):
    """The network cannot take the batch at all."""


class Probe:
    """What proxies read. Made by `score`, inside `held`.

    Attributes:
        model: the network.
        weights: its parameters.
        inputs: the batch.
        input_shape: of one sample.
        seed: seeds whatever a proxy draws.
        memory: what a pass that serves several proxies found.
    """

    def __init__(
        self,
        model: nn.Module,
        inputs: torch.Tensor,
        labels: torch.Tensor | None,
        *,
        hears: frozenset[str],
        seed: int,
        loss: Loss | None,
    ) -> None:
        self.model = model
        self.weights = Weights.of(model)
        self.inputs = inputs
        self.input_shape = tuple(inputs.shape[1:])
        self.seed = seed
        self._labels = labels
        self.memory: dict[str, Any] = {}
        self._loss = loss
        self._hears = hears

    # --- the shared pass

    @cached_property
    def _shared(self) -> tuple[torch.Tensor, torch.Tensor, Gatherer]:
        gatherer = Gatherer(self._hears, len(self.inputs))
        x = self.inputs
        if x.is_floating_point() and "input gradient" in self._hears:
            x = x.detach().requires_grad_()
        # What only listens needs no graph, which is the larger part of the memory.
        with torch.set_grad_enabled(bool(self._hears & _DIFFERENTIATED)):
            try:
                output = self.forward(x, listener=gatherer)
            except (Undefined, MemoryError, torch.OutOfMemoryError):
                raise
            except Exception as error:  # whatever the user's forward raises
                raise ForwardError(
                    f"{type(self.model).__name__} cannot take a batch of shape {tuple(x.shape)}: "
                    f"{first_line(error)}"
                ) from error
        return x, output, gatherer

    @property
    def output(self) -> torch.Tensor:
        """The logits of the shared pass, `batch x ...`."""
        return self._shared[1]

    @property
    def gathered(self) -> Gathered:
        """What the shared forward pass let hear."""
        return self._shared[2].gathered

    @cached_property
    def input_gradient(self) -> torch.Tensor:
        """Gradient of the sum of all outputs by the inputs, `batch x values`."""
        x, output, _ = self._shared
        if not x.requires_grad:
            raise Undefined("its inputs are whole numbers, which have no gradient")
        # The graph is kept where the gradient of the loss comes after.
        keep = "loss gradient" in self._hears
        (gradient,) = self.gradient(output.sum(), [x], retain_graph=keep)
        if gradient is None:
            raise Undefined("its output does not depend on its input by a gradient")
        return gradient.flatten(1)

    @cached_property
    def loss_gradients(self) -> list[torch.Tensor]:
        """Gradient of the loss by each of `weights.tensors`; zeros where there is none."""
        if "input gradient" in self._hears:
            with contextlib.suppress(Undefined):
                _ = self.input_gradient  # first, as the loss's pass frees the graph
        _, output, gatherer = self._shared
        gatherer.backward = True
        try:
            return self.gradients(self.loss(output, self.labels_for(output)))
        finally:
            gatherer.backward = False

    def labels_for(self, output: torch.Tensor, part: slice = slice(None)) -> torch.Tensor:
        """The labels given, or random ones that fit an output; of a part of the batch."""
        if self._labels is None:
            shape = (len(self.inputs), *output.shape[1:])
            self._labels = random_labels(shape, seed=self.seed).to(output.device)
        return self._labels[part]

    def loss(self, output: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        """The mean loss of a batch."""
        if self._loss is not None:
            return self._loss(output, labels)
        if labels.is_floating_point():
            return F.mse_loss(output, labels.reshape(output.shape))
        logits = output if classes_at(output.shape) == 1 else output.movedim(-1, 1)
        return F.cross_entropy(logits, labels)

    # --- tools for passes of their own

    def forward(
        self,
        x: torch.Tensor,
        *,
        weights: Sequence[torch.Tensor] | None = None,
        listener: Listener | None = None,
        norms: str = "batch",
        twice: bool = False,
    ) -> torch.Tensor:
        """One forward pass; see `Listening`.

        Args:
            x: the batch.
            weights: other values for `self.weights.tensors`.
            listener: is told of each operation.
            norms: how normalisations compute.
            twice: whether activations must have a second derivative.
        """
        worn = dict(enumerate(self.weights.tensors if weights is None else weights))
        with wearing(self.weights, worn), Listening(listener, norms=norms, twice=twice):
            result = self.model(x)
        for tensor in tensors_in(result):
            if tensor.is_floating_point():
                return tensor
        # Some networks answer with an object that has the tensor as an attribute.
        logits = getattr(result, "logits", None)
        if isinstance(logits, torch.Tensor):
            return logits
        raise Undefined(f"its output is no tensor of numbers but {type(result).__name__}")

    def gradient(
        self, of: torch.Tensor, by: Sequence[torch.Tensor], **options: Any
    ) -> tuple[torch.Tensor | None, ...]:
        """`torch.autograd.grad`, with None for what has no gradient."""
        if not of.requires_grad:
            raise Undefined("its output does not depend on its weights by a gradient")
        return torch.autograd.grad(of, list(by), allow_unused=True, **options)

    def gradients(self, of: torch.Tensor) -> list[torch.Tensor]:
        """The gradient by each of the weights; zeros where there is none."""
        trainable = [t for t in self.weights.tensors if t.requires_grad]
        found = iter(self.gradient(of, trainable))
        every = [next(found) if t.requires_grad else None for t in self.weights.tensors]
        return [
            torch.zeros_like(t) if g is None else g
            for t, g in zip(self.weights.tensors, every, strict=True)
        ]

    def generator(self, stream: int = 0) -> torch.Generator:
        """Random numbers that depend on the seed and `stream` alone (on the CPU)."""
        return torch.Generator().manual_seed(self.seed * 1009 + stream)

    def noise(self, n: int, *, stream: int) -> torch.Tensor:
        """Standard normal inputs, or whole numbers where the network takes those."""
        if not self.inputs.is_floating_point():
            return self.inputs[:n]
        x = torch.randn((n, *self.input_shape), generator=self.generator(stream))
        return x.to(self.inputs)

    def matrices(self) -> list[int]:
        """Indices of the weights of layers.

        Raises:
            Undefined: there are none.
        """
        found = self.weights.matrices()
        if not found:
            raise Undefined("it has no layer with weights")
        return found


def classes_at(shape: Sequence[int]) -> int:
    """The dimension of the classes in an output: the last, but 1 for maps.

    >>> classes_at((2, 10)), classes_at((2, 5, 8, 8))  # batch x classes x height x width
    (1, 1)
    >>> classes_at((2, 7, 100))  # batch x time x classes
    2
    """
    return 2 if len(shape) == 3 else 1


def random_labels(shape: Sequence[int], *, seed: int) -> torch.Tensor:
    """Random classes for an output of several, random numbers for one of a single column.

    >>> random_labels((3, 10), seed=0).tolist()
    [5, 9, 4]
    >>> random_labels((3, 1), seed=0).shape
    torch.Size([3, 1])
    """
    generator = torch.Generator().manual_seed(seed + 1)
    at = classes_at(shape)
    if len(shape) < 2 or shape[at] == 1:
        return torch.randn(tuple(shape), generator=generator)
    rest = [n for i, n in enumerate(shape) if i != at]
    return torch.randint(shape[at], rest, generator=generator)


def random_inputs(
    model: nn.Module, input_shape: Sequence[int], batch: int, *, seed: int, device: Any
) -> torch.Tensor:
    """Standard normal inputs, or random indices for a network that begins with an embedding."""
    return example_input(model, input_shape, batch_size=batch, device=device, seed=seed)


def natural_images(n: int, shape: Sequence[int], *, seed: int) -> torch.Tensor:
    """Random images with the statistics that photographs have in common.

    Gaussian noise whose amplitude falls as one over the spatial frequency (Field, Relations between
    the statistics of natural images and the response properties of cortical cells, JOSA A 1987),
    largely the same in all channels, with mean 0 and variance 1 in each.

    Args:
        n: how many.
        shape: channels, height and width.
        seed: of the noise.

    >>> natural_images(2, (3, 8, 8), seed=0).shape
    torch.Size([2, 3, 8, 8])
    """
    channels, height, width = shape
    generator = torch.Generator().manual_seed(seed)
    own = torch.randn(n, channels, height, width, generator=generator)
    common = torch.randn(n, 1, height, width, generator=generator)
    across = torch.fft.rfftfreq(width)
    down = torch.fft.fftfreq(height)[:, None]
    frequency = (across**2 + down**2).sqrt().clamp_min(1 / max(height, width))
    spectrum = torch.fft.rfft2(0.5 * own + common) / frequency
    x = torch.fft.irfft2(spectrum, s=(height, width))
    axes = (0, 2, 3)
    return (x - x.mean(axes, keepdim=True)) / x.std(axes, keepdim=True).clamp_min(1e-12)
