"""table.static: keys and values written in the configuration."""

from collections.abc import Sequence

from posthouse.framework.config.settings import repeated, settings
from posthouse.framework.config.values import Several
from posthouse.framework.interfaces.module import Context, Module


def _entry(args: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    key, *values = args
    if not values:
        raise ValueError("at least one value is expected after the key")
    return key, tuple(values)


class StaticTable(Module):
    @settings
    class Settings:
        entry: tuple[tuple[str, tuple[str, ...]], ...] = repeated(
            Several("KEY VALUE...", _entry), help="values of a key; the last entry of a key wins"
        )

    def __init__(self, settings: Settings, context: Context) -> None:
        self._entries = dict(settings.entry)

    async def lookup(self, key: str) -> Sequence[str]:
        return self._entries.get(key, ())
