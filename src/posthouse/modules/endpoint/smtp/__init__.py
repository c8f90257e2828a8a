"""The endpoints `smtp` and `submission`: mail comes in."""

from posthouse.modules.endpoint.smtp.endpoint import SmtpEndpoint, SubmissionEndpoint

__all__ = ["SmtpEndpoint", "SubmissionEndpoint"]
