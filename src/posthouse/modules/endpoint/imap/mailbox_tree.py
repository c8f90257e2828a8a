"""The mailboxes of an account as a tree, for LIST and LSUB. Names are long and many: no step is for each level of each."""

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable, Iterator, Sequence, Set

from posthouse.framework.interfaces.storage import MailboxInfo
from posthouse.wire.imap.list import Pattern

NO_MAILBOX = "\\Noselect"
LEVEL = f"{NO_MAILBOX} \\HasChildren"  # of names, without a mailbox of its own
NAMES_IN_A_ROW = 32  # that are compared before others have their turn; the longest take 0.4 ms each


class MailboxTree:
    """more: names that count as children, too."""

    def __init__(self, mailboxes: Sequence[MailboxInfo], delimiter: str, more: Collection[str] = ()) -> None:
        self._mailboxes = {mailbox.name: mailbox for mailbox in mailboxes}
        self._delimiter = delimiter
        self._parents: set[str] = set()
        for name in (*self._mailboxes, *more):
            self._parents.update(self._above(name, self._parents))

    def attributes(self, name: str) -> str:
        """As LIST shows them, parted by blanks."""
        mailbox = self._mailboxes.get(name)
        children = "\\HasChildren" if name in self._parents else "\\HasNoChildren"
        first = NO_MAILBOX if mailbox is None else mailbox.special_use
        return f"{first} {children}" if first else children

    def with_levels(self, names: Collection[str]) -> Iterator[str]:
        """These names in their order, each behind the levels above it that are not among them (RFC 3501 §6.3.8)."""
        known, passed = set(names), set[str]()
        for name in names:
            levels = self._above(name, passed)
            passed.update(levels)
            yield from (level for level in levels if level not in known)
            yield name

    def _above(self, name: str, passed: Set[str]) -> list[str]:
        """The names above it, the top first, without those that were passed: with a name, all above it were."""
        levels: list[str] = []
        while self._delimiter in name:
            name = name.rpartition(self._delimiter)[0]
            if name in passed:
                break
            levels.append(name)
        levels.reverse()
        return levels


async def matching(names: Iterable[str], pattern: Pattern) -> AsyncIterator[str]:
    """Those that the pattern means."""
    for number, name in enumerate(names, 1):
        if pattern.matches(name):
            yield name
        if number % NAMES_IN_A_ROW == 0:
            await asyncio.sleep(0)
