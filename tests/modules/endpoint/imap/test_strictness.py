"""R-109: whatever a message holds, every answer reads strictly, and means what it should."""

import asyncio
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from posthouse.testing.imap import ImapServer
from posthouse.testing.storage import FakeStorage

NAMES = st.sampled_from(
    [b"From", b"To", b"Cc", b"Reply-To", b"Subject", b"Date", b"Message-Id", b"In-Reply-To", b"Content-Type", b"Content-Id",
     b"Content-Disposition", b"Content-Description", b"Content-Language", b"Content-Transfer-Encoding", b"Content-Location"]
)  # fmt: skip
WORDS = st.sampled_from(
    [b"a", b"ann@example.org", b"<", b">", b"@", b",", b";", b"=", b'"', b"\\", b"(", b")", b"{5}", b"{5}\r\n ", b"NIL", b"[",
     b"]", b" ", b"\r\n\t", b"\xe9", b"%", b"*", b"multipart/mixed; boundary=b", b"text/plain", b"message/rfc822", b":", b"\r"]
)  # fmt: skip
VALUES = st.lists(WORDS, max_size=8).map(b"".join)
FIELDS = st.tuples(NAMES, VALUES).map(lambda field: b"%b: %b\r\n" % field)
BODIES = st.lists(
    st.sampled_from(
        [b"\r\n", b"--b", b"--b--", b"Content-Type: message/rfc822", b"Subject: x", b"text", b"\0", b"\n"]
    ),
    max_size=12,
).map(b"\r\n".join)
MESSAGES = st.tuples(st.lists(FIELDS, max_size=8).map(b"".join), BODIES).map(b"\r\n".join)
ITEMS = "(ENVELOPE BODY BODYSTRUCTURE RFC822.SIZE BODY.PEEK[] BODY.PEEK[1.MIME] BODY.PEEK[HEADER.FIELDS (Subject To)])"


@settings(max_examples=60)
@given(st.lists(MESSAGES, min_size=1, max_size=4))
def test_R_109_every_answer_reads_strictly(messages: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_fetch_all(messages, Path(directory)))


async def _fetch_all(messages: list[bytes], directory: Path) -> None:
    async with ImapServer(directory, FakeStorage()) as server:
        for message in messages:
            await server.add("ann", message)
        client = await server.login("ann", "INBOX")
        found = await client.fetch(f"FETCH 1:* {ITEMS}")
    for number, message in enumerate(messages, 1):
        items = found[number]
        assert items[::2] == [
            "ENVELOPE", "BODY", "BODYSTRUCTURE", "RFC822.SIZE", "BODY[]", "BODY[1.MIME]", "BODY[HEADER.FIELDS (Subject To)]"
        ]  # fmt: skip
        assert len(items[1]) == 10
        assert items[7] == len(message)
        assert items[9] == message.replace(b"\0", b"\x80")
