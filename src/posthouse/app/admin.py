"""One module of the configuration for an administrative command, whether the server runs or not."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from posthouse.app.bus import WorkerBus, push_through
from posthouse.app.compose import BUS_SOCKET, Configured, NoListeners, configure, read, to_stderr
from posthouse.app.options import Options
from posthouse.core.directories import ensure_directory
from posthouse.framework.interfaces.auth import UserDatabase
from posthouse.framework.interfaces.module import Module
from posthouse.framework.interfaces.storage import AccountDatabase, CheckedStorage, Storage

T = TypeVar("T")
_WORDS: Mapping[type, str] = {  # roles as an operator calls them
    UserDatabase: "a user database that can be managed",
    AccountDatabase: "a storage of mailboxes",
    Storage: "a storage of mailboxes",
    CheckedStorage: "a storage that can be checked",
}


class BlockError(Exception):
    """The block cannot be used for what the command is about; the text is for the operator."""


def read_block(options: Options, block: str, role: type[T]) -> T:
    """The block of this name, configured and no more: for what only reads. Raises ConfigError, BlockError."""
    configured = configure(read(options), options, to_stderr, WorkerBus(), NoListeners(), is_server=False)
    module: T = _named(configured, block, role)
    return module


def _named(configured: Configured, block: str, role: type[T]) -> Any:
    """The module of this name, which is a `role` too."""
    try:
        module = configured.registry.named(block, configured.scope)
    except KeyError as err:
        raise BlockError(f"unknown configuration block: {block}") from err
    if not isinstance(module, role):
        raise BlockError(f"configuration block {block} is not {_WORDS.get(role, role.__name__)}")
    return module


@asynccontextmanager
async def open_block(options: Options, block: str, role: type[T]) -> AsyncIterator[T]:
    """The block of this name, working. All blocks are configured, as for the server; only this one is started.
    Raises ConfigError, DirectoryError, or BlockError when there is no such block or it cannot do what `role` needs.
    """
    bus = WorkerBus()
    configured = configure(read(options), options, to_stderr, bus, NoListeners(), is_server=False)
    ensure_directory(configured.paths.state, "state_dir")
    ensure_directory(configured.paths.runtime, "runtime_dir")
    module = _named(configured, block, role)
    bus.relay = push_through([configured.paths.runtime / BUS_SOCKET])
    needed = configured.registry.with_needs(module)
    started: list[Module] = []
    try:
        for _, one in needed:
            await one.prepare()
            started.append(one)
            await one.start()
        yield module
    finally:
        for one in reversed(started):
            await one.stop()
