"""Text of a configuration file to tokens (spec/config-language §1)."""

import re
from typing import Final, NamedTuple

BOM: Final = "\ufeff"
# White space of Unicode without CR, which is skipped, and LF, which ends a line.
_BLANK: Final = "\t\v\f \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

_PIECE = re.compile(rf'(?P<lf>\n)|[\r{_BLANK}]+|#[^\n]*|(?P<quote>")|(?P<bare>[^\n#{_BLANK}]+)')
_QUOTE_OR_ESCAPE = re.compile(r'\\.|"', re.DOTALL)


class Token(NamedTuple):
    """A word. It may hold line ends when it was quoted."""

    text: str
    line: int  # where it begins, from 1
    column: int  # likewise, in characters
    end_line: int


def tokenize(text: str) -> list[Token]:
    """All tokens of a file. Every text has some."""
    tokens: list[Token] = []
    at = len(BOM) if text.startswith(BOM) else 0
    line, line_start = 1, at
    while (piece := _PIECE.match(text, at)) is not None:
        at = piece.end()
        if piece.lastgroup == "lf":
            line, line_start = line + 1, at
        elif piece.lastgroup == "bare":
            word = piece[0].replace("\r", "")
            tokens.append(Token(word, line, piece.start() - line_start + 1, line))
        elif piece.lastgroup == "quote":
            end = _closing_quote(text, at)
            raw = text[at:end]
            end_line = line + raw.count("\n")
            if raw or end < len(text):  # nothing between a last quote and the end of the file is no token
                tokens.append(Token(raw.replace('\\"', '"'), line, piece.start() - line_start + 1, end_line))
            if end_line > line:
                line, line_start = end_line, text.rindex("\n", at, end) + 1
            at = end + 1
    return tokens


def _closing_quote(text: str, at: int) -> int:
    """Where the quoted text that begins at `at` ends: at its quote, or with the file."""
    for found in _QUOTE_OR_ESCAPE.finditer(text, at):
        if found[0] == '"':
            return found.start()
    return len(text)
