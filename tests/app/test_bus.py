"""The bus: subscribers here are called at once, other processes are told."""

import json
import socket
from pathlib import Path

from posthouse.app.bus import WorkerBus, push_through


def test_a_message_reaches_subscribers_of_its_topic_and_is_relayed() -> None:
    relayed: list[tuple[str, str]] = []
    heard: list[str] = []
    bus = WorkerBus(lambda topic, payload: relayed.append((topic, payload)))
    subscription = bus.subscribe("mail", heard.append)
    bus.subscribe("credentials", lambda payload: heard.append("wrong " + payload))
    bus.publish("mail", "7")
    bus.deliver("mail", "8")
    assert heard == ["7", "8"]
    assert relayed == [("mail", "7")]
    subscription.close()
    subscription.close()
    bus.deliver("mail", "9")
    assert heard == ["7", "8"]


def test_a_subscriber_may_leave_while_it_is_called() -> None:
    bus = WorkerBus(lambda topic, payload: None)
    heard: list[str] = []

    def once(payload: str) -> None:
        heard.append(payload)
        subscription.close()

    subscription = bus.subscribe("mail", once)
    bus.subscribe("mail", heard.append)
    bus.publish("mail", "x")
    bus.publish("mail", "y")
    assert heard == ["x", "x", "y"]


def test_the_command_line_tells_a_server_through_its_door(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as door:
        door.bind(str(tmp_path / "bus.sock"))
        door.listen()
        push_through([tmp_path / "missing.sock", tmp_path / "bus.sock"])("mail", "7\n8")
        peer, _ = door.accept()
        with peer:
            assert json.loads(peer.makefile().readline()) == {"topic": "mail", "payload": "7\n8"}


def test_no_server_is_no_error(tmp_path: Path) -> None:
    push_through([tmp_path / "bus.sock"])("mail", "7")
