"""imapclient does with mailboxes and messages what it can, against the real program."""

from collections.abc import Iterator
from pathlib import Path

import imapclient
import pytest
from imapclient.exceptions import IMAPClientError

from posthouse.testing.server import CLEARTEXT, Server

USER, PASSWORD = "ann@example.test", "correct horse"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("imapclient"), CLEARTEXT)
    assert server.command("creds", "create", "-p", PASSWORD, USER).returncode == 0
    assert server.command("imap-acct", "create", USER).returncode == 0
    with server:
        yield server


@pytest.fixture
def box(server: Server) -> Iterator[imapclient.IMAPClient]:
    """Logged in, in an empty mailbox of its own; `work` is another."""
    with imapclient.IMAPClient("127.0.0.1", server.ports["imap"], ssl=False, use_uid=True) as client:
        client.login(USER, PASSWORD)
        for flags, _, name in client.list_folders():
            if name.startswith("test") and b"\\Noselect" not in flags:
                client.delete_folder(name)
        client.create_folder("test.work")
        client.select_folder("test")
        yield client


def fill(box: imapclient.IMAPClient, count: int) -> list[int]:
    """Append so many messages; gives their UIDs."""
    for number in range(count):
        box.append("test", b"Subject: %d\r\n\r\nx\r\n" % number)
    box.noop()
    return there(box)


def there(box: imapclient.IMAPClient) -> list[int]:
    """The UIDs of the messages."""
    uids: list[int] = box.search("ALL")
    return uids


def names(box: imapclient.IMAPClient) -> set[str]:
    return {name for _, _, name in box.list_folders() if name.startswith("test")}


def test_capabilities(box: imapclient.IMAPClient) -> None:
    announced = set(box.capabilities())
    assert announced >= {
        b"IMAP4REV1", b"LITERAL+", b"SASL-IR", b"CHILDREN", b"UNSELECT", b"MOVE", b"IDLE", b"COMPRESS=DEFLATE", b"NAMESPACE",
        b"CONDSTORE", b"CREATE-SPECIAL-USE", b"ENABLE", b"ID", b"SPECIAL-USE", b"UIDPLUS",
    }  # fmt: skip
    assert box.namespace().personal == (("", "."),)
    assert box.id_({"name": "imapclient"}) == ((b"name", b"Posthouse"),)


def test_folders(box: imapclient.IMAPClient) -> None:
    box.create_folder("test.Grüße.deep")
    assert names(box) == {"test", "test.work", "test.Grüße", "test.Grüße.deep"}
    assert box.folder_exists("test.Grüße")
    box.rename_folder("test.Grüße", "test.greetings")
    assert names(box) == {"test", "test.work", "test.greetings", "test.greetings.deep"}
    box.delete_folder("test.greetings")
    flags = {name: words for words, _, name in box.list_folders()}
    assert flags["test.greetings"] == (b"\\Noselect", b"\\HasChildren")
    box.unsubscribe_folder("test.work")
    assert "test.work" not in {name for _, _, name in box.list_sub_folders()}
    box.subscribe_folder("test.work")
    assert "test.work" in {name for _, _, name in box.list_sub_folders()}
    with pytest.raises(IMAPClientError, match="already exists"):
        box.create_folder("test.work")
    with pytest.raises(IMAPClientError, match="No such mailbox"):
        box.select_folder("test.nowhere")


def test_special_folders_are_found(box: imapclient.IMAPClient) -> None:
    assert box.find_special_folder(b"\\Sent") == "Sent"
    assert box.find_special_folder(b"\\Trash") == "Trash"


def test_copy_and_move(box: imapclient.IMAPClient) -> None:
    uids = fill(box, 4)
    box.copy(uids[:2], "test.work")
    box.move(uids[1:3], "test.work")
    assert there(box) == [uids[0], uids[3]]
    box.select_folder("test.work", readonly=True)
    found = box.fetch(there(box), ["BODY[HEADER.FIELDS (SUBJECT)]"])
    subjects = [values[b"BODY[HEADER.FIELDS (SUBJECT)]"] for _, values in sorted(found.items())]
    assert subjects == [b"Subject: %d\r\n\r\n" % number for number in (0, 1, 1, 2)]


def test_uid_expunge_takes_only_what_it_names(box: imapclient.IMAPClient) -> None:
    uids = fill(box, 3)
    box.delete_messages(uids[:2])
    box.uid_expunge(uids[1:])
    assert there(box) == [uids[0], uids[2]]
    box.expunge()
    assert there(box) == [uids[2]]


def test_append_tells_the_uid(box: imapclient.IMAPClient) -> None:
    answer = box.append("test", b"Subject: x\r\n\r\n", flags=[imapclient.SEEN])
    assert b"[APPENDUID " in answer
    (uid,) = fill(box, 0)
    assert b" %d] " % uid in answer
    assert imapclient.SEEN in box.get_flags(uid)[uid]


def test_what_changed_since(box: imapclient.IMAPClient, server: Server) -> None:
    uids = fill(box, 3)
    box.unselect_folder()
    assert box.enable("CONDSTORE") == [b"CONDSTORE"]
    since = box.select_folder("test")[b"HIGHESTMODSEQ"]
    assert box.fetch(there(box), ["FLAGS"], [f"CHANGEDSINCE {since}"]) == {}
    box.add_flags(uids[1], [imapclient.FLAGGED])
    changed = box.fetch(there(box), ["FLAGS"], [f"CHANGEDSINCE {since}"])
    assert list(changed) == [uids[1]]
    assert changed[uids[1]][b"MODSEQ"][0] > since
    assert box.folder_status("test", ["HIGHESTMODSEQ"])[b"HIGHESTMODSEQ"] == changed[uids[1]][b"MODSEQ"][0]


def test_unselect_and_close(box: imapclient.IMAPClient) -> None:
    uids = fill(box, 2)
    box.delete_messages(uids[0])
    box.unselect_folder()
    assert box.select_folder("test")[b"EXISTS"] == 2
    box.close_folder()
    assert box.select_folder("test")[b"EXISTS"] == 1


def test_idle_hears_of_another(box: imapclient.IMAPClient, server: Server) -> None:
    box.idle()
    with imapclient.IMAPClient("127.0.0.1", server.ports["imap"], ssl=False) as other:
        other.login(USER, PASSWORD)
        other.append("test", b"Subject: x\r\n\r\n")
    assert (1, b"EXISTS") in box.idle_check(timeout=20)
    box.idle_done()


def test_what_was_done_survives_a_restart(tmp_path: Path) -> None:
    server = Server(tmp_path, CLEARTEXT)
    assert server.command("creds", "create", "-p", PASSWORD, USER).returncode == 0
    assert server.command("imap-acct", "create", USER).returncode == 0
    validity = 0
    for is_again in (False, True):
        with server, imapclient.IMAPClient("127.0.0.1", server.ports["imap"], ssl=False) as client:
            client.login(USER, PASSWORD)
            if not is_again:
                client.create_folder("a.b")
                client.append("INBOX", b"Subject: x\r\n\r\n", flags=["work"])
                client.select_folder("INBOX")
                client.move([1], "a.b")
                client.rename_folder("a", "z")
                validity = client.select_folder("z.b")[b"UIDVALIDITY"]
            assert client.select_folder("z.b")[b"UIDVALIDITY"] == validity
            assert b"work" in client.get_flags(1)[1]
