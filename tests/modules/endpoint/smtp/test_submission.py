"""What submission adds to a header (spec/smtp-endpoint.md §9). What it refuses is in dialogues/submission."""

import re
from pathlib import Path

import pytest

from posthouse.modules.endpoint.smtp import SubmissionEndpoint
from posthouse.testing.smtp import KnownUsers, serving_smtp
from posthouse.testing.target import KeptTarget
from posthouse.testing.world import FakeWorld

USERS = KnownUsers({"ann@example.org": "secret"})
LOGIN = "AUTH PLAIN AGFubkBleGFtcGxlLm9yZwBzZWNyZXQ="
UUID = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
FULL = b"Message-ID: <x@example.org>\r\nDate: Tue, 14 Nov 2023 22:13:20 +0000\r\n"


async def submit(fake: FakeWorld, header: bytes) -> bytes:
    """The header that the target gets."""
    target = KeptTarget()
    async with (
        serving_smtp(fake, target=target, kind=SubmissionEndpoint, auth=(USERS,)) as served,
        served.talk() as talk,
    ):
        await talk.say("EHLO a", LOGIN, "MAIL FROM:<ann@example.org>", "RCPT TO:<bob@example.org>", "DATA")
        talk.send(header + b"\r\n.\r\n")
        assert await talk.hear() == "250 2.0.0 OK: queued"
    return target.messages[0].header


async def test_message_id_and_date_are_added_on_top_and_that_is_logged(tmp_path: Path) -> None:
    sent = b"From: ann@example.org\r\nBcc: eve@example.org\r\nSubject: x\r\n"
    with FakeWorld(tmp_path) as fake:
        header = await submit(fake, sent)
        assert header.endswith(b"\r\n" + sent)  # Bcc stays
        added = header.removesuffix(sent).decode()
        assert re.fullmatch(
            rf"Date: Tue, 14 Nov 2023 22:13:20 \+0000\r\nMessage-ID: <{UUID}@mx\.example\.org>\r\n", added
        )
        assert len(fake.log.fields_of("submission", "adding missing Message-ID")) == 1
        assert len(fake.log.fields_of("submission", "adding missing Date header")) == 1


async def test_days_have_no_padding(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        fake.clock.advance(-10 * 86_400)
        header = await submit(fake, b"From: ann@example.org\r\n")
        assert header.startswith(b"Date: Sat, 4 Nov 2023 22:13:20 +0000\r\n")


@pytest.mark.parametrize(
    "rest",
    [
        b"From: ann@example.org\r\n",
        b"From: Ann <ann@example.org>\r\nTo: undisclosed-recipients:;\r\nCc:\r\n",
        b"From: friends: ann@example.org;\r\nTo: a@b\r\nTo: c@d\r\n",
        b"From: ann@example.org,\r\n eve@example.net\r\nSender: (me) Ann <ann@example.org>\r\n",
        "From: Grüße <grüße@bücher.example>\r\n".encode(),
    ],
)
async def test_a_header_that_has_all_stays_as_it_is(tmp_path: Path, rest: bytes) -> None:
    with FakeWorld(tmp_path) as fake:
        assert await submit(fake, FULL + rest) == FULL + rest
