"""Spec: modules §5."""

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from posthouse.framework.interfaces.tls import TlsLoader
from posthouse.modules.tls.self_signed import SelfSignedLoader
from posthouse.net.tls import check_pair
from posthouse.testing.world import START, FakeWorld


def load(directory: Path, *names: str) -> SelfSignedLoader:
    context = FakeWorld(directory).context("tls.loader.self_signed")
    return SelfSignedLoader(SelfSignedLoader.Settings(names=names), context)


def certificate(directory: Path, *names: str) -> x509.Certificate:
    (pair,) = load(directory, *names).certificates()
    check_pair(pair)
    return x509.load_pem_x509_certificate(pair.chain)


def test_names_and_addresses(tmp_path: Path) -> None:
    found = certificate(tmp_path, "mx.example.org", "127.0.0.1", "::1")
    names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["mx.example.org"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("127.0.0.1"), ip_address("::1")]


def test_what_else_is_in_it(tmp_path: Path) -> None:
    found = certificate(tmp_path)
    start = datetime.fromtimestamp(START, UTC)
    assert found.not_valid_before_utc == start
    assert found.not_valid_after_utc == start + timedelta(days=7)
    (organisation,) = found.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)
    assert organisation.value == "Maddy Self-Signed"
    key = found.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)
    usage = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usage) == [ExtendedKeyUsageOID.SERVER_AUTH]


async def test_it_stays_the_same_until_the_end(tmp_path: Path) -> None:
    loader = load(tmp_path, "mx.example.org")
    await loader.start()
    first = loader.certificates()
    assert loader.certificates() is first
    assert isinstance(loader, TlsLoader)


def test_a_client_that_trusts_it_accepts_it(tmp_path: Path) -> None:
    (pair,) = load(tmp_path, "mx.example.org").certificates()
    context = ssl.create_default_context(cadata=pair.chain.decode())
    assert context.cert_store_stats()["x509"] == 1


@pytest.mark.parametrize("name", ["m\u00fcnchen.example"])
def test_names_must_be_ascii(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="must be ASCII"):
        load(tmp_path, name)
