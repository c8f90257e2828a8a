"""Go's way of flags, against a command of our own and the real ones."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.cli.command import Command, argument
from posthouse.cli.flags import UnknownFlag, UsageError, normalise


@click.command(cls=Command)
@click.option("-p", "--password")
@click.option("--debug.smtpport", "port")
@click.option("-y", "--yes", is_flag=True)
@argument("username", help="who")
def sample(**_: object) -> None:
    """A sample."""


def flags_of(*words: str) -> tuple[list[str], list[str]]:
    return normalise(sample, click.Context(sample, info_name="sample"), words)


@pytest.mark.parametrize(
    ("words", "flags"),
    [
        pytest.param(["-password", "x"], ["--password=x"], id="one dash, value after a blank"),
        pytest.param(["--password", "x"], ["--password=x"], id="two dashes"),
        pytest.param(["-password=x"], ["--password=x"], id="one dash, value after ="),
        pytest.param(["-p=x"], ["--password=x"], id="short with ="),
        pytest.param(["--p", "x"], ["--password=x"], id="short with two dashes"),
        pytest.param(["-p="], ["--password="], id="an empty value"),
        pytest.param(["-p", ""], ["--password="], id="an empty word as value"),
        pytest.param(["-p", "a=b=c"], ["--password=a=b=c"], id="= in the value"),
        pytest.param(["-p", "--yes"], ["--password=--yes"], id="a value that looks like a flag"),
        pytest.param(["-p", "--"], ["--password=--"], id="-- as value"),
        pytest.param(["-debug.smtpport=25"], ["--debug.smtpport=25"], id="dots in the name"),
        pytest.param(["-yes"], ["--yes"], id="a switch"),
        pytest.param(["-y=true"], ["--yes"], id="a switch with its value"),
        pytest.param(["-y=T"], ["--yes"], id="true in capitals"),
        pytest.param(["-yes=false"], [], id="a switch turned off"),
        pytest.param(["-yes", "-yes=0"], [], id="the last switch counts: off"),
        pytest.param(["-yes=0", "-yes"], ["--yes"], id="the last switch counts: on"),
        pytest.param(
            ["-p", "a", "-p", "b"], ["--password=a", "--password=b"], id="click takes the last value"
        ),
    ],
)
def test_flags_are_written_in_the_way_of_go(words: list[str], flags: list[str]) -> None:
    assert flags_of(*words) == (flags, [])
    assert flags_of(*words, "rest") == (flags, ["rest"])


@pytest.mark.parametrize(
    ("words", "rest"),
    [
        pytest.param(["ann", "-y"], ["ann", "-y"], id="first other word"),
        pytest.param(["--", "-y"], ["-y"], id="after --"),
        pytest.param(["--", "--", "-y"], ["--", "-y"], id="only one -- is taken"),
        pytest.param(["-", "-y"], ["-", "-y"], id="a lone dash is a word"),
        pytest.param(["", "-y"], ["", "-y"], id="an empty word"),
    ],
)
def test_flags_end(words: list[str], rest: list[str]) -> None:
    assert flags_of(*words) == ([], rest)


@pytest.mark.parametrize("word", ["-nope", "--nope=1", "---yes", "-=x", "-yp", "-P"])
def test_an_unknown_flag_is_refused_with_exit_status_1(word: str) -> None:
    with pytest.raises(UnknownFlag, match="unknown flag: -") as caught:
        flags_of(word)
    assert caught.value.exit_code == 1


def test_an_unknown_flag_names_the_nearest_one() -> None:
    with pytest.raises(UnknownFlag, match="unknown flag: -pasword; did you mean --password"):
        flags_of("-pasword=x")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        pytest.param(["-password"], "--password needs a value", id="value missing"),
        pytest.param(
            ["-y=maybe"], "-y=maybe: the value of this switch is true or false", id="not a truth value"
        ),
    ],
)
def test_a_wrong_value_is_refused_with_exit_status_2(words: list[str], text: str) -> None:
    with pytest.raises(UsageError, match=text) as caught:
        flags_of(*words)
    assert caught.value.exit_code == 2


@given(st.lists(st.text(max_size=12), max_size=6))
def test_any_words_are_taken_or_refused(words: list[str]) -> None:
    try:
        flags, rest = flags_of(*words)
    except UsageError:
        return
    assert len(flags) + len(rest) <= len(words)
    assert all(flag.startswith("--") for flag in flags)
