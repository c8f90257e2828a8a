"""Failures of mail handling: an error is the reply that its peer gets, and the facts for the log."""

import errno

from posthouse.wire.smtp.reply import EnhancedCode, Reply

INTERNAL = Reply(451, (4, 3, 0), "Internal server error")
BUSY = Reply(453, (4, 3, 2), "Internal server error, try again later")
DISK_FULL = Reply(452, (4, 3, 1), "Insufficient system storage")
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class MailError(Exception):
    """A failure of mail handling. To try again or not is the reply's class, nothing else.

    reply: what the peer is told. Generic: no paths, host or policy names.
    module: the name of the module that says so, as in the configuration (`target.imapsql`).
    fields: details, for the log only.
    """

    def __init__(self, reply: Reply, *, module: str = "", **fields: object) -> None:
        super().__init__(reply.text)
        self.reply = reply
        self.module = module
        self.fields = fields

    @property
    def is_transient(self) -> bool:
        return self.reply.is_transient

    def log_fields(self) -> dict[str, object]:
        """The fields of this error and of its causes, outer ones winning, with `reason`."""
        fields: dict[str, object] = {
            "smtp_code": self.reply.code,
            "smtp_enchcode": enhanced_text(self.reply.enhanced),
            "smtp_msg": self.reply.text,
        }
        cause = self.__cause__
        if cause is not None:
            fields["reason"] = str(cause) or type(cause).__name__
            if isinstance(cause, MailError):
                fields = cause.log_fields() | fields
        if self.module:
            fields["target" if self.module.startswith("target.") else "module"] = self.module
        fields |= self.fields
        fields.setdefault("reason", self.reply.text)
        return fields


def reply_of(error: BaseException) -> Reply:
    """What a peer is told of any failure: a full disk may have room later, the rest is our matter."""
    if isinstance(error, MailError):
        return error.reply
    return DISK_FULL if isinstance(error, OSError) and error.errno in _FULL else INTERNAL


def enhanced_text(code: EnhancedCode | None) -> str:
    """An enhanced status code as text (`5.7.1`), or the empty string."""
    return "" if code is None else "%d.%d.%d" % code
