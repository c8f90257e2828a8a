"""table.email_with_domain: the key as the local part of an address, quoted if need be, at each of some domains."""

from collections.abc import Sequence

from posthouse.framework.config.settings import arguments, settings
from posthouse.framework.interfaces.module import Context, Module
from posthouse.message.address import quote_mbox, valid_domain


class EmailWithDomain(Module):
    @settings
    class Settings:
        args: tuple[str, ...] = arguments(help="DOMAIN...", least=1)

    def __init__(self, settings: Settings, context: Context) -> None:
        for domain in settings.args:
            if not valid_domain(domain):
                raise ValueError(f"invalid domain: {domain}")
        self._domains = settings.args

    async def lookup(self, key: str) -> Sequence[str]:
        mailbox = quote_mbox(key)
        return [f"{mailbox}@{domain}" for domain in self._domains]
