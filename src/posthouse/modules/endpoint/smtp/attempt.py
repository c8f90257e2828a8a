"""One command of a session is tried: what goes wrong is its answer, and not the end of the session."""

from collections.abc import Awaitable


async def attempt(step: Awaitable[None]) -> Exception | None:
    """Do it; the error that it raised, or None. A cancellation passes through."""
    try:
        await step
    except Exception as err:  # noqa: BLE001 - spec/smtp-endpoint.md: any error in MAIL, RCPT and DATA becomes a reply
        return err
    return None
