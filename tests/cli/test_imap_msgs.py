"""`posthouse imap-msgs`, with no server running."""

from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

Program = Callable[..., "CompletedProcess[str]"]

HELLO = (
    b"From: Bob <bob@example.test>\r\nSubject: hello\r\nDate: Tue, 02 Jan 2024 03:04:05 +0000\r\n\r\nHi!\r\n"
)
WARNING = "Warning: these are sequence numbers; a later version takes UIDs by default, as --uid does now\n"


@pytest.fixture
def ann(program: Program) -> Program:
    """The program, where the account `ann` has UIDs 2 and 3 in INBOX, and a mailbox Work."""
    assert program("imap-acct", "create", "-no-specialuse", "ann").returncode == 0
    assert program("imap-mboxes", "create", "ann", "Work").returncode == 0
    for uid in ("1", "2", "3"):
        assert (
            program("imap-msgs", "add", "-flag", f"k{uid}", "ann", "INBOX", stdin=HELLO).stdout == f"{uid}\n"
        )
    assert program("imap-msgs", "remove", "-uid", "-yes", "ann", "INBOX", "1").returncode == 0
    return program


def done(process: "CompletedProcess[str]", warning: str = "") -> bool:
    return (process.returncode, process.stdout, process.stderr) == (0, "", warning)


def flags(program: Program, mailbox: str = "INBOX") -> dict[str, str]:
    """Flags by UID, without \\Recent."""
    listed = program("imap-msgs", "list", "ann", mailbox)
    assert listed.returncode == 0
    found = [entry.split("\n")[:2] for entry in listed.stdout.split("\n\n") if entry]
    return {
        first.removeprefix("UID ").partition(":")[0]: second[3 : second.index("]")]
        .replace("\\Recent", "")
        .strip()
        .replace("  ", " ")
        for first, second in found
    }


def test_a_message_is_stored_with_flags_and_date(ann: Program) -> None:
    date = "2001-02-03T04:05:06+01:00"
    added = ann("imap-msgs", "add", "-f", "\\seen", "-f", "Home", "-date", date, "ann", "Work", stdin=HELLO)
    assert (added.returncode, added.stdout, added.stderr) == (0, "1\n", "")
    listed = ann("imap-msgs", "list", "-full", "ann", "Work")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout == (
        f"UID: 1\nSequence number: 1\nFlags: [\\Seen \\Recent home]\nSize: {len(HELLO)} octets\n"
        "Internal date: Sat, 03 Feb 2001 03:05:06 +0000\nDate: Tue, 02 Jan 2024 03:04:05 +0000\n"
        "From: Bob <bob@example.test>\nSubject: hello\n\n"
    )


def test_bare_line_feeds_become_line_ends_of_mail(ann: Program) -> None:
    ann("imap-msgs", "add", "ann", "Work", stdin=HELLO.replace(b"\r\n", b"\n"))
    assert ann("imap-msgs", "dump", "-uid", "ann", "Work", "1").stdout.encode() == HELLO


def test_a_large_message_passes(ann: Program) -> None:
    body = "0123456789abcde\n" * 200_000
    assert ann("imap-msgs", "add", "ann", "Work", stdin=f"Subject: large\n\n{body}").stdout == "1\n"
    dumped = ann("imap-msgs", "dump", "-uid", "ann", "Work", "1").stdout
    assert dumped == f"Subject: large\n\n{body}".replace("\n", "\r\n")


def test_without_a_message_nothing_is_stored(ann: Program) -> None:
    added = ann("imap-msgs", "add", "ann", "Work", stdin="")
    assert (added.returncode, added.stdout) == (2, "")
    assert added.stderr == "Error: there is no message on standard input\n"
    assert flags(ann, "Work") == {}


def test_the_append_limit_holds(ann: Program) -> None:
    ann("imap-acct", "appendlimit", "-v", "50", "ann")
    added = ann("imap-msgs", "add", "ann", "Work", stdin=HELLO)
    assert (added.returncode, added.stderr) == (1, "Error: Message size exceeding limit\n")


def test_the_short_list(ann: Program) -> None:
    listed = ann("imap-msgs", "list", "ann", "INBOX")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout == "".join(
        f"UID {uid}: Bob <bob@example.test> - hello\n  [\\Recent k{uid}] Tue, 02 Jan 2024 03:04:05 +0000\n\n"
        for uid in (2, 3)
    )


def test_a_list_of_some(ann: Program) -> None:
    by_number = ann("imap-msgs", "list", "ann", "INBOX", "2")
    assert (by_number.stdout[:6], by_number.stderr) == ("UID 3:", WARNING)
    by_uid = ann("imap-msgs", "list", "-u", "ann", "INBOX", "2")
    assert (by_uid.stdout[:6], by_uid.stderr) == ("UID 2:", "")


def test_a_list_of_nothing(ann: Program) -> None:
    listed = ann("imap-msgs", "list", "ann", "Work")
    assert (listed.returncode, listed.stdout, listed.stderr) == (0, "", "No messages.\n")


def test_flags_are_added_removed_and_set(ann: Program) -> None:
    assert done(ann("imap-msgs", "add-flags", "-uid", "ann", "INBOX", "2:3", "\\Seen", "Home", "\\flagged"))
    assert flags(ann) == {"2": "\\Seen \\Flagged k2 home", "3": "\\Seen \\Flagged k3 home"}
    assert done(ann("imap-msgs", "rem-flags", "ann", "INBOX", "1", "\\Seen", "k2", "K3"), WARNING)
    assert flags(ann) == {"2": "\\Flagged home", "3": "\\Seen \\Flagged k3 home"}
    assert done(ann("imap-msgs", "set-flags", "-u", "ann", "INBOX", "*", "\\Draft", "\\Recent"))
    assert flags(ann) == {"2": "\\Flagged home", "3": "\\Draft"}


@pytest.mark.parametrize(("answer", "left"), [("yes", {"3": "k3"}), ("no", {"2": "k2", "3": "k3"})])
def test_messages_are_removed_after_a_yes(answer: str, left: dict[str, str], ann: Program) -> None:
    removed = ann("imap-msgs", "remove", "ann", "INBOX", "1", stdin=f"{answer}\n")
    assert (removed.returncode, removed.stdout) == (len(left) - 1, "")
    question = "1 of the messages in INBOX will be gone for good. Go on? [y/N]: "
    assert removed.stderr.startswith(WARNING + question)
    assert flags(ann) == left


def test_messages_are_copied_with_their_flags(ann: Program) -> None:
    assert done(ann("imap-msgs", "copy", "-uid", "ann", "INBOX", "1:*", "Work"))
    assert flags(ann) == {"2": "k2", "3": "k3"}
    assert flags(ann, "Work") == {"1": "k2", "2": "k3"}


def test_messages_are_moved_with_their_flags(ann: Program) -> None:
    assert done(ann("imap-msgs", "move", "ann", "INBOX", "2", "Work"), WARNING)
    assert flags(ann) == {"2": "k2"}
    assert flags(ann, "Work") == {"1": "k3"}


def test_messages_are_dumped_as_they_are(ann: Program) -> None:
    dumped = ann("imap-msgs", "dump", "ann", "INBOX", "1:2")
    assert (dumped.returncode, dumped.stderr) == (0, WARNING)
    assert dumped.stdout.encode() == HELLO * 2


@pytest.mark.parametrize("set_", ["1:*", "*", "7:*"])
@pytest.mark.parametrize(
    "words", [("remove",), ("copy", "INBOX"), ("move", "INBOX"), ("dump",), ("add-flags", "x")], ids=str
)
def test_all_of_an_empty_mailbox_is_nothing(words: tuple[str, ...], set_: str, program: Program) -> None:
    program("imap-acct", "create", "ann")
    assert done(program("imap-msgs", words[0], "-u", "ann", "Junk", set_, *words[1:]))


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param("list bob INBOX", "there is no account bob", id="no account"),
        pytest.param("add ann Play", "No such mailbox", id="add: no mailbox"),
        pytest.param("list ann Play", "No such mailbox", id="list: no mailbox"),
        pytest.param("copy -u ann INBOX 2 Play", "No such mailbox", id="copy: no mailbox"),
        pytest.param("move -u ann INBOX 2 Play", "No such mailbox", id="move: no mailbox"),
        pytest.param("dump -u ann INBOX 1", "no such message in this mailbox", id="dump: no message"),
        pytest.param("remove -u ann INBOX 7:9", "no such message in this mailbox", id="remove: no message"),
        pytest.param("add-flags -u ann INBOX 1 x", "no such message in this mailbox", id="flags: no message"),
    ],
)
def test_what_cannot_be_done_is_told(words: str, text: str, ann: Program) -> None:
    failed = ann("imap-msgs", *words.split())
    assert (failed.returncode, failed.stdout, failed.stderr) == (1, "", f"Error: {text}\n")
    assert flags(ann) == {"2": "k2", "3": "k3"}


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param("list ann", "MAILBOX is required", id="mailbox"),
        pytest.param("dump ann INBOX", "SEQ is required", id="sequence number"),
        pytest.param("remove ann INBOX", "SEQSET is required", id="set"),
        pytest.param("copy ann INBOX 1", "DST is required", id="destination"),
        pytest.param("move ann", "SRC is required", id="source"),
        pytest.param("set-flags ann INBOX 1", "FLAG is required", id="flag"),
        pytest.param("dump ann INBOX 1-2", "'1-2' does not name messages", id="odd set"),
        pytest.param("add-flags ann INBOX 1 \\Nope", "is no flag: ", id="odd flag"),
        pytest.param("add -f (x ann INBOX", "is no flag: ", id="odd flag of add"),
        pytest.param("add -d today ann INBOX", "'today' is no date of RFC 3339", id="odd date"),
    ],
)
def test_mistakes_in_the_words_come_first(words: str, text: str, program: Program) -> None:
    failed = program("imap-msgs", *words.split())
    assert (failed.returncode, failed.stdout) == (2, "")
    assert failed.stderr.startswith("Error: ")
    assert text in failed.stderr
    assert "\nUsage: posthouse imap-msgs" in failed.stderr
