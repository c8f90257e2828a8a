"""What an endpoint takes of its configuration, where it listens, what it makes."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from posthouse.framework.config.node import ConfigError
from posthouse.modules.endpoint.smtp import SmtpEndpoint, SubmissionEndpoint
from posthouse.modules.endpoint.smtp.endpoint import server_config
from posthouse.modules.endpoint.smtp.settings import MIB, Buffering
from posthouse.testing.smtp import serving_smtp, smtp_settings
from posthouse.testing.target import KeptTarget
from posthouse.testing.world import FakeWorld
from posthouse.wire.smtp.config import ServerConfig

LOCAL = "tcp://127.0.0.1:25"
PUBLIC = "tcp://0.0.0.0:25"
WARNING = "this is insecure configuration and should be used only for testing!"


def configured(
    fake: FakeWorld,
    directives: str = "",
    *addresses: str,
    cls: type[SmtpEndpoint] = SmtpEndpoint,
    **changes: Any,
) -> SmtpEndpoint:
    settings, _ = smtp_settings(fake, directives, addresses=addresses or (LOCAL,), **changes)
    return cls(settings, fake.context("smtp"))


def test_defaults_are_those_of_the_page(tmp_path: Path) -> None:
    settings, _ = smtp_settings(FakeWorld(tmp_path))
    assert server_config(settings, ()) == ServerConfig(
        "mx.example.org", line_max=4000, message_max=32 * MIB, recipients_max=20_000, insecure_auth=True
    )
    assert (settings.write_timeout, settings.read_timeout, settings.shutdown_timeout) == (60, 600, 180)
    assert (settings.max_header_size, settings.max_received) == (MIB, 50)
    assert (settings.max_logged_rcpt_errors, settings.defer_sender_reject) == (5, True)
    assert settings.buffer == Buffering(MIB, None)
    assert settings.bare_newline == "reject"


def test_a_hostname_is_written_in_a_labels(tmp_path: Path) -> None:
    settings, _ = smtp_settings(FakeWorld(tmp_path), "hostname mx.bücher.example")
    assert server_config(settings, ()).hostname == "mx.xn--bcher-kva.example"


@pytest.mark.parametrize("hostname", ["mx.xn--a-.example", "a..b", "..", '"a b"'])
def test_a_hostname_that_is_none_is_a_mistake(tmp_path: Path, hostname: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a host"):
        configured(FakeWorld(tmp_path), f"hostname {hostname}")


def test_limits_below_zero_are_none(tmp_path: Path) -> None:
    settings, _ = smtp_settings(FakeWorld(tmp_path), "max_recipients -1")
    assert server_config(settings, ()).recipients_max == 0


@pytest.mark.parametrize(
    ("text", "memory", "directory"),
    [
        ("ram", None, None),
        ("fs", 0, None),
        ("fs spool", 0, "spool"),
        ("auto", MIB, None),
        ("auto 5b", 5, None),
        ("auto 2M spool", 2 * MIB, "spool"),
    ],
)
def test_buffers(tmp_path: Path, text: str, memory: int | None, directory: str | None) -> None:
    fake = FakeWorld(tmp_path)
    settings, _ = smtp_settings(fake, f"buffer {text}")
    assert settings.buffer == Buffering(memory, fake.paths.state / directory if directory else None)


@pytest.mark.parametrize(
    ("directives", "text"),
    [
        ("buffer disk", "expected ram | fs [DIR] | auto [SIZE [DIR]]"),
        ("buffer ram 1M", "expected ram"),
        ("buffer auto much", "invalid size: much"),
        ("limits { everything rate 5 }", "unexpected directive: everything"),
        ("limits", "a block or &NAME is expected here"),
        ("limits &other", "no such instance registered: other"),
        ("proxy_protocol everybody", "expected IP addresses or networks"),
        ("proxy_protocol { trust }", "expected at least one argument"),
        ("bare_newline pass", "valid values are: [reject normalize]"),
        ("smtp_max_line_length 100", "between 1000 and"),
        ("max_message_size many", "invalid size: many"),
        ("read_timeout 5", "invalid duration: 5"),
        ("max_mesage_size 3M", "did you mean max_message_size"),
        ("delivr_to dummy", "did you mean deliver_to"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, directives: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        smtp_settings(FakeWorld(tmp_path), directives)
    assert text in str(caught.value)
    assert str(caught.value).startswith("test.conf:1")


def test_submission_needs_users(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"auth\. provider must be set for submission endpoint"):
        configured(FakeWorld(tmp_path), cls=SubmissionEndpoint)


def test_an_address_with_tls_needs_certificates(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't bind on SMTPS endpoint without TLS configuration"):
        configured(FakeWorld(tmp_path), "", "tls://127.0.0.1:465")


@pytest.mark.parametrize(
    ("directives", "addresses", "warnings"),
    [
        ("", [LOCAL], []),
        ("insecure_auth yes", [LOCAL, "unix://smtp.sock"], []),
        ("", [LOCAL, PUBLIC], [f"TLS is disabled, {WARNING}"]),
        ("", ["tcp://[::1]:25"], [f"TLS is disabled, {WARNING}"]),
        ("tls self_signed", [PUBLIC], []),
        (
            "tls self_signed\ninsecure_auth yes",
            [PUBLIC],
            [f"authentication over unencrypted connections is allowed, {WARNING}"],
        ),
        ("io_debug yes", [LOCAL], ["I/O debugging is on: passwords may leak into the log!"]),
    ],
)
def test_what_is_insecure_is_said(
    tmp_path: Path, directives: str, addresses: list[str], warnings: list[str]
) -> None:
    fake = FakeWorld(tmp_path)
    configured(fake, directives, *addresses)
    assert fake.log.lines == [f"smtp: {warning}\t" for warning in warnings]


async def test_an_endpoint_listens_on_all_its_addresses(tmp_path: Path) -> None:
    addresses = (LOCAL, "tls://127.0.0.1:465", "unix://smtp.sock")
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, "tls self_signed", addresses=addresses):
            assert [line for line in fake.log.lines if "listening" in line] == [
                f"smtp: listening on {address}\t" for address in addresses
            ]
            for where in (fake.listeners.bound[LOCAL], fake.listeners.bound["unix://smtp.sock"]):
                if isinstance(where, str):
                    reader, writer = await asyncio.open_unix_connection(where)
                else:
                    reader, writer = await asyncio.open_connection(*where)
                assert await reader.readline() == b"220 mx.example.org ESMTP Service Ready\r\n"
                writer.close()


async def test_a_client_of_a_unix_socket_has_no_address(tmp_path: Path) -> None:
    target = KeptTarget()
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake, target=target, addresses=(LOCAL, "unix://smtp.sock")):
            where = fake.listeners.bound["unix://smtp.sock"]
            assert isinstance(where, str)
            reader, writer = await asyncio.open_unix_connection(where)
            writer.write(
                b"EHLO a\r\nMAIL FROM:<a@example.net>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n.\r\nQUIT\r\n"
            )
            assert (await reader.read()).endswith(b"221 2.0.0 Bye\r\n")
            writer.close()
    connection = target.messages[0].envelope.connection
    assert connection is not None
    assert (connection.remote_ip, connection.rdns) == (None, None)
    assert fake.log.fields_of("smtp", "incoming message")[0]["src_ip"] == ""
    assert fake.resolver.asked == []


async def test_prepare_makes_a_private_directory_and_clears_it(tmp_path: Path) -> None:
    fake = FakeWorld(tmp_path)
    endpoint = configured(fake)
    directory = fake.paths.state / "buffer"
    assert not directory.exists()  # the constructor changes nothing in the world
    await endpoint.prepare()
    assert directory.stat().st_mode & 0o777 == 0o700
    (directory / ("ab" * 32)).write_text("left by a crash")
    await endpoint.prepare()
    assert list(directory.iterdir()) == []


async def test_a_directory_of_ones_own_must_exist(tmp_path: Path) -> None:
    fake = FakeWorld(tmp_path)
    endpoint = configured(fake, "buffer auto 1M spool")
    with pytest.raises(NotADirectoryError, match="spool"):
        await endpoint.prepare()
    (fake.paths.state / "spool").mkdir()
    await endpoint.prepare()


async def test_stopping_without_sessions_is_immediate_and_closes_the_sockets(tmp_path: Path) -> None:
    with FakeWorld(tmp_path) as fake:
        async with serving_smtp(fake) as served:
            await served.endpoint.stop()
            with pytest.raises(OSError):
                await asyncio.open_connection("127.0.0.1", served.port)
