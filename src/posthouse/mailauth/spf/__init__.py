"""SPF: whether a domain lets a host send mail in its name (RFC 7208)."""

from posthouse.mailauth.spf.evaluate import check_host
from posthouse.mailauth.spf.limits import TIME_LIMIT
from posthouse.mailauth.spf.result import Result, SpfResult

__all__ = ["TIME_LIMIT", "Result", "SpfResult", "check_host"]
