"""Detection loss: class-masked BCE on aligned targets; CIoU and the distribution focal loss (see
`net.py`) on the positive anchors."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor

from assign import EPS, assign, pairwise_iou
from net import BINS, CLASSES, decode_boxes

BOX_GAIN = 7.5
BINS_GAIN = 1.5
CLASS_GAIN = 0.6
AUX_WEIGHT = 0.5


def complete_iou(a: Tensor, b: Tensor) -> Tensor:
    """CIoU of paired boxes (x0, y0, x1, y1)."""
    iou = pairwise_iou(a, b)
    hull = torch.maximum(a[:, 2:], b[:, 2:]) - torch.minimum(a[:, :2], b[:, :2])
    diagonal = hull.square().sum(1) + EPS
    distance = (a[:, :2] + a[:, 2:] - b[:, :2] - b[:, 2:]).square().sum(1) / 4
    size_a, size_b = a[:, 2:] - a[:, :2], b[:, 2:] - b[:, :2]
    angle_a = torch.atan(size_a[:, 0] / (size_a[:, 1] + EPS))
    angle_b = torch.atan(size_b[:, 0] / (size_b[:, 1] + EPS))
    shape = 4 / math.pi**2 * (angle_a - angle_b).square()
    with torch.no_grad():
        balance = shape / (1 - iou + shape + EPS)
    return iou - distance / diagonal - balance * shape


def between_bins(bins: Tensor, distances: Tensor) -> Tensor:
    """Cross entropy of sides [K] with the two bins around each, for bins' logits [K,4*BINS] and
    true distances [K,4] in strides, mean over the four."""
    target = distances.clamp(0, BINS - 1.01)
    low = target.long()
    high_share = target - low
    logs = bins.unflatten(-1, (4, BINS)).log_softmax(-1)
    at_low = logs.gather(-1, low[..., None]).squeeze(-1)
    at_high = logs.gather(-1, low[..., None] + 1).squeeze(-1)
    return -(at_low * (1 - high_share) + at_high * high_share).mean(-1)


def detection_loss(
    logits: Tensor,
    bins: Tensor,
    points: Tensor,
    strides: Tensor,
    gt_image: Tensor,
    gt_class: Tensor,
    gt_box: Tensor,
    negative: Tensor,
) -> tuple[Tensor, Tensor, Tensor]:
    """Total, class and box loss of a batch.

    `negative` [B,A,C] weighs the absence of every class at every anchor: zero where the picture's
    source did not box that class, so that an unlabelled flame or person is never punished.
    """
    logits, bins = logits.float(), bins.float()
    boxes = decode_boxes(bins, points, strides)
    found = assign(logits.detach().sigmoid(), boxes.detach(), points, gt_image, gt_class, gt_box)
    classes = logits.shape[2]
    flat = logits.reshape(-1, classes)
    target = torch.zeros_like(flat)
    weight = negative.reshape(-1, classes).float()
    gt_of = gt_class[found.gt]
    target[found.key, gt_of] = found.score
    weight[found.key, gt_of] = 1.0
    weight[:, len(CLASSES):] *= AUX_WEIGHT
    normaliser = found.score.sum().clamp(min=1.0)
    bce = functional.binary_cross_entropy_with_logits(flat, target, reduction="none")
    class_loss = (bce * weight).sum() / normaliser
    if found.key.numel() == 0:
        return CLASS_GAIN * class_loss, class_loss.detach(), class_loss.detach() * 0
    ciou = complete_iou(boxes.reshape(-1, 4)[found.key], gt_box[found.gt])
    box_loss = ((1 - ciou) * found.score).sum() / normaliser
    truth, anchor = gt_box[found.gt], found.key % points.shape[0]
    distances = torch.cat((points[anchor] - truth[:, :2], truth[:, 2:] - points[anchor]), 1)
    spread = between_bins(bins.reshape(-1, 4 * BINS)[found.key], distances / strides[anchor])
    bins_loss = (spread * found.score).sum() / normaliser
    total = CLASS_GAIN * class_loss + BOX_GAIN * box_loss + BINS_GAIN * bins_loss
    return total, class_loss.detach(), box_loss.detach()
