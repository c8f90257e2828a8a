"""The base subject (RFC 5256 §2.1)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.message.subject import base_subject

SUBJECTS = st.lists(
    st.sampled_from(
        ["re", "Fwd", "fw", ":", "[", "]", " ", "\t", "(fwd)", "[fwd:", "[list]", "a", "Re: ", "b c"]
    ),
    max_size=14,
).map("".join)

BLOB = r"\[[^\[\]]*\] *"
LEADER = re.compile(rf"(?:{BLOB})*(?:re|fwd?) *(?:{BLOB})?:| ", re.IGNORECASE)
TRAILER = re.compile(r"(?:\(fwd\)| )\Z", re.IGNORECASE)
FORWARDED = re.compile(r"\[fwd:(.*)\]", re.IGNORECASE | re.DOTALL)


def step_by_step(text: str) -> str:
    """The seven steps as the RFC has them, one after another, as often as they change anything."""
    text = re.sub(" +", " ", text.replace("\t", " "))
    while True:
        while match := TRAILER.search(text):
            text = text[: match.start()]
        while True:
            before = text
            match = LEADER.match(text) or re.match(BLOB, text)
            if match and (match.end() < len(text) or match.re is LEADER):
                text = text[match.end() :]
            if text == before:
                break
        match = FORWARDED.fullmatch(text)
        if match is None:
            return text
        text = match[1]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("hello", "hello"),
        ("Re: hello", "hello"),
        ("RE: Fwd: fw: re:hello", "hello"),
        ("Re : hello", "hello"),
        ("Re[2]: hello", "hello"),
        ("Re [list] : hello", "hello"),
        ("[list] hello", "hello"),
        ("[list] [more] Re: hello", "hello"),
        ("Re: [list] hello (fwd) (FWD) ", "hello"),
        ("[list]", "[list]"),
        ("Re: [list] [more]", "[more]"),
        ("[Fwd: hello]", "hello"),
        ("[fwd: [Fwd: Re: hello (fwd)]]", "hello"),
        ("[Fwd: hello] there", "there"),
        ("hello [list]", "hello [list]"),
        ("[list hello", "[list hello"),
        ("  two   words\t here ", "two words here"),
        ("Re: hello\r\n\tthere", "hello there"),
        ("Reply: hello", "Reply: hello"),
        ("Fwdx: hello", "Fwdx: hello"),
        ("Re:", ""),
        ("(fwd)", ""),
        ("[fwd:]", ""),
        ("[fwd: ]", ""),
        ("", ""),
        ("=?utf-8?q?Re=3A_Gr=C3=BC=C3=9Fe?=", "Grüße"),
        ("AW: hello", "AW: hello"),
    ],
)
def test_what_is_said_is_left(subject: str, expected: str) -> None:
    assert base_subject(subject.encode()) == expected


@given(SUBJECTS)
def test_the_result_is_that_of_the_steps_of_the_rfc(subject: str) -> None:
    assert base_subject(subject.encode()) == step_by_step(subject)


@given(SUBJECTS)
def test_a_reply_has_the_same_base_subject(subject: str) -> None:
    base = base_subject(subject.encode())
    assert base_subject(f"Re: {subject}".encode()) == base
    assert base_subject(f"{subject} (fwd)".encode()) == base


@given(st.binary(max_size=100))
def test_any_octets_have_a_base_subject(subject: bytes) -> None:
    assert isinstance(base_subject(subject), str)


@pytest.mark.parametrize(
    "part",
    [
        "[a]",
        "[",
        "]",
        "re:",
        "re[",
        "re [a] ",
        "[fwd:",
        "(fwd)",
        "[a]re:",
        " ",
        "[ ",
        "[a] x",
        "fwd[a]",
        "[fwd:a]",
    ],
)
@pytest.mark.parametrize("end", ["", "]" * 200_000, "x"])
def test_R_137_hostile_subjects_take_linear_time(part: str, end: str) -> None:
    assert len(base_subject((part * 200_000 + end).encode())) <= len(part) * 200_000 + len(end)
