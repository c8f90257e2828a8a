"""`posthouse creds`, with no server running."""

from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Program = Callable[..., "CompletedProcess[str]"]

CHEAP = "-bcrypt-cost=4"


def test_without_users_there_is_a_word_on_standard_error(program: Program) -> None:
    listed = program("creds", "list")
    assert (listed.returncode, listed.stdout, listed.stderr) == (0, "", "No users.\n")


def test_a_created_user_is_listed(program: Program) -> None:
    created = program("creds", "create", CHEAP, "-p", "secret", "bob@example.test")
    assert (created.returncode, created.stdout, created.stderr) == (0, "", "")
    program("creds", "create", CHEAP, "-p", "secret", "ann@example.test")
    assert program("creds", "list").stdout == "ann@example.test\nbob@example.test\n"


def test_names_are_folded(program: Program) -> None:
    program("creds", "create", CHEAP, "-p", "secret", "Ann@Example.Test")
    assert program("creds", "list").stdout == "ann@example.test\n"


def test_a_user_is_created_once(program: Program) -> None:
    program("creds", "create", CHEAP, "-p", "secret", "ann")
    again = program("creds", "create", CHEAP, "-p", "secret", "ANN")
    assert (again.returncode, again.stderr) == (1, "Error: credentials for ann already exist\n")


def test_a_password_is_read_from_standard_input(program: Program) -> None:
    created = program("creds", "create", CHEAP, "ann", stdin="secret\n")
    assert (created.returncode, created.stdout) == (0, "")
    assert created.stderr == "Password for ann: \n"
    assert program("creds", "list").stdout == "ann\n"


def test_without_a_password_nobody_is_created(program: Program) -> None:
    created = program("creds", "create", CHEAP, "ann")
    assert created.returncode == 2
    assert "Error: no answer: standard input is at its end" in created.stderr
    assert program("creds", "list").stdout == ""


def test_a_password_is_changed(program: Program) -> None:
    program("creds", "create", CHEAP, "-p", "secret", "ann")
    assert program("creds", "password", CHEAP, "-p", "other", "ann").returncode == 0
    assert program("creds", "list").stdout == "ann\n"


def test_an_unknown_hash_is_told(program: Program) -> None:
    created = program("creds", "create", "-hash", "sha256", "-p", "secret", "ann")
    assert created.returncode == 2
    assert created.stderr == "Error: Unknown hash function, available: bcrypt, argon2\n"


def test_a_user_is_removed(program: Program) -> None:
    program("creds", "create", CHEAP, "-p", "secret", "ann")
    assert program("creds", "remove", "-y", "ann").returncode == 0
    assert program("creds", "list").stdout == ""


@pytest.mark.parametrize(
    ("answer", "left"), [("y", ""), ("YES", ""), ("n", "ann\n"), ("", "ann\n"), ("yess", "ann\n")]
)
def test_removal_needs_a_yes(answer: str, left: str, program: Program) -> None:
    program("creds", "create", CHEAP, "-p", "secret", "ann")
    removed = program("creds", "remove", "ann", stdin=f"{answer}\n")
    assert "[y/N]: " in removed.stderr
    assert removed.returncode == (1 if left else 0)
    assert program("creds", "list").stdout == left


@pytest.mark.parametrize("name", ["", " ", "ann smith", "a\x00b"])
def test_a_name_that_cannot_be_is_refused(name: str, program: Program) -> None:
    created = program("creds", "create", CHEAP, "-p", "secret", name)
    assert created.returncode in (1, 2)
    assert created.stderr.startswith("Error: ")
    assert "Traceback" not in created.stderr
    assert program("creds", "list").stdout == ""


def test_an_unknown_block_is_told(program: Program) -> None:
    listed = program("creds", "list", "-cfg-block", "nope")
    assert (listed.returncode, listed.stderr) == (2, "Error: unknown configuration block: nope\n")


def test_a_block_of_another_kind_is_told(program: Program) -> None:
    listed = program("creds", "list", "-cfg-block=local_mailboxes")
    assert listed.returncode == 2
    assert listed.stderr.startswith("Error: configuration block local_mailboxes is not ")


@pytest.mark.parametrize("variable", ["POSTHOUSE_CFGBLOCK", "MADDY_CFGBLOCK"])
def test_the_block_may_be_named_by_the_environment(
    variable: str, program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "fixed")
    created = program("creds", "create", CHEAP, "-p", "secret", "bob")
    assert created.returncode == 1
    assert created.stderr == "Error: table is not mutable, no management functionality available\n"


@pytest.mark.parametrize(
    ("command", "status"),
    [("creds list", 1), ("imap-acct list", 1), ("run", 1), ("verify-config", 2)],
)
def test_a_configuration_that_is_not_there_is_named(
    command: str, status: int, program: Program, config: Path
) -> None:
    config.unlink()
    tried = program(*command.split())
    assert tried.returncode == status
    assert tried.stderr.startswith(f"Error: failed to read config {config}: no such file")
    assert "-config FILE" in tried.stderr


def test_mistakes_of_the_configuration_are_told(program: Program, config: Path) -> None:
    config.write_text(config.read_text().replace("driver sqlite3", "drivr sqlite3", 1))
    listed = program("creds", "list")
    assert listed.returncode == 1
    assert "unexpected directive: drivr" in listed.stderr
    assert "did you mean driver" in listed.stderr


def test_a_directory_that_cannot_be_made_is_named(program: Program, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    listed = program("creds", "list")
    assert listed.returncode == 1
    assert str(tmp_path / "state") in listed.stderr
    assert "Traceback" not in listed.stderr
