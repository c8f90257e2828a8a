"""What a client of `smtplib` heard."""

import smtplib
from collections.abc import Callable


def reply_to(command: Callable[[], object]) -> str:
    """CODE TEXT of what a command hears, without the message's ID."""
    try:
        command()
    except smtplib.SMTPResponseException as err:
        code, text = err.smtp_code, err.smtp_error
    except smtplib.SMTPRecipientsRefused as err:
        ((code, text),) = err.recipients.values()
    else:
        return "OK"
    return f"{code} {text.decode() if isinstance(text, bytes) else text}".partition(" (msg ID")[0]
