import os
from pathlib import Path

import pytest

from posthouse.core.errors import MailError
from posthouse.framework.spool import Spool
from posthouse.modules.endpoint.smtp.intake import Intake, IntakeLimits

LIMITS = IntakeLimits(message=100_000, header=1000, received=2)


async def take(
    directory: Path, message: bytes, size: int = 1_000_000, limits: IntakeLimits = LIMITS
) -> tuple[bytes, bytes]:
    """Header and body of a message that comes in pieces."""
    intake = Intake(Spool(directory, os.urandom, memory=None), limits)
    try:
        for at in range(0, len(message), size):
            await intake.take(message[at : at + size])
        header, body = await intake.finish()
        return header.to_bytes(), b"".join(body.chunks())
    finally:
        await intake.discard()


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("header", "body"),
    [
        (b"Subject: x\r\n", b"text\r\n"),
        (b"A: b\r\n c\r\nD: e\r\n", b"\r\n\r\n"),
        (b"A: b\r\n", b""),
        (b"", b"text\r\n"),
        (b"", b"\r\n\r\n"),
    ],
)
async def test_a_message_is_parted_at_its_first_blank_line(
    tmp_path: Path, header: bytes, body: bytes, size: int
) -> None:
    assert await take(tmp_path, header + b"\r\n" + body, size) == (header, body)


@pytest.mark.parametrize("size", [1, 1000])
@pytest.mark.parametrize("message", [b"", b"Subject: x\r\n"])
async def test_a_message_may_be_all_header_or_nothing(tmp_path: Path, message: bytes, size: int) -> None:
    assert await take(tmp_path, message, size) == (message, b"")


@pytest.mark.parametrize(
    ("message", "code", "text"),
    [
        pytest.param(b"just text\r\n", 554, "Internal server error", id="no header"),
        pytest.param(b" folded\r\n\r\n", 554, "Internal server error", id="begins with a fold"),
        pytest.param(
            b"A: " + b"x" * 1000 + b"\r\n\r\n", 552, "Message header size exceeds limit", id="header"
        ),
        pytest.param(b"A: " + b"x" * 5000, 552, "Message header size exceeds limit", id="endless header"),
        pytest.param(b"A: b\r\n\r\n" + b"x" * 100_000, 552, "Maximum message size exceeded", id="message"),
        pytest.param(
            b"Received: by x\r\n" * 2 + b"RECEIVED: by y\r\n\r\n",
            554,
            "Too many Received header fields (3), possible forwarding loop",
            id="loop",
        ),
    ],
)
@pytest.mark.parametrize("size", [97, 1_000_000])
async def test_what_is_over_a_limit_is_refused_at_the_end(
    tmp_path: Path, message: bytes, code: int, text: str, size: int
) -> None:
    with pytest.raises(MailError) as caught:
        await take(tmp_path, message, size)
    assert (caught.value.reply.code, caught.value.reply.text) == (code, text)


async def test_a_header_may_have_exactly_its_limit(tmp_path: Path) -> None:
    header = b"A: " + b"x" * 993 + b"\r\n"
    assert await take(tmp_path, header + b"\r\n") == (header, b"")
    with pytest.raises(MailError):
        await take(tmp_path, b"A" + header + b"\r\n")


WIDE = IntakeLimits(message=0, header=2_000_000, received=50)


@pytest.mark.parametrize("size", [1000, 65_536, 10_000_000])
@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"X: y\r\n" * 50_000, id="50,000 fields"),
        pytest.param(b"X: " + b"y" * 1_000_000 + b"\r\n", id="a field of 1 MB"),
        pytest.param(b"X: y\r\n" + b" z\r\n" * 50_000, id="50,000 folds"),
    ],
)
async def test_R_055_large_headers_are_taken_whole(tmp_path: Path, header: bytes, size: int) -> None:
    assert await take(tmp_path, header + b"\r\nbody\r\n", size, WIDE) == (header, b"body\r\n")
