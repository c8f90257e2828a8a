"""The program as a whole: help, errors, exit status, what needs no configuration."""

import io
import subprocess
import sys
from pathlib import Path

import pytest

from posthouse import __version__
from posthouse.app.options import Options
from posthouse.cli import version as version_command
from posthouse.cli.main import execute, program_name

COMMANDS = [
    "run", "verify-config", "version", "hash", "help",
    "creds", "creds list", "creds create", "creds remove", "creds password",
    "imap-acct", "imap-acct list", "imap-acct create", "imap-acct remove", "imap-acct appendlimit",
    "imap-mboxes", "imap-mboxes list", "imap-mboxes create", "imap-mboxes remove", "imap-mboxes rename",
    "imap-msgs", "imap-msgs add", "imap-msgs add-flags", "imap-msgs rem-flags", "imap-msgs set-flags",
    "imap-msgs remove", "imap-msgs copy", "imap-msgs move", "imap-msgs list", "imap-msgs dump",
    "generate-man", "generate-fish-completion",
]  # fmt: skip


def posthouse(*words: str) -> int:
    return execute(["/usr/bin/posthouse", *words])


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("POSTHOUSE_CONFIG", "MADDY_CONFIG", "POSTHOUSE_CFGBLOCK", "MADDY_CFGBLOCK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Options]:
    """The options that `version` is called with."""
    options: list[Options] = []
    monkeypatch.setattr(version_command, "show", options.append)
    return options


def type_in(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_without_a_command_there_is_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert posthouse() == 0
    out = capsys.readouterr().out
    assert out.startswith("Usage: posthouse [FLAGS] COMMAND")
    assert "verify-config" in out


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("flag", ["-h", "-help", "--help"])
def test_every_command_has_help(command: str, flag: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert posthouse(*command.split(), flag) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith(f"Usage: posthouse {command} ")
    assert captured.err == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_command_shows_the_same(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    posthouse(*command.split(), "-h")
    by_flag = capsys.readouterr().out
    assert posthouse("help", *command.split()) == 0
    assert capsys.readouterr().out == by_flag


def test_help_of_nothing_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert posthouse("help", "credz") == 2
    assert "Error: unknown command: credz; did you mean creds?" in capsys.readouterr().err
    assert posthouse("help", "hash", "more") == 2
    assert "Error: posthouse hash has no commands of its own" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "text", "status"),
    [
        pytest.param("-nope", "unknown flag: -nope", 1, id="unknown flag"),
        pytest.param("creds list -nope", "unknown flag: -nope", 1, id="unknown flag of a command"),
        pytest.param("-debug.smtpport=25 run", "unknown flag: -debug.smtpport", 1, id="flag of debug builds"),
        pytest.param("rum", "unknown command: rum; did you mean run?", 2, id="unknown command"),
        pytest.param("queue list", "unknown command: queue", 2, id="command of a later version"),
        pytest.param(
            "creds remov ann", "unknown command: remov; did you mean remove?", 2, id="unknown sub-command"
        ),
        pytest.param("run now", "unexpected argument: now", 2, id="argument of run"),
        pytest.param("run -libexec x", "--libexec x: an absolute path is expected", 2, id="relative libexec"),
        pytest.param("creds create", "USERNAME is required", 2, id="argument missing"),
        pytest.param(
            "imap-acct appendlimit -v 5", "USERNAME is required", 2, id="argument missing after flags"
        ),
        pytest.param(
            "creds remove ann -y", "unexpected argument: -y; flags go before the arguments", 2, id="late flag"
        ),
        pytest.param("imap-acct appendlimit -v x ann", "'x' is not a valid integer", 2, id="not a number"),
        pytest.param(
            "imap-acct appendlimit -v -2 ann", "-2 is not in the range -1<=x", 2, id="number too small"
        ),
        pytest.param("hash -bcrypt-cost 32", "32 is not in the range 4<=x<=31", 2, id="bcrypt cost"),
    ],
)
def test_mistakes_on_the_command_line_are_told_with_the_usage(
    words: str, text: str, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert posthouse(*words.split()) == status
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("Error: ")
    assert text in captured.err
    assert "\nUsage: posthouse" in captured.err


def test_an_empty_argument_is_a_missing_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert posthouse("creds", "create", "") == 2
    assert "Error: USERNAME is required" in capsys.readouterr().err


def test_version_tells_where_files_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert posthouse("version") == 0
    first, _, *rest = capsys.readouterr().out.splitlines()
    assert first.split()[0] == __version__
    assert rest == [
        "default config: /etc/posthouse/posthouse.conf",
        "default state_dir: /var/lib/posthouse",
        "default runtime_dir: /run/posthouse",
    ]


def test_installed_as_maddy_it_takes_maddys_paths(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["/usr/local/bin/maddy", "version"]) == 0
    assert capsys.readouterr().out.splitlines()[2:] == [
        "default config: /etc/maddy/maddy.conf",
        "default state_dir: /var/lib/maddy",
        "default runtime_dir: /run/maddy",
    ]


def test_small_commands_load_little() -> None:
    """What takes long to import waits until a command needs it."""
    code = "import sys, posthouse.cli.main; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"asyncio", "ssl", "apsw", "cryptography", "bcrypt", "posthouse.app.compose"} & set(loaded)


def test_run_v_is_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert posthouse("run", "-v") == 0
    assert "default config: " in capsys.readouterr().out


def test_the_configuration_is_made_absolute(
    seen: list[Options], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert posthouse("-config", "my.conf", "version") == 0
    assert seen[0].config == tmp_path / "my.conf"


@pytest.mark.parametrize(
    ("environment", "words", "config"),
    [
        pytest.param({}, [], "/etc/posthouse/posthouse.conf", id="default"),
        pytest.param({"MADDY_CONFIG": "/m"}, [], "/m", id="maddy's variable"),
        pytest.param({"MADDY_CONFIG": "/m", "POSTHOUSE_CONFIG": "/p"}, [], "/p", id="ours before maddy's"),
        pytest.param({"POSTHOUSE_CONFIG": "/p"}, ["-config=/f"], "/f", id="the flag before all"),
        pytest.param({"POSTHOUSE_CONFIG": ""}, [], "/etc/posthouse/posthouse.conf", id="empty is unset"),
    ],
)
def test_where_the_configuration_is(
    environment: dict[str, str],
    words: list[str],
    config: str,
    seen: list[Options],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert posthouse(*words, "version") == 0
    assert seen[0].config == Path(config)


def test_debug_flags_are_of_the_debug_program_only(seen: list[Options]) -> None:
    words = ["-debug.smtpport", "2525", "-debug.dnsoverride=[::1]:5353", "-debug", "version"]
    assert execute(["posthouse-debug", *words], debug_build=True) == 0
    assert (seen[0].smtp_port, seen[0].dns_override, seen[0].debug) == (2525, "[::1]:5353", True)
    assert execute(["posthouse-debug", *words]) == 1


@pytest.mark.parametrize(
    "server", ["127.0.0.1", "localhost:53", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536"]
)
def test_a_dns_server_is_an_address_and_a_port(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["posthouse-debug", f"-debug.dnsoverride={server}", "version"], debug_build=True) == 2
    assert "IP:PORT is expected" in capsys.readouterr().err


def test_the_name_of_the_program_is_its_file_name() -> None:
    assert program_name("/usr/bin/maddy") == "maddy"
    assert program_name("/x/posthouse/__main__.py") == "posthouse"


def test_hash_prints_algorithm_and_hash(capsys: pytest.CaptureFixture[str]) -> None:
    assert posthouse("hash", "-bcrypt-cost", "4", "-p", "secret") == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("bcrypt:$2a$04$")
    assert captured.err == ""


def test_hash_takes_the_costs_of_argon2(capsys: pytest.CaptureFixture[str]) -> None:
    words = "hash -hash argon2 -argon2-time=2 -argon2-memory=64 -argon2-threads 1 -p secret".split()
    assert posthouse(*words) == 0
    assert capsys.readouterr().out.startswith("argon2:2:64:1:")


def test_hash_of_an_unknown_algorithm_lists_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert posthouse("hash", "-hash", "md5", "-p", "secret") == 2
    assert capsys.readouterr().err == "Error: Unknown hash function, available: bcrypt, argon2\n"


def test_hash_reads_the_password_from_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, "secret\n")
    assert posthouse("hash", "-bcrypt-cost=4") == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("bcrypt:")
    assert captured.err == "Password: \n"


@pytest.mark.parametrize(
    ("password", "warning"),
    [
        pytest.param("", "the password is empty", id="empty"),
        pytest.param(" x", "begins or ends with a blank", id="blank before"),
        pytest.param("x\t", "begins or ends with a blank", id="tab behind"),
    ],
)
def test_hash_warns_of_odd_passwords(password: str, warning: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert posthouse("hash", "-bcrypt-cost=4", f"-p={password}") == 0
    assert warning in capsys.readouterr().err


def test_a_password_that_is_no_text_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert posthouse("hash", "-bcrypt-cost=4", "-p", "\udcff") == 2
    assert capsys.readouterr().err == "Error: the password is not UTF-8\n"


def test_no_password_at_all_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, "")
    assert posthouse("hash") == 2
    assert "Error: no answer: standard input is at its end" in capsys.readouterr().err
