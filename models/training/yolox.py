"""YOLOX-nano (Ge et al., 2021) as a family of networks, with this project's last layers.

CSPDarknet of depthwise separable convolutions, a two-way neck and a decoupled head, laid out as in
the published network, so that its weights fit: `folded_convolutions` lists this network's
convolutions in the order in which the published file runs them. Two things differ. The last layers tell
this project's classes without objectness, and the sides of a box as distributions (`net.py`). And
the stem is one convolution of 6x6 with a stride of 2 on RGB in 0..1, which is what the published
Focus, a 3x3 convolution on four interleaved pictures of BGR bytes, computes (`stem_weights`).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from net import BINS, TRAIN_CLASSES, Context, ConvBnAct, Detection, begin

ACT = nn.SiLU
HIDDEN = 64


def conv(c_in: int, c_out: int, kernel: int = 1) -> ConvBnAct:
    """A dense convolution with its norm and activation."""
    return ConvBnAct(c_in, c_out, kernel, act=ACT)


class Separable(nn.Sequential):
    """A convolution of 3x3 in each channel, then one of 1x1 over all of them."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1) -> None:
        super().__init__(ConvBnAct(c_in, c_in, 3, stride, groups=c_in, act=ACT),
                         conv(c_in, c_out))


class Bottleneck(nn.Module):
    """A pair of convolutions, added to their input or not."""

    def __init__(self, channels: int, residual: bool) -> None:
        super().__init__()
        self.residual = residual
        self.first = conv(channels, channels)
        self.second = Separable(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """The refined features, of the same shape."""
        y = self.second(self.first(x))
        return x + y if self.residual else y


class CspLayer(nn.Module):
    """Two narrow views of the input, one of them refined, joined."""

    def __init__(self, c_in: int, c_out: int, repeats: int = 1, residual: bool = True) -> None:
        super().__init__()
        half = c_out // 2
        self.refined = conv(c_in, half)
        self.plain = conv(c_in, half)
        self.blocks = nn.Sequential(*(Bottleneck(half, residual) for _ in range(repeats)))
        self.join = conv(c_out, c_out)

    def forward(self, x: Tensor) -> Tensor:
        """Features of as many channels as the layer gives."""
        refined, plain = self.refined(x), self.plain(x)
        return self.join(torch.cat((self.blocks(refined), plain), 1))


class YoloxHead(nn.Module):
    """Class and box branches of one level."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.stem = conv(channels, HIDDEN)
        self.cls_convs = nn.Sequential(Separable(HIDDEN, HIDDEN), Separable(HIDDEN, HIDDEN))
        self.reg_convs = nn.Sequential(Separable(HIDDEN, HIDDEN), Separable(HIDDEN, HIDDEN))
        self.cls = nn.Conv2d(HIDDEN, classes, 1)
        self.bins = nn.Conv2d(HIDDEN, 4 * BINS, 1)
        begin(self.cls, self.bins)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits and bins' logits as maps."""
        x = self.stem(x)
        return self.cls(self.cls_convs(x)), self.bins(self.reg_convs(x))


class YoloxNano(Detection):
    """The whole network."""

    channels = (64, 128, 256)
    frozen = ("stem", "dark2", "dark3")

    def __init__(self, classes: int = len(TRAIN_CLASSES)) -> None:
        super().__init__()
        self.stem = ConvBnAct(3, 16, 6, 2, padding=2, act=ACT)
        self.dark2 = nn.Sequential(Separable(16, 32, 2), CspLayer(32, 32))
        self.dark3 = nn.Sequential(Separable(32, 64, 2), CspLayer(64, 64, 3))
        self.dark4 = nn.Sequential(Separable(64, 128, 2), CspLayer(128, 128, 3))
        self.dark5 = nn.Sequential(Separable(128, 256, 2), Context(256, ACT),
                                   CspLayer(256, 256, residual=False))
        self.up = nn.Upsample(scale_factor=2.0, mode="nearest")
        self.lateral5 = conv(256, 128)
        self.down_path4 = CspLayer(256, 128, residual=False)
        self.lateral4 = conv(128, 64)
        self.down_path3 = CspLayer(128, 64, residual=False)
        self.reduce3 = Separable(64, 64, 2)
        self.up_path4 = CspLayer(128, 128, residual=False)
        self.reduce4 = Separable(128, 128, 2)
        self.up_path5 = CspLayer(256, 256, residual=False)
        self.heads = nn.ModuleList(YoloxHead(width, classes) for width in self.channels)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """Picture [N,3,H,W] in 0..1 to features of 64, 128 and 256 channels."""
        c3 = self.dark3(self.dark2(self.stem(x)))
        c4 = self.dark4(c3)
        p5 = self.lateral5(self.dark5(c4))
        p4 = self.lateral4(self.down_path4(torch.cat((self.up(p5), c4), 1)))
        p3 = self.down_path3(torch.cat((self.up(p4), c3), 1))
        n4 = self.up_path4(torch.cat((self.reduce3(p3), p4), 1))
        return [p3, n4, self.up_path5(torch.cat((self.reduce4(n4), p5), 1))]


def stem_weights(focus: Tensor) -> Tensor:
    """The published stem's kernels [N,12,3,3] as those of the one here, [N,3,6,6].

    Focus lists the pixels of each 2x2 block as top left, bottom left, top right, bottom right.
    """
    kernels = focus.new_zeros(focus.shape[0], 3, 6, 6)
    for part, (row, col) in enumerate(((0, 0), (1, 0), (0, 1), (1, 1))):
        kernels[:, :, row::2, col::2] = focus[:, 3 * part:3 * part + 3]
    return kernels.flip(1) * 255


def folded_convolutions(net: YoloxNano) -> list[ConvBnAct]:
    """All convolutions with a norm, in the order in which the network runs them."""
    return [module for module in net.modules() if isinstance(module, ConvBnAct)]
