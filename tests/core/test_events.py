"""What happens to a message is logged at once, and gathered on it."""

from posthouse.core.events import EVENTS_MAX, Event, MessageLog
from posthouse.core.log import Logger
from posthouse.testing.world import KeptEvents, LogLines


def test_events_of_all_modules_gather_on_the_message_and_are_recorded_at_its_end() -> None:
    lines, kept = LogLines(), KeptEvents()
    log = MessageLog(Logger(lines, "smtp"), "1234abcd", kept)
    log.info("incoming message", sender="a@example.org")
    log.seen_by(Logger(lines, "imapsql")).info("stored")
    assert not kept.messages
    log.close()
    assert kept.messages["1234abcd"] == [
        Event("smtp", "incoming message", {"sender": "a@example.org", "msg_id": "1234abcd"}),
        Event("imapsql", "stored", {"msg_id": "1234abcd"}),
    ]
    assert lines.lines[1] == 'imapsql: stored\t{"msg_id":"1234abcd"}'


def test_the_list_of_events_is_bounded() -> None:
    log = MessageLog(Logger(LogLines(), "smtp"), "1", KeptEvents())
    for _ in range(EVENTS_MAX + 5):
        log.info("RCPT error")
    assert len(log.gathered.events) == EVENTS_MAX
    assert log.gathered.dropped == 5
