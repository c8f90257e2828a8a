"""`posthouse imap-mboxes`, with no server running."""

from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

Program = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def ann(program: Program) -> Program:
    """The program, where there is an account `ann` with an inbox."""
    assert program("imap-acct", "create", "-no-specialuse", "ann").returncode == 0
    return program


def names(program: Program, *flags: str) -> list[str]:
    return [
        line.partition("\t")[0] for line in program("imap-mboxes", "list", *flags, "ann").stdout.splitlines()
    ]


def done(process: "CompletedProcess[str]") -> bool:
    return (process.returncode, process.stdout, process.stderr) == (0, "", "")


def test_mailboxes_are_listed_with_what_list_says_of_them(program: Program) -> None:
    program("imap-acct", "create", "Ann")
    assert done(program("imap-mboxes", "create", "ann", "Sent.2024.May"))
    listed = program("imap-mboxes", "list", "Ann")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert listed.stdout.splitlines() == [
        "INBOX\t[\\HasNoChildren]",
        "Sent\t[\\Sent \\HasChildren]",
        "Trash\t[\\Trash \\HasNoChildren]",
        "Junk\t[\\Junk \\HasNoChildren]",
        "Drafts\t[\\Drafts \\HasNoChildren]",
        "Archive\t[\\Archive \\HasNoChildren]",
        "Sent.2024\t[\\HasChildren]",
        "Sent.2024.May\t[\\HasNoChildren]",
    ]


def test_new_mailboxes_are_subscribed(ann: Program) -> None:
    assert done(ann("imap-mboxes", "create", "ann", "Entwürfe"))
    assert names(ann, "-s") == names(ann, "--subscribed") == ["INBOX", "Entwürfe"]


@pytest.mark.parametrize("use", ["archive", "drafts", "junk", "sent", "trash"])
def test_a_mailbox_may_have_a_special_use(use: str, ann: Program) -> None:
    assert done(ann("imap-mboxes", "create", "-special", use, "ann", "Box"))
    assert f"Box\t[\\{use.capitalize()} \\HasNoChildren]\n" in ann("imap-mboxes", "list", "ann").stdout


@pytest.mark.parametrize("use", ["all", "flagged", "Sent", ""])
def test_other_uses_there_are_not(use: str, ann: Program) -> None:
    created = ann("imap-mboxes", "create", f"-special={use}", "ann", "Box")
    assert created.returncode == 2
    assert f"'{use}' is not one of " in created.stderr
    assert names(ann) == ["INBOX"]


@pytest.mark.parametrize(("answer", "status"), [("y", 0), ("n", 1), ("", 1)])
def test_a_mailbox_is_removed_after_a_yes(answer: str, status: int, ann: Program) -> None:
    ann("imap-mboxes", "create", "ann", "Work.Old")
    ann("imap-msgs", "add", "ann", "Work", stdin="Subject: x\n\n")
    removed = ann("imap-mboxes", "remove", "ann", "Work", stdin=f"{answer}\n")
    assert removed.stderr.startswith("Work has 1 messages. ")
    assert (removed.returncode, removed.stdout) == (status, "")
    assert names(ann) == ["INBOX", *(["Work"] if status else []), "Work.Old"]


def test_a_mailbox_is_removed_without_a_question(ann: Program) -> None:
    ann("imap-mboxes", "create", "ann", "Work")
    assert done(ann("imap-mboxes", "remove", "-y", "ann", "Work"))
    assert names(ann) == ["INBOX"]


def test_what_is_below_a_renamed_mailbox_moves_along(ann: Program) -> None:
    ann("imap-mboxes", "create", "ann", "Work.Old")
    assert done(ann("imap-mboxes", "rename", "ann", "Work", "Archive.Work"))
    assert sorted(names(ann)) == ["Archive", "Archive.Work", "Archive.Work.Old", "INBOX"]


def test_messages_of_a_renamed_inbox_move_and_it_stays(ann: Program) -> None:
    ann("imap-msgs", "add", "ann", "INBOX", stdin="Subject: x\n\n")
    assert done(ann("imap-mboxes", "rename", "ann", "inbox", "Old"))
    assert ann("imap-msgs", "list", "ann", "INBOX").stdout == ""
    assert ann("imap-msgs", "list", "ann", "Old").stdout.startswith("UID 1: ")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param(("list", "bob"), "there is no account bob", id="list of nobody"),
        pytest.param(("create", "bob", "Work"), "there is no account bob", id="create for nobody"),
        pytest.param(("create", "ann", "inbox"), "Mailbox already exists", id="create INBOX"),
        pytest.param(("create", "ann", "a..b"), "Invalid mailbox name", id="create an odd name"),
        pytest.param(("create", "ann", "\udcff"), "Invalid mailbox name", id="create what is not UTF-8"),
        pytest.param(("remove", "ann", "Work"), "No such mailbox", id="remove a missing one: no question"),
        pytest.param(("remove", "-y", "ann", "INBOX"), "", id="remove INBOX"),
        pytest.param(("rename", "ann", "Work", "Play"), "No such mailbox", id="rename a missing one"),
        pytest.param(
            ("rename", "ann", "INBOX", "INBOX"), "Mailbox already exists", id="rename to one that is"
        ),
    ],
)
def test_what_cannot_be_done_is_told(words: tuple[str, ...], text: str, ann: Program) -> None:
    failed = ann("imap-mboxes", *words)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.startswith(f"Error: {text}")
    assert "Traceback" not in failed.stderr
    assert names(ann) == ["INBOX"]


def test_a_name_that_is_not_utf_8_is_told(ann: Program) -> None:
    removed = ann("imap-mboxes", "remove", "-y", "ann", "x\udcff")
    assert removed.returncode == 2
    assert removed.stderr == "Error: 'x\\udcff' is not UTF-8\n"


@pytest.mark.parametrize(
    ("block", "text"),
    [
        ("local_authdb", "configuration block local_authdb is not a storage of mailboxes"),
        ("nothing", "unknown configuration block: nothing"),
    ],
)
def test_another_block_is_an_error(block: str, text: str, program: Program) -> None:
    listed = program("imap-mboxes", "list", "-cfg-block", block, "ann")
    assert (listed.returncode, listed.stderr) == (2, f"Error: {text}\n")
