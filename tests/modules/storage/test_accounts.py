"""storage.imapsql as a storage of accounts, as a table of them, and its settings (spec/storage-and-imap §1, §8)."""

import os
from pathlib import Path
from typing import Any

import apsw
import pytest

from posthouse.core.errors import INTERNAL, MailError
from posthouse.framework import normalize
from posthouse.framework.buffer import MemoryBody
from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import parse_settings
from posthouse.framework.interfaces.auth import InvalidCredentials
from posthouse.framework.interfaces.storage import (
    AccountDatabase,
    CannotChange,
    MailboxExists,
    NoSuchMailbox,
    Storage,
    StorageError,
    TooBig,
    TooMany,
)
from posthouse.framework.interfaces.table import Table
from posthouse.modules.storage.imapsql import ImapSql


def test_it_has_its_roles(mail: Any) -> None:
    storage = mail.module()
    assert isinstance(storage, Storage)
    assert isinstance(storage, AccountDatabase)
    assert isinstance(storage, Table)


def test_configuring_touches_nothing(mail: Any) -> None:
    mail.module()
    assert list(mail.fake.paths.state.iterdir()) == []


async def test_accounts_are_found_in_any_case(storage: ImapSql) -> None:
    account = await storage.account("ANN@Example.ORG")
    assert account is not None
    assert account.name == "ann@example.org"
    assert await storage.account("nobody@example.org") is None


async def test_accounts_are_listed_by_name(storage: ImapSql) -> None:
    await storage.create_account("Aaron")
    assert await storage.accounts() == ["aaron", "ann@example.org", "bob@example.org"]


async def test_an_account_has_an_inbox(storage: ImapSql) -> None:
    account = await storage.create_account("carl")
    (inbox,) = await account.mailboxes()
    assert (inbox.name, inbox.special_use) == ("INBOX", "")
    assert await account.subscriptions() == ["INBOX"]
    status = await account.status("inbox")
    assert (status.messages, status.recent, status.unseen, status.uidnext) == (0, 0, 0, 1)


async def test_an_account_exists_once(storage: ImapSql) -> None:
    with pytest.raises(ValueError, match="exists"):
        await storage.create_account("Ann@example.org")


@pytest.mark.parametrize("name", ["", "a\0b", "a\nb", "x" * 1001])
async def test_names_that_no_account_can_have(storage: ImapSql, name: str) -> None:
    with pytest.raises(ValueError, match="name"):
        await storage.create_account(name)


async def test_a_removed_account_takes_everything_with_it(mail: Any, storage: ImapSql) -> None:
    await mail.deliver(storage, "ann@example.org", "bob@example.org")
    account = await storage.account("ann@example.org")
    assert account is not None
    mailbox = await account.open("INBOX")
    await storage.remove_account("Ann@example.org")
    assert await storage.account("ann@example.org") is None
    assert await storage.accounts() == ["bob@example.org"]
    with pytest.raises(NoSuchMailbox):
        await mailbox.changes(0)
    with pytest.raises(NoSuchMailbox):
        await account.append("INBOX", MemoryBody(b"\r\n"), 0, (), None)
    assert len(await mail.messages(storage, "bob@example.org")) == 1
    await storage.create_account("ann@example.org")
    assert await mail.messages(storage, "ann@example.org") == []


async def test_removing_nobody_is_an_error(storage: ImapSql) -> None:
    with pytest.raises(ValueError, match="no account"):
        await storage.remove_account("nobody")


async def test_append_limit_is_kept_for_each_account(mail: Any, opened: Any) -> None:
    storage = await opened(mail.module(("appendlimit", "10B")))
    account = await storage.create_account("ann")
    assert (account.append_limit, await storage.get_append_limit("ann")) == (10, None)
    with pytest.raises(TooBig):
        await account.append("INBOX", MemoryBody(b"x" * 11), 0, (), None)
    await storage.set_append_limit("Ann", 20)
    account = await storage.account("ann")
    assert (account.append_limit, await storage.get_append_limit("ann")) == (20, 20)
    await account.append("INBOX", MemoryBody(b"x" * 20), 0, (), None)
    await storage.set_append_limit("ann", None)
    assert await storage.get_append_limit("ann") is None
    for call in (storage.get_append_limit("nobody"), storage.set_append_limit("nobody", 1)):
        with pytest.raises(ValueError, match="no account"):
            await call


async def test_deliveries_are_not_limited_by_it(mail: Any, opened: Any) -> None:
    storage = await opened(mail.module(("appendlimit", "10B")))
    await storage.create_account("ann@example.org")
    await mail.deliver(storage, "ann@example.org", body=b"x" * 1000)
    assert len(await mail.messages(storage, "ann@example.org")) == 1


async def test_mailboxes_are_made_with_their_parents(storage: ImapSql) -> None:
    account = await storage.account("ann@example.org")
    assert account is not None
    await account.create_mailbox("a.b.c.")
    await account.create_mailbox("a.x", "\\Sent")
    listed = [(info.name, info.special_use) for info in await account.mailboxes()]
    assert listed == [("INBOX", ""), ("a", ""), ("a.b", ""), ("a.b.c", ""), ("a.x", "\\Sent")]
    for name in ("a.b", "inbox", "INBOX."):
        with pytest.raises(MailboxExists):
            await account.create_mailbox(name)


async def test_many_mailboxes_are_listed_in_order_of_creation(storage: ImapSql) -> None:
    account = await storage.account("ann@example.org")
    assert account is not None
    names = [f"m{n}" for n in range(300, 0, -1)]
    for name in names:
        await account.create_mailbox(name)
    assert [info.name for info in await account.mailboxes()] == ["INBOX", *names]


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "a..b", ".a", "a\0b", "a\r\nb", "\ud800", "x" * 1001, ".".join("a" * 101), "\u2028"],
)
async def test_R_105_names_that_no_mailbox_can_have(storage: ImapSql, name: str) -> None:
    account = await storage.account("ann@example.org")
    assert account is not None
    with pytest.raises(StorageError):
        await account.create_mailbox(name)
    assert len(await account.mailboxes()) == 1


@pytest.mark.parametrize(
    "name", ["/etc/passwd", "~", "%", "*", "'; DROP TABLE mailbox; --", "Entwürfe", "a/b"]
)
async def test_R_105_odd_names_are_names_only(mail: Any, storage: ImapSql, name: str) -> None:
    account = await storage.account("ann@example.org")
    assert account is not None
    await account.create_mailbox(name)
    assert name in [info.name for info in await account.mailboxes()]
    assert (await account.status(name)).messages == 0
    files = {path.name for path in mail.fake.paths.state.iterdir()}
    assert files == {
        "imapsql.db",
        "imapsql.db-wal",
        "imapsql.db-shm",
        "imapsql.db.lock",
        "imapsql.db.blobs",
    }


async def test_R_105_names_do_not_grow_by_being_renamed(storage: ImapSql) -> None:
    account = await storage.account("ann@example.org")
    assert account is not None
    await account.create_mailbox("a." + ".".join("b" * 99))
    await account.create_mailbox("c." + "x" * 600)
    for old, new in (("a", "a2.c"), ("c", "x" * 600), ("c", "é" * 200)):
        with pytest.raises(CannotChange, match="too long"):
            await account.rename_mailbox(old, new)
    await account.rename_mailbox("a", "a2")
    await account.rename_mailbox("c", "x" * 399)
    assert len(await account.mailboxes()) == 1 + 100 + 2


async def test_R_106_a_mailbox_that_waits_to_be_purged_has_no_name(mail: Any, storage: ImapSql) -> None:
    account = await storage.account("ann@example.org")
    assert account is not None
    await account.create_mailbox("gone")
    database = apsw.Connection(str(mail.fake.paths.state / "imapsql.db"))  # as a crash leaves it
    database.execute("UPDATE mailbox SET name = char(0) || id, removed = 1 WHERE name = 'gone'")
    name = str(database.execute("SELECT name FROM mailbox WHERE removed").fetchall()[0][0])
    database.close()
    inbox = await account.open("INBOX")
    for call in (
        account.open(name),
        account.status(name),
        account.append(name, MemoryBody(b"\r\n"), 0, (), None),
        account.delete_mailbox(name),
        account.rename_mailbox(name, "mine"),
        account.set_subscribed(name, True),
        inbox.copy([1], name),
        inbox.move([1], name),
    ):
        with pytest.raises(NoSuchMailbox):
            await call


@pytest.mark.parametrize(
    ("limit", "text"), [("MAILBOXES_MAX", "mailboxes"), ("SUBSCRIPTIONS_MAX", "subscriptions")]
)
async def test_an_account_has_so_many_mailboxes_and_subscriptions(
    storage: ImapSql, monkeypatch: pytest.MonkeyPatch, limit: str, text: str
) -> None:
    monkeypatch.setattr(f"posthouse.db.mail.mailboxes.{limit}", 4)
    account = await storage.account("ann@example.org")
    assert account is not None
    await account.create_mailbox("a.b")
    with pytest.raises(TooMany, match=text):
        await account.create_mailbox("c.d")
    with pytest.raises(TooMany, match=text):
        await account.rename_mailbox("a.b", "c.d.e")
    await account.create_mailbox("c")
    await account.set_subscribed("c", True)  # as it is already
    await account.rename_mailbox("a", "z")
    assert [info.name for info in await account.mailboxes()] == ["INBOX", "z", "z.b", "c"]
    assert await account.subscriptions() == ["INBOX", "c", "z", "z.b"]


async def test_more_mailboxes_than_may_be_made_can_be_subscribed_to(
    storage: ImapSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await storage.account("ann@example.org")
    assert account is not None
    await account.create_mailbox("a")
    monkeypatch.setattr("posthouse.db.mail.mailboxes.MAILBOXES_MAX", 1)  # the second came with a delivery
    await account.set_subscribed("a", False)
    await account.set_subscribed("a", True)
    assert await account.subscriptions() == ["INBOX", "a"]


async def test_subscriptions_to_names_that_are_gone_are_bounded(
    storage: ImapSql, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("posthouse.db.mail.mailboxes.SUBSCRIPTIONS_MAX", 3)
    account = await storage.account("ann@example.org")
    assert account is not None
    for name in ("a", "b"):
        await account.create_mailbox(name)
        await account.delete_mailbox(name)
    with pytest.raises(TooMany, match="subscriptions"):
        await account.create_mailbox("c")
    await account.set_subscribed("a", False)
    await account.create_mailbox("c")
    await account.set_subscribed("c", False)
    await account.create_mailbox("d")
    with pytest.raises(TooMany, match="subscriptions"):
        await account.set_subscribed("c", True)
    assert await account.subscriptions() == ["INBOX", "b", "d"]


@pytest.mark.parametrize("special_use", ["\\All", "\\Flagged", "Sent", "\\sent"])
async def test_special_uses_that_are_not_allowed(storage: ImapSql, special_use: str) -> None:
    account = await storage.account("ann@example.org")
    assert account is not None
    with pytest.raises(StorageError):
        await account.create_mailbox("x", special_use)


async def test_R_116_uidvalidity_is_larger_than_every_earlier_one(mail: Any, storage: ImapSql) -> None:
    given = []
    for n in range(3):
        account = await storage.create_account(f"n{n}")
        given.append((await account.status("INBOX")).uidvalidity)
        await storage.remove_account(f"n{n}")
        mail.fake.clock.jump(-3600)
    assert given == sorted(set(given))
    mail.fake.clock.jump(20_000)
    account = await storage.create_account("later")
    assert (await account.status("INBOX")).uidvalidity == int(mail.fake.clock.time())


async def test_as_a_table_it_knows_its_accounts(storage: ImapSql) -> None:
    assert await storage.lookup("Ann@example.org") == [""]
    assert await storage.lookup("nobody") == []


class Names:
    def __init__(self, answer: list[str] | Exception) -> None:
        self.answer = answer

    async def lookup(self, key: str) -> list[str]:
        if isinstance(self.answer, Exception):
            raise self.answer
        return [f"{key}-{name}" for name in self.answer]


async def test_auth_map_says_the_account_of_a_login(mail: Any, opened: Any) -> None:
    storage = await opened(mail.module(auth_map=Names(["box"]), auth_normalize=normalize.casefold))
    account = await storage.create_account("ANN")
    assert account.name == "ann-box"
    assert (await storage.account("Ann")).name == "ann-box"
    assert await storage.lookup("Ann") == [""]
    assert "deprecated" in "".join(mail.fake.log.lines)


@pytest.mark.parametrize("answer", [[], MailError(INTERNAL)], ids=["miss", "error"])
async def test_a_login_that_auth_map_does_not_know_is_invalid(mail: Any, opened: Any, answer: Any) -> None:
    storage = await opened(mail.module(auth_map=Names(answer)))
    with pytest.raises(InvalidCredentials):
        await storage.account("ann")


async def test_as_a_table_it_passes_on_that_auth_map_cannot_tell(mail: Any, opened: Any) -> None:
    storage = await opened(mail.module(auth_map=Names([])))
    assert await storage.lookup("ann") == []
    storage = await opened(mail.module(auth_map=Names(MailError(INTERNAL))))
    with pytest.raises(MailError):
        await storage.lookup("ann")


def parse(mail: Any, args: tuple[str, ...], *directives: tuple[str, ...]) -> ImapSql:
    children = tuple(Node(name, tuple(rest), None, "test.conf", 2) for name, *rest in directives)
    block = Node("storage.imapsql", args, children, "test.conf", 1)
    registry: Any = None
    settings = parse_settings(ImapSql.Settings, block, Scope({}, mail.fake.paths, registry))
    return ImapSql(settings, mail.fake.context("storage.imapsql"))


@pytest.mark.parametrize(
    ("args", "directives"),
    [
        (("sqlite3", "mail.db"), []),
        (("sqlite", "mail.db"), []),
        ((), [("driver", "sqlite3"), ("dsn", "mail.db")]),
        ((), [("driver", "sqlite3"), ("dsn", "file:mail.db?cache=shared")]),
        (("sqlite3", "mail.db"), [("sqlite_cache_size", "-2000"), ("sqlite_busy_timeout", "100")]),
        (("sqlite3", "mail.db"), [("sqlite3_cache_size", "5000"), ("disable_recent", "no"), ("debug",)]),
    ],
)
async def test_good_settings(mail: Any, opened: Any, args: tuple[str, ...], directives: Any) -> None:
    await opened(parse(mail, args, *directives))
    assert (mail.fake.paths.state / "mail.db").exists()


@pytest.mark.parametrize(
    ("args", "directives", "text"),
    [
        (("sqlite3",), [], "data source name"),
        ((), [("dsn", "mail.db")], "driver"),
        ((), [("driver", "sqlite3")], "dsn"),
        (("postgres", "host=x"), [], "not available in this version"),
        ((), [("driver", "postgres"), ("dsn", "x")], "not available in this version"),
        (("oracle", "x"), [], "valid values"),
        (("sqlite3", ":memory:"), [], "memory"),
        (("sqlite3", "mail.db"), [("appendlimit", "4G")], "4294967296"),
        (("sqlite3", "mail.db"), [("junk_mailbox", "a..b")], "junk_mailbox"),
        (("sqlite3", "mail.db"), [("msg_store", "fs", "x")], "not available in this version"),
        (("sqlite3", "mail.db"), [("compression", "off")], "not available in this version"),
    ],
)
def test_bad_settings(mail: Any, args: tuple[str, ...], directives: Any, text: str) -> None:
    with pytest.raises((ConfigError, ValueError), match=text):
        parse(mail, args, *directives)


async def test_a_database_of_maddy_refuses_the_start(mail: Any) -> None:
    path = mail.fake.paths.state / "imapsql.db"
    maddy = apsw.Connection(str(path))
    maddy.execute("CREATE TABLE mboxes(id); CREATE TABLE schema_version(version)")
    maddy.close()
    with pytest.raises(OSError, match=r"imapsql: .*imapsql\.db is .*posthouse import maddy"):
        await mail.module().prepare()


async def test_R_012_a_damaged_database_refuses_the_start(mail: Any) -> None:
    (mail.fake.paths.state / "imapsql.db").write_bytes(os.urandom(8192))
    with pytest.raises(OSError, match="damaged"):
        await mail.module().prepare()


async def test_a_folder_without_permission_is_named(mail: Any, tmp_path: Path) -> None:
    (mail.fake.paths.state / "file").touch()
    storage = parse(mail, ("sqlite3", "file/mail.db"))
    with pytest.raises(OSError, match=r"imapsql: .*file"):
        await storage.prepare()


async def test_starting_what_was_not_prepared_is_an_error(mail: Any) -> None:
    storage = mail.module()
    with pytest.raises(OSError, match=r"imapsql: .*imapsql\.db"):
        await storage.start()
    await storage.stop()
