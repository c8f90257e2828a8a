"""Search keys that only the octets of messages answer: BODY and TEXT."""

from collections.abc import Callable, Mapping

from posthouse.framework.interfaces.storage import BrokenMessage, StoredMessage
from posthouse.message.plain_text import is_written_as_read
from posthouse.message.search import Needle, SearchedMessage
from posthouse.message.structure.parts import header_end
from posthouse.wire.imap.search import AllOf, AnyOf, InBody, InText, Key, Leaf, Not

InOctets = InBody | InText

_ONE_PART = b'("'  # how a BODYSTRUCTURE begins that is not of a multipart


class Examined:
    """A message whose octets are looked at, as far as they are asked for."""

    __slots__ = ("_capitals", "_is_read", "_message", "_searched", "at")

    def __init__(self, message: StoredMessage, at: int) -> None:
        """at: the place of the message in the marks of what is known already."""
        self.at = at
        self._message = message
        self._searched: SearchedMessage | None = None
        self._capitals: bytes | None = None
        self._is_read = False

    @property
    def searched(self) -> SearchedMessage:
        """Raises BrokenMessage."""
        if self._searched is None:
            try:
                self._searched = SearchedMessage(self._message.data, self._message.parts)
            except ValueError as err:
                raise BrokenMessage from err
        return self._searched

    def lacks(self, needle: Needle) -> bool:
        """Whether this is in no text, fields with encoded words left aside: found out in no time. False may be wrong."""
        if not self._is_read:
            self._is_read = True
            self._capitals = self._read()
        return self._capitals is not None and not (needle.is_ascii and needle.longest in self._capitals)

    @property
    def has_no_encoded_words(self) -> bool:
        """Whether this is certain. False may be wrong."""
        if not self._message.structure.startswith(_ONE_PART):
            return False
        try:
            header = self._message.data[: header_end(self._message.parts)]
        except ValueError as err:
            raise BrokenMessage from err
        return b"=?" not in header

    def _read(self) -> bytes | None:
        """The octets in capitals, if the texts are in them letter by letter."""
        data = self._message.data
        if isinstance(data, bytes) and data.isascii() and is_written_as_read(self._message.structure):
            return data.upper()
        return None


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
    """What tests a message for a key. It raises BrokenMessage."""
    needle = Needle(key.text)
    if isinstance(key, InBody):
        return lambda message: not message.lacks(needle) and message.searched.body_has(needle)
    if b"\n" in needle.folded:
        return lambda message: message.searched.text_has(needle)
    return lambda message: _is_in_text(message, needle)


def _is_in_text(message: Examined, needle: Needle) -> bool:
    """Whether a text without line ends is in a header field or a body."""
    if not message.lacks(needle):
        return message.searched.text_has(needle)
    return not message.has_no_encoded_words and message.searched.encoded_words_have(needle)
