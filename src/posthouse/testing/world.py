"""The world as tests want it: a clock that stands still, names from a dict, a bus without sockets, free ports.

    def test_something(tmp_path: Path) -> None:
        with FakeWorld(tmp_path) as fake:
            module = SomeModule(SomeModule.Settings(...), fake.context("table.some"))

At its end a FakeWorld fails the test for what was left open: subscriptions, listening sockets, lookups.
"""

import asyncio
import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

from posthouse.core.events import Event
from posthouse.core.log import Logger
from posthouse.core.world import DnsError, IpAddress, IpVersion, Paths, World
from posthouse.framework.hooks import Hooks
from posthouse.framework.interfaces.module import Context

T = TypeVar("T")
START: Final = 1_700_000_000.0  # when simulated clocks begin: 2023-11-14T22:13:20Z


class SimulatedClock:
    """A clock that stands still until `advance`."""

    def __init__(self, start: float = START) -> None:
        self._time = start
        self._monotonic = 1000.0

    def time(self) -> float:
        return self._time

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._time += seconds
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock; no time passes."""
        self._time += seconds


class LogLines:
    """A log sink that keeps its lines, as text."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __call__(self, line: bytes, debug: bool) -> None:
        self.lines.append(line.decode())

    def fields_of(self, name: str, message: str) -> list[dict[str, object]]:
        """The fields of each line, debug lines apart, that logger `name` wrote with this message."""
        head = f"{name}: {message}\t" if name else f"{message}\t"
        bodies = (line.removeprefix(head) for line in self.lines if line.startswith(head))
        return [json.loads(body or "{}") for body in bodies]


class KeptEvents:
    """A recorder that keeps the events of each message by its ID."""

    def __init__(self) -> None:
        self.messages: dict[str, list[Event]] = {}

    def record(self, message_id: str, events: Sequence[Event], dropped: int) -> None:
        self.messages.setdefault(message_id, []).extend(events)


@dataclass(slots=True)
class FakeResolver:
    """DNS answers from dicts. A DnsError as value is raised; a name that is in no dict does not exist.

    silent: names (for PTR, addresses as text) whose lookups never end until cancelled.
    asked: what was looked up, as ("mx", "example.org"), in order; addresses of one version as "a" or "aaaa".
    """

    a: Mapping[str, Sequence[str] | DnsError] = field(default_factory=dict)  # IPv4 and IPv6
    mxs: Mapping[str, Sequence[tuple[int, str]] | DnsError] = field(default_factory=dict)
    txts: Mapping[str, Sequence[bytes] | DnsError] = field(default_factory=dict)
    ptrs: Mapping[str, Sequence[str] | DnsError] = field(default_factory=dict)  # by address
    cnames: Mapping[str, Sequence[str] | DnsError] = field(default_factory=dict)  # one each
    silent: frozenset[str] = frozenset()
    asked: list[tuple[str, str]] = field(default_factory=list)
    waiting: int = 0  # lookups of silent names under way

    async def addresses(self, name: str, version: IpVersion | None = None) -> Sequence[IpAddress]:
        kind = {None: "addresses", 4: "a", 6: "aaaa"}[version]
        found = [ip_address(text) for text in await self._answer(kind, name, self.a)]
        return [address for address in found if version in (None, address.version)]

    async def mx(self, name: str) -> Sequence[tuple[int, str]]:
        return sorted(await self._answer("mx", name, self.mxs))

    async def txt(self, name: str) -> Sequence[bytes]:
        return await self._answer("txt", name, self.txts)

    async def names(self, address: IpAddress) -> Sequence[str]:
        return await self._answer("names", str(address), self.ptrs)

    async def cname(self, name: str) -> str | None:
        found = await self._answer("cname", name, self.cnames)
        return found[0] if found else None

    async def _answer(
        self, kind: str, name: str, records: Mapping[str, Sequence[T] | DnsError]
    ) -> Sequence[T]:
        self.asked.append((kind, name))
        if name in self.silent:
            await self._wait_for_ever()
        found = records.get(name)
        if isinstance(found, DnsError):
            raise found
        if found is None and not self._exists(name):
            raise DnsError(f"{name}: no such name", transient=False)
        return found or ()

    async def _wait_for_ever(self) -> None:
        self.waiting += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.waiting -= 1

    def _exists(self, name: str) -> bool:
        return any(name in records for records in (self.a, self.mxs, self.txts, self.ptrs, self.cnames))


class FakeBus:
    """A bus within this process. `published` are all messages, as (topic, payload)."""

    def __init__(self) -> None:
        self.published: list[tuple[str, str]] = []
        self.subscriptions: list[_Subscription] = []

    def publish(self, topic: str, payload: str) -> None:
        self.published.append((topic, payload))
        for subscription in self.subscriptions:
            if subscription.topic == topic:
                asyncio.get_running_loop().call_soon(subscription.hear, payload)

    def subscribe(self, topic: str, heard: Callable[[str], None]) -> "_Subscription":
        subscription = _Subscription(self, topic, heard)
        self.subscriptions.append(subscription)
        return subscription


class _Subscription:
    def __init__(self, bus: FakeBus, topic: str, heard: Callable[[str], None]) -> None:
        self._bus = bus
        self.topic = topic
        self._heard = heard

    def hear(self, payload: str) -> None:
        if self in self._bus.subscriptions:
            self._heard(payload)

    def close(self) -> None:
        if self in self._bus.subscriptions:
            self._bus.subscriptions.remove(self)


class FakeListeners:
    """Listening sockets on free ports of 127.0.0.1 whatever the configuration says, Unix sockets where it says.

    bound: where a configured address really listens: (host, port), or a path.
    """

    def __init__(self, runtime: Path) -> None:
        self._runtime = runtime
        self.bound: dict[str, tuple[str, int] | str] = {}
        self.taken: list[socket.socket] = []

    def take(self, address: str) -> socket.socket:
        scheme, _, rest = address.partition(":")
        if scheme == "unix":
            listener = socket.socket(socket.AF_UNIX)
            where: tuple[str, int] | str = str(self._runtime / rest.removeprefix("//"))
        else:
            listener = socket.socket()
            where = ("127.0.0.1", 0)
        listener.bind(where)
        listener.listen(100)
        listener.setblocking(False)
        self.bound[address] = listener.getsockname()
        self.taken.append(listener)
        return listener

    def port(self, address: str) -> int:
        """The port of a configured TCP address."""
        where = self.bound[address]
        assert not isinstance(where, str)
        return where[1]


class FakeWorld:
    """All of it, under one directory, with the contexts that modules are built with."""

    def __init__(self, directory: Path, *, resolver: FakeResolver | None = None) -> None:
        self.paths = Paths(directory / "state", directory / "run", directory / "libexec")
        for path in (self.paths.state, self.paths.runtime, self.paths.libexec):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.clock = SimulatedClock()
        self.resolver = resolver or FakeResolver()
        self.bus = FakeBus()
        self.listeners = FakeListeners(self.paths.runtime)
        self.hooks = Hooks()
        self.log = LogLines()
        self.events = KeptEvents()
        self.world = World(self.clock, self.resolver, self.bus, self.listeners, os.urandom)

    def context(self, module: str, instance: str = "", *, debug: bool = False) -> Context:
        """What the house gives to a module of this name (`table.file`); its log lines (`file: ...`) gather in `log`."""
        return Context(
            module=module,
            instance=instance or module,
            where="test.conf:1",
            log=Logger(self.log, module.rpartition(".")[2], debug=debug),
            world=self.world,
            paths=self.paths,
            hooks=self.hooks,
            recorder=self.events,
        )

    def left_open(self) -> list[str]:
        """What should have been closed, in words."""
        topics = [f"subscription to {subscription.topic}" for subscription in self.bus.subscriptions]
        sockets = [f"socket {taken}" for taken in self.listeners.taken if taken.fileno() >= 0]
        lookups = ["lookup"] * self.resolver.waiting
        return topics + sockets + lookups

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        left = self.left_open()
        for taken in self.listeners.taken:
            taken.close()
        if error is None:
            assert not left, f"left open: {', '.join(left)}"


def make_context(directory: Path, module: str = "test") -> Context:
    """A context for a module that needs nothing of the world but its directories."""
    return FakeWorld(directory).context(module)
