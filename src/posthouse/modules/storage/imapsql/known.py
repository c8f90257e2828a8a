"""What was in mailboxes when they were last opened: a client that comes back is told after a look at what is new."""

from array import array
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from posthouse.core.arrays import without
from posthouse.db.mail.database import MailDatabase
from posthouse.db.mail.reads import Difference
from posthouse.framework.interfaces.storage import RECENT, Snapshot, compact_flags

OCTETS_MAX: Final = 16_777_216  # of all mailboxes together
CLAIMED_MAX: Final = 256  # messages that were \Recent; where there were more all is read again
_MAILBOX: Final = 1000  # octets that any of them takes
_KEYWORD: Final = 200


class KnownMailboxes:
    """The mailboxes that were opened last."""

    def __init__(self, db: MailDatabase) -> None:
        self._db = db
        self._known: OrderedDict[int, Snapshot] = OrderedDict()  # what was opened last at the end
        self._octets = 0

    async def snapshot(self, mailbox: int) -> Snapshot:
        """A mailbox as it is now. Raises NoSuchMailbox, DatabaseError."""
        known = self._known.get(mailbox)
        news = self._db.news(mailbox, known.modseq) if known is not None else None
        found = _renewed(known, news) if known is not None and news is not None else None
        if found is None:
            contents = await self._db.contents(mailbox)
            found = Snapshot(*contents)
        self._keep(mailbox, found)
        return found

    def _keep(self, mailbox: int, found: Snapshot) -> None:
        before = self._known.pop(mailbox, None)
        if before is not None:
            self._octets -= _size(before)
        if _size(found) > OCTETS_MAX:
            return
        self._known[mailbox] = found
        self._octets += _size(found)
        while self._octets > OCTETS_MAX:
            _, gone = self._known.popitem(last=False)
            self._octets -= _size(gone)


def _size(known: Snapshot) -> int:
    arrays = known.uids, known.flags, known.recent
    return sum(len(a) * a.itemsize for a in arrays) + len(known.keywords) * _KEYWORD + _MAILBOX


def _renewed(known: Snapshot, news: Difference) -> Snapshot | None:
    """What is known with what is new. None: it is better read again."""
    changes = dict((*news.changed, *news.added))
    uids, flags, recent = known.uids, compact_flags(known.flags, news.keywords), known.recent
    if changes:
        uids, flags, recent = uids[:], flags[:], recent[:]
    for uid, bits in sorted(changes.items()):
        at = bisect_left(uids, uid)
        if at == len(uids):
            uids.append(uid)
            flags.append(bits)
        elif uids[at] == uid:
            flags[at] = bits
        else:
            return None
        _mark(recent, uid, is_in=bool(bits & RECENT))
    if news.vanished:
        places = _places(uids, news.vanished)
        uids, flags = without(uids, places), without(flags, places)
        recent = without(recent, _places(recent, news.vanished))
    if len(recent) != news.recent:  # some were claimed, of which nobody is told
        if len(recent) > CLAIMED_MAX:
            return None
        fresh = array("I", [uid for uid in recent if uid in changes])
        if len(fresh) != news.recent:  # not all that were known before
            return None
        flags = flags[:]
        for at in _places(uids, [uid for uid in recent if uid not in changes]):
            flags[at] &= ~RECENT
        recent = fresh
    return Snapshot(known.uidvalidity, news.uidnext, news.modseq, uids, flags, news.keywords, recent)


def _places(among: "array[int]", uids: Sequence[int]) -> list[int]:
    """Where these UIDs stand; all ascend."""
    places = ((bisect_left(among, uid), uid) for uid in uids)
    return [at for at, uid in places if at < len(among) and among[at] == uid]


def _mark(among: "array[int]", uid: int, *, is_in: bool) -> None:
    """See that a UID is among others, which ascend, or is not."""
    at = bisect_left(among, uid)
    if (at < len(among) and among[at] == uid) is is_in:
        return
    if is_in:
        among.insert(at, uid)
    else:
        del among[at]
