"""The base subject: what is left of a subject without `Re:`, `Fwd:` and their like (RFC 5256 §2.1)."""

import re

from posthouse.message.text.words import decode_words

_FORWARDED = "[fwd:"
_TRAILER = "(fwd)"

_WHITE_SPACE = re.compile(r"[ \t\r\n]++")
_BLOBS = re.compile(r"(?:\[[^\[\]]*+\] *+)*+")
_REPLY_OR_FORWARD = re.compile(r"(?:re|fwd?+) *+(?:\[[^\[\]]*+\] *+)?+:", re.IGNORECASE)


def base_subject(value: bytes) -> str:
    """The base subject of a Subject field's value. Compare it folded (`text.casemap.fold`).

    Takes linear time: no text is looked at again after it is known to be none of what is removed (R-137).
    """
    text = _WHITE_SPACE.sub(" ", decode_words(value))
    start, end = 0, len(text)
    while True:
        end = _without_trailers(text, start, end)
        start = _without_leaders(text, start, end)
        inside = start + len(_FORWARDED)
        if not (text[start:inside].lower() == _FORWARDED and inside < end and text[end - 1] == "]"):
            return text[start:end]
        start, end = inside, end - 1


def _without_trailers(text: str, start: int, end: int) -> int:
    """Where the text ends without blanks and `(fwd)` at its end: step 2."""
    while True:
        while end > start and text[end - 1] == " ":
            end -= 1
        trailer = end - len(_TRAILER)
        if trailer < start or text[trailer:end].lower() != _TRAILER:
            return end
        end = trailer


def _without_leaders(text: str, start: int, end: int) -> int:
    """Where the text begins without blanks, `Re:`, `Fwd:` and `[list]` before it: steps 3 to 5."""
    while True:
        while start < end and text[start] == " ":
            start += 1
        blobs = _BLOBS.match(text, start, end)
        assert blobs is not None  # it matches nothing, too
        leader = _REPLY_OR_FORWARD.match(text, blobs.end(), end)
        if leader is None:
            break
        start = leader.end()
    if start < blobs.end() == end:
        return text.rindex("[", start, end)  # the last blob is the subject
    return blobs.end()
