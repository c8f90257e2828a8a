"""What is wrong with a command: each error is the answer that the client gets."""


class ParseError(Exception):
    """The command is none: `BAD text`. The text is for the client; it has no `/`."""


class LimitExceeded(ParseError):
    """The command asks for more than this server does: `NO [LIMIT] text`."""
