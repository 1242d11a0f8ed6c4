"""A network as nodes and edges, to be drawn: its layers, and where branches part and join."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import nn
from torch.overrides import TorchFunctionMode

from archwright.hardware.layers import LayerRecorder
from archwright.hardware.tracing import tensors_in, trace

# Operations outside of layers that are worth a node, by their aten name without the trailing
# underscore of in-place forms. Those of the first group only where different branches meet.
_JOINS: Final = {
    "add": "add",
    "sub": "subtract",
    "rsub": "subtract",
    "mul": "multiply",
    "div": "divide",
    "cat": "concat",
    "stack": "stack",
    "maximum": "maximum",
    "minimum": "minimum",
    "where": "select",
    "addcmul": "multiply",
    "lerp": "blend",
}
_STEPS: Final = {
    "mm": "matmul",
    "bmm": "matmul",
    "baddbmm": "matmul",
    "addmm": "linear",
    "mv": "matmul",
    "convolution": "conv",
    "embedding": "embedding",
    "native_batch_norm": "batch norm",
    "native_layer_norm": "layer norm",
    "native_group_norm": "group norm",
    "relu": "relu",
    "gelu": "gelu",
    "silu": "silu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "elu": "elu",
    "hardtanh": "hardtanh",
    "hardswish": "hardswish",
    "hardsigmoid": "hardsigmoid",
    "leaky_relu": "leaky relu",
    "mish": "mish",
    "softplus": "softplus",
    "_softmax": "softmax",
    "_safe_softmax": "softmax",
    "_log_softmax": "log softmax",
    "mean": "mean",
    "sum": "sum",
    "amax": "max",
    "max": "max",
    "max_pool2d_with_indices": "max pool",
    "max_pool3d_with_indices": "max pool",
    "avg_pool2d": "average pool",
    "avg_pool3d": "average pool",
    "_adaptive_avg_pool2d": "average pool",
    "adaptive_max_pool2d": "max pool",
    "upsample_nearest2d": "upsample",
    "upsample_bilinear2d": "upsample",
    "constant_pad_nd": "pad",
    "pixel_shuffle": "pixel shuffle",
}


class _Node:
    __slots__ = ("flops", "functional", "kind", "label", "params", "path", "shape", "sources")

    def __init__(self, label: str, kind: str, path: str, *, functional: bool) -> None:
        self.label = label
        self.kind = kind
        self.path = path
        self.functional = functional
        self.shape: tuple[int, ...] = ()
        self.params = 0
        self.flops = 0
        self.sources: dict[int, None] = {}  # in the order of first use


class _Drawer(LayerRecorder):
    def __init__(self, model: nn.Module, *, real: bool = False) -> None:
        super().__init__(model, real=real)
        self.nodes: list[_Node] = [_Node("input", "input", "", functional=False)]
        self.makers: dict[int, frozenset[int]] = {}  # tensor -> nodes that it comes from
        self.bases: dict[int, int] = {}  # view -> tensor whose memory it shares
        self.written: dict[int, frozenset[int]] = {}  # tensor -> nodes that wrote through views
        self.current: int | None = None
        self.function: str | None = None

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        with super().watching(), _Attention(self):
            yield

    def add_buffer(self, tensor: torch.Tensor) -> None:
        if not self._sizes:
            self.makers[id(tensor)] = frozenset({0})
            self.nodes[0].shape = tuple(tensor.shape)
        super().add_buffer(tensor)

    def on_enter(self, module: nn.Module) -> None:
        self.current = None

    def on_leave(self, module: nn.Module, output: Any) -> None:
        if self.current is not None:
            out = next(tensors_in(output), None)
            if out is not None:
                self.nodes[self.current].shape = tuple(out.shape)
        self.current = None

    def on_op(self, kind: str, inputs: list[torch.Tensor], outputs: list[Any], flops: int) -> None:
        makers = [made for t in inputs if (made := self.made_by(t))]
        for tensor, base in outputs:
            if base is not None and base is not tensor:
                self.bases[id(tensor)] = self.bases.get(id(base), id(base))
        if self.unit is not None or self.function is not None:
            node = self._unit_node(makers)
        else:
            node = self._functional_node(kind.split(".")[0].rstrip("_"), makers)
        if node is None:
            found: frozenset[int] = frozenset().union(*makers)
        else:
            found = frozenset({node})
            self.nodes[node].flops += flops
        for tensor, base in outputs:
            if node is not None and (self.unit is None or not self.nodes[node].shape):
                self.nodes[node].shape = tuple(tensor.shape)
            self.makers[id(tensor)] = found
            root = self.bases.get(id(tensor))
            if base is tensor and root is not None:
                self.written[root] = self.written.get(root, frozenset()) | found

    def made_by(self, tensor: torch.Tensor) -> frozenset[int]:
        """The nodes that a tensor comes from, those that wrote into a part of it included."""
        key = id(tensor)
        written = self.written.get(self.bases.get(key, key), frozenset())
        return self.makers.get(key, frozenset()) | written

    def _unit_node(self, makers: list[frozenset[int]]) -> int | None:
        if self.current is None:
            if not makers:
                return None
            module = self.unit
            if module is None:
                path = self.names.get(id(self.stack[-1]), "") if self.stack else ""
                node = _Node(str(self.function), str(self.function), path, functional=True)
            else:
                path = self.names.get(id(module), "")
                node = _Node(label(module), type(module).__name__, path, functional=False)
                node.params = sum(p.numel() for p in module.parameters())
            self.nodes.append(node)
            self.current = len(self.nodes) - 1
        for group in makers:
            self._link(group - {self.current}, self.current)
        return self.current

    def _functional_node(self, kind: str, makers: list[frozenset[int]]) -> int | None:
        joins = len(set(makers)) > 1
        name = _STEPS.get(kind) or (_JOINS.get(kind) if joins else None)
        if name is None or not makers:
            return None
        path = self.names.get(id(self.stack[-1]), "") if self.stack else ""
        self.nodes.append(_Node(name, name, path, functional=True))
        for group in makers:
            self._link(group, len(self.nodes) - 1)
        return len(self.nodes) - 1

    def _link(self, sources: Iterable[int], target: int) -> None:
        for source in sorted(sources):
            self.nodes[target].sources[source] = None


class _Attention(TorchFunctionMode):
    """Shows `scaled_dot_product_attention` as one node, not as the products it is made of."""

    def __init__(self, drawer: _Drawer) -> None:
        super().__init__()
        self.drawer = drawer

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        drawer = self.drawer
        if func is not F.scaled_dot_product_attention or drawer.unit is not None:
            return func(*args, **(kwargs or {}))
        drawer.function, drawer.current = "attention", None
        try:
            return func(*args, **(kwargs or {}))
        finally:
            drawer.function, drawer.current = None, None


def graph(
    model: nn.Module,
    input_shape: Sequence[int],
    *,
    batch_size: int = 1,
    dtype: torch.dtype | None = None,
) -> dict[str, list[Any]]:
    """The network's structure for drawing: layers, and the operations where branches join.

    It is read off one forward pass, so it holds for any model: which tensors an operation read
    says where the edges go. Layers that do nothing in inference (identity, dropout) and operations
    that only reshape are left out; a sum of several branches is one node.

    Args:
        model: the network.
        input_shape: the shape of one sample, without the batch.
        batch_size: samples in the pass.
        dtype: type of the input; by default what the network takes.

    Returns:
        `{"nodes": [...], "edges": [[from, to], ...]}` of plain values. A node has `id`, `label`
        (short text), `kind` (class name of a layer, or the operation), `name` (path of the layer,
        or of the module in whose forward the operation stands), `shape` (output without the
        batch), `params` and `flops`. The first node is the input, the last one the output; nodes
        are in the order of computation, so edges go from smaller to larger ids.

    Raises:
        InputError: the network cannot take such an input.

    Example:
        >>> drawn = graph(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), (4,))
        >>> [node["label"] for node in drawn["nodes"]]
        ['input', 'linear 8', 'relu', 'linear 2', 'output']
        >>> drawn["edges"]
        [[0, 1], [1, 2], [2, 3], [3, 4]]
    """
    recorder, result = trace(
        model, input_shape, batch_size=batch_size, dtype=dtype, recorder=_Drawer
    )
    assert isinstance(recorder, _Drawer)
    nodes = recorder.nodes
    end = _Node("output", "output", "", functional=False)
    for i, tensor in enumerate(tensors_in(result)):
        if i == 0:
            end.shape = tuple(tensor.shape)
        for source in sorted(recorder.made_by(tensor)):
            end.sources[source] = None
    nodes.append(end)
    if not end.sources:
        # the trail was lost (a tensor subclass, a detour through numpy): a chain in call order
        for i, node in enumerate(nodes[1:]):
            node.sources = {i: None}
    alive = _merge_sums(nodes)
    number = {old: new for new, old in enumerate(alive)}
    return {
        "nodes": [
            {
                "id": number[i],
                "label": nodes[i].label,
                "kind": nodes[i].kind,
                "name": nodes[i].path,
                "shape": [int(n) for n in nodes[i].shape[1:]],
                "params": nodes[i].params,
                "flops": nodes[i].flops,
            }
            for i in alive
        ],
        "edges": sorted([number[source], number[i]] for i in alive for source in nodes[i].sources),
    }


def _merge_sums(nodes: list[_Node]) -> list[int]:
    """Fold a sum that only another sum reads into it; the indices of the nodes that remain."""
    readers: dict[int, list[int]] = {}
    for i, node in enumerate(nodes):
        for source in node.sources:
            readers.setdefault(source, []).append(i)
    gone: set[int] = set()
    for node in nodes:
        if not node.functional or node.kind != "add":
            continue
        merged: dict[int, None] = {}
        for source in node.sources:
            other = nodes[source]
            if other.functional and other.kind == "add" and len(readers[source]) == 1:
                merged.update(other.sources)
                gone.add(source)
            else:
                merged[source] = None
        node.sources = merged
    return [i for i in range(len(nodes)) if i not in gone]


def label(module: nn.Module) -> str:
    """A layer in a few characters: `conv 3x3 32 /2`, `linear 10`, `relu`.

    >>> label(nn.Conv2d(8, 8, 3, stride=2, groups=8)), label(nn.BatchNorm2d(8))
    ('depthwise conv 3x3 8 /2', 'batch norm')
    """
    kind = type(module).__name__
    if isinstance(module, nn.modules.conv._ConvNd):
        name = "transposed conv" if module.transposed else "conv"
        if module.groups > 1:
            depthwise = module.groups == module.in_channels
            name = f"depthwise {name}" if depthwise else f"grouped {name}"
        kernel = "x".join(str(k) for k in module.kernel_size)
        text = f"{name} {kernel} {module.out_channels}"
        stride = max(module.stride)
        text += f" /{stride}" if stride > 1 else ""
        dilation = max(module.dilation)
        return text + (f" dilated {dilation}" if dilation > 1 else "")
    if isinstance(module, nn.Linear):
        return f"linear {module.out_features}"
    if isinstance(module, nn.RNNBase):
        both = " both ways" if module.bidirectional else ""
        deep = f" x{module.num_layers}" if module.num_layers > 1 else ""
        return f"{module.mode.split('_')[0].lower()} {module.hidden_size}{deep}{both}"
    if isinstance(module, nn.MultiheadAttention):
        heads = f"{module.num_heads} head{'s' if module.num_heads > 1 else ''}"
        return f"attention {module.embed_dim}, {heads}"
    if isinstance(module, nn.Embedding):
        return f"embedding {module.embedding_dim}"
    if isinstance(module, (nn.modules.pooling._MaxPoolNd, nn.modules.pooling._AvgPoolNd)):
        name = "max pool" if "Max" in kind else "average pool"
        size = getattr(module, "kernel_size", None)
        sizes = size if isinstance(size, tuple) else (size, size) if "2d" in kind else (size,)
        return f"{name} {'x'.join(str(s) for s in sizes)}"
    if "Adaptive" in kind and "Pool" in kind:
        return ("max pool " if "Max" in kind else "average pool ") + _sizes(
            getattr(module, "output_size", 1)
        )
    if "Norm" in kind:
        return f"{_words(kind)}"
    return _words(kind)


def _sizes(size: Any) -> str:
    sizes = [s for s in (size if isinstance(size, (tuple, list)) else (size,)) if s is not None]
    return "global" if math.prod(sizes) == 1 else "to " + "x".join(str(s) for s in sizes)


_WORDS: Final = {
    "ReLU": "relu",
    "ReLU6": "relu6",
    "GELU": "gelu",
    "SiLU": "silu",
    "ELU": "elu",
    "PReLU": "prelu",
    "LeakyReLU": "leaky relu",
    "RMSNorm": "rms norm",
    "BatchNorm1d": "batch norm",
    "BatchNorm2d": "batch norm",
    "BatchNorm3d": "batch norm",
}


def _words(kind: str) -> str:
    """A class name in lower-case words: `LayerNorm` -> `layer norm`."""
    if kind in _WORDS:
        return _WORDS[kind]
    text = ""
    for i, letter in enumerate(kind):
        new_word = letter.isupper() and i > 0 and not kind[i - 1].isupper()
        text += (" " if new_word else "") + letter.lower()
    return text
