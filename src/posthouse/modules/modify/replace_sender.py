"""modify.replace_sender: another sender, from a table.

The table is asked for the normalized address, then for its local part alone. A value is an address, or, found by the local part, a
local part at the same domain. The first one replaces the sender; without one, it stays. The empty sender `<>` is never replaced."""

from typing import Final

from posthouse.framework.config.kinds import table
from posthouse.framework.config.settings import inline_module, settings
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.modifier import ModifierState
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.interfaces.table import Table
from posthouse.modules.modify.replacing import Replacer
from posthouse.wire.smtp.reply import Reply

SENDER_UNUSABLE: Final = Reply(501, (5, 1, 7), "Unable to normalize the sender address")


class ReplaceSender(Module):
    @settings
    class Settings:
        table: Table = inline_module(table, directive="table", help="sender to sender")

    def __init__(self, settings: Settings, context: Context) -> None:
        self._replacer = Replacer(settings.table, context.module, SENDER_UNUSABLE)

    def start_modifier(self, envelope: Envelope) -> ModifierState:
        return _State(self._replacer)


class _State(ModifierState):
    def __init__(self, replacer: Replacer) -> None:
        self._replacer = replacer

    async def rewrite_sender(self, sender: str) -> str:
        return (await self._replacer.replace(sender))[0] if sender else sender
