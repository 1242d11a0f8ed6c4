"""One forward pass on the meta device: which operations run, on what, and how long results live.

Nothing is computed and no weight is touched: every tensor that reaches an operation is replaced
by its description (shape, strides, type), and what an operation answers for a description is
remembered, because the meta kernels of torch are Python and cost about 100 microseconds each.
"""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, sdpa_flop_count

from archwright.errors import InputError, whole_number
from archwright.nn.contexts import evaluating

_CACHE_LIMIT: Final = 20_000  # entries of about 2 kB
_RNNS: Final = {torch.lstm: 4, torch.gru: 3, torch.rnn_tanh: 1, torch.rnn_relu: 1}

# What an operation answers is a function of these: (flops, template). A template is a nested
# description of the result: ("new", shape, stride, dtype), ("free", ...) likewise without memory,
# ("view", i, shape, stride, dtype), ("same", i), ("const", value) or ("list", [templates], type);
# i counts the tensor arguments.
_answers: dict[Any, tuple[int, Any]] = {}
_composites: set[Any] = set()

# The statistics that normalisation hands on for a backward pass count as parts of this: inference
# makes none, but the meta kernels answer them.
_NO_MEMORY: Final = torch.empty(0)
_NORMS: Final = frozenset(
    {
        torch.ops.aten.native_batch_norm,
        torch.ops.aten._native_batch_norm_legit_no_training,
        torch.ops.aten.native_layer_norm,
        torch.ops.aten.native_group_norm,
    }
)


def _vector_flops(shape: Sequence[int], *_: object, **__: object) -> int:
    return 2 * math.prod(shape)


def _flops_of(func: Any, args: Any, kwargs: Any, out: Any) -> int:
    packet = func._overloadpacket
    formula = flop_registry.get(packet)
    if formula is not None:
        return int(formula(*args, **kwargs, out_val=out))
    aten = torch.ops.aten
    if packet is aten._scaled_dot_product_flash_attention_for_cpu:
        return int(sdpa_flop_count(args[0].shape, args[1].shape, args[2].shape))
    if packet in (aten.mv, aten.dot, aten.vdot):
        return _vector_flops(args[0].shape)
    if packet is aten.addmv:
        return _vector_flops(args[1].shape)
    if packet is aten._trilinear:
        return _vector_flops(torch.broadcast_shapes(*_trilinear_shapes(args)))
    return 0


def _trilinear_shapes(args: Any) -> list[torch.Size]:
    """The three inputs of `aten._trilinear`, each with its expanded dimensions put in as ones."""
    shapes = []
    for tensor, expanded in zip(args[:3], args[3:6], strict=True):
        shape = list(tensor.shape)
        for dim in sorted(expanded):
            shape.insert(dim, 1)
        shapes.append(torch.Size(shape))
    return shapes


class Recorder(TorchDispatchMode):
    """Records the operations of a forward pass with their FLOPs and the lives of their results.

    Args:
        model: the module that will run.
        real: compute for real instead of on descriptions (for models whose path depends on data).
    """

    def __init__(self, model: nn.Module, *, real: bool = False) -> None:
        super().__init__()
        self.model = model
        self.real = real
        self.dtype = torch.float32
        self.flops = 0
        self.n_ops = 0
        self._keep: list[torch.Tensor] = []  # ids stay unique while their tensors live
        self._buffer_of: dict[int, int] = {}
        self._sizes: list[int] = []
        self._born: list[int] = []
        self._last: list[int] = []

    # -- what subclasses may listen to -------------------------------------------------------
    def watching(self) -> contextlib.AbstractContextManager[object]:
        """A context around the forward pass, for hooks on the modules."""
        return contextlib.nullcontext()

    def on_op(self, kind: str, inputs: list[torch.Tensor], outputs: list[Any], flops: int) -> None:
        """Called after every operation that was recorded."""

    # -- bookkeeping ---------------------------------------------------------------------------
    def add_buffer(self, tensor: torch.Tensor) -> None:
        """Count the memory of a new tensor from now on."""
        self._keep.append(tensor)
        self._buffer_of[id(tensor)] = len(self._sizes)
        self._sizes.append(tensor.numel() * tensor.element_size())
        self._born.append(self.n_ops)
        self._last.append(self.n_ops)

    def add_op(
        self,
        kind: str,
        inputs: list[torch.Tensor],
        outputs: list[Any],
        flops: int,
        *,
        workspace: int = 0,
    ) -> None:
        """Record one operation; outputs are pairs (tensor, the tensor it is a view of or None)."""
        buffer_of, last, now = self._buffer_of, self._last, self.n_ops
        for tensor in inputs:
            buffer = buffer_of.get(id(tensor))
            if buffer is not None:
                last[buffer] = now
        for tensor, base in outputs:
            if base is None:
                self.add_buffer(tensor)
            elif base is not tensor:
                self._keep.append(tensor)
                buffer = buffer_of.get(id(base))
                if buffer is not None:
                    buffer_of[id(tensor)] = buffer
        if workspace:
            self._sizes.append(workspace)
            self._born.append(now)
            self._last.append(now)
        self.flops += flops
        self.n_ops += 1
        self.on_op(kind, inputs, outputs, flops)

    def hold(self, result: Any) -> None:
        """Keep the tensors of a result alive to the end of the pass."""
        for tensor in tensors_in(result):
            buffer = self._buffer_of.get(id(tensor))
            if buffer is not None:
                self._last[buffer] = self.n_ops

    def peak_bytes(self) -> int:
        """The most bytes alive at once, each result living from its making to its last use."""
        changes = [0] * (self.n_ops + 2)
        for size, born, last in zip(self._sizes, self._born, self._last, strict=True):
            changes[born] += size
            changes[last + 1] -= size
        peak = live = 0
        for change in changes:
            live += change
            peak = max(peak, live)
        return peak

    # -- dispatch --------------------------------------------------------------------------------
    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in _composites:
            with self:
                return func.decompose(*args, **kwargs)
        tensors: list[torch.Tensor] = []
        key: Any = None
        if not self.real:
            try:
                key = (func, _describe(args, tensors), _describe(kwargs, tensors))
                answer = _answers.get(key)
            except TypeError:  # an argument that cannot be hashed: no memory for this one
                key, answer, tensors = None, None, []
            if answer is not None:
                flops, template = answer
                outputs: list[Any] = []
                result = _make(template, tensors, outputs)
                self.add_op(func.__name__, tensors, outputs, flops)
                return result
        return self._run(func, args, kwargs, key)

    def _run(self, func: Any, args: Any, kwargs: dict[str, Any], key: Any) -> Any:
        if func._overloadpacket not in flop_registry and _is_composite(func):
            _composites.add(func)
            with self:
                return func.decompose(*args, **kwargs)
        tensors: list[torch.Tensor] = []
        _describe(args, tensors, hashing=False)
        _describe(kwargs, tensors, hashing=False)
        if self.real:
            shadows = {id(t): t for t in tensors}
        else:
            shadows = {id(t): _shadow(t) for t in tensors}
            if "device" in kwargs:
                kwargs = {**kwargs, "device": torch.device("meta")}
            if kwargs.get("pin_memory"):
                kwargs = {**kwargs, "pin_memory": False}
        run_args = _substitute(args, shadows)
        run_kwargs = _substitute(kwargs, shadows)
        out = func(*run_args, **run_kwargs)
        flops = _flops_of(func, run_args, run_kwargs, out)
        template = _template(out, [shadows[id(t)] for t in tensors])
        if func._overloadpacket in _NORMS:
            first, *others = template[1]
            template = ("list", [first, *[("free", *t[1:]) for t in others]], template[2])
        outputs: list[Any] = []
        result = _collect(template, out, tensors, outputs)
        if key is not None and not _is_fickle(func):
            if len(_answers) >= _CACHE_LIMIT:
                _answers.clear()
            _answers[key] = (flops, template)
        self.add_op(func.__name__, tensors, outputs, flops)
        return result


class _Recurrent(TorchFunctionMode):
    """Answers lstm, gru and rnn in one step: on meta they are unrolled over time, ten ops a step.

    FLOPs are those of the matrix products: every two-dimensional weight once per time step.
    """

    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        gates = _RNNS.get(func)
        if gates is None or kwargs:
            return func(*args, **kwargs)
        packed = isinstance(args[1], torch.Tensor) and isinstance(args[3], (list, tuple))
        data = args[0]
        if packed:
            hx, weights, bidirectional = args[2], args[3], args[8]
            n_steps = int(data.shape[0])
            leading: tuple[int, ...] = (n_steps,)
        else:
            hx, weights, bidirectional = args[1], args[2], args[7]
            n_steps = int(data.shape[0] * data.shape[1])
            leading = tuple(data.shape[:2])
        states = [hx] if isinstance(hx, torch.Tensor) else list(hx)
        matrices = [w for w in weights if w.dim() == 2]
        flops = 2 * n_steps * sum(w.numel() for w in matrices)
        width = int(states[0].shape[-1]) * (2 if bidirectional else 1)
        with torch._C.DisableTorchFunction(), torch.utils._python_dispatch._disable_current_modes():
            device = "cpu" if self.recorder.real else "meta"
            make = torch.zeros if self.recorder.real else torch.empty
            out = make((*leading, width), dtype=data.dtype, device=device)
            ends = [make(tuple(s.shape), dtype=s.dtype, device=device) for s in states]
        gate_rows = max(int(w.shape[0]) for w in matrices)
        self.recorder.add_op(
            func.__name__,
            [data, *states],
            [(t, None) for t in (out, *ends)],
            flops,
            workspace=n_steps * gate_rows * data.element_size(),
        )
        return (out, *ends)


def trace(
    model: nn.Module,
    input_shape: Sequence[int],
    *,
    batch_size: int = 1,
    dtype: torch.dtype | None = None,
    recorder: Callable[..., Recorder] = Recorder,
) -> tuple[Recorder, Any]:
    """Run the model's forward pass on descriptions of tensors, in evaluation mode.

    The model's weights are neither read nor copied, and its train and eval flags are restored.
    A model whose path depends on the values of tensors cannot be run so; it is then run for real
    on the CPU, on a copy, and recorded by the same rules.

    Args:
        model: the network.
        input_shape: the shape of one sample, without the batch.
        batch_size: the number of samples.
        dtype: the type of the input; by default that of the weights, or int64 for a model that
            looks its input up in an embedding.
        recorder: makes the recorder that listens.

    Returns:
        The recorder and the model's output.

    Raises:
        InputError: the model cannot take an input of this shape.
    """
    shape = check_shape(model, input_shape, batch_size)
    dtypes = [dtype] if dtype is not None else candidate_dtypes(model)
    recurrent = any(isinstance(m, nn.RNNBase) for m in model.modules())
    error: Exception | None = None
    for real in (False, True):
        if real and _on_meta(model):
            break
        for kind in dtypes:
            runner = model
            try:
                if real:
                    runner = copy.deepcopy(model).cpu()
                listener = recorder(runner, real=real)
                with evaluating(runner), _quiet_kernels(), listener.watching():
                    result = _forward(runner, shape, kind, listener, recurrent=recurrent)
            except Exception as failure:  # whatever the user's forward raises
                # The first failure of the last try is the one to tell: it is torch's own message.
                if error is None or real:
                    error = failure
                continue
            listener.hold(result)
            return listener, result
    raise InputError(
        f"{type(model).__name__} cannot take an input of shape {shape} (batch first): "
        f"{first_line(error) if error else 'it was not run'}"
    ) from error


def _forward(
    model: nn.Module,
    shape: Sequence[int],
    dtype: torch.dtype,
    listener: Recorder,
    *,
    recurrent: bool,
) -> Any:
    device = "cpu" if listener.real else "meta"
    if not listener.real:
        x = torch.empty(shape, dtype=dtype, device="meta")
    elif dtype.is_floating_point:
        x = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(dtype)
    else:
        x = torch.zeros(shape, dtype=dtype, device=device)
    listener.dtype = dtype
    listener.add_buffer(x)
    function_mode = _Recurrent(listener) if recurrent else contextlib.nullcontext()
    rng = torch.random.fork_rng(enabled=listener.real, devices=[])
    with torch.no_grad(), rng, listener, function_mode:
        return model(x)


def check_shape(model: object, input_shape: Sequence[int], batch_size: int) -> tuple[int, ...]:
    """The shape of a batch, after the model and the numbers were checked."""
    if not isinstance(model, nn.Module):
        raise InputError(f"expected a torch.nn.Module, got {model!r} ({type(model).__name__})")
    try:
        shape = tuple(int(n) for n in input_shape)
    except (TypeError, ValueError):
        raise InputError(
            f"input_shape must be the shape of one sample without the batch, such as (3, 32, 32), "
            f"got {input_shape!r}"
        ) from None
    if any(n < 1 for n in shape) or any(n != m for n, m in zip(shape, input_shape, strict=True)):
        raise InputError(f"input_shape must hold whole numbers from 1 up, got {input_shape!r}")
    return (whole_number("batch_size", batch_size), *shape)


def candidate_dtypes(model: nn.Module) -> list[torch.dtype]:
    """The input types worth trying for a model, likeliest first."""
    modules = list(model.modules())
    weight = next((p.dtype for p in model.parameters() if p.is_floating_point()), torch.float32)
    if not any(isinstance(m, (nn.Embedding, nn.EmbeddingBag)) for m in modules):
        return [weight]
    return [weight, torch.int64]


def example_input(
    model: nn.Module,
    input_shape: Sequence[int],
    *,
    batch_size: int = 1,
    dtype: torch.dtype | None = None,
    device: str | torch.device = "cpu",
    seed: int = 0,
) -> torch.Tensor:
    """A batch of random input that the model takes: normal numbers, or indices for embeddings.

    Args:
        model: the network.
        input_shape: the shape of one sample, without the batch.
        batch_size: the number of samples.
        dtype: the type; by default what the model takes (see `trace`).
        device: where the batch lies.
        seed: seeds the numbers.

    Returns:
        A tensor of shape `(batch_size, *input_shape)`.

    Example:
        >>> example_input(nn.Linear(3, 2), (3,), batch_size=4).shape
        torch.Size([4, 3])
        >>> example_input(nn.Embedding(10, 2), (3,)).dtype
        torch.int64
    """
    shape = check_shape(model, input_shape, batch_size)
    if dtype is None:
        kinds = candidate_dtypes(model)
        dtype = kinds[0] if len(kinds) == 1 else trace(model, input_shape)[0].dtype
    generator = torch.Generator().manual_seed(seed)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=generator).to(device, dtype)
    sizes = [m.num_embeddings for m in model.modules() if isinstance(m, nn.Embedding)]
    high = 2 if dtype is torch.bool else min(sizes, default=2)
    return torch.randint(high, shape, generator=generator).to(device, dtype)


@contextlib.contextmanager
def _quiet_kernels() -> Iterator[None]:
    """Without fused CPU kernels, which hide their matrix products from the count."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def first_line(error: BaseException) -> str:
    """The kind and first line of an error, short enough for a message."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:300]}" if lines else type(error).__name__


def tensors_in(result: Any) -> Iterator[torch.Tensor]:
    """The tensors of a nested result of tuples, lists and mappings."""
    if isinstance(result, torch.Tensor):
        yield result
    elif isinstance(result, dict):
        for value in result.values():
            yield from tensors_in(value)
    elif isinstance(result, (list, tuple)):
        for value in result:
            yield from tensors_in(value)


def _on_meta(model: nn.Module) -> bool:
    return any(p.is_meta for p in model.parameters())


def _is_composite(func: Any) -> bool:
    return bool(
        torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd")
    )


def _is_fickle(func: Any) -> bool:
    return torch.Tag.inplace_view in func.tags


def _describe(value: Any, tensors: list[torch.Tensor], *, hashing: bool = True) -> Any:
    if isinstance(value, torch.Tensor):
        tensors.append(value)
        return (value.shape, value.stride(), value.dtype) if hashing else None
    kind = type(value)
    if kind is int or value is None:
        return value
    if kind is tuple or kind is list:
        return tuple([_describe(v, tensors, hashing=hashing) for v in value])
    if kind is dict:
        return tuple([(k, _describe(v, tensors, hashing=hashing)) for k, v in value.items()])
    # 1, 1.0 and True are equal and hash alike, and an operation may answer another type for each
    return (kind, value)


def _shadow(tensor: torch.Tensor) -> torch.Tensor:
    if tensor.is_meta:
        return tensor
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device="meta")


def _substitute(value: Any, shadows: dict[int, torch.Tensor]) -> Any:
    if isinstance(value, torch.Tensor):
        return shadows[id(value)]
    if type(value) in (list, tuple):
        return type(value)(_substitute(v, shadows) for v in value)
    if type(value) is dict:
        return {k: _substitute(v, shadows) for k, v in value.items()}
    return value


def _template(out: Any, tensors: list[torch.Tensor]) -> Any:
    if isinstance(out, torch.Tensor):
        for i, tensor in enumerate(tensors):
            if out is tensor:
                return ("same", i)
        storage = out.untyped_storage()._cdata
        for i, tensor in enumerate(tensors):
            if tensor.untyped_storage()._cdata == storage:
                return ("view", i, out.shape, out.stride(), out.dtype)
        return ("new", out.shape, out.stride(), out.dtype)
    if isinstance(out, (list, tuple)):
        return ("list", [_template(o, tensors) for o in out], list if type(out) is list else tuple)
    return ("const", out)


def _make(template: Any, tensors: list[torch.Tensor], outputs: list[Any]) -> Any:
    kind = template[0]
    if kind == "new":
        tensor = torch.empty_strided(template[1], template[2], dtype=template[3], device="meta")
        outputs.append((tensor, None))
        return tensor
    if kind == "free":
        tensor = torch.empty_strided(template[1], template[2], dtype=template[3], device="meta")
        outputs.append((tensor, _NO_MEMORY))
        return tensor
    if kind == "view":
        _, i, shape, stride, dtype = template
        tensor = torch.empty_strided(shape, stride, dtype=dtype, device="meta")
        outputs.append((tensor, tensors[i]))
        return tensor
    if kind == "same":
        tensor = tensors[template[1]]
        outputs.append((tensor, tensor))
        return tensor
    if kind == "list":
        return template[2]([_make(t, tensors, outputs) for t in template[1]])
    return template[1]


def _collect(template: Any, out: Any, tensors: list[torch.Tensor], outputs: list[Any]) -> Any:
    """The result to hand on, as `_make` but with the tensors that were just computed."""
    kind = template[0]
    if kind == "same":
        tensor = tensors[template[1]]
        outputs.append((tensor, tensor))
        return tensor
    if kind == "list":
        parts = zip(template[1], out, strict=True)
        return template[2]([_collect(t, o, tensors, outputs) for t, o in parts])
    if kind == "const":
        return out
    if kind == "free":
        outputs.append((out, _NO_MEMORY))
    else:
        outputs.append((out, None if kind == "new" else tensors[template[1]]))
    return out
