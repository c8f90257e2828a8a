"""IMAP libraries of Python, with all they can do against a server like this."""

import datetime as dt
from collections.abc import Callable

import imap_tools
import imapclient
from tests.interop.conftest import Box

Mails = Callable[[int], list[bytes]]


def test_imapclient_goes_through_the_life_of_a_mailbox(box: Box, mails: Mails) -> None:
    with imapclient.IMAPClient("127.0.0.1", box.port, ssl=False) as far:
        far.login(box.user, box.password)
        assert {b"IMAP4REV1", b"UIDPLUS", b"MOVE", b"IDLE", b"NAMESPACE"} <= set(far.capabilities())
        assert far.namespace().personal == (("", "."),)
        far.create_folder("Übersicht & Co")
        assert "Übersicht & Co" in [name for _, _, name in far.list_folders()]
        far.subscribe_folder("Übersicht & Co")
        assert far.folder_exists("Übersicht & Co")
        when = dt.datetime(2026, 11, 22, 17, 0, tzinfo=dt.UTC)
        for message in mails(6):
            far.append("Übersicht & Co", message, [b"\\Seen"], when)
        assert far.folder_status("Übersicht & Co", ["MESSAGES", "UNSEEN"]) == {b"MESSAGES": 6, b"UNSEEN": 0}
        far.select_folder("Übersicht & Co")
        uids = far.search(["SUBJECT", "message", "SINCE", when.date()])
        assert len(uids) == 6
        assert far.search(["TEXT", "Ἀθῆναι"], charset="UTF-8") == uids
        found = far.fetch(uids[:1], ["INTERNALDATE", "BODY[TEXT]", "FLAGS"])[uids[0]]
        assert found[b"INTERNALDATE"].timestamp() == when.replace(tzinfo=None).timestamp()
        assert b"\\Seen" in found[b"FLAGS"]
        far.copy(uids[:2], "INBOX")
        far.move(uids[2:4], "INBOX")
        far.delete_messages(uids[4])
        far.uid_expunge([uids[4]])
        assert far.search() == [*uids[:2], uids[5]]
        far.select_folder("INBOX", readonly=True)
        assert len(far.search()) == 4
        far.rename_folder("Übersicht & Co", "Old.Übersicht")
        far.unselect_folder()
        far.delete_folder("Old.Übersicht")
        assert not far.folder_exists("Old.Übersicht")


def test_imapclient_sorts_and_threads(box: Box, mails: Mails) -> None:
    box.fill(list(reversed(mails(5))))
    with imapclient.IMAPClient("127.0.0.1", box.port, ssl=False) as far:
        far.login(box.user, box.password)
        far.select_folder("INBOX")
        assert far.sort("SUBJECT") == [5, 4, 3, 2, 1]
        assert far.thread("ORDEREDSUBJECT") == ((5,), (4,), (3,), (2,), (1,))


def test_imapclient_hears_of_new_mail_in_idle(box: Box, mails: Mails) -> None:
    with imapclient.IMAPClient("127.0.0.1", box.port, ssl=False) as far:
        far.login(box.user, box.password)
        far.select_folder("INBOX")
        far.idle()
        box.fill(mails(1))
        assert (1, b"EXISTS") in far.idle_check(timeout=30)
        far.idle_done()


def test_imap_tools_fetches_flags_moves_and_deletes(box: Box, mails: Mails) -> None:
    box.fill(mails(8))
    with imap_tools.MailBoxUnencrypted("127.0.0.1", box.port).login(box.user, box.password) as far:
        found = list(far.fetch(imap_tools.AND(seen=False, from_="bob@example.net"), bulk=True))
        assert [message.subject for message in found] == [f"message {number}" for number in range(8)]
        assert found[0].html.strip() == "<p>Gr&uuml;&szlig;e</p>"
        assert found[7].attachments[0].filename == "übung.zip"
        assert found[7].attachments[0].payload == bytes(range(256))
        far.folder.create("Later")
        far.move([found[1].uid or "", found[2].uid or ""], "Later")
        far.flag([found[3].uid or ""], imap_tools.MailMessageFlags.FLAGGED, value=True)
        far.delete([found[4].uid or ""])
        assert far.uids(imap_tools.AND(flagged=True)) == [found[3].uid]
        assert len(far.numbers()) == 5
        assert far.folder.status("Later")["MESSAGES"] == 2
        far.folder.set("Later")
        assert [message.subject for message in far.fetch(reverse=True)] == ["message 2", "message 1"]
