"""Networks with costs known from the literature or by hand, written as their papers write them."""

import torch
import torch.nn.functional as F
from torch import nn


def conv_bn(n_in, n_out, kernel=3, stride=1, groups=1, act=True):
    layers = [
        nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(n_out),
    ]
    return nn.Sequential(*layers, nn.ReLU6(inplace=True)) if act else nn.Sequential(*layers)


class BasicBlock(nn.Module):
    def __init__(self, n_in, n_out, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(n_in, n_out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(n_out)
        self.conv2 = nn.Conv2d(n_out, n_out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(n_out)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride > 1 or n_in != n_out:
            self.downsample = nn.Sequential(
                nn.Conv2d(n_in, n_out, 1, stride, bias=False), nn.BatchNorm2d(n_out)
            )

    def forward(self, x):
        y = self.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        y += x if self.downsample is None else self.downsample(x)
        return self.relu(y)


class ResNet18(nn.Module):
    """He et al., CVPR 2016: 11.69 M parameters, 1.82 G multiply-adds at 224."""

    def __init__(self, n_classes=1000):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 64, 7, 2, 3, bias=False),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, 1),
        )
        blocks, n_in = [], 64
        for n_out, stride in ((64, 1), (128, 2), (256, 2), (512, 2)):
            blocks += [BasicBlock(n_in, n_out, stride), BasicBlock(n_out, n_out, 1)]
            n_in = n_out
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(512, n_classes)

    def forward(self, x):
        x = self.blocks(self.stem(x))
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


class InvertedResidual(nn.Module):
    def __init__(self, n_in, n_out, stride, expand):
        super().__init__()
        hidden = n_in * expand
        first = [conv_bn(n_in, hidden, 1)] if expand > 1 else []
        self.conv = nn.Sequential(
            *first,
            conv_bn(hidden, hidden, 3, stride, groups=hidden),
            conv_bn(hidden, n_out, 1, act=False),
        )
        self.residual = stride == 1 and n_in == n_out

    def forward(self, x):
        return x + self.conv(x) if self.residual else self.conv(x)


class MobileNetV2(nn.Module):
    """Sandler et al., CVPR 2018: 3.5 M parameters (3.4 in the paper), 0.30 G multiply-adds."""

    def __init__(self, n_classes=1000):
        super().__init__()
        layers, n_in = [conv_bn(3, 32, 3, 2)], 32
        for t, c, n, s in (
            (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
            (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
        ):  # fmt: skip
            for i in range(n):
                layers.append(InvertedResidual(n_in, c, s if i == 0 else 1, t))
                n_in = c
        layers.append(conv_bn(320, 1280, 1))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, n_classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean([2, 3]))


class Cell201(nn.Module):
    """A NAS-Bench-201 cell: all six edges are 3x3 convolutions, skips or pools in turn."""

    def __init__(self, channels):
        super().__init__()
        self.edges = nn.ModuleDict()
        for node in range(1, 4):
            for source in range(node):
                kind = (node + source) % 3
                self.edges[f"{source}_{node}"] = (
                    nn.Sequential(
                        nn.ReLU(),
                        nn.Conv2d(channels, channels, 3, padding=1, bias=False),
                        nn.BatchNorm2d(channels),
                    )
                    if kind == 0
                    else nn.Identity()
                    if kind == 1
                    else nn.AvgPool2d(3, 1, 1, count_include_pad=False)
                )

    def forward(self, x):
        states = [x]
        for node in range(1, 4):
            states.append(sum(self.edges[f"{i}_{node}"](s) for i, s in enumerate(states)))
        return states[-1]


class Net201(nn.Module):
    def __init__(self, n_cells=5, n_classes=10):
        super().__init__()
        layers, channels = [nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16)], 16
        for stage in range(3):
            if stage:
                layers.append(BasicBlock(channels, channels * 2, 2))
                channels *= 2
            layers += [Cell201(channels) for _ in range(n_cells)]
        self.body = nn.Sequential(*layers, nn.BatchNorm2d(channels), nn.ReLU())
        self.head = nn.Linear(channels, n_classes)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
