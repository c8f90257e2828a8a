"""What a peer is told of a failure."""

import errno

import pytest

from posthouse.core.errors import DISK_FULL, INTERNAL, MailError, reply_of
from posthouse.wire.smtp.reply import Reply

NO_USER = Reply(550, (5, 1, 1), "User doesn't exist")


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (MailError(NO_USER), NO_USER),
        (OSError(errno.ENOSPC, "full"), DISK_FULL),
        (OSError(errno.EDQUOT, "full"), DISK_FULL),
        (OSError(errno.EIO, "broken"), INTERNAL),
        (RuntimeError("a bug"), INTERNAL),
    ],
)
def test_R_008_every_failure_has_a_reply(error: Exception, reply: Reply) -> None:
    assert reply_of(error) == reply
