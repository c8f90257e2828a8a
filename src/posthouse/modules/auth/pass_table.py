"""auth.pass_table: password hashes in a table, by normalised user name."""

from collections.abc import Sequence
from typing import Final

from posthouse.core.errors import MailError
from posthouse.core.world import Subscription
from posthouse.framework.circles import forbid_circle
from posthouse.framework.config.kinds import table
from posthouse.framework.config.settings import inline_module, settings
from posthouse.framework.hashing import MalformedHash
from posthouse.framework.interfaces.auth import AuthUnavailable, InvalidCredentials
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.interfaces.table import MutableTable, Table
from posthouse.framework.normalize import precis_casefold
from posthouse.framework.passwords import PasswordChecker

CREDENTIALS_TOPIC: Final = (
    "credentials"  # on the bus: somebody's password was changed, the payload says whose
)


class PassTable(Module):
    @settings
    class Settings:
        table: Table = inline_module(table, directive="table", help="user name to ALGORITHM:HASH")

    def __init__(self, settings: Settings, context: Context) -> None:
        self.asks = (settings.table,)
        forbid_circle(self, self.asks)
        self._table = settings.table
        self._bus = context.world.bus
        self._checker = PasswordChecker(context.world.clock, context.world.random)
        self._subscription: Subscription | None = None

    async def start(self) -> None:
        self._subscription = self._bus.subscribe(CREDENTIALS_TOPIC, lambda user: self._checker.forget())

    async def stop(self) -> None:
        if self._subscription is not None:
            self._subscription.close()
        self._checker.close()

    async def authenticate(self, user: str, password: str) -> None:
        key, stored = await self._stored_hash(user)
        if stored is None:
            await self._checker.check_nobody(password)
            raise InvalidCredentials("unknown credentials")
        try:
            right = await self._checker.check(key, stored, password)
        except MalformedHash as err:
            raise InvalidCredentials(f"pass_table: {err}") from err
        if not right:
            raise InvalidCredentials("pass_table: hash mismatch")

    async def lookup(self, key: str) -> Sequence[str]:
        """The stored hash of a user."""
        try:
            return await self._table.lookup(precis_casefold(key))
        except ValueError:
            return ()

    async def users(self) -> Sequence[str]:
        return await self._mutable().keys()

    async def create_user(self, user: str, password_hash: str) -> None:
        key = precis_casefold(user)
        if not await self._mutable().add(key, password_hash):
            raise ValueError(f"credentials for {key} already exist")

    async def set_password(self, user: str, password_hash: str) -> None:
        key = precis_casefold(user)
        await self._mutable().set(key, password_hash)
        self._bus.publish(CREDENTIALS_TOPIC, key)

    async def remove_user(self, user: str) -> None:
        key = precis_casefold(user)
        await self._mutable().remove(key)
        self._bus.publish(CREDENTIALS_TOPIC, key)

    async def _stored_hash(self, user: str) -> tuple[str, str | None]:
        """The key of a user and what is stored for it; None for nobody. Raises AuthUnavailable."""
        try:
            key = precis_casefold(user)
            values = await self._table.lookup(key)
        except ValueError:
            return user, None
        except MailError as err:
            raise AuthUnavailable(f"table lookup: {err}") from err
        return key, values[0] if values else None

    def _mutable(self) -> MutableTable:
        if not isinstance(self._table, MutableTable):
            raise ValueError("table is not mutable, no management functionality available")
        return self._table
