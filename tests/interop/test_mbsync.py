"""isync's mbsync: both sides end equal, and stay so. `POSTHOUSE_MBSYNC_MESSAGES=5000` makes it longer."""

import os
from collections.abc import Callable
from pathlib import Path

from tests.interop.conftest import Box

MESSAGES = int(os.environ.get("POSTHOUSE_MBSYNC_MESSAGES", "300"))
CONFIG = """\
IMAPAccount posthouse
Host 127.0.0.1
Port {port}
User {user}
Pass {password}
SSLType None
AuthMechs {mechanism}

IMAPStore far
Account posthouse

MaildirStore near
Path {mail}/
Inbox {mail}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns *
Create Both
Remove Both
Expunge Both
CopyArrivalDate yes
SyncState *
"""


def test_mbsync_goes_two_ways_and_the_second_time_nothing_changes(
    box: Box, client: Callable[..., str], mails: Callable[[int], list[bytes]], tmp_path: Path
) -> None:
    mail = tmp_path / "mail"
    mail.mkdir()
    rc = tmp_path / "mbsyncrc"
    rc.write_text(
        CONFIG.format(port=box.port, user=box.user, password=box.password, mail=mail, mechanism="LOGIN")
    )

    def sync() -> str:
        return client("mbsync", "-c", str(rc), "-a")

    box.fill(mails(MESSAGES))
    _put(mail / "Lists", [])  # its parent is a mailbox too, over there
    _put(mail / "Lists" / "python", mails(20))
    sync()
    assert len(_files(mail / "INBOX")) == MESSAGES
    assert box.subjects("Lists.python") == [f"message {number}" for number in range(20)]

    before, state = _names(mail), [box.state(name) for name in ("INBOX", "Lists.python")]
    sync()
    assert _names(mail) == before
    assert [box.state(name) for name in ("INBOX", "Lists.python")] == state

    _change_both_sides(box, mail)
    sync()
    assert len(_files(mail / "INBOX")) == MESSAGES - 2
    _, flags = box.state()
    assert flags.count(b"\\Flagged") == 1
    assert flags.count(b"UID") == MESSAGES - 2
    assert sum(path.name.endswith("S") for path in _files(mail / "INBOX")) == 1
    changed = _names(mail), box.state()
    sync()
    assert (_names(mail), box.state()) == changed


def _change_both_sides(box: Box, mail: Path) -> None:
    """Near one message is flagged and one deleted; far one is read and one expunged."""
    first, second, *_ = _files(mail / "INBOX")
    first.rename(mail / "INBOX" / "cur" / (first.name.partition(":")[0] + ":2,F"))
    second.rename(mail / "INBOX" / "cur" / (second.name.partition(":")[0] + ":2,T"))
    with box.client() as far:
        far.store(str(MESSAGES - 1), "+FLAGS", "\\Seen")
        far.store(str(MESSAGES), "+FLAGS", "\\Deleted")
        far.expunge()


def _put(maildir: Path, messages: list[bytes]) -> None:
    for part in ("cur", "new", "tmp"):
        (maildir / part).mkdir(parents=True)
    for number, message in enumerate(messages):
        (maildir / "cur" / f"{1_700_000_000 + number}.{number}_1.near:2,S").write_bytes(
            message.replace(b"\r\n", b"\n")
        )


def _files(maildir: Path) -> list[Path]:
    """In order of delivery, which is the order of the numbers after U=."""
    found = [path for part in ("cur", "new") for path in (maildir / part).iterdir()]
    return sorted(found, key=lambda path: int(path.name.partition(",U=")[2].partition(":")[0]))


def _names(mail: Path) -> list[str]:
    return sorted(str(path) for path in mail.rglob("*"))
