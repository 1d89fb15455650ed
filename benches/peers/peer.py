"""A street-camera daemon as it is usually written: PyAV, NumPy, ONNX Runtime, paho-mqtt.

One thread a camera decodes everything and passes on five pictures a second; one thread runs the
network; fire that lasts for three seconds (smoke: six) is an alert over MQTT, QoS 1. It is what
`make peers` compares with, so it is written with care: decoding drops the GIL, queues are bounded,
the newest picture wins, nothing is copied without need. It looks for fire and smoke only, has no
page, no store and no tracks, and so does less work than what it is compared with.

    peer.py run CONFIG.json          watch cameras until killed
    peer.py replay MODEL CLIP...     when each clip's first alert comes, in seconds of the clip
    peer.py threads MODEL...         a frame's processor time by threads and spinning, in turns
"""

import json
import os
import queue
import sys
import threading
import time
from datetime import datetime, timezone

import av
import numpy as np
import onnxruntime
import paho.mqtt.client as mqtt

PERIOD_S = 0.2
CLASSES = ("fire", "smoke")
CONFIDENCE_MIN = {"fire": 0.45, "smoke": 0.50}
CONFIRM_S = {"fire": 3.0, "smoke": 6.0}
GAP_MAX_S = 1.0
QUIET_S = 2.0
IOU_MAX = 0.5
PAD = 114
COUNTS_EVERY_S = 0.25


class Detector:
    """The model: a picture in, the best confidence of each class out."""

    def __init__(self, path, threads, spinning=False):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        spins = "1" if spinning else "0"
        options.add_session_config_entry("session.intra_op.allow_spinning", spins)
        self.session = onnxruntime.InferenceSession(
            path, options, providers=["CPUExecutionProvider"]
        )
        model_input = self.session.get_inputs()[0]
        self.name = model_input.name
        self.height, self.width = model_input.shape[2:]

    def letterbox(self, frame):
        """The decoded frame as RGB bytes at the network's size, its shape kept."""
        scale = min(self.width / frame.width, self.height / frame.height)
        width, height = round(frame.width * scale), round(frame.height * scale)
        rgb = frame.reformat(width=width, height=height, format="rgb24").to_ndarray()
        if (height, width) == (self.height, self.width):
            return rgb
        boxed = np.full((self.height, self.width, 3), PAD, np.uint8)
        top, left = (self.height - height) // 2, (self.width - width) // 2
        boxed[top : top + height, left : left + width] = rgb
        return boxed

    def detect(self, rgb):
        """(class, confidence) of each box, overlapping ones suppressed."""
        tensor = rgb.transpose(2, 0, 1)[None].astype(np.float32) / 255
        (output,) = self.session.run(None, {self.name: tensor})
        boxes, scores = output[0, :4], output[0, 4:]
        found = []
        for index, name in enumerate(CLASSES):
            candidates = np.flatnonzero(scores[index] >= CONFIDENCE_MIN[name])
            order = candidates[np.argsort(-scores[index][candidates])]
            corners = np.concatenate((boxes[:2] - boxes[2:] / 2, boxes[:2] + boxes[2:] / 2))
            while order.size:
                best, order = order[0], order[1:]
                found.append((name, float(scores[index][best])))
                order = order[iou(corners[:, best], corners[:, order]) <= IOU_MAX]
        return found


def iou(box, others):
    low = np.maximum(box[:2, None], others[:2])
    high = np.minimum(box[2:, None], others[2:])
    both = np.prod(np.clip(high - low, 0, None), axis=0)
    area = np.prod(box[2:] - box[:2])
    areas = np.prod(others[2:] - others[:2], axis=0)
    return both / np.maximum(area + areas - both, 1e-9)


class Rule:
    """One camera's fire or smoke: seen for long enough, until it is not seen any more."""

    def __init__(self, name):
        self.name = name
        self.first = self.last = None
        self.told = False

    def see(self, confidence, at):
        """Whether to alert now. `confidence`: of the best box, None without one."""
        if self.last is not None and at - self.last > (QUIET_S if self.told else GAP_MAX_S):
            self.first = self.last = None
            self.told = False
        if confidence is None:
            return False
        self.first = at if self.first is None else self.first
        self.last = at
        due = not self.told and at - self.first >= CONFIRM_S[self.name]
        self.told = self.told or due
        return due


class Judge:
    """All rules of one camera."""

    def __init__(self):
        self.rules = [Rule(name) for name in CLASSES]

    def see(self, found, at):
        """(class, confidence) to alert of."""
        alerts = []
        for rule in self.rules:
            best = max((score for name, score in found if name == rule.name), default=None)
            if rule.see(best, at):
                alerts.append((rule.name, best))
        return alerts


class Camera(threading.Thread):
    """Decodes one camera, for ever."""

    def __init__(self, name, url, detector, frames, counts):
        super().__init__(daemon=True, name=f"camera-{name}")
        self.camera, self.url = name, url
        self.detector, self.frames, self.counts = detector, frames, counts

    def run(self):
        while True:
            try:
                self.watch()
            except (av.error.FFmpegError, OSError) as error:
                print(f"{self.camera}: {error}", file=sys.stderr)
            time.sleep(1)

    def watch(self):
        options = {"rtsp_transport": "tcp", "fflags": "nobuffer", "max_delay": "0"}
        with av.open(self.url, options=options, timeout=10) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            due = 0.0
            for packet in container.demux(stream):
                at = time.time()
                for frame in packet.decode():
                    if at < due:
                        continue
                    due = max(due + PERIOD_S, at)
                    rgb = self.detector.letterbox(frame)
                    self.offer((self.camera, at, time.time(), rgb))

    def offer(self, frame):
        while True:
            try:
                self.frames.put_nowait(frame)
                return
            except queue.Full:
                # The newest one is worth more than the oldest.
                try:
                    self.counts["dropped"][self.frames.get_nowait()[0]] += 1
                except queue.Empty:
                    pass


def alert(number, camera, kind, confidence, times):
    at, decoded, taken, done = times
    stamp = datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="microseconds")
    stages = {
        "decode": (decoded - at) * 1e3,
        "queue": (taken - decoded) * 1e3,
        "inference": (done - taken) * 1e3,
    }
    return json.dumps(
        {
            "id": f"peer-{number}",
            "revision": 1,
            "kind": kind,
            "state": "open",
            "updated_at": stamp,
            "camera": camera,
            "confidence": round(confidence, 3),
            "latency_ms": stages,
        }
    )


def write_counts(path, counts):
    draft = f"{path}.part"
    with open(draft, "w", encoding="utf-8") as file:
        json.dump(counts, file)
    os.replace(draft, path)


def run(config):
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "peer", clean_session=False)
    client.connect(*config["broker"])
    client.loop_start()
    detector = Detector(config["model"], os.cpu_count())
    cameras = config["cameras"]
    counts = {
        "analysed": dict.fromkeys(cameras, 0),
        "dropped": dict.fromkeys(cameras, 0),
        "alerts": 0,
    }
    frames = queue.Queue(maxsize=max(2, len(cameras)))
    judges = {name: Judge() for name in cameras}
    for name, url in cameras.items():
        Camera(name, url, detector, frames, counts).start()
    written = 0.0
    while True:
        now = time.monotonic()
        if now - written >= COUNTS_EVERY_S:
            write_counts(config["counts"], counts)
            written = now
        try:
            camera, at, decoded, rgb = frames.get(timeout=COUNTS_EVERY_S)
        except queue.Empty:
            continue
        taken = time.time()
        found = detector.detect(rgb)
        done = time.time()
        counts["analysed"][camera] += 1
        for kind, confidence in judges[camera].see(found, at):
            counts["alerts"] += 1
            times = (at, decoded, taken, done)
            text = alert(counts["alerts"], camera, kind, confidence, times)
            client.publish(config["topic"], text, qos=1)


def replay(model, clips):
    detector = Detector(model, 1)
    for clip in clips:
        judge, first, due = Judge(), [], 0.0
        began = time.process_time()
        with av.open(clip) as container:
            stream = container.streams.video[0]
            stream.codec_context.thread_count = 1
            for frame in container.decode(stream):
                if frame.time < due:
                    continue
                due = max(due + PERIOD_S, frame.time)
                found = detector.detect(detector.letterbox(frame))
                first += [(kind, frame.time) for kind, _ in judge.see(found, frame.time)]
        spent = time.process_time() - began
        told = ", ".join(f"{kind} {at:.1f} s" for kind, at in first) or "nothing"
        print(f"{os.path.basename(clip)}: {told} ({spent:.1f} CPU s)")


def compare_threads(models):
    """A frame every 20 ms, as of some cameras: spinning shows in the pauses."""
    ways = [(model, threads, spins) for model in models for threads in (1, 2) for spins in (0, 1)]
    detectors = {way: Detector(*way) for way in ways}
    spent = {way: [] for way in ways}
    for _ in range(30):
        for way, detector in detectors.items():
            rgb = np.zeros((detector.height, detector.width, 3), np.uint8)
            began = time.process_time()
            for _ in range(5):
                detector.detect(rgb)
                time.sleep(0.02)
            spent[way].append((time.process_time() - began) / 5 * 1e3)
    for (model, threads, spins), times in spent.items():
        name = os.path.basename(model)
        middle = sorted(times)[len(times) // 2]
        print(f"{name}, {threads} threads, spinning {spins}: {middle:.1f} ms, least {min(times):.1f}")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["run", path]:
            with open(path, encoding="utf-8") as opened:
                run(json.load(opened))
        case ["replay", network, *recordings]:
            replay(network, recordings)
        case ["threads", *networks]:
            compare_threads(networks)
        case _:
            sys.exit(__doc__)
