"""Spec: config-language §10 (`tls`, `tls_client`), §12."""

import contextlib
import ssl
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography import x509

from posthouse.framework.config.node import ConfigError
from posthouse.framework.config.parser import parse
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import arguments, settings
from posthouse.framework.config.tls import CIPHERS, TlsClient, server_tls, tls_client
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.interfaces.tls import Certificate, ServerTls
from posthouse.framework.registry import Catalogue, Registry
from posthouse.modules.tls.self_signed import self_signed
from posthouse.net.tls import TlsOptions, offers_cipher
from posthouse.testing.world import FakeWorld

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class FixedLoader(Module):
    """Gives what it is told to."""

    @settings
    class Settings:
        names: tuple[str, ...] = arguments(help="NAME...")

    def __init__(self, settings: Settings, context: Context) -> None:
        self.current: tuple[Certificate, ...] = (self_signed(settings.names, NOW),)

    def certificates(self) -> Sequence[Certificate]:
        return self.current

    def renew(self, certificate: Certificate) -> None:
        self.current = (certificate,)


class TellingLoader(FixedLoader):
    """Tells of renewals."""

    def __init__(self, settings: FixedLoader.Settings, context: Context) -> None:
        super().__init__(settings, context)
        self.renewed: list[Callable[[], object]] = []

    def on_renewal(self, renewed: Callable[[], object]) -> None:
        self.renewed.append(renewed)

    def renew(self, certificate: Certificate) -> None:
        super().renew(certificate)
        for renewed in self.renewed:
            renewed()


class Reader:
    """Reads directives, and keeps what came of it."""

    def __init__(self, world: FakeWorld) -> None:
        self.world = world
        modules = {"tls.loader.fixed": "loaders:FixedLoader", "tls.loader.renewing": "loaders:TellingLoader"}
        catalogue = Catalogue({}, modules, frozenset({"tls.loader.acme"}))
        self.registry = Registry(
            catalogue, lambda module, instance, node, debug: world.context(module, instance, debug=debug)
        )
        self.scope = Scope({}, world.paths, self.registry)

    def server(self, text: str) -> ServerTls | None:
        *blocks, node = parse(text, "f").nodes
        for block in blocks:
            self.registry.register(block)
        return server_tls.parse(node, self.scope)

    def context(self, text: str) -> ssl.SSLContext:
        tls = self.server(text)
        assert tls is not None
        return tls.context()

    def client(self, text: str) -> TlsClient:
        return tls_client.parse(parse(text, "f").nodes[0], self.scope)

    @property
    def loader(self) -> FixedLoader:
        ((_, loader),) = self.registry.lifetime
        assert isinstance(loader, FixedLoader)
        return loader


@pytest.fixture
def reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.setitem(
        sys.modules, "loaders", SimpleNamespace(FixedLoader=FixedLoader, TellingLoader=TellingLoader)
    )
    return Reader(FakeWorld(tmp_path))


def error(read: Callable[[str], object], text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        read(text)
    return str(caught.value).split("\n")[0]


def test_off(reader: Reader) -> None:
    assert reader.server("tls off") is None


@pytest.mark.parametrize(
    "text",
    [
        "tls fixed a.example",
        "tls tls.loader.fixed a.example",
        "tls fixed a.example { }",
        "tls {\n loader fixed a.example\n}",
        "tls.loader.fixed one\ntls &one",
        "tls.loader.fixed one\ntls &one {\n protocols tls1.2\n}",
        "tls.loader.fixed one\ntls {\n loader &one\n}",
    ],
)
def test_ways_to_name_a_loader(reader: Reader, text: str) -> None:
    assert reader.context(text).cert_store_stats()["x509"] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tls", "f:1: missing required directive: loader"),
        ("tls { }", "f:1: missing required directive: loader"),
        ("tls off fixed", "f:1: expected 1 argument"),
        ("tls off { }", "f:1: can't declare block here"),
        ("tls nothing", "f:1: unknown module: nothing (namespace: tls.loader)"),
        ("tls acme", "f:1: tls.loader.acme is not available in this version"),
        ("tls fixed a {\n loader fixed b\n}", "f:1: duplicate directive: loader"),
        ("tls fixed a {\n unknown\n}", "f:2: unexpected directive: unknown"),
        ("tls fixed a {\n protocols\n}", "f:2: expected at least one argument"),
        ("tls fixed a {\n protocols ssl3\n}", "f:2: invalid TLS version value: ssl3"),
        ("tls fixed a {\n protocols tls1.2 tls1.2 tls1.3\n}", "f:2: expected 1 or 2 arguments"),
        ("tls fixed a {\n protocols tls1.3 tls1.2\n}", "f:2: the oldest version comes first: tls1.2 tls1.3"),
        ("tls fixed a {\n ciphers RSA-WITH-NOTHING\n}", "f:2: unknown cipher: RSA-WITH-NOTHING"),
        ("tls fixed a {\n ciphers ECDHE-RSA-AES128-SHA\n}", "f:2: unknown cipher: ECDHE-RSA-AES128-SHA"),
        (
            "tls fixed a {\n curves p512\n}",
            "f:2: invalid argument, valid values are: [p256 p384 p521 X25519]",
        ),
    ],
)
def test_mistakes(reader: Reader, text: str, message: str) -> None:
    assert error(reader.server, text) == message


def test_the_block_never_configures_the_loader(reader: Reader) -> None:
    reader.context("tls fixed a {\n protocols tls1.3\n}")
    assert len(reader.loader.current) == 1


@pytest.mark.parametrize(
    ("protocols", "oldest", "newest"),
    [
        ("", ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.MAXIMUM_SUPPORTED),
        ("protocols tls1.3", ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_3),
        ("protocols tls1.2 tls1.3", ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3),
        ("protocols tls1.0 tls1.2", ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_2),
    ],
)
def test_versions(reader: Reader, protocols: str, oldest: ssl.TLSVersion, newest: ssl.TLSVersion) -> None:
    context = reader.context(f"tls fixed a {{\n {protocols}\n}}")
    assert (context.minimum_version, context.maximum_version) == (oldest, newest)


def test_ciphers_do_not_affect_tls_1_3(reader: Reader) -> None:
    context = reader.context(
        "tls fixed a {\n ciphers ECDHE-ECDSA-WITH-AES256-GCM-SHA384 RSA-WITH-AES128-CBC-SHA\n}"
    )
    names = [cipher["name"] for cipher in context.get_ciphers()]
    assert [name for name in names if not name.startswith("TLS_")] == [
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "AES128-SHA",
    ]
    assert any(name.startswith("TLS_") for name in names)


def test_ciphers_that_the_library_does_not_offer_are_ignored_and_logged(reader: Reader) -> None:
    assert not offers_cipher(TlsOptions(), "RC4-SHA")
    reader.server("tls fixed a {\n ciphers RSA-WITH-RC4128-SHA RSA-WITH-AES128-CBC-SHA\n}")
    assert reader.world.log.fields_of("tls", "ignoring a cipher that the TLS library does not offer") == [
        {"cipher": "RSA-WITH-RC4128-SHA"}
    ]


def test_some_cipher_must_be_left(reader: Reader) -> None:
    message = error(reader.server, "tls fixed a {\n ciphers RSA-WITH-RC4128-SHA\n}")
    assert message == "f:1: the TLS library offers none of these ciphers"


def test_every_cipher_of_the_specification_is_known() -> None:
    simple = "RC4128-SHA AES128-CBC-SHA AES256-CBC-SHA AES128-CBC-SHA256 AES128-GCM-SHA256 AES256-GCM-SHA384".split()
    assert set(CIPHERS) == {
        *(f"RSA-WITH-{name}" for name in [*simple, "3DES-EDE-CBC-SHA"]),
        *(f"ECDHE-ECDSA-WITH-{name}" for name in [*simple, "CHACHA20-POLY1305"]),
        *(f"ECDHE-RSA-WITH-{name}" for name in [*simple, "3DES-EDE-CBC-SHA", "CHACHA20-POLY1305"]),
    }


@pytest.mark.parametrize("name", [name for name in CIPHERS if "RC4" not in name and "3DES" not in name])
def test_names_of_modern_ciphers_are_openssl_s(name: str) -> None:
    assert offers_cipher(TlsOptions(), CIPHERS[name])


@pytest.mark.parametrize("curve", ["p256", "p384", "p521", "X25519"])
def test_each_curve(reader: Reader, curve: str) -> None:
    reader.context(f"tls fixed a {{\n curves {curve}\n}}")
    assert reader.world.log.lines == []


@pytest.mark.skipif(sys.version_info >= (3, 15), reason="this Python can set several curves")
def test_several_curves_are_ignored_and_logged(reader: Reader) -> None:
    reader.context("tls fixed a {\n curves p256 X25519\n}")
    assert reader.world.log.fields_of("tls", "ignoring curves: this Python can set only one") == [
        {"curves": "p256 X25519"}
    ]


@pytest.mark.parametrize("loader", ["fixed", "renewing"])
def test_R_094_the_context_follows_renewals(reader: Reader, loader: str) -> None:
    """Listeners with TLS from the start keep the context that they were given."""
    tls = reader.server(f"tls {loader} a.example")
    assert tls is not None
    kept = tls.context()
    assert names_in(kept) == {"a.example"}
    for name in ("b.example", "c.example"):
        reader.loader.renew(self_signed([name], NOW))
        assert tls.context() is kept
        assert names_in(kept) == {name}


def test_a_loader_that_tells_of_renewals_is_not_asked_before(reader: Reader) -> None:
    assert reader.context("tls renewing a.example").sni_callback is None


def names_in(server: ssl.SSLContext) -> set[str]:
    """What the certificate is for that a client would see."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    client_context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client_context.check_hostname, client_context.verify_mode = False, ssl.CERT_NONE
    client = client_context.wrap_bio(to_client, to_server)
    other = server.wrap_bio(to_server, to_client, server_side=True)
    for side in (client, other, client):
        with contextlib.suppress(ssl.SSLWantReadError):
            side.do_handshake()
    der = client.getpeercert(binary_form=True)
    assert der is not None
    names = x509.load_der_x509_certificate(der).extensions.get_extension_for_class(
        x509.SubjectAlternativeName
    )
    return set(names.value.get_values_for_type(x509.DNSName))


def test_tls_client(reader: Reader) -> None:
    found = reader.client(
        "tls_client {\n root_ca a b\n cert c\n key k\n ciphers RSA-WITH-AES128-CBC-SHA\n curves p256\n}"
    )
    assert (found.root_ca, found.cert, found.key) == (("a", "b"), "c", "k")
    assert (found.ciphers, found.curves) == (("RSA-WITH-AES128-CBC-SHA",), ("p256",))
    assert found.protocols.minimum is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tls_client", "f:1: a block is expected here"),
        ("tls_client off { }", "f:1: no inline arguments are expected here"),
        ("tls_client {\n root_ca\n}", "f:2: expected at least one argument"),
        ("tls_client {\n loader fixed\n}", "f:2: unexpected directive: loader"),
    ],
)
def test_mistakes_of_tls_client(reader: Reader, text: str, message: str) -> None:
    assert error(reader.client, text) == message
