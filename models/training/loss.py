"""Detection loss: class-masked BCE on aligned targets plus CIoU on the positive anchors."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as functional
from torch import Tensor

from assign import EPS, assign, pairwise_iou
from net import CLASSES, decode_boxes

BOX_GAIN = 7.5
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


def detection_loss(
    logits: Tensor,
    distances: Tensor,
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
    logits, distances = logits.float(), distances.float()
    boxes = decode_boxes(distances, points, strides)
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
    return CLASS_GAIN * class_loss + BOX_GAIN * box_loss, class_loss.detach(), box_loss.detach()
