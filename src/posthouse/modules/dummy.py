"""dummy: accepts every user, discards every message, knows no key. For tests, and to say "nothing here"."""

from collections.abc import Sequence

from posthouse.framework.buffer import Body
from posthouse.framework.config.node import Node
from posthouse.framework.config.settings import arguments, rest, settings
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.module import Context, Module
from posthouse.message.header import Header


class Dummy(Module):
    @settings
    class Settings:
        args: tuple[str, ...] = arguments(help="ignored")
        ignored: tuple[Node, ...] = rest(help="any directive is accepted and ignored")

    commit_order = 0

    def __init__(self, settings: Settings, context: Context) -> None:
        pass

    async def authenticate(self, user: str, password: str) -> None:
        return None

    async def lookup(self, key: str) -> Sequence[str]:
        return ()

    async def start_delivery(self, envelope: Envelope, reverse_path: str) -> "DummyDelivery":
        return DummyDelivery()


class DummyDelivery:
    """Takes everything and keeps nothing."""

    async def add_recipient(self, recipient: str) -> None:
        return None

    async def body(self, header: Header, body: Body) -> None:
        return None

    async def commit(self) -> None:
        return None

    async def abort(self) -> None:
        return None
