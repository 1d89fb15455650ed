#!/usr/bin/env python3
"""Makes a store as a ward's daemon leaves it, with the binary that is given.

    tests/testdata/store-0.1/make.py target/release/keng /tmp/made

Run from the project's folder. Needs ffmpeg, mosquitto_pub and a C compiler; takes seven minutes,
since one incident has to expire. The daemon's clock shows a night that is over (a preloaded library
shifts it), so that reports of that night are the same whenever they are made. What is written:

    keng.toml  the configuration that the store was made with
    var/       the store itself
    pack/      what goes into this folder: var/ without its locks and with the outbox's file
               compressed, and what the binary says of it (expected/)

What is made differs from run to run in its times, as every store does.
"""

import gzip
import hashlib
import hmac
import http.client
import http.server
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
MODEL = ROOT / "tests/testdata/models/yolov8_like.onnx"
KEY = "0123456789abcdef of khu phố 4"
PASSWORD = "gõ kẻng ba hồi"
CAMERAS = "[[camera]]" + (HERE / "keng.toml").read_text().split("[[camera]]", 1)[1]
DAY = "2026-11-21"
BEGIN = 1795273800  # 22:10 of that day in the ward
SHIFT_C = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t id, struct timespec *at) {
    static int (*real)(clockid_t, struct timespec *);
    if (!real) real = dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(id, at);
    if (id == CLOCK_REALTIME) at->tv_sec -= atoll(getenv("SHIFT_S"));
    return done;
}
"""


class Hook(http.server.BaseHTTPRequestHandler):
    """A receiver that refuses one webhook and takes the other."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200 if self.path == "/takes" else 403)
        self.end_headers()

    def log_message(self, *_):
        pass


def free():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


class Ward:
    def __init__(self, keng, folder):
        self.keng, self.folder = pathlib.Path(keng).resolve(), pathlib.Path(folder)
        self.folder.mkdir()
        hook = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hook)
        threading.Thread(target=hook.serve_forever, daemon=True).start()
        self.ports = {"mqtt": free(), "web": free(), "rtsp": free(), "hook": hook.server_address[1]}
        library = ROOT / ".runtime/onnxruntime/libonnxruntime.so"
        self.env = {**os.environ, "KENG_KP4_KEY": KEY, "ORT_DYLIB_PATH": str(library)}
        self.cookies = {}
        self.children = []
        self.shift = int(time.time()) - BEGIN
        (self.folder / "shift.c").write_text(SHIFT_C)
        library = self.folder.resolve() / "shift.so"
        source = self.folder / "shift.c"
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        self.night = {**self.env, "LD_PRELOAD": str(library), "SHIFT_S": str(self.shift)}

    def now(self):
        return time.time() - self.shift

    def configure(self, cameras, escalate):
        text = (HERE / "keng.toml").read_text().split(CAMERAS)[0] + cameras
        for name, value in {**self.ports, "model": MODEL, "escalate": escalate}.items():
            text = text.replace("{%s}" % name, str(value))
        (self.folder / "keng.toml").write_text(text)

    def run(self, *arguments, text=None, env=None):
        command = [self.keng, *arguments, "--config", "keng.toml"]
        done = subprocess.run(
            command, cwd=self.folder, env=env or self.night, input=text and text.encode(),
            capture_output=True,
        )
        if done.returncode != 0:
            raise SystemExit(f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def start(self):
        command = [self.keng, "run", "--config", "keng.toml"]
        log = (self.folder / "log.txt").open("a")
        self.daemon = subprocess.Popen(command, cwd=self.folder, env=self.night, stderr=log)
        self.children.append(self.daemon)
        until("the page is there", self.answers)

    def answers(self):
        try:
            return self.ask("GET", "/healthz")[0] == 200
        except OSError:
            return False

    def stop(self):
        self.daemon.terminate()
        assert self.daemon.wait(60) == 0, "the daemon did not drain"

    def ask(self, method, path, who=None, body=None):
        page = http.client.HTTPConnection("127.0.0.1", self.ports["web"], timeout=20)
        head = {"Origin": f"http://127.0.0.1:{self.ports['web']}", **self.cookies.get(who, {})}
        page.request(method, path, body, head)
        answer = page.getresponse()
        return answer.status, answer.headers, answer.read().decode()

    def sign_in(self, name):
        form = urllib.parse.urlencode({"name": name, "password": PASSWORD})
        page = http.client.HTTPConnection("127.0.0.1", self.ports["web"], timeout=20)
        page.request("POST", "/sign-in", form, {
            "Origin": f"http://127.0.0.1:{self.ports['web']}",
            "Content-Type": "application/x-www-form-urlencoded",
        })
        answer = page.getresponse()
        assert answer.status == 303, answer.status
        self.cookies[name] = {"Cookie": answer.headers["set-cookie"].split(";")[0]}
        me = json.loads(self.ask("GET", "/api/me", name)[2])
        self.cookies[name]["X-Keng-CSRF"] = me["csrf"]

    def act(self, who, path, body, expected=200):
        status, _, text = self.ask("POST", path, who, json.dumps(body))
        assert status == expected, (path, body, status, text)
        return json.loads(text) if text else None

    def alerts(self):
        return self.ask("GET", "/api/alerts?after=0&limit=500", "admin")[2]

    def newest(self):
        alerts = json.loads(self.alerts())["alerts"]
        return {alert["id"]: alert for alert in alerts}

    def open(self, kind):
        open_ones = (alert for alert in self.newest().values() if not alert["closed_at"])
        return next((alert for alert in open_ones if alert["kind"] == kind), None)

    def answer(self, who, alert, action, note=None):
        path = f"/api/khu-pho/{alert['khu_pho']}/incidents/{alert['id']}/command"
        self.act(who, path, {"action": action, "note": note})

    def say_signed(self, topic, words):
        words = {**words, "at": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(self.now()))}
        lines = [topic, *(f"{name}={words[name]}" for name in sorted(words))]
        mac = hmac.new(KEY.encode(), "\n".join(lines).encode(), hashlib.sha256).hexdigest()
        subprocess.run([
            "mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.ports["mqtt"]), "-q", "1",
            "-t", topic, "-m", json.dumps({**words, "hmac": mac}),
        ], check=True)


def until(what, holds, seconds=90):
    deadline = time.time() + seconds
    while not holds():
        assert time.time() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.2)


def clip(path, colour):
    """A street in which a patch of the colour that the scripted model knows comes and moves."""
    patch = f"color=c={colour}:size=20x20:rate=10:duration=30"
    street = "color=c=0x181818:size=320x192:rate=10:duration=30"
    graph = f"{street}[s];{patch}[p];[s][p]overlay=x='127+2*sin(5*t)':y='79+2*cos(7*t)':enable='gte(t,1)'"
    subprocess.run([
        "ffmpeg", "-v", "error", "-nostdin", "-filter_complex", graph, "-pix_fmt", "yuv420p",
        "-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-y", path,
    ], check=True)


def fill(ward):
    """What happens in the ward."""
    report = "/api/khu-pho/kp3/report"
    # What people report: three that are over, one that nobody answers until it expires.
    ward.configure("", 3.0)
    for name, more in [
        ("admin", ["--role", "admin"]),
        ("police", ["--role", "police", "--full-name", "Công an phường"]),
        ("khu", ["--role", "khu_pho", "--khu-pho", "kp3"]),
        ("gone", ["--role", "police"]),
    ]:
        ward.run("user", "add", name, *more, text=f"{PASSWORD}\n")
    ward.run("user", "remove", "gone")
    ward.start()
    for name in ["admin", "police", "khu"]:
        ward.sign_in(name)
    ward.act("police", report, {"kind": "loitering", "place": "chợ", "note": "lạ mặt"})
    ward.act("police", "/api/khu-pho/kp4/patrol", {"minutes": 240})
    for kind in ["fire", "smoke", "other"]:
        ward.act("police", report, {"kind": kind, "place": f"sạp {kind}", "note": "thử <&>"})
        if kind == "fire":
            until("the siren sounds", lambda: '"state":"on"' in ward.alerts())
        ward.answer("khu", ward.open(kind), "resolve", "xong")
    until("it expires", lambda: "expired" in ward.alerts(), 400)
    ward.stop()

    # Cameras that see each kind, and one that is not there.
    folder = ward.folder / "clips"
    folder.mkdir()
    names = {"chay": "red", "chay-nham": "red", "khoi": "green", "nguoi": "blue"}
    for name, colour in names.items():
        clip(folder / f"{name}.mp4", colour)
    clips = [str(folder / f"{name}.mp4") for name in names]
    command = [ward.keng, "camera", "--port", str(ward.ports["rtsp"]), *clips]
    cameras = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    ward.children.append(cameras)
    ward.configure(CAMERAS, 3.0)
    ward.start()
    ward.act("police", "/api/push/subscribe", {
        "endpoint": "https://localhost:9/a",
        "keys": {
            "p256dh": "BLaiVx-kzNh99lUZacCHd41UuLHE7QLEY58-y1s8cKZ247kJ2ggia5jc8zaekyYH626NDX"
                      "8R67VHVZv8Rdu943c",
            "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        },
    }, 204)
    ward.push_key = json.loads(ward.ask("GET", "/api/push", "police")[2])["key"]
    fires = lambda: [a for a in ward.newest().values() if a["kind"] == "fire" and a["cameras"]]
    until("both fires are seen", lambda: len(fires()) == 2)
    for kind in ["smoke", "loitering", "camera"]:
        until(f"{kind} is seen", lambda: ward.open(kind))
    wrong = next(a for a in fires() if a["cameras"][0]["id"] == "chay-nham")
    ward.answer("police", wrong, "false_alarm", "đèn hàn")
    ward.answer("khu", ward.open("loitering"), "acknowledge")
    ward.answer("khu", ward.open("loitering"), "on_scene", "đang hỏi")
    ward.answer("police", ward.open("smoke"), "acknowledge", "hỏi chủ nhà")
    # Somebody reports the fire that a camera sees, and nobody answers.
    ward.act("khu", report, {"kind": "fire", "place": "Hẻm 1", "note": "cháy to"})
    until("the siren sounds", lambda: '"state":"on"' in json.dumps(ward.open("fire"),
                                                                  separators=(",", ":")))
    ward.act("khu", report, {"kind": "other", "place": "đầu hẻm", "note": "cây đổ"})
    ward.act("police", report, {"kind": "fire", "place": "trường", "exercise": True})
    ward.say_signed("keng/p14/kp4/report", {"kind": "smoke", "by": "Tổ 4", "place": "kho"})
    until("the signed report is told", lambda: '"by":"Tổ 4"' in ward.alerts())
    # Pictures of after come some seconds later.
    time.sleep(12)
    alerts = ward.alerts()
    ward.stop()
    cameras.terminate()
    cameras.wait()
    return alerts


def pack(ward, alerts):
    """Copies the store, and notes what the binary says of it with the present clock."""
    out = ward.folder / "pack"
    expected = out / "expected"
    expected.mkdir(parents=True)
    shutil.copytree(ward.folder / "var", out / "var", ignore=shutil.ignore_patterns("lock"))
    db = out / "var/outbox/db"
    (out / "var/outbox/db.gz").write_bytes(gzip.compress(db.read_bytes(), mtime=0))
    db.unlink()
    said = {
        "audit_verify.txt": ["audit", "verify"],
        "audit_show.txt": ["audit", "show", "--last", "100"],
        "users.txt": ["user", "list"],
        "tune.json": ["tune", "--json"],
        "tune_set.json": ["tune", "--json", "--set", "rule.loitering.dwell_s=60"],
        "check_store.txt": ["check", "--store"],
        **{f"report.{form}": ["report", "--from", DAY, "--to", DAY, "--format", form]
           for form in ["text", "csv", "json", "html"]},
    }
    ward.configure(CAMERAS, 86400.0)
    for name, arguments in said.items():
        (expected / name).write_bytes(ward.run(*arguments, env=ward.env))
    sessions = {name: head["Cookie"].split("=")[1] for name, head in ward.cookies.items()}
    (expected / "sessions.json").write_text(json.dumps(sessions, indent=1) + "\n")
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ\n", time.gmtime(ward.now()))
    (expected / "made_at.txt").write_text(now)
    (expected / "push_key.txt").write_text(ward.push_key + "\n")
    (expected / "feed.json").write_text(alerts)


def main():
    ward = Ward(sys.argv[1], sys.argv[2])
    try:
        pack(ward, fill(ward))
    finally:
        for child in ward.children:
            child.kill()


main()
