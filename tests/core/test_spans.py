"""Spans of one track lie within each other, say how they ended, and are nothing at all while nobody listens."""

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest

from posthouse.core import spans
from posthouse.core.errors import MailError
from posthouse.wire.smtp.reply import Reply

Event = dict[str, Any]  # as JSON has it


class Recorded:
    """What was recorded, by the names of spans."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def __call__(self, event: bytes) -> None:
        self.events.append(json.loads(event))

    def __getitem__(self, name: str) -> Event:
        (found,) = [event for event in self.events if event["name"] == name]
        return found

    @property
    def labels(self) -> dict[int, str]:
        """What tracks are called, by their tid."""
        return {e["tid"]: e["args"]["name"] for e in self.events if e["name"] == "thread_name"}


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    sink = Recorded()
    spans.start(sink)
    yield sink
    spans.stop()


def lies_within(inner: Event, outer: Event) -> bool:
    begins, ends = outer["ts"], outer["ts"] + outer["dur"]
    is_within: bool = begins < inner["ts"] and inner["ts"] + inner["dur"] < ends
    return is_within and bool(inner["tid"] == outer["tid"])


async def done() -> None:
    with spans.span("sql/Commit"):
        pass


async def test_spans_of_a_message_lie_within_each_other_and_have_its_id(recorded: Recorded) -> None:
    message = spans.MessageSpans("Incoming Message", "1234abcd", session="192.0.2.1:5")
    await message.around("DATA", done())
    message.is_done = True
    message.end()
    whole, data, commit = recorded["Incoming Message"], recorded["DATA"], recorded["sql/Commit"]
    assert lies_within(commit, data)
    assert lies_within(data, whole)
    assert whole["args"] == {"msg_id": "1234abcd", "session": "192.0.2.1:5"}
    assert data["args"] == commit["args"] == {"msg_id": "1234abcd"}
    assert recorded.labels == {whole["tid"]: "message 1234abcd"}
    assert {event["ph"] for event in recorded.events} == {"X", "M"}


async def test_a_failed_span_says_why(recorded: Recorded) -> None:
    async def refused() -> None:
        raise MailError(Reply(550, (5, 1, 1), "User does not exist"))

    message = spans.MessageSpans("Incoming Message", "1234abcd")
    with pytest.raises(MailError) as caught:
        await message.around("RCPT TO", refused())
    message.is_done, message.error = True, caught.value
    message.end()
    for name in ("RCPT TO", "Incoming Message"):
        args = {"msg_id": "1234abcd", "outcome": "failed", "reason": "User does not exist"}
        assert recorded[name]["args"] == args


async def test_a_cancelled_span_says_so(recorded: Recorded) -> None:
    message = spans.MessageSpans("Incoming Message", "1234abcd")
    task = asyncio.create_task(message.around("DATA", asyncio.Event().wait()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    message.end()
    assert recorded["DATA"]["args"]["outcome"] == "cancelled"
    assert recorded["Incoming Message"]["args"]["outcome"] == "cancelled"


async def test_what_runs_at_the_same_time_has_lanes_of_its_own_and_the_same_id(recorded: Recorded) -> None:
    order = [asyncio.Event(), asyncio.Event()]

    async def check(number: int) -> None:
        with spans.span(f"check {number}"):
            order[number].set()
            await order[1 - number].wait()

    async def checks() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(check(0))
            tasks.create_task(check(1))

    message = spans.MessageSpans("Incoming Message", "1234abcd")
    await message.around("MAIL FROM", checks())
    await message.around("RCPT TO", checks())
    message.end()
    found = [event for event in recorded.events if event["name"].startswith("check")]
    assert len(found) == 4
    assert {event["args"]["msg_id"] for event in found} == {"1234abcd"}
    assert sorted(recorded.labels.values()) == [
        "message 1234abcd",
        "message 1234abcd (2)",
        "message 1234abcd (3)",
    ]
    for lane in recorded.labels:
        drawn = sorted((e["ts"], e["ts"] + e["dur"]) for e in found if e["tid"] == lane)
        assert all(ended < begins for (_, ended), (begins, _) in pairwise(drawn))


async def test_work_in_the_background_keeps_the_id_of_the_session_that_began_it(recorded: Recorded) -> None:
    spans.enter_session("192.0.2.1:5")
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def look_up() -> None:
        begun.set()
        await go_on.wait()

    async def fetch() -> None:
        await spans.within("rDNS fetch", look_up())

    rdns = asyncio.create_task(fetch())
    await begun.wait()
    message = spans.MessageSpans("Incoming Message", "1234abcd")

    async def other() -> None:
        go_on.set()
        await rdns

    await message.around("DATA", other())
    message.end()
    assert recorded["rDNS fetch"]["args"] == {"session": "192.0.2.1:5"}
    assert recorded["rDNS fetch"]["tid"] != recorded["DATA"]["tid"]


async def test_a_session_is_the_same_after_another_greeting(recorded: Recorded) -> None:
    for _ in range(2):
        spans.enter_session("192.0.2.1:5")
        await spans.within("rDNS fetch", asyncio.sleep(0))
    assert len(recorded.labels) == 1


def test_a_thread_has_a_track_too(recorded: Recorded) -> None:
    def write() -> None:
        with spans.Track("writer mail.db", database="mail.db").span("sql/Batch", units=7):
            pass

    thread = threading.Thread(target=write)
    thread.start()
    thread.join()
    assert recorded["sql/Batch"]["args"] == {"database": "mail.db", "units": 7}


async def test_values_are_bounded_and_can_be_written_whatever_a_peer_sent(recorded: Recorded) -> None:
    with spans.Track("x").span("DNS/MX", asked="\udc80" + "a" * 1000):
        pass
    asked = recorded["DNS/MX"]["args"]["asked"]
    assert asked.startswith("\\udc80aaa")
    assert len(asked) < 2 * spans.TEXT_MAX


async def test_nothing_is_recorded_of_what_belongs_to_no_message(recorded: Recorded) -> None:
    await spans.within("table.file/Lookup", asyncio.sleep(0))
    assert recorded.events == []


async def test_while_nobody_listens_a_step_is_itself_and_no_object_is_made() -> None:
    step = asyncio.sleep(0)
    assert spans.within("DATA", step) is step
    await step
    track = spans.Track("x")
    assert track.span("a") is spans.NOTHING
    assert spans.span("a") is spans.NOTHING
    spans.within("DATA", step)
    blocks = sys.getallocatedblocks()
    for _ in range(1000):
        spans.within("DATA", step)
    assert sys.getallocatedblocks() - blocks < 10


async def test_spans_that_are_open_when_recording_ends_come_to_nothing(recorded: Recorded) -> None:
    message = spans.MessageSpans("Incoming Message", "1234abcd")
    spans.stop()
    message.end()
    assert [event["name"] for event in recorded.events] == ["thread_name"]
