"""Spec: modules §5."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from posthouse.framework.interfaces.tls import Certificate, RenewingLoader
from posthouse.modules.tls.file import FILE_MAX, FileLoader
from posthouse.modules.tls.self_signed import self_signed
from posthouse.testing.world import FakeWorld

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PAIRS = [self_signed([f"{name}.example"], NOW) for name in "ab"]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[FakeWorld]:
    with FakeWorld(tmp_path) as fake:
        yield fake


@pytest.fixture
def put(world: FakeWorld) -> Callable[..., None]:
    """Write a certificate and its key below the state directory."""

    def write(pair: Certificate, name: str = "a") -> None:
        (world.paths.state / f"{name}.pem").write_bytes(pair.chain)
        (world.paths.state / f"{name}.key").write_bytes(pair.key)

    return write


Put = Callable[..., None]


def load(world: FakeWorld, *args: str, certs: tuple[str, ...] = (), keys: tuple[str, ...] = ()) -> FileLoader:
    settings = FileLoader.Settings(args=args, certs=certs, keys=keys)
    return FileLoader(settings, world.context("tls.loader.file"))


def error(world: FakeWorld, *args: str, **directives: tuple[str, ...]) -> str:
    with pytest.raises((ValueError, OSError)) as caught:
        load(world, *args, **directives)
    return str(caught.value).replace(f"{world.paths.state}/", "")


def test_a_pair_as_arguments(world: FakeWorld, put: Put) -> None:
    put(PAIRS[0])
    loader = load(world, "a.pem", "a.key")
    assert loader.certificates() == (PAIRS[0],)
    assert isinstance(loader, RenewingLoader)


def test_absolute_paths(world: FakeWorld, put: Put) -> None:
    put(PAIRS[0])
    state = world.paths.state
    assert load(world, f"{state}/a.pem", f"{state}/a.key").certificates() == (PAIRS[0],)


def test_several_pairs(world: FakeWorld, put: Put) -> None:
    put(PAIRS[0], "a")
    put(PAIRS[1], "b")
    assert load(world, "a.pem", "a.key", "b.pem", "b.key").certificates() == tuple(PAIRS)
    assert load(world, certs=("a.pem", "b.pem"), keys=("a.key", "b.key")).certificates() == tuple(PAIRS)
    assert load(world, "a.pem", "a.key", certs=("b.pem",), keys=("b.key",)).certificates() == tuple(PAIRS)


def test_the_number_of_files(world: FakeWorld) -> None:
    assert error(world, "a.pem") == "odd amount of arguments"
    assert error(world, certs=("a", "b"), keys=("a",)) == "mismatch in certs and keys count"
    assert error(world) == "at least one certificate and its key are required"


def test_a_missing_file_is_named(world: FakeWorld, put: Put) -> None:
    put(PAIRS[0])
    assert error(world, "x.pem", "a.key") == "cannot read x.pem: No such file or directory"
    assert error(world, "a.pem", "x.key") == "cannot read x.key: No such file or directory"


def test_a_directory_is_named(world: FakeWorld, put: Put) -> None:
    put(PAIRS[0])
    (world.paths.state / "dir").mkdir()
    assert error(world, "dir", "a.key") == "cannot read dir: Is a directory"


def test_a_file_without_end_is_named(world: FakeWorld, put: Put) -> None:
    put(PAIRS[0])
    with (world.paths.state / "a.pem").open("wb") as file:
        file.truncate(FILE_MAX + 1)
    assert error(world, "a.pem", "a.key") == f"a.pem: more than {FILE_MAX} octets"


def test_a_broken_file_is_named(world: FakeWorld, put: Put) -> None:
    put(Certificate(b"-----BEGIN", PAIRS[0].key))
    assert error(world, "a.pem", "a.key") == "a.pem: no certificate in PEM format"
    put(Certificate(PAIRS[0].chain, b"-----BEGIN"))
    assert error(world, "a.pem", "a.key") == "a.key: no private key in PEM format"


def test_files_that_do_not_belong_together_are_named(world: FakeWorld, put: Put) -> None:
    put(Certificate(PAIRS[0].chain, PAIRS[1].key))
    assert error(world, "a.pem", "a.key") == "a.pem, a.key: the key does not belong to the certificate"


async def test_a_new_pair_is_used_from_then_on(world: FakeWorld, put: Put) -> None:
    put(PAIRS[0])
    loader = load(world, "a.pem", "a.key")
    put(PAIRS[1])
    assert loader.certificates() == (PAIRS[0],)
    renewed: list[object] = []
    loader.on_renewal(lambda: renewed.append(loader.certificates()))
    await loader.refresh()
    assert loader.certificates() == (PAIRS[1],)
    await loader.refresh()
    assert renewed == [(PAIRS[1],)]


async def test_nothing_new_is_the_same_object(world: FakeWorld, put: Put) -> None:
    put(PAIRS[0])
    loader = load(world, "a.pem", "a.key")
    before = loader.certificates()
    await loader.refresh()
    assert loader.certificates() is before


async def test_one_bad_pair_keeps_all_old_ones(world: FakeWorld, put: Put) -> None:
    put(PAIRS[0], "a")
    put(PAIRS[0], "b")
    loader = load(world, "a.pem", "a.key", "b.pem", "b.key")
    put(PAIRS[1], "a")
    put(Certificate(PAIRS[1].chain, PAIRS[0].key), "b")
    with pytest.raises(ValueError, match="does not belong"):
        await loader.refresh()
    assert loader.certificates() == (PAIRS[0], PAIRS[0])


async def test_a_symbolic_link_is_followed_anew(world: FakeWorld, put: Put) -> None:
    put(PAIRS[0], "a")
    put(PAIRS[1], "b")
    link = world.paths.state / "live.pem"
    link.symlink_to("a.pem")
    key = world.paths.state / "live.key"
    key.symlink_to("a.key")
    loader = load(world, "live.pem", "live.key")
    for path in (link, key):
        path.unlink()
        path.symlink_to(f"b{path.suffix}")
    await loader.refresh()
    assert loader.certificates() == (PAIRS[1],)


async def until(what: Callable[[], object]) -> None:
    """Let others work until it holds; the test's own limit is ten seconds."""
    async with asyncio.timeout(10):
        while not what():
            await asyncio.sleep(0)  # the thread reads meanwhile


async def test_the_files_are_polled(world: FakeWorld, put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posthouse.modules.tls.file.POLL_INTERVAL", 0.0)
    put(PAIRS[0])
    loader = load(world, "a.pem", "a.key")
    await loader.start()
    put(PAIRS[1])
    await until(lambda: loader.certificates() == (PAIRS[1],))
    await loader.stop()


async def test_a_reload_hook_looks_at_once_and_failures_are_healed(world: FakeWorld, put: Put) -> None:
    put(PAIRS[0])
    loader = load(world, "a.pem", "a.key")
    await loader.start()
    (reload,) = world.hooks.reload
    put(Certificate(PAIRS[1].chain, PAIRS[0].key))
    reload()
    await until(lambda: world.log.fields_of("file", "reload failed"))
    assert loader.certificates() == (PAIRS[0],)
    put(PAIRS[1])
    reload()
    await until(lambda: loader.certificates() == (PAIRS[1],))
    await loader.stop()
    assert world.hooks.reload == []


async def test_it_stops_though_it_never_started(world: FakeWorld, put: Put) -> None:
    put(PAIRS[0])
    await load(world, "a.pem", "a.key").stop()
