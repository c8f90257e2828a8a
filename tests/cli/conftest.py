"""The program called in this process, on a configuration of its own."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from posthouse.cli.main import execute

CONFIGURATION = """\
state_dir {directory}/state
runtime_dir {directory}/run
hostname mx.example.test
tls self_signed

auth.pass_table local_authdb {{
    table sql_table {{
        driver sqlite3
        dsn credentials.db
        table_name passwords
    }}
}}

auth.pass_table fixed {{
    table static {{
        entry ann "bcrypt:$2a$04$WE4HF8bqIgjWhM4KFjGNguC5p.Ia4ZH3GDUbTKJnK9dHdWT7wcJ5a"
    }}
}}

storage.imapsql local_mailboxes {{
    driver sqlite3
    dsn imapsql.db
}}

imap tls://127.0.0.1:993 {{
    auth &local_authdb
    storage &local_mailboxes
}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "posthouse.conf"
    path.write_text(CONFIGURATION.format(directory=tmp_path))
    return path


@pytest.fixture
def program(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., "CompletedProcess[str]"]:
    """`program("creds", "list")` calls the program; `stdin` is what it reads."""

    def call(*words: str, stdin: str | bytes = "") -> "CompletedProcess[str]":
        octets = stdin.encode() if isinstance(stdin, str) else stdin
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(octets), encoding="utf-8"))
        argv = ["posthouse", "-config", str(config), *words]
        status = execute(argv)
        captured = capsys.readouterr()
        return CompletedProcess(argv, status, captured.out, captured.err)

    return call
