"""The detector network: a small anchor-free one-stage net of dense convolutions.

A stem that cuts the picture into patches of 4x4, a backbone of CSP blocks, a top-down and bottom-up
neck of equal width, and a decoupled head on strides 8, 16 and 32. Only dense convolutions with ReLU
are used: they fuse with their batch norm, quantise well and run on the fast kernels of every CPU
runtime. Each side of a box is told as a distribution over distances, whose mean is the side (Li et
al., "Generalized Focal Loss", NeurIPS 2020): fires and smoke have no sharp edge to regress.

Training works with more classes than are shipped: `AUX_CLASSES` are things that a public COCO
teacher sees (vehicles, other objects). They teach the net what is *not* fire, smoke or a person and
are cut off at export.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

CLASSES = ("fire", "smoke", "person")
AUX_CLASSES = ("vehicle", "other")
TRAIN_CLASSES = CLASSES + AUX_CLASSES
STRIDES = (8, 16, 32)
PRIOR = 0.01
# A side lies 0 to BINS - 1 strides away from its anchor point.
BINS = 16


class ConvBnAct(nn.Sequential):
    """Convolution, batch norm, activation."""

    def __init__(self, c_in: int, c_out: int, kernel: int = 3, stride: int = 1, groups: int = 1,
                 padding: int | None = None, act: type[nn.Module] = nn.ReLU) -> None:
        if padding is None:
            padding = kernel // 2 if kernel % 2 else 0
        super().__init__(
            nn.Conv2d(c_in, c_out, kernel, stride, padding, groups=groups, bias=False),
            nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.03),
            act(inplace=True),
        )


class Bottleneck(nn.Module):
    """Residual pair of 3x3 convolutions."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvBnAct(channels, channels)
        self.second = ConvBnAct(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(self.first(x))


class CspBlock(nn.Module):
    """Split in two halves, refine one, join everything (as in C2f)."""

    def __init__(self, c_in: int, c_out: int, repeats: int = 1) -> None:
        super().__init__()
        self.half = c_out // 2
        self.split = ConvBnAct(c_in, c_out, 1)
        self.blocks = nn.ModuleList(Bottleneck(self.half) for _ in range(repeats))
        self.join = ConvBnAct(c_out + repeats * self.half, c_out, 1)

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.split(x).split((self.half, self.half), 1))
        for block in self.blocks:
            parts.append(block(parts[-1]))
        return self.join(torch.cat(parts, 1))


class Context(nn.Module):
    """Three chained max-poolings widen the view of the coarsest level (SPPF)."""

    def __init__(self, channels: int, act: type[nn.Module] = nn.ReLU) -> None:
        super().__init__()
        half = channels // 2
        self.reduce = ConvBnAct(channels, half, 1, act=act)
        self.pool = nn.MaxPool2d(5, 1, 2)
        self.join = ConvBnAct(half * 4, channels, 1, act=act)

    def forward(self, x: Tensor) -> Tensor:
        parts = [self.reduce(x)]
        for _ in range(3):
            parts.append(self.pool(parts[-1]))
        return self.join(torch.cat(parts, 1))


class Refined(nn.Module):
    """What a convolution adds to its input, little at first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = ConvBnAct(channels, channels)
        nn.init.constant_(self.conv[1].weight, 0.1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(x)


def begin(cls: nn.Conv2d, bins: nn.Conv2d) -> None:
    """Let a head's last layers begin with rare objects and sides of about two strides."""
    nn.init.constant_(cls.bias, float(torch.logit(torch.tensor(PRIOR))))
    nn.init.zeros_(bins.weight)
    near = -(torch.arange(BINS) - 2.0).square() / 8
    bins.bias.data = near.repeat(4)


class Head(nn.Module):
    """Class and box branches of one level; `deep` ones see further and cost little there."""

    def __init__(self, channels: int, hidden: int, classes: int, deep: bool) -> None:
        super().__init__()
        self.cls_stem = ConvBnAct(channels, hidden)
        self.reg_stem = ConvBnAct(channels, hidden)
        self.cls_deep = Refined(hidden) if deep else nn.Identity()
        self.reg_deep = Refined(hidden) if deep else nn.Identity()
        self.cls = nn.Conv2d(hidden, classes, 1)
        self.bins = nn.Conv2d(hidden, 4 * BINS, 1)
        begin(self.cls, self.bins)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.cls(self.cls_deep(self.cls_stem(x))), self.bins(self.reg_deep(self.reg_stem(x)))


class Detection(nn.Module):
    """What the families of networks have in common: `pyramid` and `heads` make a network.

    `channels` are those of the pyramid's levels; `frozen` names the first parts, whose weights and
    statistics can be kept as they are.
    """

    heads: nn.ModuleList
    channels: tuple[int, ...]
    frozen: tuple[str, ...] = ()

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """Picture [N,3,H,W] in 0..1 to features on strides 8, 16 and 32."""
        raise NotImplementedError

    def maps(self, pyramid: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Logits [N,C,A] and bins' logits [N,4*BINS,A] (l, t, r, b) of all levels' anchors."""
        outputs = [head(p) for head, p in zip(self.heads, pyramid)]
        return tuple(torch.cat([part.flatten(2) for part in parts], 2) for parts in zip(*outputs))

    def predict(self, pyramid: list[Tensor]) -> tuple[Tensor, Tensor]:
        """The same, anchors before channels: [N,A,C] and [N,A,4*BINS]."""
        logits, bins = self.maps(pyramid)
        return logits.transpose(1, 2), bins.transpose(1, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Picture [N,3,H,W] in 0..1 to logits [N,A,C] and bins' logits [N,A,4*BINS]."""
        return self.predict(self.pyramid(x))

    def freeze(self) -> None:
        """Keep the parts of `frozen` as they are: weights, and batch norms' statistics."""
        for name in self.frozen:
            part = getattr(self, name).eval()
            part.requires_grad_(False)


class KengNet(Detection):
    """The network that was trained from scratch."""

    frozen = ("stem", "stage3")

    def __init__(self, classes: int = len(TRAIN_CLASSES), neck: int = 48, hidden: int = 32) -> None:
        super().__init__()
        self.channels = (neck,) * len(STRIDES)
        self.stem = ConvBnAct(3, 32, 4, 4)
        self.stage3 = nn.Sequential(ConvBnAct(32, 64, 3, 2), CspBlock(64, 64))
        self.stage4 = nn.Sequential(ConvBnAct(64, 128, 3, 2), CspBlock(128, 128, 2))
        self.stage5 = nn.Sequential(ConvBnAct(128, 192, 3, 2), CspBlock(192, 192), Context(192))
        self.lateral3 = ConvBnAct(64, neck, 1)
        self.lateral4 = ConvBnAct(128, neck, 1)
        self.lateral5 = ConvBnAct(192, neck, 1)
        self.up = nn.Upsample(scale_factor=2.0, mode="nearest")
        self.down_path4 = CspBlock(neck, neck)
        self.down_path3 = CspBlock(neck, neck)
        self.reduce3 = ConvBnAct(neck, neck, 3, 2)
        self.reduce4 = ConvBnAct(neck, neck, 3, 2)
        self.up_path4 = CspBlock(neck, neck)
        self.up_path5 = CspBlock(neck, neck)
        self.heads = nn.ModuleList(Head(neck, hidden, classes, stride > 8) for stride in STRIDES)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """Picture [N,3,H,W] in 0..1 to features [N,neck,H/s,W/s] on strides 8, 16 and 32."""
        c3 = self.stage3(self.stem(x))
        c4 = self.stage4(c3)
        p5 = self.lateral5(self.stage5(c4))
        p4 = self.down_path4(self.lateral4(c4) + self.up(p5))
        p3 = self.down_path3(self.lateral3(c3) + self.up(p4))
        p4 = self.up_path4(p4 + self.reduce3(p3))
        p5 = self.up_path5(p5 + self.reduce4(p4))
        return [p3, p4, p5]


def anchor_points(
    height: int, width: int, device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Centres [A,2] (x, y in input pixels) and strides [A,1] of all anchor points."""
    points, strides = [], []
    for stride in STRIDES:
        ys = (torch.arange(height // stride, device=device) + 0.5) * stride
        xs = (torch.arange(width // stride, device=device) + 0.5) * stride
        grid_y, grid_x = torch.meshgrid(ys, xs, indexing="ij")
        points.append(torch.stack((grid_x, grid_y), -1).reshape(-1, 2))
        strides.append(torch.full((points[-1].shape[0], 1), float(stride), device=device))
    return torch.cat(points), torch.cat(strides)


def decode_boxes(bins: Tensor, points: Tensor, strides: Tensor) -> Tensor:
    """Bins' logits [..., A, 4*BINS] to boxes (x0, y0, x1, y1) in input pixels, [..., A, 4]."""
    shares = bins.unflatten(-1, (4, BINS)).softmax(-1)
    distances = torch.arange(BINS, dtype=bins.dtype, device=bins.device)
    reach = (shares @ distances[:, None]).squeeze(-1) * strides
    return torch.cat((points - reach[..., :2], points + reach[..., 2:]), -1)
