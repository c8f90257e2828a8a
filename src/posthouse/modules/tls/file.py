"""tls.loader.file: certificates and keys from PEM files, which are read again every minute."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Final

from posthouse.framework.config.settings import arguments, directive, settings
from posthouse.framework.config.values import strings
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.interfaces.tls import Certificate
from posthouse.net.tls import BadKeyPair, check_pair

POLL_INTERVAL: Final = 60.0  # seconds
FILE_MAX: Final = 1024 * 1024  # octets

Pair = tuple[Path, Path]  # certificate, key


class FileLoader(Module):
    """Polls, because that works with symbolic links, NFS and atomic replacement alike."""

    @settings
    class Settings:
        args: tuple[str, ...] = arguments(
            help="CERTIFICATE KEY [CERTIFICATE KEY...], paths of PEM files; relative ones are below state_dir"
        )
        certs: tuple[str, ...] = directive(
            strings, default=(), help="PEM files with a certificate each, followed by its chain"
        )
        keys: tuple[str, ...] = directive(
            strings, default=(), help="PEM files with their private keys, in the same order"
        )

    def __init__(self, settings: Settings, context: Context) -> None:
        self._log = context.log
        self._hooks = context.hooks
        self._pairs = _pairs(settings, context.paths.state)
        self._certificates = _read(self._pairs)
        for pair, certificate in zip(self._pairs, self._certificates, strict=True):
            _check(pair, certificate)
        self._watchers: list[Callable[[], object]] = []
        self._reload_asked = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None

    def certificates(self) -> Sequence[Certificate]:
        return self._certificates

    def on_renewal(self, renewed: Callable[[], object]) -> None:
        self._watchers.append(renewed)

    async def start(self) -> None:
        self._hooks.reload.append(self._reload_asked.set)
        self._polling = asyncio.create_task(self._poll(), name="polling certificates")

    async def stop(self) -> None:
        if self._polling is not None:
            self._hooks.reload.remove(self._reload_asked.set)
            self._polling.cancel()
            with suppress(asyncio.CancelledError):
                await self._polling
            self._polling = None

    async def refresh(self) -> None:
        """Read the files, and use them from now on if all of them are good.

        Raises OSError, and ValueError for what is not; then the certificates stay as they are.
        """
        certificates = await asyncio.to_thread(_read, self._pairs)
        if certificates == self._certificates:
            return
        for pair, certificate in zip(self._pairs, certificates, strict=True):
            await asyncio.to_thread(_check, pair, certificate)
        self._certificates = certificates
        self._log.info("certificates reloaded")
        for renewed in self._watchers:
            renewed()

    async def _poll(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_INTERVAL):
                    await self._reload_asked.wait()
            self._reload_asked.clear()
            try:
                await self.refresh()
            except Exception as err:  # noqa: BLE001 - the top of a task
                self._log.error("reload failed", err)


def _pairs(settings: FileLoader.Settings, state: Path) -> tuple[Pair, ...]:
    if len(settings.args) % 2:
        raise ValueError("odd amount of arguments")
    if len(settings.certs) != len(settings.keys):
        raise ValueError("mismatch in certs and keys count")
    pairs = chain(
        zip(settings.args[::2], settings.args[1::2], strict=True),
        zip(settings.certs, settings.keys, strict=True),
    )
    found = tuple((state / certificate, state / key) for certificate, key in pairs)
    if not found:
        raise ValueError("at least one certificate and its key are required")
    return found


def _read(pairs: Sequence[Pair]) -> tuple[Certificate, ...]:
    return tuple(Certificate(_octets(certificate), _octets(key)) for certificate, key in pairs)


def _octets(path: Path) -> bytes:
    """Raises OSError; ValueError for a file that is too long."""
    try:
        with path.open("rb") as file:
            data = file.read(FILE_MAX + 1)
    except OSError as err:
        raise OSError(f"cannot read {path}: {err.strerror}") from err
    if len(data) > FILE_MAX:
        raise ValueError(f"{path}: more than {FILE_MAX} octets")
    return data


def _check(pair: Pair, certificate: Certificate) -> None:
    try:
        check_pair(certificate)
    except BadKeyPair as err:
        files = {"certificate": f"{pair[0]}", "key": f"{pair[1]}"}.get(err.part, f"{pair[0]}, {pair[1]}")
        raise ValueError(f"{files}: {err}") from err
