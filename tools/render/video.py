"""Encode frames to H.264 and describe the result."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

import numpy as np


def encode(frames: Iterable[np.ndarray], path: Path, width: int, height: int, fps: int,
           crf: int) -> int:
    """Write BGR frames as H.264 (closed 1 s groups, no B frames); returns the frame count."""
    command = [
        "ffmpeg", "-hide_banner", "-loglevel", "error", "-y", "-f", "rawvideo", "-pix_fmt",
        "bgr24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-", "-an", "-c:v", "libx264",
        "-preset", "slow", "-profile:v", "main", "-crf", str(crf), "-bf", "0", "-g", str(fps),
        "-keyint_min", str(fps), "-sc_threshold", "0", "-flags", "+cgop+bitexact", "-fflags",
        "+bitexact", "-x264-params", "open-gop=0:aq-mode=3", "-threads", "1", "-pix_fmt",
        "yuv420p", "-map_metadata", "-1", "-movflags", "+faststart", str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as proc:
        assert proc.stdin is not None
        count = 0
        for frame in frames:
            proc.stdin.write(np.ascontiguousarray(frame).tobytes())
            count += 1
        proc.stdin.close()
        if proc.wait() != 0:
            raise RuntimeError("ffmpeg could not write " + str(path))
    return count


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
