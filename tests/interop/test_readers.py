"""Programs that people read mail with, or have it brought by."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.interop.conftest import Box

Client = Callable[..., str]
Mails = Callable[[int], list[bytes]]


def test_mutt_opens_tags_saves_and_deletes(
    box: Box, in_terminal: Client, mails: Mails, tmp_path: Path
) -> None:
    box.fill(mails(12))
    rc = tmp_path / "muttrc"
    settings = {
        "folder": f"imap://127.0.0.1:{box.port}/",
        "imap_user": box.user,
        "imap_pass": box.password,
        "ssl_starttls": "no",
        "ssl_force_tls": "no",
        "header_cache": "",
        "confirmappend": "no",
        "confirmcreate": "no",
        "delete": "yes",
        "move": "no",
        "mark_old": "no",
        "sort": "mailbox-order",
    }
    lines = [f'set {name}="{value}"' for name, value in settings.items()]
    keys = [
        "<tag-pattern>~s 'message 3'<enter><tag-prefix><save-message>=Kept<enter>",  # COPY and \\Deleted
        "<limit>~s 'message 1$'<enter><flag-message><limit>all<enter>",
        "<last-entry><display-message><exit><delete-message>",
        "<sync-mailbox><quit>",
    ]
    lines.append(f'push "{"".join(keys)}"')
    rc.write_text("\n".join(lines) + "\n")
    in_terminal("mutt", "-n", "-F", str(rc), "-f", "=INBOX")
    assert box.subjects("Kept") == ["message 3"]
    assert box.subjects() == [f"message {number}" for number in range(11) if number != 3]
    with box.client() as far:
        assert far.search(None, "FLAGGED")[1] == [b"2"]


@pytest.mark.parametrize("protocol", ["imap", "imaps"])
def test_fetchmail_brings_all_once(
    box: Box, client: Client, mails: Mails, tmp_path: Path, protocol: str
) -> None:
    box.fill(mails(9))
    got = tmp_path / "got"
    rc = tmp_path / "fetchmailrc"
    is_tls = protocol == "imaps"
    tls = "ssl no sslcertck" if is_tls else "sslproto ''"
    rc.write_text(
        f"poll 127.0.0.1 protocol imap port {box.tls_port if is_tls else box.port} auth password\n"
        f'  user "{box.user}" password "{box.password}" {tls}\n'
        f"  keep mda \"sh -c 'cat >> {got}'\"\n"
    )
    rc.chmod(0o600)
    client("fetchmail", "-f", str(rc), "--nosyslog")
    assert got.read_text(errors="replace").count("\nSubject: message ") == 9
    client("fetchmail", "-f", str(rc), "--nosyslog", allowed=(1,))  # 1: there is no new mail
    with box.client() as far:
        assert far.search(None, "UNSEEN")[1] == [b""]


def test_curl_lists_searches_reads_appends_and_stores(
    box: Box, client: Client, mails: Mails, tmp_path: Path
) -> None:
    box.fill(mails(3))
    where = f"imap://127.0.0.1:{box.port}/"
    base = ["curl", "-sS", "-u", f"{box.user}:{box.password}"]
    assert '* LIST (\\HasNoChildren) "." INBOX' in client(*base, where).replace('"INBOX"', "INBOX")
    assert "* SEARCH 2" in client(*base, f"{where}INBOX?SUBJECT%20%22message%201%22")
    assert "Subject: message 2" in client(*base, f"{where}INBOX;MAILINDEX=3;SECTION=HEADER")
    (tmp_path / "new").write_bytes(mails(4)[3])
    client(*base, "-T", str(tmp_path / "new"), f"{where}INBOX")
    client(*base, "-X", "STORE 4 +FLAGS \\Flagged", f"{where}INBOX")
    assert box.subjects()[-1] == "message 3"
    with box.client() as far:
        assert far.search(None, "FLAGGED")[1] == [b"4"]
