"""Completion in shells."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

Program = Callable[..., "CompletedProcess[str]"]

POSTHOUSE = f"#!{sys.executable}\nfrom posthouse.cli.main import main\nmain()\n"


@pytest.mark.parametrize(
    ("words", "candidates"),
    [
        pytest.param(["creds"], ["create", "list", "password", "remove"], id="commands of a group"),
        pytest.param(["imap-acct", "list", "-"], ["--cfg-block", "-h", "--help"], id="flags"),
        pytest.param(["imap-acct", "list", "--cfg"], ["--cfg-block"], id="flags that begin so"),
        pytest.param(["imap-acct", "list"], [], id="nothing more"),
    ],
)
def test_the_flag_prints_what_may_follow(words: list[str], candidates: list[str], program: Program) -> None:
    completed = program(*words, "--generate-bash-completion")
    assert (completed.returncode, completed.stderr) == (0, "")
    assert completed.stdout.split() == candidates


def test_hidden_commands_are_not_offered(program: Program) -> None:
    offered = program("--generate-bash-completion").stdout.split()
    assert "imap-msgs" in offered
    assert "generate-man" not in offered


def test_bash_completes_with_the_script_that_it_is_given(tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("bash is not installed")
    (tmp_path / "posthouse").write_text(POSTHOUSE)
    (tmp_path / "posthouse").chmod(0o755)
    script = """
        eval "$(_POSTHOUSE_COMPLETE=bash_source posthouse)"
        COMP_WORDS=(posthouse -config x imap-mboxes re) COMP_CWORD=4
        _posthouse_completion posthouse
        echo "${COMPREPLY[@]}"
    """
    path = f"{tmp_path}:{os.environ.get('PATH', os.defpath)}"
    completed = subprocess.run(
        [bash, "--norc", "-c", script], env={"PATH": path}, capture_output=True, text=True, check=False
    )
    assert (completed.returncode, completed.stdout, completed.stderr) == (0, "remove rename\n", "")


def test_fish_is_given_a_script(program: Program) -> None:
    printed = program("generate-fish-completion")
    assert (printed.returncode, printed.stderr) == (0, "")
    assert "_POSTHOUSE_COMPLETE=fish_complete" in printed.stdout
    assert "complete --no-files --command posthouse" in printed.stdout
