"""Requests over HTTP to services that an operator names: with our resolver, within bounds, no redirects."""

import ssl
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from socket import AF_INET, AF_INET6, AI_NUMERICHOST, AddressFamily
from typing import Final

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult

from posthouse.core.world import DnsError, Resolver

ANSWER_MAX: Final = 1_048_576  # octets of an answer that are read
CONNECTIONS_MAX: Final = 64  # to all hosts at once; further requests wait


class HttpError(Exception):
    """There is no usable answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


class HttpClient:
    """Keeps connections open between requests. timeout: seconds for a request as a whole."""

    def __init__(self, resolver: Resolver, *, timeout: float, tls: ssl.SSLContext | None = None) -> None:
        self._resolver = resolver
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._tls = tls
        self._session: aiohttp.ClientSession | None = None

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def post(
        self,
        url: str,
        headers: Sequence[tuple[str, str]],
        body: bytes | AsyncIterator[bytes],
        size: int,
    ) -> Answer:
        """size: octets of the body. Raises HttpError."""
        try:
            async with self._open().post(
                url,
                headers=[("Content-Length", str(size)), *headers],
                data=body,
                allow_redirects=False,
            ) as answer:
                return Answer(answer.status, await _bounded(answer.content))
        except (aiohttp.ClientError, OSError, ValueError, TimeoutError) as err:
            raise HttpError(str(err) or type(err).__name__) from err

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                resolver=_Names(self._resolver),
                use_dns_cache=False,  # the resolver has its own
                limit=CONNECTIONS_MAX,
                ssl=True if self._tls is None else self._tls,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=self._timeout,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                skip_auto_headers=("User-Agent", "Content-Type", "Accept", "Accept-Encoding"),
            )
        return self._session


class _Names(AbstractResolver):
    """Our resolver as the HTTP library wants it."""

    def __init__(self, resolver: Resolver) -> None:
        self._resolver = resolver

    async def resolve(self, host: str, port: int = 0, family: AddressFamily = AF_INET) -> list[ResolveResult]:
        try:
            found = [ip_address(host)]
        except ValueError:
            try:
                found = list(await self._resolver.addresses(host))
            except DnsError as err:
                raise OSError(str(err)) from err
        return [
            ResolveResult(
                hostname=host,
                host=str(address),
                port=port,
                family=AF_INET if address.version == 4 else AF_INET6,
                proto=0,
                flags=AI_NUMERICHOST,
            )
            for address in found
        ]

    async def close(self) -> None:
        return None


async def _bounded(content: aiohttp.StreamReader) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in content.iter_any():
        chunks.append(chunk)
        size += len(chunk)
        if size > ANSWER_MAX:
            raise ValueError(f"the answer has more than {ANSWER_MAX} octets")
    return b"".join(chunks)
