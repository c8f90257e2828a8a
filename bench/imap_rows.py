"""What is measured of IMAP: one function per row, which gives the seconds it took and the octets it read."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench import mails
from bench.imap_client import Client, append_all
from bench.imap_subjects import MAILBOX, Subject

BODIES = 2_000  # messages whose bodies are read
PIPELINE = 50  # commands sent at once
SELECTS = 5
APPENDS = 300
APPENDED = "Appended"
COPIED, MOVED = "Copied", "Moved"

Outcome = tuple[float, int]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table; `least` and `aim` are ratios to the peer (0: not named)."""

    name: str
    run: Callable[[Subject], Outcome]
    least: float = 0.0
    aim: float = 0.0
    cold: bool = False  # is measured cold as well
    adds: bool = False  # makes mailboxes and messages


def command(line: str) -> Callable[[Subject], Outcome]:
    """A command on a mailbox that is selected."""

    def run(subject: Subject) -> Outcome:
        with subject.selected() as client:
            began = time.perf_counter()
            octets = client.command(line)
            return time.perf_counter() - began, octets

    return run


def select(subject: Subject) -> Outcome:
    """The first SELECT of a connection."""
    seconds = octets = 0.0
    for _ in range(SELECTS):
        with subject.client() as client:
            began = time.perf_counter()
            octets += client.command(f"SELECT {MAILBOX}")
            seconds += time.perf_counter() - began
    return seconds / SELECTS, int(octets)


def first_select(subject: Subject) -> Outcome:
    with subject.client() as client:
        began = time.perf_counter()
        octets = client.command(f"SELECT {MAILBOX}")
        return time.perf_counter() - began, octets


def bodies_one_by_one(subject: Subject) -> Outcome:
    return _bodies(subject, lambda client, count: sum(client.command(line) for line in _fetches(1, count)))


def bodies_pipelined(subject: Subject) -> Outcome:
    def read(client: Client, count: int) -> int:
        starts = range(1, count + 1, PIPELINE)
        return sum(client.pipelined(_fetches(at, min(at + PIPELINE - 1, count))) for at in starts)

    return _bodies(subject, read)


def bodies_in_one_command(subject: Subject) -> Outcome:
    return _bodies(subject, lambda client, count: client.command(f"FETCH 1:{count} BODY.PEEK[]"))


def store(subject: Subject) -> Outcome:
    """Half of setting and clearing a flag of all messages."""
    with subject.selected() as client:
        began = time.perf_counter()
        octets = client.command("STORE 1:* +FLAGS (\\Flagged)") + client.command(
            "STORE 1:* -FLAGS (\\Flagged)"
        )
        return (time.perf_counter() - began) / 2, octets


def copy(subject: Subject) -> Outcome:
    """The mailbox into another one."""
    with subject.selected() as client:
        return _copied(client), 0


def move(subject: Subject) -> Outcome:
    """All messages of such a copy into a third mailbox."""
    with subject.selected() as client:
        _copied(client, keep=True)
        client.command(f"SELECT {COPIED}")
        client.command(f"CREATE {MOVED}")
        began = time.perf_counter()
        octets = client.command(f"MOVE 1:* {MOVED}")
        took = time.perf_counter() - began
        _close(client)
        client.pipelined([f"DELETE {MOVED}", f"DELETE {COPIED}"])
    return took, octets


def expunge(subject: Subject) -> Outcome:
    """All messages of such a copy."""
    with subject.selected() as client:
        _copied(client, keep=True)
        client.command(f"SELECT {COPIED}")
        client.command("STORE 1:* +FLAGS.SILENT (\\Deleted)")
        began = time.perf_counter()
        octets = client.command("EXPUNGE")
        took = time.perf_counter() - began
        _close(client)
        client.command(f"DELETE {COPIED}")
    return took, octets


def _close(client: Client) -> None:
    """Dovecot may end a connection whose mailbox is deleted."""
    client.command("UNSELECT")


def _copied(client: Client, *, keep: bool = False) -> float:
    """Seconds that it takes to copy all messages to another mailbox."""
    client.command(f"CREATE {COPIED}")
    began = time.perf_counter()
    client.command(f"COPY 1:* {COPIED}")
    took = time.perf_counter() - began
    if not keep:
        client.command(f"DELETE {COPIED}")
    return took


def append_one_by_one(subject: Subject) -> Outcome:
    def send(client: Client, new: Sequence[bytes]) -> None:
        for message in new:
            client.append(APPENDED, message)

    return _appends(subject, send)


def append_pipelined(subject: Subject) -> Outcome:
    return _appends(subject, lambda client, new: append_all(client, APPENDED, new, PIPELINE))


def _bodies(subject: Subject, read: Callable[[Client, int], int]) -> Outcome:
    with subject.client() as client:
        count = min(client.select(MAILBOX), BODIES)
        began = time.perf_counter()
        octets = read(client, count)
        return time.perf_counter() - began, octets


def _fetches(first: int, last: int) -> Sequence[str]:
    return [f"FETCH {number} BODY.PEEK[]" for number in range(first, last + 1)]


def _appends(subject: Subject, send: Callable[[Client, Sequence[bytes]], None]) -> Outcome:
    new = list(mails.messages(APPENDS))
    with subject.client() as client:
        client.command(f"CREATE {APPENDED}")
        began = time.perf_counter()
        send(client, new)
        took = time.perf_counter() - began
        client.command(f"DELETE {APPENDED}")
    return took, 0


# The ratios of design §10.
ROWS = (
    Row("SELECT", select),
    Row("NOOP", command("NOOP")),
    Row("FETCH FLAGS", command("FETCH 1:* (UID FLAGS)"), 1, 2, cold=True),
    Row(
        "FETCH ENVELOPE DATE SIZE", command("FETCH 1:* (ENVELOPE INTERNALDATE RFC822.SIZE)"), 4, 12, cold=True
    ),
    Row("FETCH BODYSTRUCTURE", command("FETCH 1:* (BODYSTRUCTURE)"), 0.8, 2, cold=True),
    Row("FETCH header fields", command("FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (FROM TO SUBJECT DATE)])")),
    Row("bodies one by one", bodies_one_by_one, 2, 6),
    Row("bodies pipelined", bodies_pipelined, 1.5, 3),
    Row("bodies in one command", bodies_in_one_command, 1.2, 2, cold=True),
    Row("SEARCH FROM", command(f"SEARCH FROM {mails.FOUND}"), 2, 4, cold=True),
    Row("SEARCH TEXT", command(f"SEARCH TEXT {mails.NEEDLE}"), 1.5, 6, cold=True),
    Row("STORE 1:*", store, 10, 40),
    Row("COPY 1:*", copy, adds=True),
    Row("MOVE 1:*", move, adds=True),
    Row("EXPUNGE of all", expunge, adds=True),
    Row("APPEND one by one", append_one_by_one, adds=True),
    Row("APPEND pipelined", append_pipelined, adds=True),
)
FIRST_SELECT = Row("SELECT", first_select, cold=True)
