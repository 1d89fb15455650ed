"""Task-aligned assignment of anchor points to boxes, over the flat list of a batch's boxes."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

TOP_K = 10
SCORE_POWER = 0.5
IOU_POWER = 6.0
MIN_SIDE = 12.0
EPS = 1e-9


@dataclass
class Assignment:
    """Positive anchors: `key` = image * A + anchor, `gt` = row of the box, `score` = target."""

    key: Tensor
    gt: Tensor
    score: Tensor


def pairwise_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of boxes (x0, y0, x1, y1), broadcast over the leading dimensions."""
    low = torch.maximum(a[..., :2], b[..., :2])
    overlap = (torch.minimum(a[..., 2:], b[..., 2:]) - low).clamp(0)
    inter = overlap[..., 0] * overlap[..., 1]
    area_a = (a[..., 2] - a[..., 0]) * (a[..., 3] - a[..., 1])
    area_b = (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])
    return inter / (area_a + area_b - inter + EPS)


def centres_inside(points: Tensor, boxes: Tensor) -> Tensor:
    """Which points [A,2] lie in which boxes [G,4]; tiny boxes are widened to be hit at all."""
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = ((boxes[:, 2:] - boxes[:, :2]) / 2).clamp(min=MIN_SIDE / 2)
    return ((points[None] - centre[:, None]).abs() < half[:, None]).all(-1)


@torch.no_grad()
def assign(
    scores: Tensor,
    boxes: Tensor,
    points: Tensor,
    gt_image: Tensor,
    gt_class: Tensor,
    gt_box: Tensor,
) -> Assignment:
    """Choose for every box the anchors whose score and overlap agree best.

    `scores` [B,A,C] after sigmoid, `boxes` [B,A,4], `points` [A,2]; the `gt_*` are flat lists.
    """
    count = boxes.shape[1]
    if gt_box.shape[0] == 0:
        empty = gt_image.new_zeros(0)
        return Assignment(empty, empty, gt_box.new_zeros(0))
    inside = centres_inside(points, gt_box)
    iou = pairwise_iou(gt_box[:, None], boxes[gt_image])
    class_score = scores[gt_image, :, gt_class]
    metric = class_score.pow(SCORE_POWER) * iou.pow(IOU_POWER) + EPS
    metric = metric * inside
    top = metric.topk(min(TOP_K, count), 1)
    taken = top.values > 0
    gt = torch.arange(gt_box.shape[0], device=gt_box.device)[:, None].expand_as(taken)[taken]
    anchor = top.indices[taken]
    key = gt_image[gt] * count + anchor
    pair_iou = iou[gt, anchor]
    best = pair_iou.new_full((scores.shape[0] * count,), -1.0)
    best = best.scatter_reduce(0, key, pair_iou, "amax")
    keep = pair_iou >= best[key]
    gt, anchor, key, pair_iou = gt[keep], anchor[keep], key[keep], pair_iou[keep]
    align = metric[gt, anchor]
    zeros = align.new_zeros(gt_box.shape[0])
    max_align = zeros.scatter_reduce(0, gt, align, "amax")
    max_iou = zeros.scatter_reduce(0, gt, pair_iou, "amax")
    return Assignment(key, gt, align / (max_align[gt] + EPS) * max_iou[gt])
