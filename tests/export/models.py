"""Networks of the kinds that people export, each with its input shape."""

from collections import OrderedDict

import torch
import torch.nn.functional as F
from torch import nn


def randomise(net, seed=0):
    """Weights and batch-norm statistics as after training: outputs that vary, nothing at 0 or 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
            if not tensor.is_floating_point():
                continue
            noise = torch.randn(tensor.shape, generator=generator)
            if name.endswith("running_var"):
                tensor.copy_(noise.abs() + 0.5)
            elif tensor.dim() < 2:
                tensor.copy_(0.3 * noise + (0.8 if "weight" in name else 0.0))
            else:
                fan_in = tensor[0].numel()
                tensor.copy_(noise * (1.5 / fan_in) ** 0.5)
    return net.eval()


class SqueezeExcite(nn.Module):
    def __init__(self, channels, ratio=4):
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // ratio, 1)
        self.expand = nn.Conv2d(channels // ratio, channels, 1)

    def forward(self, x):
        scale = x.mean((2, 3), keepdim=True)
        scale = self.expand(F.relu(self.reduce(scale)))
        return x * torch.sigmoid(scale)


class MBConv(nn.Module):
    def __init__(self, n_in, n_out, kernel=3, stride=1, expand=4, se=True):
        super().__init__()
        hidden = n_in * expand
        self.expand = nn.Sequential(
            OrderedDict(
                conv=nn.Conv2d(n_in, hidden, 1, bias=False),
                norm=nn.BatchNorm2d(hidden, momentum=0.03, eps=1e-3),
                act=nn.SiLU(inplace=True),
            )
        )
        self.depthwise = nn.Conv2d(
            hidden, hidden, kernel, stride, padding=kernel // 2, groups=hidden, bias=False
        )
        self.norm = nn.BatchNorm2d(hidden)
        self.se = SqueezeExcite(hidden) if se else nn.Identity()
        self.project = nn.Sequential(nn.Conv2d(hidden, n_out, 1, bias=False), nn.BatchNorm2d(n_out))
        self.residual = stride == 1 and n_in == n_out

    def forward(self, x):
        y = self.expand(x)
        y = F.silu(self.norm(self.depthwise(y)))
        y = self.project(self.se(y))
        return x + y if self.residual else y


class MobileNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.Hardswish()
        )
        self.blocks = nn.Sequential(
            MBConv(8, 8, kernel=3),
            MBConv(8, 16, kernel=5, stride=2),
            MBConv(16, 16, kernel=5, expand=3),
            MBConv(16, 16, kernel=3, expand=6, se=False),
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(16, 10)

    def forward(self, x):
        x = self.pool(self.blocks(self.stem(x)))
        return self.head(self.drop(torch.flatten(x, 1)))


class Residual(nn.Module):
    """In-place additions and activations, as in the original ResNet code."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, padding_mode="circular")
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding="same", dilation=2)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.conv2(out)
        out += identity
        return self.relu(out)


class Branches(nn.Module):
    """Concatenated branches, chunks, a ModuleList and a ModuleDict."""

    def __init__(self):
        super().__init__()
        self.stem = Residual(4)
        self.branches = nn.ModuleList(
            [
                nn.Conv2d(4, 4, 1),
                nn.Conv2d(4, 4, 3, padding=1, groups=2),
                nn.Sequential(nn.MaxPool2d(3, 1, 1), nn.Conv2d(4, 4, 1)),
            ]
        )
        self.ops = nn.ModuleDict(
            {"avg_3x3": nn.AvgPool2d(3, 1, 1), "up": nn.Upsample(scale_factor=2)}
        )
        self.deconv = nn.ConvTranspose2d(12, 6, 3, stride=2, padding=1, output_padding=1)
        self.act = nn.PReLU(6)
        self.norm = nn.GroupNorm(3, 6)
        self.head = nn.Linear(6 * 4, 3)

    def forward(self, x):
        x = self.stem(x)
        y = torch.cat([branch(x) for branch in self.branches], dim=1)
        y = self.ops["avg_3x3"](y)
        y = self.norm(self.act(self.deconv(y)))
        a, b, c = y.chunk(3, dim=1)
        y = torch.cat([a * b.sigmoid(), c - a, b], 1)
        _, c, _, _ = y.shape
        y = F.adaptive_avg_pool2d(y, 2).reshape(len(y), c * 4)
        return self.head(y)


class Mlp(nn.Module):
    def __init__(self, n_in=12, widths=(16, 16, 8), n_out=3):
        super().__init__()
        layers = []
        for width in widths:
            layers += [
                nn.Linear(n_in, width), nn.BatchNorm1d(width), nn.GELU("tanh"), nn.Dropout(0.1)
            ]  # fmt: skip
            n_in = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(n_in, n_out)

    def forward(self, x):
        return self.head(self.body(x))


class Attention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x):
        n, t, width = x.shape
        q, k, v = self.qkv(x).reshape(n, t, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v)
        return self.out(y.transpose(1, 2).reshape(n, t, width))


class Block(nn.Module):
    def __init__(self, width, heads, hidden):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.scale = nn.Parameter(torch.ones(width))

    def forward(self, x, mask=None):
        if mask is not None:
            x = x * mask
        x = x + self.attention(self.norm1(x))
        return x + self.scale * self.mlp(self.norm2(x))


class VisionTransformer(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 16, 4, stride=4)
        self.cls = nn.Parameter(torch.zeros(1, 1, 16))
        self.position = nn.Parameter(torch.randn(1, 5, 16))
        self.register_buffer("offset", torch.linspace(0, 1, 16), persistent=False)
        self.blocks = nn.ModuleList([Block(16, 2, 32), Block(16, 4, 24), Block(16, 2, 32)])
        self.norm = nn.LayerNorm(16)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.cls.expand(x.shape[0], -1, -1), x], dim=1) + self.position + self.offset
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x)[:, 0])


class TorchTransformer(nn.Module):
    def __init__(self, norm_first=False):
        super().__init__()
        layer = nn.TransformerEncoderLayer(
            16, 2, 32, activation="gelu", batch_first=True, norm_first=norm_first
        )
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True, dropout=0.1)
        self.head = nn.Linear(16, 3)

    def forward(self, x):
        x = self.encoder(x)
        y, _ = self.attention(x, x, x, need_weights=False)
        return self.head((x + y).mean(dim=1))


class Lstm(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(20, 6, padding_idx=0)
        self.lstm = nn.LSTM(6, 8, num_layers=2, batch_first=True, bidirectional=True, dropout=0.1)
        self.gru = nn.GRU(16, 5, batch_first=True)
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        y, (_, _) = self.lstm(self.embed(x))
        y, last = self.gru(y)
        return self.head(last[-1] + y[:, -1])


class Signal(nn.Module):
    """One-dimensional, with positions made in the forward."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Sequential(nn.Conv1d(2, 8, 5, stride=2), nn.InstanceNorm1d(8, affine=True))
        self.position = nn.Embedding(32, 8)
        self.norm = nn.RMSNorm(8)
        self.head = nn.Sequential(nn.ELU(0.5), nn.Linear(8, 2), nn.LogSoftmax(dim=-1))

    def forward(self, x):
        x = self.conv(x).transpose(1, 2)
        positions = torch.arange(x.shape[1], device=x.device)
        x = self.norm(x + self.position(positions) * 0.5)
        return self.head(F.leaky_relu(x, 0.2).mean(1))


class Cell(nn.Module):
    """Its own class calls a torch.fx.GraphModule."""

    def __init__(self, channels):
        super().__init__()
        holder = nn.Module()
        holder.conv = nn.Conv2d(channels, channels, 3, padding=1)
        holder.skip = nn.Identity()
        holder.pool = nn.AvgPool2d(3, stride=1, padding=1, count_include_pad=False)
        graph = torch.fx.Graph()
        x = graph.placeholder("x")
        a = graph.call_module("conv", (x,))
        b = graph.call_module("skip", (x,))
        total = graph.call_function(torch.add, (a, b))
        c = graph.call_module("pool", (total,))
        graph.output(graph.call_function(torch.cat, ([total, c], 1)))
        self.cell = torch.fx.GraphModule(holder, graph)
        self.mix = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x):
        return self.mix(F.relu(self.cell(x)))


class CellNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.cells = nn.Sequential(Cell(8), Cell(8), Cell(8), Cell(8))
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.cells(self.stem(x)).mean((-2, -1)))


class Flags(nn.Module):
    """A module whose path depends on how it is called, and a list handed to a part."""

    class Fuse(nn.Module):
        def __init__(self):
            super().__init__()
            self.weights = nn.Parameter(torch.ones(2))

        def forward(self, xs, normalise=True):
            weights = F.softmax(self.weights, 0) if normalise else self.weights
            return sum(weights[i] * x for i, x in enumerate(xs))

    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(4, 4), nn.Linear(4, 4)
        self.fuse = Flags.Fuse()
        self.twice = Flags.Fuse()
        self.unused = nn.Linear(3, 3)

    def forward(self, x):
        a, b = self.a(x), self.b(x)
        y = self.fuse([a, b], normalise=False)
        return self.twice([y, a]) + self.twice([b, y], False)


class Tied(nn.Module):
    """Two layers that share a weight, and one layer that is called twice."""

    def __init__(self):
        super().__init__()
        self.encode = nn.Linear(6, 4, bias=False)
        self.middle = nn.Linear(4, 4)
        self.again = self.middle
        self.decode = nn.Linear(4, 6, bias=False)
        self.decode.weight = nn.Parameter(torch.randn(6, 4))
        self.last = nn.Linear(6, 4, bias=False)
        self.last.weight = self.encode.weight

    def forward(self, x):
        x = self.encode(x).relu()
        x = self.again(self.middle(x).tanh())
        return self.last(self.decode(x))


MODELS = {
    "mobilenet": (MobileNet, (3, 16, 16)),
    "branches": (Branches, (4, 8, 8)),
    "mlp": (Mlp, (12,)),
    "vit": (VisionTransformer, (3, 8, 8)),
    "transformer": (TorchTransformer, (6, 16)),
    "transformer_pre": (lambda: TorchTransformer(norm_first=True), (6, 16)),
    "lstm": (Lstm, (7,)),
    "signal": (Signal, (2, 21)),
    "cells": (CellNet, (3, 8, 8)),
    "flags": (Flags, (4,)),
    "tied": (Tied, (6,)),
    "sequential": (lambda: nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), (4,)),
    "layer": (lambda: nn.Linear(4, 2), (4,)),
}


class ByShape(nn.Module):
    """Its path depends on the shape, and it writes into slices: no class can be followed."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(6, 6), nn.Linear(6, 6)])
        self.gain = nn.Parameter(torch.ones(6))
        self.register_buffer("shift", torch.linspace(0, 1, 6), persistent=False)

    def forward(self, x):
        y = torch.zeros_like(x)
        y[:, :2] = x[:, :2] * 2
        for layer in self.layers[: 2 if x.shape[1] > 3 else 1]:
            y = layer(F.elu(y + x)) * self.gain + self.shift
        return y


class ByValue(nn.Module):
    """Its path depends on the numbers: no format can hold it."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3, 3)

    def forward(self, x):
        return self.layer(x) if x.sum() > 0 else x


class FixedBatch(nn.Module):
    """Works for two samples only."""

    def forward(self, x):
        return x.reshape(2, 3) * 2
