"""The bus as modules see it (core.world.Bus), in a worker and in the command line."""

import json
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from posthouse.core.world import Subscription

PUSH_TIMEOUT = 1.0  # seconds that the command line waits for a server to take its news

Heard = Callable[[str], None]


class _Subscription:
    def __init__(self, bus: "WorkerBus", topic: str, heard: Heard) -> None:
        self._bus, self.topic, self.heard = bus, topic, heard

    def close(self) -> None:
        self._bus.forget(self)


class WorkerBus:
    """Subscribers of this process are called at once; `relay`, where there is one, tells the other processes."""

    def __init__(self, relay: Callable[[str, str], None] | None = None) -> None:
        self.relay = relay
        self._topics: dict[str, list[_Subscription]] = {}

    def publish(self, topic: str, payload: str) -> None:
        self.deliver(topic, payload)
        if self.relay is not None:
            self.relay(topic, payload)

    def deliver(self, topic: str, payload: str) -> None:
        """What another process published."""
        for subscription in tuple(self._topics.get(topic, ())):
            subscription.heard(payload)

    def subscribe(self, topic: str, heard: Heard) -> Subscription:
        subscription = _Subscription(self, topic, heard)
        self._topics.setdefault(topic, []).append(subscription)
        return subscription

    def forget(self, subscription: _Subscription) -> None:
        remaining = self._topics.get(subscription.topic, [])
        with suppress(ValueError):
            remaining.remove(subscription)
        if not remaining:
            self._topics.pop(subscription.topic, None)


def push_through(doors: Sequence[Path]) -> Callable[[str, str], None]:
    """How the command line tells a running server: a line through a door of its bus. No server is no error."""

    def relay(topic: str, payload: str) -> None:
        line = json.dumps({"topic": topic, "payload": payload}).encode() + b"\n"
        for door in doors:
            with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as peer:
                peer.settimeout(PUSH_TIMEOUT)
                peer.connect(str(door))
                peer.sendall(line)
                return

    return relay
