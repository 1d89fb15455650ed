"""Screen-space rasteriser of rounded cones: people, motorbikes, poles, animals."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from .camera import Camera
from .light import Ambient, Light
from .noise import pick, sample, tile


@dataclass
class Cone:
    """Rounded cone between two world points with a material index."""

    a: np.ndarray
    b: np.ndarray
    ra: float
    rb: float
    mat: int


@dataclass
class Material:
    """Surface look: linear RGB, cloth wrinkle strength, gloss, pattern id, emission."""

    color: np.ndarray
    wrinkle: float = 0.0
    gloss: float = 0.0
    pattern: int = 0
    color2: np.ndarray | None = None
    emit: np.ndarray | None = None
    wrap: float = 0.0


@dataclass
class Sprite:
    """A rasterised solid: premultiplied colour, coverage, depth and its place."""

    x: int
    y: int
    color: np.ndarray
    alpha: np.ndarray
    depth: np.ndarray


class _Patch:
    """Supersampled buffers of one solid."""

    def __init__(self, x0: int, y0: int, w: int, h: int, ss: int) -> None:
        self.x0, self.y0, self.ss = x0, y0, ss
        shape = (h * ss, w * ss)
        self.depth = np.full(shape, np.inf, np.float32)
        self.mat = np.full(shape, -1, np.int16)
        self.normal = np.zeros((*shape, 3), np.float32)
        self.u = np.zeros(shape, np.float32)
        self.v = np.zeros(shape, np.float32)


def bounds(cones: list[Cone], cam: Camera) -> tuple[int, int, int, int] | None:
    """Pixel box x0, y0, x1, y1 of the solid clipped to the frame, or None."""
    ends = np.array([c.a for c in cones] + [c.b for c in cones], np.float32)
    radii = np.array([c.ra for c in cones] + [c.rb for c in cones], np.float32)
    uvd = cam.project(ends)
    if uvd[:, 2].min() < 0.5:
        return None
    r = radii * cam.focal / uvd[:, 2] + 1.5
    x0 = max(int(np.floor((uvd[:, 0] - r).min())), 0)
    y0 = max(int(np.floor((uvd[:, 1] - r).min())), 0)
    x1 = min(int(np.ceil((uvd[:, 0] + r).max())), cam.width)
    y1 = min(int(np.ceil((uvd[:, 1] + r).max())), cam.height)
    return (x0, y0, x1, y1) if x1 > x0 and y1 > y0 else None


def _raster_cone(p: _Patch, cone: Cone, ends: np.ndarray, focal: float, index: int) -> None:
    """Write one rounded cone into the patch's depth buffer."""
    ss = p.ss
    (ua, va, da), (ub, vb, db) = ends
    ax, ay = (ua - p.x0) * ss, (va - p.y0) * ss
    bx, by = (ub - p.x0) * ss, (vb - p.y0) * ss
    pa, pb = cone.ra * focal / da * ss, cone.rb * focal / db * ss
    h, w = p.depth.shape
    x0, x1 = max(int(min(ax - pa, bx - pb)), 0), min(int(max(ax + pa, bx + pb)) + 2, w)
    y0, y1 = max(int(min(ay - pa, by - pb)), 0), min(int(max(ay + pa, by + pb)) + 2, h)
    if x1 <= x0 or y1 <= y0:
        return
    gx = np.arange(x0, x1, dtype=np.float32)[None, :] + 0.5
    gy = np.arange(y0, y1, dtype=np.float32)[:, None] + 0.5
    ex, ey = bx - ax, by - ay
    len2 = ex * ex + ey * ey
    length = float(np.linalg.norm(cone.b - cone.a))
    best = np.clip(((gx - ax) * ex + (gy - ay) * ey) / max(len2, 1e-3), 0.0, 1.0)
    candidates = [best]
    if abs(db - da) > 0.5 * length:
        candidates += [np.zeros_like(best), np.ones_like(best)]
    win = (slice(y0, y1), slice(x0, x1))
    for t in candidates:
        dx, dy = gx - (ax + t * ex), gy - (ay + t * ey)
        r = np.maximum(pa + t * (pb - pa), 0.35)
        q = (dx * dx + dy * dy) / (r * r)
        nz = np.sqrt(np.maximum(1.0 - q, 0.0))
        depth = da + t * (db - da) - nz * (cone.ra + t * (cone.rb - cone.ra))
        hit = (q < 1.0) & (depth < p.depth[win])
        if not hit.any():
            continue
        p.depth[win][hit] = depth[hit]
        p.mat[win][hit] = cone.mat
        normal = np.stack([dx / r, -dy / r, -nz], axis=-1)
        p.normal[win][hit] = normal[hit]
        side = (dx * ey - dy * ex) / (np.sqrt(len2) + 1e-3) / r
        p.u[win][hit] = (t * length * 90.0 + index * 61.0)[hit]
        p.v[win][hit] = (side * (cone.ra + cone.rb) * 45.0 + index * 37.0)[hit]


def _smooth_normals(p: _Patch, cover: np.ndarray, px_m: float, cloth: np.ndarray) -> np.ndarray:
    """Blend normals over joints with a masked blur, wider on cloth, so limbs melt together."""
    mixed = p.normal.copy()
    for metres, keep, where in ((0.012, 0.35, ~cloth & cover), (0.045, 0.10, cloth & cover)):
        sigma = max(metres * px_m * p.ss, 0.7)
        weight = cv2.GaussianBlur(where.astype(np.float32), (0, 0), sigma)
        blurred = cv2.GaussianBlur(p.normal * where[..., None], (0, 0), sigma)
        soft = keep * p.normal + (1 - keep) * blurred / np.maximum(weight, 1e-3)[..., None]
        mixed[where] = soft[where]
    norm = np.linalg.norm(mixed, axis=-1, keepdims=True)
    return mixed / np.maximum(norm, 1e-4)


def _occlusion(p: _Patch, cover: np.ndarray, size: float) -> np.ndarray:
    """Screen-space ambient occlusion from the depth buffer (size: metres)."""
    far = float(p.depth[cover].max()) + 0.1
    depth = np.where(cover, p.depth, far)
    ao = np.ones_like(depth)
    for sigma in (0.02, 0.05):
        s = max(sigma * size * p.ss, 0.8)
        weight = cv2.GaussianBlur(cover.astype(np.float32), (0, 0), s)
        mean = cv2.GaussianBlur(np.where(cover, depth, 0.0), (0, 0), s)
        behind = depth - mean / np.maximum(weight, 1e-3)
        ao *= 1.0 - 0.38 * np.clip(behind / 0.12, 0.0, 1.0)
    return ao


def _albedo(p: _Patch, mats: list[Material], pos: np.ndarray, seed: int) -> np.ndarray:
    """Base colours with patterns and weave noise."""
    colors = np.array([m.color for m in mats], np.float32)
    ids = np.maximum(p.mat, 0)
    out = colors[ids]
    grain = pick(tile(3, 1.3), p.u * 2.0 + seed * 13, p.v * 2.0)
    out = out * (1.0 + 0.07 * grain)[..., None]
    for k, m in enumerate(mats):
        if not m.pattern or m.color2 is None:
            continue
        if m.pattern == 1:
            hit = np.mod(pos[..., 2], 0.09) < 0.035
        elif m.pattern == 2:
            hit = (np.mod(pos[..., 2], 0.075) < 0.024) | (np.mod(p.v, 7.0) < 2.0)
        else:
            hit = sample(tile(5, 1.8), p.u * 2.5, p.v * 2.5) > 0.6
        out[(p.mat == k) & hit] = m.color2
    return out


def rasterise(cones: list[Cone], mats: list[Material], cam: Camera, lights: list[Light],
              ambient: Ambient, seed: int = 0, max_px: int = 420) -> Sprite | None:
    """Rasterise and light a solid; returns a sprite or None when out of view."""
    box = bounds(cones, cam)
    if box is None:
        return None
    x0, y0, x1, y1 = box
    ss = int(np.clip(max_px // max(y1 - y0, x1 - x0, 1), 1, 4))
    ss = max(ss, 2) if max_px > 200 and (y1 - y0) * (x1 - x0) < 60000 else ss
    p = _Patch(x0, y0, x1 - x0, y1 - y0, ss)
    ends = cam.project(np.array([e for c in cones for e in (c.a, c.b)], np.float32))
    ends = ends.reshape(-1, 2, 3)
    for k, cone in enumerate(cones):
        _raster_cone(p, cone, ends[k], cam.focal, k)
    cover = p.mat >= 0
    if not cover.any():
        return None
    rgb, depth = _light_patch(p, cover, mats, cam, lights, ambient, seed)
    w, h = x1 - x0, y1 - y0
    mask = cover.astype(np.float32)
    alpha = cv2.resize(mask, (w, h), interpolation=cv2.INTER_AREA)
    color = cv2.resize(rgb * mask[..., None], (w, h), interpolation=cv2.INTER_AREA)
    near = cv2.resize(np.where(cover, depth, 0.0), (w, h), interpolation=cv2.INTER_AREA)
    return Sprite(x0, y0, color, alpha, near / np.maximum(alpha, 1e-3))


def _wrinkle(normal: np.ndarray, strength: np.ndarray, height: np.ndarray, side: np.ndarray,
             seed: int) -> None:
    """Bend normals into folds; coordinates go with the body, not with single limbs."""
    a = height * 190.0 + seed * 31
    b = np.broadcast_to(side * 260.0 + seed * 17, a.shape)
    normal[..., 0] += 0.7 * strength * sample(tile(1, 1.5), a, b)
    normal[..., 1] += 0.7 * strength * sample(tile(2, 1.5), a, b)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-4)


def _light_patch(p: _Patch, cover: np.ndarray, mats: list[Material], cam: Camera,
                 lights: list[Light], ambient: Ambient,
                 seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Shade the covered pixels of a patch."""
    mean_depth = float(p.depth[cover].mean())
    px_m = cam.px(mean_depth)
    ids = np.maximum(p.mat, 0)
    wrinkle = np.array([m.wrinkle for m in mats], np.float32)[ids]
    hh, ww = cover.shape
    u = (np.arange(ww, dtype=np.float32) + 0.5) / p.ss + p.x0 - 0.5 * cam.width
    v = (np.arange(hh, dtype=np.float32) + 0.5) / p.ss + p.y0 - 0.5 * cam.height
    depth = np.where(cover, p.depth, mean_depth).astype(np.float32)
    ray = (cam.fwd + cam.right * (u / cam.focal)[None, :, None]
           - cam.up * (v / cam.focal)[:, None, None])
    pos = cam.pos + ray * depth[..., None]
    n_cam = _smooth_normals(p, cover, px_m, wrinkle > 0.1)
    _wrinkle(n_cam, wrinkle, pos[..., 2], (u - u[cover.any(axis=0)].mean()) / px_m, seed)
    normal = n_cam @ np.stack([cam.right, cam.up, cam.fwd])
    albedo = _albedo(p, mats, pos, seed)
    ao = _occlusion(p, cover, px_m)
    low = 0.65 + 0.35 * np.clip(pos[..., 2] / 0.5, 0.0, 1.0)
    wrap = np.array([m.wrap for m in mats], np.float32)[ids]
    gloss = np.array([m.gloss for m in mats], np.float32)[ids]
    rgb = albedo * ambient.radiance(normal) * (ao * low)[..., None]
    half_ray = ray / np.linalg.norm(ray, axis=-1, keepdims=True)
    for light in lights:
        irr = light.irradiance(pos, normal, wrap) * (0.5 + 0.5 * ao)
        rgb += albedo * irr[..., None] * light.color
        if gloss.max() > 0.0:
            to_light = light.pos - pos
            to_light /= np.linalg.norm(to_light, axis=-1, keepdims=True)
            half = to_light - half_ray
            half /= np.maximum(np.linalg.norm(half, axis=-1, keepdims=True), 1e-4)
            spec = np.maximum(np.einsum("...i,...i->...", half, normal), 0.0) ** 40
            rgb += (spec * gloss * irr * 4.0)[..., None] * light.color
    for k, m in enumerate(mats):
        if m.emit is not None:
            rgb[p.mat == k] += m.emit
    return rgb.astype(np.float32), depth


def shadow_mask(cones: list[Cone], light: Light, cam: Camera, axis: int, offset: float,
                soft: float = 0.06) -> np.ndarray:
    """Coverage (0..1) of the solid's shadow on the plane coordinate[axis] = offset."""
    mask = np.zeros((cam.height, cam.width), np.uint8)
    points, radii = _spheres(cones)
    src = light.pos.astype(np.float32)
    denom = points[:, axis] - src[axis]
    scale = (offset - src[axis]) / np.where(np.abs(denom) < 1e-4, 1e-4, denom)
    ok = (scale > 1.0) & (scale < 8.0)
    if not ok.any():
        return mask.astype(np.float32)
    hit = src + (points[ok] - src) * scale[ok, None]
    rad = radii[ok] * scale[ok]
    other = [k for k in range(3) if k != axis]
    offs = np.zeros((2, 3), np.float32)
    offs[0, other[0]] = offs[1, other[1]] = 1.0
    c = cam.project(hit)
    e1 = cam.project(hit + offs[0] * rad[:, None]) - c
    e2 = cam.project(hit + offs[1] * rad[:, None]) - c
    angles = np.linspace(0.0, 2.0 * np.pi, 12, endpoint=False)
    ring = np.cos(angles)[None, :, None] * e1[:, None, :2]
    ring = ring + np.sin(angles)[None, :, None] * e2[:, None, :2] + c[:, None, :2]
    for k in range(len(c)):
        if c[k, 2] > 0.5:
            poly = np.round(np.clip(ring[k], -4000, 4000) * 16).astype(np.int32)
            cv2.fillConvexPoly(mask, poly, 255, cv2.LINE_AA, 4)
    depth = float(max(np.median(c[:, 2]), 0.5))
    sigma = max(soft * cam.px(depth), 0.6)
    x, y, w, h = cv2.boundingRect(mask)
    if w == 0:
        return mask.astype(np.float32)
    pad = int(3 * sigma) + 2
    x0, y0 = max(x - pad, 0), max(y - pad, 0)
    win = (slice(y0, y + h + pad), slice(x0, x + w + pad))
    out = np.zeros(mask.shape, np.float32)
    out[win] = cv2.GaussianBlur(mask[win], (0, 0), sigma).astype(np.float32) / 255.0
    return out


def _spheres(cones: list[Cone]) -> tuple[np.ndarray, np.ndarray]:
    """Sample spheres along the cones for shadow casting."""
    points, radii = [], []
    for c in cones:
        steps = max(int(np.linalg.norm(c.b - c.a) / max(min(c.ra, c.rb), 0.03)), 1)
        for t in np.linspace(0.0, 1.0, min(steps, 20 if len(cones) < 20 else 6) + 1):
            points.append(c.a + (c.b - c.a) * t)
            radii.append(c.ra + (c.rb - c.ra) * t)
    return np.array(points, np.float32), np.array(radii, np.float32)


def paste(frame: np.ndarray, depth: np.ndarray | None, sprite: Sprite,
          write_depth: bool = False) -> np.ndarray:
    """Composite a sprite into a frame with a depth test; returns its visible alpha."""
    h, w = sprite.alpha.shape
    win = (slice(sprite.y, sprite.y + h), slice(sprite.x, sprite.x + w))
    alpha = sprite.alpha
    color = sprite.color
    if depth is not None:
        seen = (sprite.depth < depth[win] + 0.05).astype(np.float32)
        alpha, color = alpha * seen, color * seen[..., None]
        if write_depth:
            near = (alpha > 0.5) & (sprite.depth < depth[win])
            depth[win][near] = sprite.depth[near]
    frame[win] = frame[win] * (1.0 - alpha[..., None]) + color
    return alpha
