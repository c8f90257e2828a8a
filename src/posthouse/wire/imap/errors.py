"""What is wrong with a command: each error is the answer that the client gets."""


class ParseError(Exception):
    """The command is none: `BAD text`. The text is for the client; it has no `/`.

    code: a response code without its brackets; with one, it is a command that is not done: `NO [CODE] text`.
    """

    code = ""


class LimitExceeded(ParseError):
    """The command asks for more than this server does."""

    code = "LIMIT"


class BadCharset(ParseError):
    """The text of a search is in a charset that we do not read (RFC 3501 §6.4.4)."""

    code = "BADCHARSET (US-ASCII UTF-8)"

    def __init__(self) -> None:
        super().__init__("Unknown charset")
