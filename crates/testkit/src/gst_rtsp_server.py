#!/usr/bin/env python3
"""An endless RTSP camera by GStreamer's server: a second opinion on our own RTSP client.

    gst_rtsp_server.py PORT CODEC FPS FILE [AUTH USER PASSWORD]

FILE is an Annex B stream whose access units begin with delimiters; CODEC is h264 or h265; AUTH is
digest or basic. Serves it at /cam on 127.0.0.1 over TCP and UDP, from its first access unit for
each client, over and over. Prints "ready PORT" once it listens (PORT 0: the system chooses).
"""

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtsp", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtsp, GstRtspServer  # noqa: E402

DELIMITERS = {"h264": b"\x00\x00\x00\x01\x09", "h265": b"\x00\x00\x00\x01\x46"}


def access_units(path, codec):
    with open(path, "rb") as file:
        head, *units = file.read().split(DELIMITERS[codec])
    assert not head and units, f"{path} does not begin with an access unit delimiter"
    return [DELIMITERS[codec] + unit for unit in units]


class Feeder:
    """Pushes the access units into one client's appsrc whenever it wants data."""

    def __init__(self, units, fps):
        self.units, self.duration, self.index = units, Gst.SECOND // fps, 0

    def __call__(self, source, _wanted):
        buffer = Gst.Buffer.new_wrapped(self.units[self.index % len(self.units)])
        buffer.pts = buffer.dts = self.index * self.duration
        buffer.duration = self.duration
        self.index += 1
        source.emit("push-buffer", buffer)


def factory(codec, fps, units):
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(
        f"( appsrc name=source is-live=true format=time"
        f" caps=video/x-{codec},stream-format=byte-stream,alignment=au,framerate={fps}/1"
        f" ! {codec}parse config-interval=-1 ! rtp{codec}pay name=pay0 pt=96 )")
    made.connect("media-configure", lambda _factory, media: media.get_element()
                 .get_by_name("source").connect("need-data", Feeder(units, fps)))
    return made


def protect(server, media, method, user, password):
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "viewer")
    if method == "digest":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    for permission in ("access", "construct"):
        permissions.add_permission_for_role("viewer", f"media.factory.{permission}", True)
    media.set_permissions(permissions)


def main():
    port, codec, fps, path, *auth = sys.argv[1:]
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(port)
    media = factory(codec, int(fps), access_units(path, codec))
    if auth:
        protect(server, media, *auth)
    server.get_mount_points().add_factory("/cam", media)
    if not server.attach(None):
        sys.exit(f"can't listen on 127.0.0.1:{port}")
    print(f"ready {server.get_bound_port()}", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
