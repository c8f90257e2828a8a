"""modify.replace_rcpt: other recipients, from a table: aliases.

The table is asked for the normalized address, then for its local part alone. A value is an address, or, found by the local part, a
local part at the same domain. All values together replace the recipient; without any, it stays. What replaces a recipient is not
looked up again."""

from collections.abc import Sequence
from typing import Final

from posthouse.framework.config.kinds import table
from posthouse.framework.config.settings import inline_module, settings
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.modifier import ModifierState
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.interfaces.table import Table
from posthouse.modules.modify.replacing import Replacer
from posthouse.wire.smtp.reply import Reply

RECIPIENT_UNUSABLE: Final = Reply(553, (5, 1, 2), "Unable to normalize the recipient address")


class ReplaceRcpt(Module):
    @settings
    class Settings:
        table: Table = inline_module(table, directive="table", help="recipient to recipients")

    def __init__(self, settings: Settings, context: Context) -> None:
        self._replacer = Replacer(settings.table, context.module, RECIPIENT_UNUSABLE)

    def start_modifier(self, envelope: Envelope) -> ModifierState:
        return _State(self._replacer)


class _State(ModifierState):
    def __init__(self, replacer: Replacer) -> None:
        self._replacer = replacer

    async def rewrite_recipient(self, recipient: str) -> Sequence[str]:
        return await self._replacer.replace(recipient)
