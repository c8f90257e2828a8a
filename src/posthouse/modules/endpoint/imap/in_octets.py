"""Search keys that only the octets of messages answer: header fields, BODY, TEXT."""

from collections.abc import Callable, Mapping

from posthouse.framework.interfaces.storage import BrokenMessage, StoredMessage
from posthouse.message.plain_text import capitals
from posthouse.message.search import Needle, SearchedMessage
from posthouse.message.structure import parts_of
from posthouse.wire.imap.search import AllOf, AnyOf, InBody, InHeader, InText, Key, Leaf, Not

InOctets = InHeader | InBody | InText


class Examined:
    """A message whose octets are looked at, as far as they are asked for."""

    __slots__ = ("_capitals", "_message", "_searched", "at")

    def __init__(self, message: StoredMessage, at: int) -> None:
        """at: the place of the message in the marks of what is known already."""
        self.at = at
        self._message = message
        self._searched: SearchedMessage | None = None
        self._capitals: bytes | bool | None = False  # False: nobody has asked

    @property
    def searched(self) -> SearchedMessage:
        """Raises BrokenMessage."""
        if self._searched is None:
            try:
                self._searched = SearchedMessage(self._message.data, self._message.parts)
            except ValueError as err:
                raise BrokenMessage from err
        return self._searched

    @property
    def capitals(self) -> bytes | None:
        """The octets in capitals if they are text as it is written. Raises BrokenMessage."""
        if isinstance(self._capitals, bool):
            data = self._message.data
            try:
                self._capitals = (
                    capitals(data, list(parts_of(self._message.parts))) if isinstance(data, bytes) else None
                )
            except ValueError as err:
                raise BrokenMessage from err
        return self._capitals


Test = Callable[[Examined], bool]


def is_meant(key: Key, message: Examined, tests: Mapping[Leaf, Test], known: Callable[[Leaf], bytes]) -> bool:
    """Whether a message is meant. known: marks of the other leaves. Raises BrokenMessage."""
    if isinstance(key, AllOf):
        return all(is_meant(part, message, tests, known) for part in key.keys)
    if isinstance(key, AnyOf):
        return any(is_meant(part, message, tests, known) for part in key.keys)
    if isinstance(key, Not):
        return not is_meant(key.key, message, tests, known)
    test = tests.get(key)
    return test(message) if test else known(key)[message.at] == 1


def tester(key: InOctets) -> Test:
    """What tests a message for a key."""
    needle = Needle(key.text)
    if isinstance(key, InHeader):
        name = key.name
        return lambda message: message.searched.header_has(name, needle)

    def lacks(message: Examined) -> bool:
        """Found out in no time for most messages."""
        written = message.capitals
        return written is not None and not (needle.is_ascii and needle.longest in written)

    if isinstance(key, InBody):
        return lambda message: not lacks(message) and message.searched.body_has(needle)
    return lambda message: not lacks(message) and message.searched.text_has(needle)
