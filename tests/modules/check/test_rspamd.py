"""check.rspamd, against a service of our own that answers what a test wants."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from aiohttp import web

from posthouse.core.events import MessageLog, NoRecorder
from posthouse.framework.buffer import Body, FileBody, MemoryBody
from posthouse.framework.config.parser import parse
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import parse_settings
from posthouse.framework.interfaces.check import PASS, Verdict
from posthouse.framework.interfaces.message import Connection, Envelope
from posthouse.framework.registry import Catalogue, Registry
from posthouse.message.header import Header
from posthouse.modules.check.rspamd import Rspamd
from posthouse.net.connection import TlsState
from posthouse.net.http import ANSWER_MAX
from posthouse.testing.world import FakeWorld

HEADER = b"From: ann@example.org\r\nSubject: hello\r\n"
BODY = b"A body.\r\n"


@dataclass
class Service:
    """rspamd as a test wants it: its answer, and what it was asked."""

    answer: Callable[[], Awaitable[web.StreamResponse]]
    requests: list[tuple[str, list[tuple[str, str]], bytes]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append((request.path, list(request.headers.items()), await request.read()))
        return await self.answer()


@asynccontextmanager
async def serving(service: Service) -> AsyncIterator[str]:
    app = web.Application(client_max_size=8_000_000)
    app.router.add_post("/checkv2", service.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    assert runner.addresses
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def says(text: str, status: int = 200) -> Service:
    async def answer() -> web.StreamResponse:
        return web.Response(text=text, status=status)

    return Service(answer)


def acts(action: str, score: float = 7.25) -> Service:
    return says(json.dumps({"action": action, "score": score, "symbols": {}}))


async def verdict(
    fake: FakeWorld,
    url: str,
    *directives: str,
    envelope: Envelope | None = None,
    body: Body | None = None,
) -> Verdict:
    check = configured(fake, url, "hostname mx.example.org", *directives)
    envelope = envelope or Envelope("0a1b2c3d", "bob@example.net", None, message_log(fake))
    state = check.start_check(envelope)
    try:
        return await state.check_body(Header.parse(HEADER), body or MemoryBody(BODY))
    finally:
        await state.close()
        await check.stop()


def configured(fake: FakeWorld, url: str, *directives: str) -> Rspamd:
    lines = "\n".join(directives)
    (node,) = parse(f"rspamd {url} {{\n{lines}\n}}", "x.conf").nodes
    context = fake.context("check.rspamd")
    registry = Registry(Catalogue({}, {}, frozenset()), lambda *_: context)
    return Rspamd(parse_settings(Rspamd.Settings, node, Scope({}, context.paths, registry)), context)


def message_log(fake: FakeWorld) -> MessageLog:
    return MessageLog(fake.context("test").log, "0a1b2c3d", NoRecorder())


async def test_the_message_and_its_envelope_are_shown(tmp_path: Path) -> None:
    service = acts("no action")
    with FakeWorld(tmp_path) as fake:
        rdns: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        rdns.set_result("client.example.net")
        connection = Connection(
            "ESMTPS",
            "helo.example.net",
            IPv4Address("192.0.2.7"),
            4711,
            TlsState("TLSv1.3", "TLS_AES_128_GCM_SHA256"),
            rdns,
            "bob",
        )
        envelope = Envelope("0a1b2c3d", "bob@example.net", connection, message_log(fake))
        envelope.recipients = ("ann@example.org", "eve@example.org")
        async with serving(service) as url:
            assert await verdict(fake, url, envelope=envelope) == PASS
    ((path, fields, body),) = service.requests
    assert (path, body) == ("/checkv2", HEADER + b"\r\n" + BODY)
    assert [value for name, value in fields if name == "Rcpt"] == ["ann@example.org", "eve@example.org"]
    expected = {
        "Pass": "all",
        "User-Agent": "maddy",
        "MTA-Tag": "maddy",
        "Flags": "pass_all",
        "MTA-Name": "mx.example.org",
        "From": "bob@example.net",
        "Queue-ID": "0a1b2c3d",
        "User": "bob",
        "IP": "192.0.2.7",
        "Helo": "helo.example.net",
        "Hostname": "client.example.net",
        "TLS-Cipher": "TLS_AES_128_GCM_SHA256",
        "TLS-Version": "1.3",
    }
    assert expected.items() <= dict(fields).items()
    assert "Settings-ID" not in dict(fields)


async def test_a_spooled_message_is_shown_whole(tmp_path: Path) -> None:
    service = acts("no action")
    data = b"0123456789abcde\n" * 100_000
    (tmp_path / "spooled").write_bytes(data)
    with FakeWorld(tmp_path) as fake:
        async with serving(service) as url:
            body = FileBody(tmp_path / "spooled", len(data))
            assert await verdict(fake, url, body=body) == PASS
    assert service.requests[0][2] == HEADER + b"\r\n" + data


async def test_what_a_client_says_cannot_add_fields_to_the_request(tmp_path: Path) -> None:
    service = acts("no action")
    with FakeWorld(tmp_path) as fake:
        envelope = Envelope("0a1b2c3d", "a\r\nIP: 127.0.0.1\r\n@x", None, message_log(fake))
        async with serving(service) as url:
            await verdict(fake, url, envelope=envelope)
    assert "IP" not in dict(service.requests[0][1])


@pytest.mark.parametrize(
    ("action", "flags", "code", "fields"),
    [
        ("no action", (False, False), None, ()),
        ("greylist", (False, False), None, (b"X-Spam-Score: 7.25\r\n",)),
        ("add header", (False, True), 450, (b"X-Spam-Flag: Yes\r\n", b"X-Spam-Score: 7.25\r\n")),
        ("rewrite subject", (False, True), 450, (b"X-Spam-Flag: Yes\r\n", b"X-Spam-Score: 7.25\r\n")),
        ("soft reject", (True, False), 450, ()),
        ("reject", (True, False), 550, ()),
        ("quarantine", (False, False), None, ()),
    ],
)
async def test_what_rspamd_says_is_done(
    action: str, flags: tuple[bool, bool], code: int | None, fields: tuple[bytes, ...], tmp_path: Path
) -> None:
    with FakeWorld(tmp_path) as fake:
        async with serving(acts(action)) as url:
            found = await verdict(fake, url)
        unhandled = fake.log.fields_of("rspamd", "unhandled action")
    assert (found.reject, found.quarantine) == flags
    assert (found.reason.reply.code if found.reason else None) == code
    assert found.fields == fields
    assert bool(unhandled) == (action == "quarantine")


@pytest.mark.parametrize(
    "answer", ["", "no JSON", "[]", "{}", '{"action": 7}', "\udcff", "x" * (ANSWER_MAX + 1)]
)
async def test_R_191_an_answer_that_is_none_is_an_error_of_transport(answer: str, tmp_path: Path) -> None:
    async def respond() -> web.StreamResponse:
        return web.Response(body=answer.encode("utf-8", "surrogateescape"))

    with FakeWorld(tmp_path) as fake:
        async with serving(Service(respond)) as url:
            found = await verdict(fake, url, "io_error_action reject", "error_resp_action ignore")
    assert found.reject
    assert found.reason is not None
    assert (found.reason.reply.code, found.reason.reply.enhanced) == (451, (4, 7, 0))


async def test_R_191_an_error_of_rspamd_is_what_is_configured_for_it(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        async with serving(says("overloaded", 503)) as url:
            found = await verdict(fake, url, "io_error_action reject", "error_resp_action quarantine")
    assert (found.reject, found.quarantine) == (False, True)


async def test_R_191_no_service_is_an_error_that_passes_by_default(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        async with serving(acts("reject")) as url:
            pass
        found = await verdict(fake, url)
    assert found.reason is not None
    assert (found.reject, found.quarantine) == (False, False)


async def test_R_191_a_service_that_does_not_answer_is_given_up(tmp_path: Path) -> None:
    stuck = asyncio.Event()

    async def never() -> web.StreamResponse:
        await stuck.wait()
        return web.Response()

    with FakeWorld(tmp_path) as fake:
        async with serving(Service(never)) as url:
            found = await verdict(fake, url, "timeout 50ms", "io_error_action reject")
            stuck.set()
    assert found.reject


def test_an_address_that_is_no_url_is_refused(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake, pytest.raises(ValueError, match="no URL"):
        configured(fake, "127.0.0.1:11333")
