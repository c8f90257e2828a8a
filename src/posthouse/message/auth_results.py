"""The field Authentication-Results (RFC 8601, spec/message-pipeline.md §7)."""

import re
from collections.abc import Iterable, Mapping

from posthouse.message.comment import without_comments

# method, value, reason, properties
Result = tuple[str, str, str, Mapping[str, str]]

_TO_QUOTE = re.compile(r'[\x00-\x20\x7f-\x9f()<>@,;:\\"/\[\]?=]')
_PROPERTY = re.compile(r"[A-Za-z0-9#$%&'*+,./@\[\]\\^_`{|}~-]+")
_UNSAFE = re.compile("[\0\r\n]")
_TO_ESCAPE = re.compile(r'[\\"]')
_ID = re.compile(rb'\s*+(?:"((?:[^"\\]|\\.)*+)"|([^\s;"]++))', re.DOTALL)
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)


def auth_results_value(hostname: str, results: Iterable[Result]) -> str:
    """The value of the field, on one line. hostname: who says so."""
    said = "".join(
        f"; {method}={value} {_parameters(reason, properties)}"
        for method, value, reason, properties in results
    )
    return f"{hostname}{said or '; none'}"


def is_from(value: bytes, hostname: str) -> bool:
    """Whether a field (unfolded) says that `hostname` wrote it: what strangers may not claim (RFC 8601 §5)."""
    found = _ID.match(without_comments(value))
    if found is None:
        return False
    name = _ESCAPE.sub(rb"\1", found[1]) if found[1] is not None else found[2]
    return name.lower() == hostname.lower().encode("utf-8", "replace")


def _parameters(reason: str, properties: Mapping[str, str]) -> str:
    words = [f"reason={_quoted(reason) if _TO_QUOTE.search(reason) else reason}"] if reason else []
    for name, value in sorted(properties.items()):
        if value:
            words.append(f"{name}={value if _PROPERTY.fullmatch(value) else _quoted(value)}")
    return " ".join(words)


def _quoted(text: str) -> str:
    """A quoted string; what no header field may hold becomes a blank."""
    return '"%s"' % _TO_ESCAPE.sub(r"\\\g<0>", _UNSAFE.sub(" ", text))
