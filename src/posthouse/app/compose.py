"""The composition root: from a configuration to a graph of modules, in a worker, in `verify-config`, in the command line."""

import os
import socket
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from posthouse.app.options import Options
from posthouse.core.events import NoRecorder
from posthouse.core.log import Logger, Sink
from posthouse.core.world import Bus, Listeners, Paths, Resolver, World
from posthouse.framework.config.build import build
from posthouse.framework.config.globals import Globals, read_globals
from posthouse.framework.config.load import Source, read_source
from posthouse.framework.config.node import Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.hooks import Hooks
from posthouse.framework.interfaces.endpoint import Endpoint
from posthouse.framework.interfaces.module import Context
from posthouse.framework.registry import Registry
from posthouse.modules.catalogue import CATALOGUE
from posthouse.net.listener import ListenAddress
from posthouse.net.resolver import StubResolver

BUS_SOCKET = "bus.sock"  # in the runtime directory: where the command line tells the server of changes


@runtime_checkable
class HasDoors(Protocol):
    """A module whose changes other processes may tell by further Unix sockets (spec/storage-and-imap §6)."""

    @property
    def bus_doors(self) -> Sequence[Path]: ...


@dataclass(frozen=True, slots=True)
class Configured:
    """A configuration that is good; nothing of it was started."""

    globals: Globals
    registry: Registry
    scope: Scope
    endpoints: Sequence[Endpoint]
    hooks: Hooks
    resolver: StubResolver  # for whoever ends the process: `aclose`

    @property
    def paths(self) -> Paths:
        return self.globals.paths

    @property
    def addresses(self) -> tuple[ListenAddress, ...]:
        """Where the endpoints listen, each once."""
        runtime = self.paths.runtime
        wanted = (address for endpoint in self.endpoints for address in endpoint.addresses)
        found = {
            a.text: ListenAddress(a.text, a.host, a.port, str(runtime / a.path) if a.path else "")
            for a in wanted
        }
        return tuple(found.values())

    @property
    def doors(self) -> tuple[str, ...]:
        """Unix sockets by which other processes reach the bus."""
        own = [
            path
            for _, module in self.registry.lifetime
            if isinstance(module, HasDoors)
            for path in module.bus_doors
        ]
        return tuple(str(path) for path in dict.fromkeys((self.paths.runtime / BUS_SOCKET, *own)))


class SystemClock:
    """The machine's clocks."""

    def time(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


class SystemRandom:
    """Unguessable octets, fetched from the system in bulk: a system call for each message ID would cost its lock."""

    BULK = 4096

    def __init__(self) -> None:
        self._octets = b""

    def __call__(self, count: int) -> bytes:
        if len(self._octets) < count:
            self._octets = os.urandom(max(self.BULK, count))
        taken, self._octets = self._octets[:count], self._octets[count:]
        return taken


class NoListeners:
    """For processes in which nothing listens: `verify-config` and the administrative commands."""

    def take(self, address: str) -> socket.socket:
        raise LookupError(f"{address}: nothing listens in this process")


def read(options: Options) -> Source:
    """Read the configuration and all that it imports. Raises ConfigError."""
    return read_source(options.config, os.environ)


def configure(
    source: Source,
    options: Options,
    sink: Sink,
    bus: Bus,
    listeners: Listeners,
    *,
    is_server: bool = True,
    asks: Callable[[Resolver], Resolver] = lambda resolver: resolver,
) -> Configured:
    """Build the modules of a configuration; changes nothing in the world. Raises ConfigError: all mistakes.

    is_server: False for the command line, which may work on blocks that no endpoint uses.
    asks: what modules ask for DNS, given the resolver.
    """
    globals_ = read_globals(source.nodes(), Paths(options.state, options.runtime, options.libexec))
    clock, random, hooks, recorder = SystemClock(), SystemRandom(), Hooks(), NoRecorder()
    resolver = StubResolver(clock, random, override=options.dns_override)
    world = World(clock, asks(resolver), bus, listeners, random)

    def make_context(module: str, instance: str, node: Node, debug: bool) -> Context:
        log = Logger(sink, module.rpartition(".")[2], debug=debug or options.debug)
        return Context(module, instance, node.where, log, world, globals_.paths, hooks, recorder)

    built = build(globals_, CATALOGUE, make_context, is_server=is_server)
    return Configured(globals_, built.registry, built.scope, built.endpoints, hooks, resolver)


def to_stderr(line: bytes, debug: bool) -> None:
    """A log sink for processes that end soon."""
    sys.stderr.buffer.write(line + b"\n")
    sys.stderr.flush()
