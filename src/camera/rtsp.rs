//! RTSP server.
