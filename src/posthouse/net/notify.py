"""Tells systemd how the service is (sd_notify(3))."""

import contextlib
import os
import socket
import time


def notify(*lines: str) -> None:
    """Send state lines, as `READY=1`; without NOTIFY_SOCKET nothing happens, and no failure matters."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    if path.startswith("@"):
        path = "\0" + path[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as peer:
        peer.sendto("\n".join(lines).encode(), path)


def reloading(status: str) -> None:
    """`RELOADING=1` with the time that systemd asks for."""
    notify("RELOADING=1", f"STATUS={status}", f"MONOTONIC_USEC={time.monotonic_ns() // 1000}")
