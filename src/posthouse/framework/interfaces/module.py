"""What every module is: declared settings, a constructor, three steps of life."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

from posthouse.core.events import Recorder
from posthouse.core.log import Logger
from posthouse.core.world import Paths, World
from posthouse.framework.hooks import Hooks


@dataclass(frozen=True, slots=True)
class Context:
    """What the house gives to a module when it is built."""

    module: str  # "storage.imapsql", as in the catalogue
    instance: str  # "local_mailboxes"; the module's name for an inline block
    where: str  # FILE:LINE of its block
    log: Logger  # named after the module, `debug` applied
    world: World
    paths: Paths
    hooks: Hooks
    recorder: Recorder

    @property
    def label(self) -> str:
        """How logs and errors call this module: NAME/INSTANCE."""
        return f"{self.module}/{self.instance}"


class Module:
    """Base of all modules: a step that is not needed does nothing.

    The constructor (`__init__(settings, context)`) only reads and checks and changes nothing in the world: it runs in every
    worker, in `verify-config` and in the command line. It may raise ConfigError. References (`&name`) in `settings`
    may not be constructed yet where blocks refer to each other in a circle: keep them, and use them from `prepare` on.
    """

    Settings: ClassVar[type[Any]]

    async def prepare(self) -> None:
        """Make what must exist (directories, keys, schema). Once, in the first worker; idempotent.

        In the command line too, for the one module that the command is about.
        """

    async def start(self) -> None:
        """Open what is needed to work; on return the module works. Called in order of dependence."""

    async def stop(self) -> None:
        """End all work; called in reverse order, also after a failed start of a later module."""


ModuleClass = Callable[[Any, Context], Module]


@runtime_checkable
class Readable(Protocol):
    """A module that can answer from what is on the disk without being started: for `posthouse explain`."""

    async def start_reading(self) -> None:
        """Open what look-ups need, instead of `prepare` and `start`; nothing in the world is changed, and no file is made.

        To be ended by `stop`. Raises FileNotFoundError where nothing is there yet; OSError.
        """
        ...
