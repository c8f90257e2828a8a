"""OfflineIMAP 8: both sides end equal, and stay so."""

from collections.abc import Callable
from pathlib import Path

from tests.interop.conftest import Box

MESSAGES = 30
CONFIG = """\
[general]
accounts = posthouse
ui = basic
socktimeout = 60

[Account posthouse]
localrepository = near
remoterepository = far

[Repository near]
type = Maildir
localfolders = {mail}

[Repository far]
type = IMAP
remotehost = 127.0.0.1
remoteport = {port}
remoteuser = {user}
remotepass = {password}
ssl = no
starttls = no
auth_mechanisms = PLAIN
"""


def test_offlineimap_goes_two_ways_and_the_second_time_nothing_changes(
    box: Box, client: Callable[..., str], mails: Callable[[int], list[bytes]], tmp_path: Path
) -> None:
    mail = tmp_path / "mail"
    rc = tmp_path / "offlineimaprc"
    rc.write_text(CONFIG.format(port=box.port, user=box.user, password=box.password, mail=mail))

    def sync() -> None:
        client("offlineimap", "-o", "-c", str(rc))

    box.fill(mails(MESSAGES))
    sync()
    inbox = mail / "INBOX"
    assert len(_names(inbox)) == MESSAGES
    before = _names(mail), box.state()
    sync()
    assert (_names(mail), box.state()) == before

    read = next(path for path in (inbox / "new").iterdir() if ",U=1," in path.name)
    read.rename(inbox / "cur" / f"{read.name.partition(':')[0]}:2,S")
    (inbox / "new" / "1700000000.1.near").write_bytes(mails(MESSAGES + 1)[-1].replace(b"\r\n", b"\n"))
    with box.client() as far:
        far.store("2", "+FLAGS", "\\Deleted")
        far.expunge()
    sync()
    assert box.subjects()[-1] == f"message {MESSAGES}"
    assert len(_names(inbox)) == MESSAGES
    with box.client() as far:
        assert far.search(None, "SEEN")[1] == [b"1"]


def _names(mail: Path) -> list[str]:
    return sorted(str(path) for path in mail.rglob("*") if path.is_file())
