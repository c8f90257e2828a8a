"""The module: settings, its life, accounts, and its three roles."""

import contextlib
import hashlib
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Final

from posthouse.core.errors import MailError
from posthouse.db.dsn import parse_sqlite_dsn
from posthouse.db.errors import DatabaseError
from posthouse.db.files import Files
from posthouse.db.mail import units
from posthouse.db.mail.database import MailDatabase
from posthouse.db.mail.units import DELIMITER
from posthouse.db.sqlite import WRITER_CACHE
from posthouse.db.writer import WriterOptions
from posthouse.framework import normalize
from posthouse.framework.circles import forbid_circle
from posthouse.framework.config.kinds import table
from posthouse.framework.config.settings import arguments, directive, settings
from posthouse.framework.config.values import (
    Several,
    Single,
    boolean,
    int32,
    normalization,
    size_octets,
    size_text,
    string,
    uint32,
)
from posthouse.framework.interfaces.auth import InvalidCredentials
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.interfaces.storage import Fault, StorageError
from posthouse.framework.interfaces.table import Table
from posthouse.framework.normalize import Normalization
from posthouse.modules.storage.imapsql.account import MailAccount
from posthouse.modules.storage.imapsql.delivery import LocalDelivery
from posthouse.modules.storage.imapsql.errors import mail_error, told_to_clients
from posthouse.modules.storage.imapsql.known import KnownMailboxes
from posthouse.modules.storage.imapsql.names import new_name
from posthouse.modules.storage.imapsql.recipients import NoAccount, Recipients, account_name
from posthouse.modules.storage.imapsql.watchers import Watchers

APPEND_LIMIT: Final = 32 * 1024 * 1024  # octets
APPEND_LIMIT_MAX: Final = 2**32 - 1  # octets: IMAP's numbers (RFC 7889)
ACCOUNT_MAX: Final = 1000  # characters of an account's name


def _driver(name: str) -> str:
    if name == "postgres":
        raise ValueError("driver postgres is not available in this version")
    if name not in {"sqlite3", "sqlite"}:
        raise ValueError("invalid argument, valid values are: [sqlite3 sqlite postgres]")
    return name


def _limit(octets: int) -> int:
    if octets > APPEND_LIMIT_MAX:
        raise ValueError(f"{octets} octets are more than IMAP can say")
    return octets


class ImapSql(Module):
    """Storage of the IMAP endpoint and the command line, target of deliveries, and a table of accounts."""

    @settings
    class Settings:
        LATER: ClassVar[frozenset[str]] = frozenset({"msg_store", "fsstore", "compression", "imap_filter"})

        args: tuple[str, ...] = arguments(help="DRIVER DSN...")
        driver: str = directive(
            Single("sqlite3 | postgres", _driver),
            default="",
            default_text="from args",
            help="kind of database",
        )
        dsn: str = directive(
            Several("strings", " ".join),
            default="",
            default_text="from args",
            help="file name, relative to state_dir; or a file: URI",
        )
        appendlimit: int = directive(
            Several("size", lambda args: _limit(size_octets(" ".join(args))), size_text),
            default=APPEND_LIMIT,
            help="largest message that a client may store; deliveries are not limited by it",
        )
        sqlite3_cache_size: int = directive(
            int32,
            default=0,
            names=("sqlite_cache_size",),
            help="page cache of the writer: pages, or KiB when negative; 0 is the default of 16 MiB",
        )
        sqlite3_busy_timeout: int = directive(
            uint32,
            default=5000,
            names=("sqlite_busy_timeout",),
            help="milliseconds to wait for another program that writes",
        )
        disable_recent: bool = directive(
            boolean,
            default=True,
            help="selecting a mailbox leaves the \\Recent flag of its messages in place",
        )
        junk_mailbox: str = directive(
            string, default="Junk", help="name of the mailbox for quarantined messages, if one must be made"
        )
        refuse_delivered: bool = directive(
            boolean,
            default=False,
            help="refuse what has a Delivered-To of an account that it is for: it came around in a circle. Not for those who"
            " fetch mail of another server into their accounts",
        )
        delivery_map: Table | None = directive(table, default=None, help="normalized recipient to account")
        delivery_normalize: Normalization = directive(
            normalization,
            default=normalize.precis_casefold_email,
            help="normal form of recipients, which is the account's name or the key of delivery_map",
        )
        auth_map: Table | None = directive(
            table, default=None, help="deprecated, use storage_map of the endpoint: login to account"
        )
        auth_normalize: Normalization = directive(
            normalization,
            default=normalize.auto,
            help="deprecated, use storage_map_normalize of the endpoint: normal form of logins",
        )
        debug: bool = directive(boolean, default=False, inherit=True, help="log more")

    delimiter = DELIMITER
    commit_order = 2

    def __init__(self, settings: Settings, context: Context, files: Files | None = None) -> None:
        self._settings = settings
        self._context = context
        self._log = context.log
        dsn = _dsn(settings)
        path = parse_sqlite_dsn(dsn, context.paths.state).path
        if path is None:
            raise ValueError("mailboxes cannot be kept in memory: dsn must be a file")
        try:
            self._junk = new_name(settings.junk_mailbox)
        except StorageError as err:
            raise ValueError(f"junk_mailbox: {err}") from err
        self._topic = f"sql-{hashlib.sha1(dsn.encode(), usedforsecurity=False).hexdigest()}"
        self._watchers = Watchers(context.world.bus, self._topic)
        self._db = MailDatabase(
            path,
            log=context.log,
            changed=self._watchers.changed,
            options=WriterOptions(
                cache=settings.sqlite3_cache_size or WRITER_CACHE,
                busy_timeout=settings.sqlite3_busy_timeout / 1000,
            ),
            files=files,
        )
        self._known = KnownMailboxes(self._db)
        self._upkeep = self._db.upkeep(context.world.clock)
        self._recipients = Recipients(
            self._db, settings.delivery_normalize, settings.delivery_map, context.module
        )
        self.asks = () if settings.auth_map is None else (settings.auth_map,)  # as a table of accounts
        forbid_circle(self, self.asks)
        if settings.auth_map is not None or settings.auth_normalize is not normalize.auto:
            context.log.info(
                "auth_map and auth_normalize are deprecated, use storage_map of the imap endpoint"
            )

    @property
    def bus_doors(self) -> Sequence[Path]:
        """Where other processes reach the bus to tell of this database (spec/storage-and-imap §6)."""
        return (self._context.paths.runtime / f"{self._topic}.sock",)

    @property
    def append_limit(self) -> int:
        return self._settings.appendlimit

    async def prepare(self) -> None:
        with _told_to_operators():
            await self._db.prepare()

    async def start(self) -> None:
        with _told_to_operators():
            await self._db.start()
        self._watchers.open()
        self._upkeep.start()

    async def start_reading(self) -> None:
        with _told_to_operators():
            self._db.start_reading()

    async def stop(self) -> None:
        self._watchers.close()
        await self._upkeep.stop()
        await self._db.stop()

    # Storage and AccountDatabase

    async def account(self, name: str) -> MailAccount | None:
        name = await self._login(name)
        with told_to_clients(self._log):
            row = self._db.account(name)
        return None if row is None else self._account(row.id, name, row.append_limit)

    async def create_account(self, name: str) -> MailAccount:
        name = await self._login(name)
        if not name.isprintable() or not 0 < len(name) <= ACCOUNT_MAX:
            raise ValueError("not a name that an account can have")
        with told_to_clients(self._log):
            try:
                number = await self._db.run(units.CreateAccount(name, int(self._context.world.clock.time())))
            except units.AccountExists:
                raise ValueError(f"account {name} exists already") from None
        return self._account(number, name, None)

    async def accounts(self) -> Sequence[str]:
        with told_to_clients(self._log):
            return await self._db.account_names()

    async def remove_account(self, name: str) -> None:
        with told_to_clients(self._log), _no_account(name):
            await self._db.run(units.RemoveAccount(name.lower()))
            self._recipients.forget()
            await self._db.purge_removed()

    async def get_append_limit(self, name: str) -> int | None:
        with told_to_clients(self._log), _no_account(name):
            row = self._db.account(name.lower())
            if row is None:
                raise units.NoSuchAccount
            return row.append_limit

    async def set_append_limit(self, name: str, limit: int | None) -> None:
        with told_to_clients(self._log), _no_account(name):
            await self._db.run(units.SetAppendLimit(name.lower(), limit))

    # CheckedStorage

    def check(self) -> Iterator[Fault]:
        with _told_to_operators():
            for found in self._db.check():
                yield Fault(found.what, found.repair if found.unit else "")

    async def repair(self) -> AsyncIterator[Fault]:
        with _told_to_operators():
            async for found in self._db.repair(self._context.world.clock):
                yield Fault(found.what, found.repair if found.unit else "")

    # Target

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> LocalDelivery:
        return LocalDelivery(
            self._db,
            self._recipients,
            self._context,
            envelope,
            reverse_path,
            junk=self._junk,
            refuse_delivered=self._settings.refuse_delivered,
        )

    async def probe(self, envelope: Envelope, recipient: str) -> None:
        await self._recipients.find(recipient)

    # Table

    async def lookup(self, key: str) -> Sequence[str]:
        """[""] if the account exists."""
        try:
            row = self._db.account(await self._account_name(key))
        except NoAccount:
            return []
        except DatabaseError as err:
            raise mail_error(err, self._context.module) from err
        return [] if row is None else [""]

    def _account(self, number: int, name: str, append_limit: int | None) -> MailAccount:
        return MailAccount(
            self._db,
            self._known,
            self._watchers,
            self._log,
            self._context.world.clock,
            number=number,
            name=name,
            append_limit=self._settings.appendlimit if append_limit is None else append_limit,
            recent_stays=self._settings.disable_recent,
        )

    async def _login(self, name: str) -> str:
        """The name of a login's account. Raises InvalidCredentials."""
        try:
            return await self._account_name(name)
        except (NoAccount, MailError) as err:
            raise InvalidCredentials(str(err)) from err

    async def _account_name(self, name: str) -> str:
        """The same, as the deprecated directives say. Raises NoAccount, and what the table raises."""
        settings = self._settings
        if settings.auth_map is None and settings.auth_normalize is normalize.auto:
            return name.lower()
        return await account_name(name, settings.auth_normalize, settings.auth_map)


def _dsn(settings: ImapSql.Settings) -> str:
    """The data source name. Raises ValueError if driver or name are missing, or given twice."""
    driver, name = settings.driver, settings.dsn
    if settings.args:
        if len(settings.args) == 1:
            raise ValueError("a driver and a data source name are expected")
        driver, name = _driver(settings.args[0]), " ".join(settings.args[1:])
    if not driver:
        raise ValueError("missing required directive: driver")
    if not name:
        raise ValueError("missing required directive: dsn")
    return name


@contextlib.contextmanager
def _told_to_operators() -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as err:
        raise FileNotFoundError(f"imapsql: {err}") from err
    except (DatabaseError, OSError) as err:
        raise OSError(f"imapsql: {err}") from err


@contextlib.contextmanager
def _no_account(name: str) -> Iterator[None]:
    try:
        yield
    except units.NoSuchAccount:
        raise ValueError(f"there is no account {name}") from None
