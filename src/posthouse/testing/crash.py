"""What a storage promised before a crash, and what is there after it.

A workload reports each step, at the moment when a client would hear of it; `check` looks at the database afterwards.
"""

import random
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

from posthouse.core.log import Logger
from posthouse.db.blobs import LOG_BODY_MAX, Damaged, OwnFile
from posthouse.db.files import Files
from posthouse.db.mail.database import MailDatabase
from posthouse.db.mail.units import (
    DELETED,
    INBOX,
    CreateAccount,
    Deliver,
    Description,
    Expunge,
    FlagMode,
    Recipient,
    StoreFlags,
)
from posthouse.db.readers import INLINE_ROWS
from posthouse.db.sqlite import connect
from posthouse.db.writer import WriterOptions

ACCOUNT: Final = "ann@example.org"
NOW: Final = 1_700_000_000
LARGE: Final = LOG_BODY_MAX + 1000  # octets of a message that gets its own file
_TAG: Final = b"X-Tag: "

# (what, tag of the message, UID): what is "begun", "stored", "removing" or "removed"
Step = tuple[str, str, int]
Report = Callable[[Step], None]


def open_database(path: Path, files: Files | None = None) -> MailDatabase:
    """A database that tells nobody of changes, with a log that nobody reads."""
    return MailDatabase(
        path,
        log=Logger(lambda line, is_debug: None),
        changed=lambda mailboxes: None,
        options=WriterOptions(),
        files=files,
    )


def message(tag: str) -> bytes:
    """A message whose octets all follow from its tag; those with an L in it are large."""
    chance = random.Random(tag)  # noqa: S311
    size = LARGE if "L" in tag else chance.randrange(1, 20_000)
    return _TAG + tag.encode() + b"\r\n\r\n" + chance.randbytes(size)


async def create_account(db: MailDatabase) -> int:
    return await db.run(CreateAccount(ACCOUNT, NOW))


async def deliver(db: MailDatabase, account: int, tags: Iterable[str], report: Report) -> None:
    """Deliver one after the other; every fourth is removed again."""
    for n, tag in enumerate(tags):
        report(("begun", tag, 0))
        octets = message(tag)
        body = await db.store_large(partial(_one, octets), None, len(octets)) if "L" in tag else octets
        description = Description(len(octets), b"", b"NIL", b"NIL")
        (stored,) = await db.run(Deliver(body, description, (Recipient(account, b"", b""),), NOW))
        report(("stored", tag, stored.uid))
        if n % 4 == 0:
            report(("removing", tag, stored.uid))
            await db.run(StoreFlags(stored.mailbox, (stored.uid,), FlagMode.ADD, DELETED, ()))
            await db.run(Expunge(stored.mailbox, (stored.uid,)))
            report(("removed", tag, stored.uid))


def _one(octets: bytes) -> list[bytes]:
    return [octets]


@dataclass(slots=True)
class Findings:
    """What is there after a crash. All lists are empty if every promise was kept."""

    kept: int = 0  # messages that were promised, and are there
    more: int = 0  # that nobody was promised, and are there as a whole
    lost: list[str] = field(default_factory=list)
    returned: list[str] = field(default_factory=list)  # that were removed
    double: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    wrong_uid: list[str] = field(default_factory=list)
    inconsistent: list[str] = field(default_factory=list)  # tables that disagree

    @property
    def broken_promises(self) -> list[str]:
        """All that is wrong, in words."""
        return [
            f"{name}: {tag}"
            for name in ("lost", "returned", "double", "damaged", "wrong_uid", "inconsistent")
            for tag in getattr(self, name)
        ]


async def check(path: Path, steps: Sequence[Step], known: dict[int, str] | None = None) -> Findings:
    """Open a database after a crash, and compare it with the steps that were reported before.

    known: tags of messages by UID whose octets were read in an earlier check; those that are read now are added.
    """
    findings = Findings()
    db = open_database(path)
    await db.prepare()
    await db.start()
    try:
        there = await _messages(db, findings, {} if known is None else known)
    finally:
        await db.stop()
    _compare(there, steps, findings)
    _check_tables(path, findings)
    return findings


async def _messages(db: MailDatabase, findings: Findings, known: dict[int, str]) -> list[tuple[str, int]]:
    """Tag and UID of each message that is whole."""
    account = db.account(ACCOUNT)
    if account is None:
        return []
    mailbox = db.mailbox_named(account.id, INBOX).id
    there: list[tuple[str, int]] = []
    uids = (await db.contents(mailbox)).uids
    for at in range(0, len(uids), INLINE_ROWS):
        for row in db.rows(mailbox, uids[at : at + INLINE_ROWS]).rows:  # messages of the test are small
            uid, email = row[0], row[-1]
            tag = known.get(uid) or await _read(db, account.id, email)
            if tag is None:
                findings.damaged.append(f"UID {uid}")
            else:
                known[uid] = tag
                there.append((tag, uid))
    return there


async def _read(db: MailDatabase, account: int, email: int) -> str | None:
    """The tag of a message whose octets are all right."""
    try:
        location, octets = await db.locate(account, email)
        if isinstance(location.blob, OwnFile):
            octets = await db.part(location.blob, 0, location.blob.length)
    except Damaged:
        return None
    tag = octets[len(_TAG) : octets.find(b"\r\n")].decode()
    return tag if octets == message(tag) else None


def _compare(there: list[tuple[str, int]], steps: Sequence[Step], findings: Findings) -> None:
    stored = {tag: uid for what, tag, uid in steps if what == "stored"}
    removing = {tag for what, tag, _ in steps if what == "removing"}
    removed = {tag for what, tag, _ in steps if what == "removed"}
    found = dict(there)
    findings.double += [tag for tag, count in Counter(tag for tag, _ in there).items() if count > 1]
    findings.returned += sorted(removed & found.keys())
    findings.lost += sorted(stored.keys() - removing - found.keys())
    findings.wrong_uid += [tag for tag, uid in found.items() if stored.get(tag, uid) != uid]
    findings.kept = len(stored.keys() & found.keys())
    findings.more = len(found.keys() - stored.keys())


# Each gives rows only where something is wrong.
_CHECKS: Final = {
    "counters of a mailbox": """
        SELECT id FROM mailbox WHERE total <> (SELECT count(*) FROM message WHERE mailbox = id)
        OR unseen <> (SELECT count(*) FROM message WHERE mailbox = id AND NOT flags & 1)
        OR recent <> (SELECT count(*) FROM message WHERE mailbox = id AND flags & 32)
        OR uidnext <= (SELECT coalesce(max(uid), 0) FROM message WHERE mailbox = id)""",
    "modseq of a mailbox": """
        SELECT mailbox.id FROM mailbox JOIN account ON account.id = account WHERE mailbox.modseq > account.modseq
        OR mailbox.modseq < (SELECT coalesce(max(modseq), 0) FROM message WHERE mailbox = mailbox.id)""",
    "modseq of the journal": "SELECT 1 FROM journal JOIN account ON id = account WHERE journal.modseq > account.modseq",
    "email of a message": "SELECT 1 FROM message WHERE email NOT IN (SELECT id FROM email)",
    "blob of an email": "SELECT 1 FROM email WHERE blob NOT IN (SELECT id FROM blob)",
    "references of a blob": """
        SELECT id FROM blob LEFT JOIN (SELECT blob, count(*) AS held FROM email GROUP BY blob) AS emails
        ON emails.blob = blob.id WHERE refs <> coalesce(held, 0)""",
    "place of a blob": """
        SELECT 1 FROM blob WHERE file IS NULL
        AND offset + length > coalesce((SELECT size FROM segment WHERE id = segment), 0)""",
    "octets of an account": """
        SELECT id FROM account WHERE used <> (SELECT coalesce(sum(size), 0) FROM email WHERE account = account.id)""",
}


def _check_tables(path: Path, findings: Findings) -> None:
    connection = connect(path, Files())
    try:
        if (found := connection.execute("PRAGMA quick_check").get) != "ok":
            findings.inconsistent.append(str(found))
        findings.inconsistent += [what for what, sql in _CHECKS.items() if connection.execute(sql).fetchall()]
    finally:
        connection.close()
