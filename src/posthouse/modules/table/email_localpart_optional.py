"""table.email_localpart_optional: the local part of an address. What is no address is its own value."""

from collections.abc import Sequence

from posthouse.framework.config.settings import settings
from posthouse.framework.interfaces.module import Context, Module
from posthouse.message.address import AddressError, split


class EmailLocalpartOptional(Module):
    @settings
    class Settings:
        """None."""

    def __init__(self, settings: Settings, context: Context) -> None:
        pass

    async def lookup(self, key: str) -> Sequence[str]:
        try:
            return (split(key)[0],)
        except AddressError:
            return (key,)
