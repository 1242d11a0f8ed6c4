"""Small spaces that together use every word and every elastic twin of the language."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

import archwright.nn as aw


class MBConv(nn.Module):
    def __init__(self, width: Any, kernel: Any, expand: Any) -> None:
        super().__init__()
        inner = width * expand
        self.body = nn.Sequential(
            aw.conv2d(width, inner, kernel=1, bias=False),
            aw.batch_norm2d(inner),
            nn.ReLU(),
            aw.conv2d(inner, inner, kernel=kernel, groups=inner),
            aw.batch_norm2d(inner),
            aw.conv2d(inner, width, kernel=1),
        )

    def forward(self, x):
        return x + self.body(x)


class Example(nn.Module):
    """The one in the design."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        width = aw.choice("width", [8, 16, 24])
        self.stem = nn.Sequential(aw.conv2d(3, width, kernel=3), aw.batch_norm2d(width), nn.ReLU())
        self.body = aw.repeat(
            "depth",
            1,
            4,
            lambda i: aw.layer(
                "op",
                {
                    "mbconv3": lambda: MBConv(width, 3, aw.choice("expand", [3, 6])),
                    "mbconv5": lambda: MBConv(width, 5, aw.choice("expand", [3, 6])),
                    "skip": nn.Identity,
                },
            ),
        )
        self.head = aw.linear(width, classes)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


class Conv2d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        width = aw.integer("width", 4, 12, step=4)
        kernel = aw.choice("kernel", [1, 3, 5])
        groups = aw.choice("groups", [1, 2, 4])
        stride = aw.choice("stride", [1, 2])
        dilation = aw.choice("dilation", [1, 2])
        bias = aw.choice("bias", [True, False])
        self.a = aw.conv2d(3, width, kernel=(kernel, 3), stride=stride, bias=bias)
        self.b = aw.conv2d(width, 2 * width, kernel=3, groups=groups, dilation=dilation)
        self.c = aw.conv2d(2 * width, 2 * width, kernel=kernel, groups=2 * width)
        self.d = aw.conv2d(2 * width, 4, kernel=3, padding=aw.choice("padding", [0, 1]))

    def forward(self, x):
        return self.d(self.c(self.b(self.a(x))))


class Conv1d(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        width = aw.choice("width", [4, 8])
        kernel = aw.choice("kernel", [3, 7])
        self.a = aw.conv1d(2, width, kernel=kernel, stride=aw.choice("stride", [1, 2]))
        self.norm = aw.batch_norm1d(width)
        self.b = aw.conv1d(width, width, kernel=5, dilation=aw.choice("dilation", [1, 3]))
        self.c = aw.conv1d(width, 3, kernel=kernel, bias=aw.choice("bias", [True, False]))

    def forward(self, x):
        return self.c(self.b(self.norm(self.a(x))))


class ConvTranspose(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        width = aw.choice("width", [4, 8])
        kernel = aw.choice("kernel", [2, 3, 5])
        stride = aw.choice("stride", [1, 2, 3])
        groups = aw.choice("groups", [1, 2, 4])
        self.a = aw.conv_transpose2d(3, width, kernel=kernel, stride=stride)
        self.b = aw.conv_transpose2d(width, 2 * width, kernel=3, groups=groups)
        self.c = aw.conv_transpose2d(
            2 * width, 2, kernel=3, stride=2, padding=1, bias=aw.choice("bias", [False, True])
        )

    def forward(self, x):
        return self.c(self.b(self.a(x)))


class Norms(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        width = aw.choice("width", [4, 8, 16])
        self.stem = aw.linear(6, width, bias=aw.choice("bias", [True, False]))
        self.batch = aw.batch_norm1d(width)
        self.layer = aw.layer_norm(width)
        self.rms = aw.rms_norm((width,))
        self.group = aw.group_norm(aw.choice("groups", [1, 2, 4]), width)
        self.drop = aw.dropout(aw.real("dropout", 0.0, 0.5))
        self.scale = width**-0.5
        self.gain = aw.parameter(1, width, init=nn.init.ones_)
        self.shift = aw.parameter(width)

    def forward(self, x):
        x = self.drop(self.rms(self.layer(self.batch(self.stem(x)))))
        x = self.group(x) * self.scale * self.gain + self.shift
        return torch.cat([x, self.gain.expand(len(x), -1)], 1)


class Mlp(nn.Module):
    """Widths that differ by depth, and a head that follows the last."""

    def __init__(self) -> None:
        super().__init__()
        widths: list[Any] = [5]

        def block(i: int) -> nn.Module:
            width = aw.choice("width", [4, 8, 16])
            widths.append(width)
            return nn.Sequential(
                aw.linear(widths[-2], width),
                aw.layer("act", {"relu": nn.ReLU, "gelu": nn.GELU, 3: nn.Tanh}),
            )

        self.body = aw.repeat("depth", 0, 3, block, default=2)
        self.more = aw.repeat("more", 1, 2, lambda i: nn.Linear(1, 1), as_list=True)
        self.head = aw.linear(aw.last(widths), 3)

    def forward(self, x):
        x = self.head(self.body(x))[..., None]
        for item in self.more:
            x = item(x)
        return x


class Arithmetic(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        a = aw.integer("a", 1, 5)
        b = aw.choice("b", [2, 3])
        sizes = [
            a + 1, 1 + a, 9 - a, a * b, 3 * a, (a * 8) // b, 7 // b, a % b + 1, 17 % b + 1,
            aw.divisible(a * 5), aw.maximum(a, b, 4), aw.minimum(a, 3), b**2, 2**b,
            round(a * 1.5), abs(-a), +a,
        ]  # fmt: skip
        self.items = nn.ModuleList(aw.linear(2, size) for size in sizes)

    def forward(self, x):
        return torch.cat([item(x) for item in self.items], 1)


class Shared(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(self.block() for _ in range(2))
        with aw.scope("tail", shared=True):
            self.a = aw.linear(4, aw.choice("n", [1, 2]))
        with aw.scope("tail", shared=True):
            self.b = aw.linear(4, aw.choice("n", [1, 2]))

    def block(self) -> nn.Module:
        def option() -> nn.Module:
            inner = aw.choice("inner", [2, 3])
            return nn.Sequential(aw.linear(4, inner), aw.linear(inner, 4))

        return nn.Sequential(
            aw.layer("op", {"mlp": option, "skip": nn.Identity}, shared=True),
            aw.repeat("depth", 1, 2, lambda i: option(), shared=True),
        )

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        return torch.cat([self.a(x), self.b(x)], 1)


class Skips(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        width = aw.choice("width", [2, 4])
        self.a = aw.linear(4, width)
        self.b = aw.linear(4, 3)
        self.dense = aw.inputs("dense", [4, width, 3], (1, 3), merge="concat")
        self.c = aw.linear(self.dense.width, 4)
        self.skip = aw.inputs("skip", 3, (0, 2))
        self.pick = aw.inputs("pick", 3, 1, merge="list", default=(1,))

    def forward(self, x):
        c = self.c(self.dense([x, self.a(x), self.b(x)]))
        y = self.skip([x, c, c * x])
        return self.pick([x, y, c])[0]


def conv_ops(width: Any) -> Callable[[aw.Place], dict[str, Any]]:
    def ops(place: aw.Place) -> dict[str, Any]:
        stride = 2 if place.from_input else 1

        def conv() -> nn.Module:
            kernel = aw.choice("kernel", [1, 3])
            return nn.Sequential(
                nn.ReLU(),
                aw.conv2d(width, width, kernel=kernel, stride=stride),
                aw.batch_norm2d(width),
            )

        def pool() -> nn.Module:
            return nn.MaxPool2d(3, stride, padding=1)

        return {"conv": conv, "pool": pool}

    return ops


class Darts(nn.Module):
    def __init__(self, output: Any = "concat", replacement: bool = False) -> None:
        super().__init__()
        width = aw.choice("width", [4, 8])
        self.stem = aw.conv2d(3, width, kernel=3)
        self.cells = nn.ModuleList()
        n: Any = 1
        for _ in range(2):
            self.cells.append(aw.conv2d(n * width, width, kernel=1))
            cell = aw.cell(
                "cell", conv_ops(width), nodes=3, inputs=2, select=2, output=output,
                replacement=replacement, shared=True,
            )  # fmt: skip
            n = cell.n_outputs
            self.cells.append(cell)
        self.head = aw.linear(n * width, 2)

    def forward(self, x):
        x = self.stem(x)
        for pre, cell in zip(self.cells[::2], self.cells[1::2], strict=True):
            x = pre(x)
            x = cell(x, x * 2)
        return self.head(x.mean((2, 3)))


def nasbench201(width: int = 4, n: int = 2, rule: Any = "text") -> nn.Module:
    def conv(kernel: int) -> nn.Module:
        return nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(width, width, kernel, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(width),
        )

    ops = {
        "none": None,
        "skip_connect": None,
        "nor_conv_1x1": lambda: conv(1),
        "nor_conv_3x3": lambda: conv(3),
        "avg_pool_3x3": lambda: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    }
    cells = [
        aw.cell("cell", ops, nodes=3, zero="none", identity="skip_connect", rule=rule, shared=True)
        for _ in range(n)
    ]
    return nn.Sequential(nn.Conv2d(3, width, 3, padding=1), *cells)


class Bench101(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Linear(3, 4)
        self.cell = aw.cell(
            "cell",
            {"linear": lambda: nn.Linear(4, 4), "relu": nn.ReLU, "tanh": nn.Tanh},
            nodes=4,
            select=(0, None),
            op_on="node",
            output="select",
            max_edges=7,
        )

    def forward(self, x):
        return self.cell(self.stem(x))


class Nested(nn.Module):
    """A cell in an option in a repeat, and a cell at the top that the items share."""

    def __init__(self) -> None:
        super().__init__()
        ops = {"a": lambda: aw.linear(4, 4), "b": nn.Tanh, "none": None}

        def block(i: int) -> nn.Module:
            return nn.Sequential(
                aw.layer(
                    "kind",
                    {
                        "cell": lambda: aw.cell("inner", ops, nodes=2, zero="none"),
                        "plain": lambda: aw.linear(4, 4, bias=aw.choice("bias", [True, False])),
                    },
                ),
                aw.cell("/top", {"x": nn.ReLU, "y": lambda: aw.linear(4, 4)}, nodes=2, shared=True),
            )

        with aw.scope("stage"):
            self.body = aw.repeat("depth", 1, 3, block)

    def forward(self, x):
        return self.body(x)


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        dim = aw.choice("dim", [8, 16])
        heads = aw.choice("heads", [1, 2, 4])
        head_dim = aw.choice("head_dim", [2, 4])
        self.tokens = aw.embedding(aw.choice("tokens", [10, 20]), dim)
        self.place = aw.parameter(1, 6, dim, init=nn.init.normal_)
        self.a = aw.attention(dim, heads)
        self.b = aw.attention(dim, heads, head_dim=head_dim, causal=True)
        self.c = aw.attention(
            dim, 2, head_dim=head_dim, context_dim=8, bias=aw.choice("bias", [True, False])
        )
        self.d = aw.attention(dim, heads, head_dim=4, context_dim=dim)
        self.context = nn.Parameter(torch.randn(3, 3, 8))

    def forward(self, tokens, mask):
        x = self.tokens(tokens) + self.place
        x = x + self.a(x)
        x = x + self.a(x, mask)
        x = x + self.b(x)
        x = x + self.c(x, self.context)
        return x + self.d(x, context=x, mask=mask)


def sentence() -> tuple[torch.Tensor, torch.Tensor]:
    return torch.randint(0, 10, (3, 6)), torch.rand(3, 1, 6, 6) > 0.3


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        hidden = aw.choice("hidden", [3, 5, 8])
        width = aw.choice("width", [4, 6])
        self.stem = aw.linear(4, width)
        self.lstm = aw.lstm(width, hidden, num_layers=2, bidirectional=True, batch_first=True)
        self.gru = aw.gru(2 * hidden, hidden, num_layers=2, batch_first=True)
        self.plain = aw.lstm(hidden, 4, bias=False)
        self.last = aw.gru(4, hidden, bidirectional=True)

    def forward(self, x):
        x, (h, c) = self.lstm(self.stem(x))
        x, _ = self.gru(x)
        x, _ = self.plain(x)
        x, _ = self.last(x)
        return x, h, c


def image(*size: int) -> Callable[[], torch.Tensor]:
    return lambda: torch.randn(*size)


def row() -> torch.Tensor:
    return torch.randn(5, 4)


TOYS: dict[str, tuple[aw.ModelSpace, Callable[[], Any]]] = {
    "example": (aw.ModelSpace(Example, 10), image(2, 3, 6, 6)),
    "conv2d": (aw.ModelSpace(Conv2d), image(2, 3, 11, 11)),
    "conv1d": (aw.ModelSpace(Conv1d), image(2, 2, 20)),
    "conv_transpose2d": (aw.ModelSpace(ConvTranspose), image(2, 3, 5, 5)),
    "norms": (aw.ModelSpace(Norms), image(5, 6)),
    "mlp": (aw.ModelSpace(Mlp), image(4, 5)),
    "arithmetic": (aw.ModelSpace(Arithmetic), image(4, 2)),
    "shared": (aw.ModelSpace(Shared), row),
    "skips": (aw.ModelSpace(Skips), row),
    "darts": (aw.ModelSpace(Darts), image(2, 3, 8, 8)),
    "nasnet": (aw.ModelSpace(Darts, "loose", True), image(2, 3, 8, 8)),
    "loose": (aw.ModelSpace(Darts, output="loose"), image(2, 3, 8, 8)),
    "nasbench201": (aw.ModelSpace(nasbench201), image(2, 3, 5, 5)),
    "nasbench101": (aw.ModelSpace(Bench101), image(2, 3)),
    "transformer": (aw.ModelSpace(Transformer), sentence),
    "recurrent": (aw.ModelSpace(Recurrent), image(2, 6, 4)),
    "nested": (aw.ModelSpace(Nested), row),
}
