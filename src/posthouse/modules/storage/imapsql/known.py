"""What was in mailboxes when they were last opened: a client that comes back is told after a look at what is new."""

from bisect import bisect_left
from collections import OrderedDict
from dataclasses import replace
from typing import Final

from posthouse.core.arrays import without
from posthouse.db.mail.database import MailDatabase
from posthouse.db.mail.reads import Difference
from posthouse.framework.interfaces.storage import RECENT, Snapshot, compact_flags

MESSAGES_MAX: Final = 1_000_000  # of all mailboxes together; about five octets each
MAILBOX: Final = 100  # messages: what a mailbox counts beside those in it
NEWS_MAX: Final = 1000  # messages that changed; after more of them all is read again


class KnownMailboxes:
    """The mailboxes that were opened last."""

    def __init__(self, db: MailDatabase) -> None:
        self._db = db
        self._known: OrderedDict[int, Snapshot] = OrderedDict()  # what was opened last at the end
        self._messages = 0

    async def snapshot(self, mailbox: int) -> Snapshot:
        """A mailbox as it is now. Raises NoSuchMailbox, DatabaseError."""
        known = self._known.get(mailbox)
        found = None
        if known is not None:
            found = _renewed(known, await self._db.difference(mailbox, known.modseq))
        if found is None:
            contents = await self._db.contents(mailbox)
            found = Snapshot(*contents._replace(flags=compact_flags(contents.flags, contents.keywords)))
        self._keep(mailbox, found)
        return found

    def _keep(self, mailbox: int, found: Snapshot) -> None:
        before = self._known.pop(mailbox, None)
        if before is not None:
            self._messages -= _size(before)
        self._known[mailbox] = found
        self._messages += _size(found)
        while self._messages > MESSAGES_MAX:
            _, gone = self._known.popitem(last=False)
            self._messages -= _size(gone)


def _size(known: Snapshot) -> int:
    return len(known.uids) + MAILBOX


def _renewed(known: Snapshot, news: Difference) -> Snapshot | None:
    """What is known with what is new. None: it is better read again."""
    changes = dict((*news.changed, *news.added))
    if len(changes) + len(news.vanished) > NEWS_MAX:
        return None
    if not changes and not news.vanished and len(known.recent) == news.recent:
        flags = compact_flags(known.flags, news.keywords)
        return replace(known, uidnext=news.uidnext, modseq=news.modseq, flags=flags, keywords=news.keywords)
    uids, flags = known.uids, compact_flags(known.flags, news.keywords)
    recent = set(known.recent).difference(news.vanished)
    if changes:
        uids, flags = uids[:], flags[:]
    for uid, bits in sorted(changes.items()):
        at = bisect_left(uids, uid)
        if at == len(uids):
            uids.append(uid)
            flags.append(bits)
        elif uids[at] == uid:
            flags[at] = bits
        else:
            return None
        (recent.add if bits & RECENT else recent.discard)(uid)
    if gone := [
        at for uid in news.vanished if (at := bisect_left(uids, uid)) < len(uids) and uids[at] == uid
    ]:
        uids, flags = without(uids, gone), without(flags, gone)
    if len(recent) != news.recent:  # some were claimed, of which nobody is told
        if news.recent:
            return None
        flags = flags[:]
        for uid in recent:
            flags[bisect_left(uids, uid)] &= ~RECENT
        recent.clear()
    return Snapshot(known.uidvalidity, news.uidnext, news.modseq, uids, flags, news.keywords, sorted(recent))
