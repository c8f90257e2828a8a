"""The runner of dialogues fails where a server says something else, more, or less."""

from pathlib import Path

import pytest

from posthouse.modules.endpoint.smtp import SubmissionEndpoint
from posthouse.testing.dialogue import Do, Hear, Say, read_dialogue
from posthouse.testing.dialogue_runs import hold_in_memory, hold_over_socket

GREETING = "S: 220 mx.example.org ESMTP Service Ready\n"
HELO = "C: HELO a\nS: 250 2.0.0 Hello a\n"
REFUSED = "C: MAIL FROM:<>\nS: 250 2.0.0 Roger, accepting mail from <>\n"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "dialogue.txt"
    path.write_text(text)
    return path


def test_a_dialogue_is_read(tmp_path: Path) -> None:
    dialogue = read_dialogue(
        written(
            tmp_path,
            "# why\n\n| max_recipients 1\n% submission\n"
            "C: NOOP\nC> a\\r\\n\\0\\\\\\xff\nC* 3 ab\\n\nS: 250 ok\n* closed\n",
        )
    )
    assert dialogue.setting.block == "max_recipients 1"
    assert dialogue.setting.kind is SubmissionEndpoint
    assert dialogue.setting.needs_endpoint
    assert dialogue.steps == (
        Say(b"NOOP\r\n"),
        Say(b"a\r\n\0\\\xff"),
        Say(b"ab\nab\nab\n"),
        Hear("250 ok"),
        Do("closed"),
    )


@pytest.mark.parametrize("line", ["X: what", "% whatever", "C>: x"])
def test_lines_of_no_kind_are_mistakes(tmp_path: Path, line: str) -> None:
    with pytest.raises(ValueError, match=r"no line|nobody knows"):
        read_dialogue(written(tmp_path, line))


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("S: 220 other ESMTP Service Ready\n", id="another line"),
        pytest.param(f"{GREETING}C: NOOP\n", id="a line too many"),
        pytest.param(f"{GREETING}S: 250 more\n", id="a line too few"),
        pytest.param(f"{GREETING}C: NOOP\n* closed\n", id="still open"),
    ],
)
async def test_a_server_that_says_something_else_fails(tmp_path: Path, text: str) -> None:
    dialogue = read_dialogue(written(tmp_path, text))
    with pytest.raises(AssertionError):
        hold_in_memory(dialogue, tmp_path, piece=10)
    if "more" in text or "closed" in text:  # over a socket that would be waited for
        return
    with pytest.raises(AssertionError):
        await hold_over_socket(dialogue, tmp_path)


async def test_an_id_is_the_same_wherever_its_word_comes_again(tmp_path: Path) -> None:
    begin = f"% fail start 550 5.7.1 No\n{GREETING}{HELO}"
    mail = REFUSED + "C: RCPT TO:<b@example.org>\nS: 550 5.7.1 No (msg ID = {%s})\n"
    again = "C: RCPT TO:<b@example.org>\nS: 550 5.7.1 No (msg ID = {a})\n"
    good = read_dialogue(written(tmp_path, begin + mail % "a" + again + mail % "b"))
    await hold_over_socket(good, tmp_path)
    bad = read_dialogue(written(tmp_path, begin + mail % "a" + mail % "a"))
    with pytest.raises(AssertionError, match="wanted"):
        await hold_over_socket(bad, tmp_path)
