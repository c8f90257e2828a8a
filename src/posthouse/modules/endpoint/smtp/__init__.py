"""The endpoints `smtp`, `submission` and `lmtp`: mail comes in."""

from posthouse.modules.endpoint.smtp.endpoint import LmtpEndpoint, SmtpEndpoint, SubmissionEndpoint

__all__ = ["LmtpEndpoint", "SmtpEndpoint", "SubmissionEndpoint"]
