"""Keywords: a bit each of message.flags, given out once in a mailbox and never taken back."""

from collections.abc import Sequence

import apsw

from posthouse.db.mail.units import KEYWORD_SHIFT, KEYWORDS_MAX, TooManyKeywords
from posthouse.db.units import Work


def keyword_names(connection: apsw.Connection | Work, mailbox: int) -> tuple[str, ...]:
    """The keywords of a mailbox: number i has bit KEYWORD_SHIFT + i."""
    rows = connection.execute("SELECT name FROM keyword WHERE mailbox = ? ORDER BY bit", (mailbox,))
    return tuple(name for (name,) in rows)


def keyword_bits(work: Work, mailbox: int, names: Sequence[str], *, may_add: bool) -> int:
    """The bits of these keywords. Those that are new get one if `may_add`, else they count for nothing.

    Raises TooManyKeywords.
    """
    if not names:
        return 0
    known = {name: bit for bit, name in enumerate(keyword_names(work, mailbox), KEYWORD_SHIFT)}
    bits = 0
    for name in names:
        if name not in known and may_add:
            if len(known) >= KEYWORDS_MAX:
                raise TooManyKeywords
            known[name] = KEYWORD_SHIFT + len(known)
            work.execute(
                "INSERT INTO keyword(mailbox, bit, name) VALUES(?, ?, ?)", (mailbox, known[name], name)
            )
        if name in known:
            bits |= 1 << known[name]
    return bits
