"""`posthouse check`, with no server running."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from posthouse.db.files import Files
from posthouse.db.sqlite import connect

Program = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def database(config: Path, program: Program) -> Path:
    program("imap-acct", "create", "ann@example.test")
    return config.parent / "state" / "imapsql.db"


def change(database: Path, sql: str) -> None:
    connection = connect(database, Files())
    connection.execute(sql)
    connection.close()


def test_a_sound_storage_has_no_faults(database: Path, program: Program) -> None:
    content = database.read_bytes()
    checked = program("check")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "No faults found\n")
    assert database.read_bytes() == content


def test_R_025_faults_are_told_and_repaired_when_asked(database: Path, program: Program) -> None:
    change(database, "UPDATE mailbox SET unseen = 3 WHERE name = 'Junk'")
    checked = program("check", "-cfg-block", "local_mailboxes")
    fault = "ann@example.test, Junk: 3 unseen are said to be there, there are 0"
    assert (checked.returncode, checked.stdout) == (1, f"{fault}; would repair: count anew\n")
    assert checked.stderr == "1 faults; 1 of them can be repaired: posthouse check -repair\n"
    repaired = program("check", "-repair")
    assert (repaired.returncode, repaired.stdout) == (0, f"{fault}; repaired: count anew\n")
    assert repaired.stderr == "1 faults, 1 of them repaired\n"
    assert program("check").returncode == 0


def test_R_025_what_only_a_backup_brings_back_stays_a_fault(database: Path, program: Program) -> None:
    change(database, "INSERT INTO message VALUES(1, 1, 1, 1, 0, 0)")
    for flags in ((), ("-repair",)):
        checked = program("check", *flags)
        assert checked.returncode == 1
        assert "ann@example.test, INBOX, UID 1: its email 1 is not there\n" in checked.stdout
        assert "see a backup" in checked.stderr


def test_without_a_database_there_is_nothing_to_check(program: Program) -> None:
    checked = program("check")
    assert checked.returncode == 1
    assert "imapsql.db does not exist" in checked.stderr
    assert "Traceback" not in checked.stderr


def test_only_a_storage_can_be_checked(program: Program) -> None:
    checked = program("check", "-cfg-block", "local_authdb")
    assert checked.returncode == 2
    assert checked.stderr == "Error: configuration block local_authdb is not a storage that can be checked\n"
