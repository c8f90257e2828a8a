"""Comments in structured header fields (RFC 5322 §3.2.2)."""

import re

_PARENTHESIS = re.compile(rb"[()]|\\.", re.DOTALL)
_QUOTES_OR_COMMENT = re.compile(rb'"(?:[^"\\]|\\.)*+"?+|\(', re.DOTALL)


def comment_end(value: bytes, at: int) -> int:
    """The offset behind the comment whose first parenthesis lies before `at`; the value's end if it is not closed."""
    depth = 1
    for match in _PARENTHESIS.finditer(value, at):
        depth += {b"(": 1, b")": -1}.get(match[0], 0)
        if not depth:
            return match.end()
    return len(value)


def without_comments(value: bytes) -> bytes:
    """The value with a blank in place of each comment. Parentheses in quoted strings stay."""
    if b"(" not in value:
        return value
    kept: list[bytes] = []
    at = 0
    while match := _QUOTES_OR_COMMENT.search(value, at):
        kept.append(value[at : match.start()])
        at = match.end()
        if match[0] == b"(":
            kept.append(b" ")
            at = comment_end(value, at)
        else:
            kept.append(match[0])
    kept.append(value[at:])
    return b"".join(kept)
