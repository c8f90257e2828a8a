"""What a table makes of an address (spec/modules §3)."""

from collections.abc import Sequence
from typing import Final

from posthouse.core.errors import MailError
from posthouse.framework.interfaces.table import Table
from posthouse.message.address import AddressError, clean_domain, for_lookup, split, valid
from posthouse.wire.smtp.reply import Reply

MISCONFIGURED: Final = Reply(554, (5, 3, 5), "Local configuration error")


class Replacer:
    """Looks an address up, whole and then by its local part. What it finds is not looked up again."""

    def __init__(self, table: Table, module: str, unusable: Reply) -> None:
        """unusable: for an address that has no lookup form."""
        self._table = table
        self._module = module
        self._unusable = unusable

    async def replace(self, address: str) -> Sequence[str]:
        """The addresses instead of this one; the address alone, as it is written, if the table has none.

        Raises MailError: permanent for what is no address, and what the table raises.
        """
        key = self._key(address)
        if found := await self._table.lookup(key):
            return [self._checked(value, key) for value in found]
        local_part, domain = split(key)
        if domain and (found := await self._table.lookup(local_part)):
            return [self._checked(_with_domain(value, domain), key) for value in found]
        return (address,)

    def _key(self, address: str) -> str:
        try:
            return for_lookup(address)
        except AddressError as err:
            raise MailError(self._unusable, module=self._module, address=address) from err

    def _checked(self, value: str, key: str) -> str:
        if not valid(value):
            raise MailError(
                MISCONFIGURED,
                module=self._module,
                reason="the table gives no valid address",
                address=key,
                replacement=value,
            )
        return clean_domain(value)


def _with_domain(value: str, domain: str) -> str:
    """A value that is an address as it is; one that is only a local part at this domain."""
    is_quoted = len(value) > 1 and value.startswith('"') and value.endswith('"')
    return value if "@" in value and not is_quoted else f"{value}@{domain}"
