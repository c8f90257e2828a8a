"""From recipients to accounts (spec/storage-and-imap §2)."""

from typing import Final, NamedTuple

from posthouse.core.errors import MailError
from posthouse.db.errors import DatabaseError
from posthouse.db.mail.database import MailDatabase
from posthouse.framework.interfaces.table import Table
from posthouse.framework.normalize import Normalization
from posthouse.modules.storage.imapsql.errors import mail_error
from posthouse.wire.smtp.reply import Reply

NO_SUCH_USER: Final = Reply(501, (5, 1, 1), "User does not exist")
REMEMBERED: Final = 10_000  # accounts


class NoAccount(Exception):
    """A name that no account belongs to."""


class LocalAccount(NamedTuple):
    id: int
    name: str


class Recipients:
    """Finds the account of a recipient.

    Accounts that were found are remembered. One that was removed since is refused when the message is committed (and
    then forgotten), so it does no harm that other processes' news of it may come late.
    """

    def __init__(
        self, db: MailDatabase, normalize: Normalization, mapping: Table | None, module: str
    ) -> None:
        self._db = db
        self._normalize = normalize
        self._mapping = mapping
        self._module = module
        self._found: dict[str, LocalAccount] = {}  # by recipient; without a mapping only, for that may change

    async def find(self, recipient: str) -> LocalAccount:
        """Raises MailError: 501 for a recipient without account, transient when that cannot be told now."""
        found = self._found.get(recipient)
        if found is None:
            found = await self._look_up(recipient)
            if self._mapping is None:
                if len(self._found) >= REMEMBERED:
                    self._found.clear()
                self._found[recipient] = found
        return found

    def forget(self) -> None:
        self._found.clear()

    async def _look_up(self, recipient: str) -> LocalAccount:
        try:
            name = await account_name(recipient, self._normalize, self._mapping)
            row = self._db.account(name)
        except DatabaseError as err:
            raise mail_error(err, self._module) from err
        except (NoAccount, MailError) as err:
            if (
                isinstance(err, MailError) and err.is_transient
            ):  # a table that cannot tell now: mail must not bounce
                raise
            raise MailError(NO_SUCH_USER, module=self._module) from err
        if row is None:
            raise MailError(NO_SUCH_USER, module=self._module, account=name)
        return LocalAccount(row.id, name)


async def account_name(name: str, normalize: Normalization, mapping: Table | None) -> str:
    """The account that a table gives for the normal form of a name; that form itself without a table.

    Raises NoAccount, and what the table raises.
    """
    try:
        key = normalize(name)
    except ValueError as err:
        raise NoAccount(str(err)) from err
    if mapping is None:
        return key.lower()
    values = await mapping.lookup(key)
    if not values:
        raise NoAccount(f"no account for {key}")
    return values[0].lower()
