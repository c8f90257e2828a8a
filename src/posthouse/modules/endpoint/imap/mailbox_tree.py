"""The mailboxes of an account as a tree, for LIST and LSUB."""

from collections.abc import Collection, Iterator, Sequence

from posthouse.framework.interfaces.storage import MailboxInfo

NO_MAILBOX = "\\Noselect"
LEVEL = f"{NO_MAILBOX} \\HasChildren"  # of names, without a mailbox of its own


class MailboxTree:
    """more: names that count as children, too."""

    def __init__(self, mailboxes: Sequence[MailboxInfo], delimiter: str, more: Collection[str] = ()) -> None:
        self._mailboxes = {mailbox.name: mailbox for mailbox in mailboxes}
        self._delimiter = delimiter
        self._parents = {parent for name in (*self._mailboxes, *more) for parent in self._above(name)}

    def attributes(self, name: str) -> str:
        """As LIST shows them, parted by blanks."""
        mailbox = self._mailboxes.get(name)
        children = "\\HasChildren" if name in self._parents else "\\HasNoChildren"
        first = NO_MAILBOX if mailbox is None else mailbox.special_use
        return f"{first} {children}" if first else children

    def with_levels(self, names: Collection[str]) -> Iterator[str]:
        """These names in their order, each behind the levels above it that are not among them (RFC 3501 §6.3.8)."""
        known = set(names)
        for name in names:
            for level in self._above(name):
                if level not in known:
                    known.add(level)
                    yield level
            yield name

    def _above(self, name: str) -> list[str]:
        """The names above it, the top first."""
        levels = name.split(self._delimiter)
        return [self._delimiter.join(levels[:depth]) for depth in range(1, len(levels))]
