"""`trace_file` in the real server: where the seconds of a message went."""

import asyncio
import json
import os
import signal
import smtplib
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from posthouse.testing.dns import LoopbackDns
from posthouse.testing.server import NotStarted, Server

MESSAGE = "From: ann@example.net\r\nSubject: hello\r\n\r\nA body.\r\n"
CONFIGURATION = """\
hostname mx.example.test
tls off
trace_file trace.json

storage.imapsql local_mailboxes {
    driver sqlite3
    dsn imapsql.db
}

limits few {
    all concurrency 10
}

table.static aliases {
    entry "team@example.test" "ann@example.test"
}

msgpipeline local_routing {
    modify {
        replace_rcpt &aliases
    }
    destination example.test {
        deliver_to &local_mailboxes
    }
    default_destination {
        reject 550 5.1.1 "User doesn't exist"
    }
}

smtp tcp://127.0.0.1:$(smtp_port) {
    limits &few
    check {
        require_mx_record {
            fail_action reject
        }
    }
    deliver_to &local_routing
}
"""
WITHOUT_DNS = CONFIGURATION.replace("require_mx_record", "require_tls").replace("reject\n", "ignore\n")
ZONE: dict[str, Sequence[str]] = {
    "1.0.0.127.in-addr.arpa": ["PTR client.example.net"],
    "example.net": ["MX 10 mx.example.net"],
}

Event = dict[str, Any]  # as JSON has it


def trace_of(path: Path) -> list[Event]:
    """The events of a file."""
    found: list[Event] = json.loads(path.read_bytes())
    return found


def spans_of(events: Sequence[Event], **fields: str) -> list[Event]:
    """The spans with these fields."""
    return [e for e in events if e["ph"] == "X" and e["args"].items() >= fields.items()]


def named(events: Sequence[Event], name: str) -> Event:
    (found,) = [event for event in events if event["name"] == name]
    return found


def parents(events: Sequence[Event]) -> dict[str, str]:
    """The span in which each lies, by their names; everything on one track is within its neighbours or beside them."""
    found: dict[str, str] = {}
    open_: list[Event] = []
    for event in sorted(events, key=lambda one: (one["tid"], one["ts"])):
        while open_ and (open_[-1]["tid"] != event["tid"] or ends(open_[-1]) < event["ts"]):
            open_.pop()
        assert not open_ or ends(event) < ends(open_[-1]), "spans overlap"
        found[event["name"]] = open_[-1]["name"] if open_ else ""
        open_.append(event)
    return found


def ends(event: Event) -> float:
    return float(event["ts"] + event["dur"])


def connect(server: Server) -> smtplib.SMTP:
    return smtplib.SMTP("127.0.0.1", server.ports["smtp"], local_hostname="client.example.net")


def refuse(client: smtplib.SMTP) -> None:
    """Begin a message to nobody."""
    client.ehlo()
    client.mail("ann@example.net")
    client.rcpt("nobody@example.test")


async def send_with_slow_dns(server: Server, dns: LoopbackDns) -> tuple[float, float]:
    """Send a message; gives from when till when DNS did not answer, as the trace has it: in microseconds."""

    def send(recipient: str) -> None:
        with connect(server) as client:
            client.sendmail("ann@example.net", recipient, MESSAGE)

    dns.hold()
    sent = asyncio.create_task(asyncio.to_thread(send, "team@example.test"))
    while len(dns.asked) < 2:  # the names of the client, and of the sender
        await asyncio.sleep(0.001)
    since = time.monotonic_ns() / 1000
    await asyncio.to_thread(lambda: connect(server).quit())  # others are served meanwhile
    until = time.monotonic_ns() / 1000
    dns.release()
    await sent
    return since, until


async def test_the_seconds_of_a_message_are_found_where_they_went(tmp_path: Path) -> None:
    async with LoopbackDns(ZONE) as dns:
        with Server(tmp_path, CONFIGURATION, flags=("-debug.dnsoverride", dns.address)) as server:
            make_user = await asyncio.to_thread(server.command, "imap-acct", "create", "ann@example.test")
            assert make_user.returncode == 0, make_user.stderr
            since, until = await send_with_slow_dns(server, dns)
            message_id = str(server.fields_of("smtp: accepted")["msg_id"])
            client = str(server.fields_of("smtp: incoming message")["src_ip"])
            path = Path(str(server.fields_of("tracing is on")["file"]))
    assert path == tmp_path / "state" / "trace.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    events = trace_of(path)
    message = spans_of(events, msg_id=message_id)
    assert parents(message) == {
        "Incoming Message": "",
        "MAIL FROM": "Incoming Message",
        "few/TakeMsg": "MAIL FROM",
        "check.require_mx_record/CheckSender": "MAIL FROM",
        "DNS/MX": "check.require_mx_record/CheckSender",
        "RCPT TO": "Incoming Message",
        "local_routing/Start": "RCPT TO",
        "modify.replace_rcpt/RewriteSender": "local_routing/Start",
        "local_routing/AddRcpt": "RCPT TO",
        "modify.replace_rcpt/RewriteRcpt": "local_routing/AddRcpt",
        "aliases/Lookup": "modify.replace_rcpt/RewriteRcpt",
        "sql/Start": "local_routing/AddRcpt",
        "sql/AddRcpt": "local_routing/AddRcpt",
        "DATA": "Incoming Message",
        "local_routing/Body": "DATA",
        "modify.replace_rcpt/RewriteBody": "local_routing/Body",
        "sql/Body": "local_routing/Body",
        "sql/Commit": "DATA",
    }
    lookup = named(message, "DNS/MX")
    assert lookup["ts"] < since < until < ends(lookup)
    assert lookup["args"]["asked"] == "example.net"
    assert named(message, "Incoming Message")["args"]["session"] == client
    reverse = spans_of(events, session=client)
    assert named(reverse, "rDNS fetch")["ts"] < since < until < ends(named(reverse, "rDNS fetch"))
    assert parents([e for e in reverse if "msg_id" not in e["args"]]) == {
        "rDNS fetch": "",
        "DNS/PTR": "rDNS fetch",
    }
    (batch,) = spans_of(events, database=str(tmp_path / "state" / "imapsql.db"))[-1:]
    commit = named(message, "sql/Commit")
    assert commit["ts"] < batch["ts"] < ends(batch) < ends(commit)


def test_what_fails_or_is_given_up_says_so(tmp_path: Path) -> None:
    with Server(tmp_path, WITHOUT_DNS) as server:
        with connect(server) as client:
            refuse(client)
        server.wait_for("smtp: aborted")
    events = trace_of(tmp_path / "state" / "trace.json")
    assert named(events, "Incoming Message")["args"]["outcome"] == "cancelled"
    refused = named(events, "RCPT TO")["args"]
    assert (refused["outcome"], refused["reason"]) == ("failed", "User does not exist")
    assert named(events, "sql/AddRcpt")["args"]["outcome"] == "failed"
    assert "outcome" not in named(events, "MAIL FROM")["args"]
    assert parents(spans_of(events, msg_id=refused["msg_id"]))["sql/Abort"] == "local_routing/Abort"


def test_a_trace_is_opened_anew_after_rotation_and_goes_on_after_a_kill(tmp_path: Path) -> None:
    path, old = tmp_path / "state" / "trace.json", tmp_path / "old.json"
    server = Server(tmp_path, WITHOUT_DNS)

    def refused() -> None:
        with connect(server) as client:
            refuse(client)

    def wait_for_messages(count: int) -> None:
        while path.read_bytes().count(b'"Incoming Message"') < count:
            time.sleep(0.001)

    with server:
        refused()
        wait_for_messages(1)
        path.rename(old)
        os.kill(server.pid, signal.SIGUSR1)
        while not path.exists():
            time.sleep(0.001)
        refused()
        wait_for_messages(1)
        server.kill()
    with server:
        refused()
    assert [len(spans_of(trace_of(one), outcome="cancelled")) for one in (old, path)] == [1, 2]


def test_a_file_that_is_something_else_keeps_the_server_from_starting(tmp_path: Path) -> None:
    server = Server(tmp_path, CONFIGURATION)
    server.state.mkdir(mode=0o700)
    (server.state / "trace.json").write_text("postmaster: ann\n")
    with pytest.raises(
        NotStarted, match=r"cannot use trace file .*trace.json: there is something else in it"
    ):
        server.start()
