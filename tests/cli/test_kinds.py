"""What arguments and flags of the command line may say."""

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.cli.kinds import DATE, FLAG, SEQUENCE_SET
from posthouse.wire.imap.flags import Flags
from posthouse.wire.imap.sequence import SequenceSet


def test_a_set_is_what_imap_has() -> None:
    assert SEQUENCE_SET.convert("3,5:*", None, None) == SequenceSet(((3, 3), (5, 0)))


def test_nothing_is_no_set() -> None:
    assert SEQUENCE_SET.convert("", None, None) is None


@pytest.mark.parametrize("text", ["0", "x", "1-3", "1,", ":", "1 2", "4294967296", "١", "\udcff"])
def test_what_names_no_messages_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="does not name messages"):
        SEQUENCE_SET.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (r"\seen", Flags((r"\Seen",))),
        (r"\Recent", Flags()),
        ("Work", Flags((), ("work",))),
        (r"$Junk \Deleted", Flags((r"\Deleted",), ("$junk",))),
    ],
)
def test_flags_are_spelled_as_imap_does(text: str, flags: Flags) -> None:
    assert FLAG.convert(text, None, None) == flags


@pytest.mark.parametrize("text", ["", r"\Nope", "(x", "a b{", "x" * 101, "ä", "\udcff"])
def test_what_is_no_flag_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no flag: "):
        FLAG.convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t01:00:00.999+01:00", 0),
        ("1969-12-31 23:59:59z", -1),
        ("2024-02-29T12:00:00-05:30", 1709227800),
    ],
)
def test_a_date_is_seconds_since_the_epoch(text: str, seconds: int) -> None:
    assert DATE.convert(text, None, None) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-01-01",
        "2024-01-01T00:00:00",
        "2023-02-29T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:00:00+99:00",
        "2024-W01-1T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "２０２４-01-01T00:00:00Z",
        "1-Jan-2024 00:00:00 +0000",
    ],
)
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no date of RFC 3339"):
        DATE.convert(text, None, None)


@pytest.mark.parametrize("kind", [SEQUENCE_SET, FLAG, DATE])
@given(text=st.text())
def test_any_text_is_taken_or_refused_and_what_is_taken_is_left_alone(
    kind: "click.ParamType[object, object]", text: str
) -> None:
    try:
        value = kind.convert(text, None, None)
    except click.BadParameter:
        return
    assert kind.convert(value, None, None) == value
