"""table.identity: every key is its own value."""

from collections.abc import Sequence

from posthouse.framework.config.settings import settings
from posthouse.framework.interfaces.module import Context, Module


class IdentityTable(Module):
    @settings
    class Settings:
        """None."""

    def __init__(self, settings: Settings, context: Context) -> None:
        pass

    async def lookup(self, key: str) -> Sequence[str]:
        return (key,)
