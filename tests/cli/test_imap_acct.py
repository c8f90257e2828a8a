"""`posthouse imap-acct`, with no server running."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from posthouse.app.admin import open_block
from posthouse.app.options import Options, defaults_for
from posthouse.framework.interfaces.storage import AccountDatabase

Program = Callable[..., "CompletedProcess[str]"]

SPECIAL = {
    "INBOX": "",
    "Sent": "\\Sent",
    "Trash": "\\Trash",
    "Junk": "\\Junk",
    "Drafts": "\\Drafts",
    "Archive": "\\Archive",
}


def mailboxes_of(config: Path, account: str) -> Mapping[str, str]:
    """Names and special-use attributes, as the storage has them."""
    defaults = defaults_for("posthouse")
    options = Options("posthouse", config, False, defaults.libexec, defaults.state, defaults.runtime)

    async def look() -> dict[str, str]:
        async with open_block(options, "local_mailboxes", AccountDatabase) as storage:
            found = await storage.account(account)
            assert found is not None
            return {mailbox.name: mailbox.special_use for mailbox in await found.mailboxes()}

    return asyncio.run(look())


def test_without_accounts_there_is_a_word_on_standard_error(program: Program) -> None:
    listed = program("imap-acct", "list")
    assert (listed.returncode, listed.stdout, listed.stderr) == (0, "", "No users.\n")


def test_an_account_has_the_mailboxes_that_programs_expect(program: Program, config: Path) -> None:
    created = program("imap-acct", "create", "Ann@example.test")
    assert (created.returncode, created.stdout, created.stderr) == (0, "", "")
    assert program("imap-acct", "list").stdout == "ann@example.test\n"
    assert mailboxes_of(config, "ann@example.test") == SPECIAL


def test_an_account_may_have_an_inbox_only(program: Program, config: Path) -> None:
    program("imap-acct", "create", "-no-specialuse", "ann")
    assert mailboxes_of(config, "ann") == {"INBOX": ""}


def test_mailboxes_are_named_by_flags_and_empty_makes_none(program: Program, config: Path) -> None:
    program("imap-acct", "create", "-sent-name", "Gesendet", "-junk-name=", "ann")
    wanted = {name: use for name, use in SPECIAL.items() if use not in ("\\Sent", "\\Junk")}
    assert mailboxes_of(config, "ann") == wanted | {"Gesendet": "\\Sent"}


def test_a_mailbox_that_cannot_be_made_is_only_reported(program: Program, config: Path) -> None:
    created = program("imap-acct", "create", "-sent-name", "Trash", "ann")
    assert created.returncode == 0
    assert created.stderr.startswith("Warning: mailbox Trash was not made: ")
    assert mailboxes_of(config, "ann")["Trash"] == "\\Sent"


def test_an_account_is_created_once(program: Program) -> None:
    program("imap-acct", "create", "ann")
    again = program("imap-acct", "create", "ANN")
    assert again.returncode == 1
    assert again.stderr.startswith("Error: ")
    assert "Traceback" not in again.stderr


@pytest.mark.parametrize(("answer", "left"), [("y", ""), ("n", "ann\n")])
def test_an_account_is_removed_after_a_yes(answer: str, left: str, program: Program) -> None:
    program("imap-acct", "create", "ann")
    removed = program("imap-acct", "remove", "ann", stdin=f"{answer}\n")
    assert removed.returncode == (1 if left else 0)
    assert program("imap-acct", "list").stdout == left


def test_what_is_not_there_cannot_be_removed(program: Program) -> None:
    removed = program("imap-acct", "remove", "-y", "ann")
    assert removed.returncode == 1
    assert removed.stderr.startswith("Error: ")
    assert "Traceback" not in removed.stderr


def test_the_append_limit_is_shown_set_and_removed(program: Program) -> None:
    program("imap-acct", "create", "ann")
    assert program("imap-acct", "appendlimit", "ann").stdout == "No limit\n"
    assert program("imap-acct", "appendlimit", "-value", "1000", "ann").returncode == 0
    assert program("imap-acct", "appendlimit", "ann").stdout == "1000\n"
    assert program("imap-acct", "appendlimit", "-v", "-1", "ann").returncode == 0
    assert program("imap-acct", "appendlimit", "ann").stdout == "No limit\n"


def test_the_append_limit_of_nobody_is_an_error(program: Program) -> None:
    for words in (("ann",), ("-v", "5", "ann")):
        limited = program("imap-acct", "appendlimit", *words)
        assert limited.returncode == 1
        assert limited.stderr.startswith("Error: ")
        assert "Traceback" not in limited.stderr
