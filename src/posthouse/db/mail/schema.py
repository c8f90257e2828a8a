"""The tables of a mail database (storage.md §10). Migrations are only ever added at the end."""

from typing import Final

from posthouse.db.blobs import BLOBS_SCHEMA
from posthouse.db.connection import COUNTERS_SCHEMA
from posthouse.db.doomed import DOOMED_SCHEMA
from posthouse.db.lease import LEASE_SCHEMA
from posthouse.db.sqlite import Schema

# account.modseq: the last one given out, never goes back. account.used: octets of its emails.
# removed accounts and mailboxes: nobody sees them, and their names, which nobody can have, stand in nobody's way.
# Messages are purged in steps; the rest is the collector's.
# subscription: to names, which stay when the mailbox goes.
# message.flags: bits 0 to 4 \Seen \Answered \Flagged \Deleted \Draft, 5 \Recent, from 8 on keywords by keyword.bit.
# message is narrow: all that STORE, COPY and EXPUNGE touch. email is wide and never updated; email.head are the octets
# of the message before those of its blob.
# arrival: what is inserted there comes into a mailbox, in one statement: the interpreter's lock is let go and taken once.
# Rows with refs bring a blob; those without use the one before. Emails, messages and journal follow from the row.
# journal: a row a change, complete above account.journal_floor. kind: see journal.py; uids, emails: sets as "5,9:120".
# cursor: how far in the journal a reader of all accounts has come.
_MAIL: Final = """
INSERT INTO counter VALUES('uidvalidity', 0);
CREATE TABLE account(id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE,
    modseq INTEGER NOT NULL DEFAULT 1, journal_floor INTEGER NOT NULL DEFAULT 0, used INTEGER NOT NULL DEFAULT 0,
    append_limit INTEGER, removed INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE mailbox(id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, name TEXT NOT NULL,
    special_use TEXT NOT NULL, uidvalidity INTEGER NOT NULL,
    uidnext INTEGER NOT NULL DEFAULT 1, modseq INTEGER NOT NULL DEFAULT 1, total INTEGER NOT NULL DEFAULT 0,
    unseen INTEGER NOT NULL DEFAULT 0, recent INTEGER NOT NULL DEFAULT 0, removed INTEGER NOT NULL DEFAULT 0,
    UNIQUE(account, name)) STRICT;
CREATE INDEX mailbox_removed ON mailbox(id) WHERE removed;
CREATE TABLE subscription(account INTEGER NOT NULL, name TEXT NOT NULL, PRIMARY KEY(account, name)) STRICT, WITHOUT ROWID;
CREATE TABLE keyword(mailbox INTEGER NOT NULL, bit INTEGER NOT NULL, name TEXT NOT NULL,
    PRIMARY KEY(mailbox, bit), UNIQUE(mailbox, name)) STRICT, WITHOUT ROWID;
CREATE TABLE email(id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, blob INTEGER NOT NULL,
    size INTEGER NOT NULL, received INTEGER NOT NULL, message_id BLOB NOT NULL, envelope BLOB NOT NULL,
    structure BLOB NOT NULL, parts BLOB NOT NULL, head BLOB NOT NULL) STRICT;
CREATE TABLE message(mailbox INTEGER NOT NULL, uid INTEGER NOT NULL, email INTEGER NOT NULL, modseq INTEGER NOT NULL,
    flags INTEGER NOT NULL, saved INTEGER NOT NULL, PRIMARY KEY(mailbox, uid)) STRICT, WITHOUT ROWID;
CREATE INDEX message_email ON message(email);
CREATE TABLE journal(account INTEGER NOT NULL, modseq INTEGER NOT NULL, mailbox INTEGER NOT NULL, kind INTEGER NOT NULL,
    uids BLOB NOT NULL, emails BLOB, PRIMARY KEY(account, modseq, mailbox, kind)) STRICT, WITHOUT ROWID;
CREATE TABLE cursor(name TEXT PRIMARY KEY, modseq INTEGER NOT NULL, place INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO cursor VALUES('collector', 0, 0);
CREATE VIEW arrival AS SELECT NULL account, NULL mailbox, NULL received, NULL saved, NULL flags, NULL message_id,
    NULL envelope, NULL structure, NULL parts, NULL head, NULL refs, NULL segment, NULL offset, NULL length, NULL crc,
    NULL file, NULL pieces;
CREATE TRIGGER arrive INSTEAD OF INSERT ON arrival BEGIN
    UPDATE account SET modseq = modseq + 1, used = used + length(new.head) + new.length
        WHERE id = new.account AND NOT removed;
    SELECT RAISE(ABORT, 'no such account') WHERE changes() = 0;
    UPDATE mailbox SET uidnext = uidnext + 1, modseq = (SELECT modseq FROM account WHERE id = new.account),
        total = total + 1, unseen = unseen + NOT (new.flags & 1), recent = recent + 1
        WHERE account = new.account AND name = new.mailbox;
    SELECT RAISE(ABORT, 'no such mailbox') WHERE changes() = 0;
    INSERT INTO blob(segment, offset, length, crc, refs, file, pieces)
        SELECT new.segment, new.offset, new.length, new.crc, new.refs, new.file, new.pieces WHERE new.refs > 0;
    INSERT INTO email(account, blob, size, received, message_id, envelope, structure, parts, head)
        VALUES(new.account, (SELECT max(id) FROM blob), length(new.head) + new.length, new.received, new.message_id,
        new.envelope, new.structure, new.parts, new.head);
    INSERT INTO message(mailbox, uid, email, modseq, flags, saved)
        SELECT id, uidnext - 1, last_insert_rowid(), modseq, new.flags, new.saved FROM mailbox
        WHERE account = new.account AND name = new.mailbox;
    INSERT INTO journal(account, modseq, mailbox, kind, uids)
        SELECT account, modseq, id, 1, CAST(uidnext - 1 AS BLOB) FROM mailbox
        WHERE account = new.account AND name = new.mailbox;
END;
"""

# cursor: a place for each account, for modseqs are an account's own. The collector has looked at all removals below
# `modseq`, and at so many emails (`place`) of those at it; journal_expunged leads it from one to the next.
# email_blob: who holds a blob, and (as a narrow copy of a wide table) what an account uses.
_COLLECTOR: Final = """
DROP TABLE cursor;
CREATE TABLE cursor(name TEXT NOT NULL, account INTEGER NOT NULL, modseq INTEGER NOT NULL, place INTEGER NOT NULL,
    PRIMARY KEY(name, account)) STRICT, WITHOUT ROWID;
CREATE INDEX journal_expunged ON journal(account, modseq) WHERE kind = 3;
CREATE INDEX email_blob ON email(blob, account, size);
"""

MAIL_SCHEMA: Final = Schema(
    "mailbox database",
    0x50484D31,  # "PHM1"
    (COUNTERS_SCHEMA + BLOBS_SCHEMA + _MAIL, LEASE_SCHEMA + DOOMED_SCHEMA + _COLLECTOR),
)
