"""`posthouse generate-man`: the manual page."""

import re
import shutil
import subprocess
from collections.abc import Callable
from subprocess import CompletedProcess

import pytest

from posthouse.cli.main import execute

Program = Callable[..., "CompletedProcess[str]"]


@pytest.fixture
def page(program: Program) -> str:
    printed = program("generate-man")
    assert (printed.returncode, printed.stderr) == (0, "")
    return printed.stdout


def test_the_page_has_the_sections_that_pages_have(page: str) -> None:
    assert page.startswith('.TH "POSTHOUSE" 8 "" "posthouse ')
    sections = re.findall(r"^\.SH (.+)$", page, re.MULTILINE)
    assert sections == [
        "NAME",
        "SYNOPSIS",
        "DESCRIPTION",
        "FLAGS",
        "COMMANDS",
        "EXAMPLES",
        "FILES",
        "EXIT STATUS",
    ]
    assert ".SH NAME\nposthouse \\- a composable, all\\-in\\-one mail server\n" in page


def test_every_command_that_is_shown_is_on_it(page: str) -> None:
    commands = re.findall(r'^\.SS "(.+)"$', page, re.MULTILINE)
    assert {"run", "creds", "creds list", "verify\\-config", "imap\\-msgs add\\-flags"} < set(commands)
    assert not [command for command in commands if command.startswith("generate")]
    assert "\n.TP\n\\fB\\-f, \\-\\-flag FLAG\\fR\nA flag; repeatable.\n" in page
    assert page.count("\\-\\-help") == 1


def test_it_is_called_as_the_program_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["/usr/bin/maddy", "generate-man"]) == 0
    page = capsys.readouterr().out
    assert page.startswith('.TH "MADDY" 8 ')
    assert "\\fB/etc/maddy/maddy.conf\\fR" in page


def test_troff_takes_all_of_it_as_it_is_meant(page: str) -> None:
    groff = shutil.which("groff")
    if groff is None:
        pytest.skip("groff is not installed")
    shown = subprocess.run(
        [groff, "-man", "-ww", "-Tutf8", "-P-c"], input=page, capture_output=True, text=True, check=True
    )
    assert shown.stderr == ""
    assert "\nEXIT STATUS\n" in re.sub(".\b", "", shown.stdout)
    assert "posthouse imap-msgs add -flag '\\Seen' ann@example.org Archive < message.eml" in shown.stdout
