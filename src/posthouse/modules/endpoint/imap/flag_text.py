"""Flags between the bits of the storage and their names on the wire."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from posthouse.framework.interfaces.storage import KEYWORD_SHIFT, RECENT, SYSTEM_FLAGS

COMBINATIONS_MAX = 10_000  # whose text is kept
MAILBOXES_MAX = 64  # with different keywords, for which sessions hold theirs together

_NAMES = {1 << bit: name for bit, name in enumerate(SYSTEM_FLAGS)} | {RECENT: "\\Recent"}
_BITS = {name: bit for bit, name in _NAMES.items()}


class FlagText(dict[int, str]):
    """The flags of a message as text, `\\Seen \\Deleted work`: made once for each combination that occurs."""

    def __init__(self, keywords: Sequence[str], before: str = "", after: str = "") -> None:
        super().__init__()
        self._around = (before, after)
        self._names = _NAMES | {1 << bit: name for bit, name in enumerate(keywords, KEYWORD_SHIFT)}

    def __missing__(self, flags: int) -> str:
        if len(self) >= COMBINATIONS_MAX:
            self.clear()
        before, after = self._around
        text = self[flags] = (
            before + " ".join(name for bit, name in self._names.items() if flags & bit) + after
        )
        return text


@lru_cache(MAILBOXES_MAX)
def flag_text(keywords: tuple[str, ...]) -> FlagText:
    """The same for all sessions: most mailboxes have no keywords, or those that the user's clients know."""
    return FlagText(keywords)


def system_bits(names: Iterable[str]) -> int:
    """The bits of system flags in their canonical spelling."""
    return sum(_BITS[name] for name in names)
