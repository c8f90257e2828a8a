"""What an evaluation of SPF comes to (RFC 7208 §2.6)."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

SHOWN_MAX: Final = 40  # characters of foreign text that a reason quotes


class Result(StrEnum):
    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class SpfResult:
    """The result, and why.

    reason: some words, of visible ASCII and blanks.
    mechanism: the directive that matched, as the record has it; "" if none did.
    """

    result: Result
    reason: str
    mechanism: str = ""


class SpfError(Exception):
    """The evaluation ends here: with temperror, or with permerror."""

    def __init__(self, result: Result, reason: str) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason


class PermError(SpfError):
    """The records cannot be interpreted, or go beyond the limits (RFC 7208 §2.6.7)."""

    def __init__(self, reason: str) -> None:
        super().__init__(Result.PERMERROR, reason)


class TempError(SpfError):
    """DNS could not tell (RFC 7208 §2.6.6)."""

    def __init__(self, reason: str) -> None:
        super().__init__(Result.TEMPERROR, reason)


def shown(text: str) -> str:
    """Foreign text as reasons quote it: of visible ASCII and blanks."""
    return ascii(text[:SHOWN_MAX] + ("..." if len(text) > SHOWN_MAX else ""))
