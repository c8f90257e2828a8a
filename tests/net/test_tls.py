"""TLS contexts: what they offer, which certificate they choose, and what they refuse (R-038, R-045)."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from posthouse.net.tls import BadKeyPair, TlsOptions, check_pair, follow, offers_cipher, server_context


@dataclass(frozen=True, slots=True)
class Pair:
    chain: bytes
    key: bytes


CA = trustme.CA()


@cache
def pair(*names: str, key_type: trustme.KeyType = trustme.KeyType.ECDSA) -> Pair:
    issued = CA.issue_cert(*names, key_type=key_type)
    return Pair(b"".join(blob.bytes() for blob in issued.cert_chain_pems), issued.private_key_pem.bytes())


def client_context(version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    CA.configure_trust(context)
    context.check_hostname = False
    if version is not None:
        context.maximum_version = version
    return context


class Handshake:
    """A client and a server in memory, after their handshake."""

    def __init__(self, server: ssl.SSLContext, client: ssl.SSLContext, name: str | None = None) -> None:
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = client.wrap_bio(to_client, to_server, server_hostname=name)
        self.server = server.wrap_bio(to_server, to_client, server_side=True)
        for side in (self.client, self.server) * 3:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue

    @property
    def names(self) -> set[str]:
        """What the certificate is for that the client saw."""
        certificate = self.client.getpeercert()
        assert certificate is not None
        names = certificate["subjectAltName"]
        assert isinstance(names, tuple)
        return {str(name[1]) for name in names}


def names_for(server: ssl.SSLContext, name: str | None) -> set[str]:
    return Handshake(server, client_context(), name).names


def context_of(*pairs: Pair) -> ssl.SSLContext:
    return server_context(TlsOptions(), pairs)


# --- versions and ciphers


def test_the_newest_version_is_spoken() -> None:
    assert Handshake(context_of(pair("a.example")), client_context()).client.version() == "TLSv1.3"


def test_tls_1_2_is_spoken() -> None:
    client = client_context(ssl.TLSVersion.TLSv1_2)
    assert Handshake(context_of(pair("a.example")), client).client.version() == "TLSv1.2"


def old_client(version: ssl.TLSVersion) -> ssl.SSLContext:
    context = client_context()
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        context.minimum_version = context.maximum_version = version
    return context


def test_tls_1_1_is_not_spoken() -> None:
    with pytest.raises(ssl.SSLError):
        Handshake(context_of(pair("a.example")), old_client(ssl.TLSVersion.TLSv1_1))


@pytest.mark.skipif(not ssl.HAS_TLSv1, reason="the TLS library has no TLS 1.0")
def test_tls_1_0_is_spoken_when_asked() -> None:
    server = server_context(TlsOptions(minimum=ssl.TLSVersion.TLSv1), [pair("a.example")])
    assert Handshake(server, old_client(ssl.TLSVersion.TLSv1)).client.version() == "TLSv1"


def test_the_newest_version_can_be_bounded() -> None:
    server = server_context(TlsOptions(maximum=ssl.TLSVersion.TLSv1_2), [pair("a.example")])
    assert Handshake(server, client_context()).client.version() == "TLSv1.2"


def test_only_the_ciphers_that_were_asked_for() -> None:
    options = TlsOptions(ciphers=("ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"))
    made = Handshake(server_context(options, [pair("a.example")]), client_context(ssl.TLSVersion.TLSv1_2))
    cipher = made.client.cipher()
    assert cipher is not None
    assert cipher[0] == "ECDHE-ECDSA-AES256-GCM-SHA384"


def test_one_curve() -> None:
    server = server_context(TlsOptions(groups=("secp384r1",)), [pair("a.example")])
    client = client_context()
    client.set_ecdh_curve("prime256v1")
    with pytest.raises(ssl.SSLError):
        Handshake(server, client)
    Handshake(server, client_context())


def test_which_ciphers_are_offered() -> None:
    assert offers_cipher(TlsOptions(), "ECDHE-RSA-AES128-GCM-SHA256")
    assert not offers_cipher(TlsOptions(), "RC4-SHA-OF-OLD")


def test_R_038_no_tickets_no_renegotiation_no_compression() -> None:
    server = context_of(pair("a.example"))
    assert server.num_tickets == 0
    assert server.options & ssl.OP_NO_RENEGOTIATION
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        made = Handshake(server, client_context(version))
        session = made.client.session
        assert session is None or not session.has_ticket
        assert made.client.compression() is None


# --- SNI


SEVERAL = (pair("a.example", "b.example"), pair("c.example"), pair("*.d.example"))


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("a.example", "a.example"),
        ("b.example", "b.example"),
        ("c.example", "c.example"),
        ("C.EXAMPLE", "c.example"),
        ("mx.d.example", "*.d.example"),
        ("d.example", "a.example"),
        ("mx.two.d.example", "a.example"),
        ("unknown.example", "a.example"),
        (None, "a.example"),
    ],
)
def test_the_certificate_is_chosen_by_sni(asked: str | None, given: str) -> None:
    assert given in names_for(context_of(*SEVERAL), asked)


def test_the_first_certificate_for_a_name_is_chosen() -> None:
    server = context_of(pair("a.example"), pair("b.example", "c.example"), pair("b.example"))
    assert names_for(server, "b.example") == {"b.example", "c.example"}


@pytest.mark.parametrize("kind", ["ECDSA", "RSA"])
def test_of_two_keys_for_the_same_names_the_client_takes_what_it_can(kind: str) -> None:
    server = context_of(pair("a.example"), pair("a.example", key_type=trustme.KeyType.RSA), pair("b.example"))
    client = client_context(ssl.TLSVersion.TLSv1_2)
    client.set_ciphers(f"ECDHE-{kind}-AES128-GCM-SHA256")
    cipher = Handshake(server, client, "a.example").client.cipher()
    assert cipher is not None
    assert kind in cipher[0]


def test_a_context_follows_the_current_one() -> None:
    first = now = context_of(pair("a.example"))
    follow(first, lambda: now)
    assert names_for(first, None) == {"a.example"}
    now = context_of(pair("b.example"))
    assert names_for(first, None) == {"b.example"}
    now = context_of(*SEVERAL)
    assert names_for(first, "c.example") == {"c.example"}


def test_a_context_for_several_names_follows_too() -> None:
    first = now = context_of(*SEVERAL)
    follow(first, lambda: now)
    assert names_for(first, "c.example") == {"c.example"}
    now = context_of(pair("c.example", "new.example"), pair("d.example"))
    assert "new.example" in names_for(first, "c.example")


def client_hello(name: bytes) -> bytes:
    """A ClientHello that asks for a name of any octets, of the length of a placeholder."""
    placeholder = (("x" * 20 + ".") * 20)[: len(name) - 1] + "x"
    to_server = ssl.MemoryBIO()
    client = client_context().wrap_bio(ssl.MemoryBIO(), to_server, server_hostname=placeholder)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return to_server.read().replace(placeholder.encode(), name)


def first_answer(server: ssl.SSLContext, hello: bytes) -> int:
    """The type of the server's first record: 22 is a handshake, 21 an alert."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    connection = server.wrap_bio(to_server, to_client, server_side=True)
    to_server.write(hello)
    with pytest.raises(ssl.SSLError):  # wants the client's next flight, or refuses
        connection.do_handshake()
    return to_client.read()[0]


ODD_NAMES: Sequence[bytes] = (
    b"trailing.example\\",
    b"../../../etc/passwd",
    b"." * 60,
    b".".join([b"a"] * 127),
    b"a b\r\n.example",
    b"%s%s%n.example",
    b"xn--\x7f.example",
)


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("count", [1, 3])
def test_R_045_odd_names_get_the_default_certificate(name: bytes, count: int) -> None:
    server = context_of(*SEVERAL[:count])
    assert first_answer(server, client_hello(name)) == 22
    assert "a.example" in names_for(server, "a.example")


def test_R_045_octets_that_are_no_text_do_not_matter_to_a_single_certificate() -> None:
    assert first_answer(context_of(pair("a.example")), client_hello(b"\xff\xfe\x80.example")) == 22


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_R_045_octets_that_are_no_text_are_refused_where_names_matter() -> None:
    server = context_of(*SEVERAL)
    assert first_answer(server, client_hello(b"\xff\xfe\x80.example")) == 21
    assert names_for(server, "c.example") == {"c.example"}


def test_R_045_a_nul_is_refused() -> None:
    server = context_of(*SEVERAL)
    assert first_answer(server, client_hello(b"a.example\0.org")) == 21
    assert names_for(server, "c.example") == {"c.example"}


# --- what cannot be used


GOOD = pair("a.example")


def encrypted(key: bytes) -> bytes:
    loaded = serialization.load_pem_private_key(key, None)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey)
    return loaded.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )


@pytest.mark.parametrize(
    ("bad", "part", "text"),
    [
        pytest.param(Pair(b"", GOOD.key), "certificate", "no certificate in PEM format", id="empty"),
        pytest.param(Pair(b"hello", GOOD.key), "certificate", "no certificate in PEM format", id="text"),
        pytest.param(Pair(GOOD.key, GOOD.chain), "certificate", "no certificate in PEM format", id="swapped"),
        pytest.param(
            Pair(GOOD.chain[:300], GOOD.key), "certificate", "no certificate in PEM format", id="half of it"
        ),
        pytest.param(Pair(GOOD.chain, b""), "key", "no private key in PEM format", id="no key"),
        pytest.param(Pair(GOOD.chain, GOOD.key[:80]), "key", "no private key in PEM format", id="half a key"),
        pytest.param(
            Pair(GOOD.chain, encrypted(GOOD.key)),
            "key",
            "a key with a password cannot be used",
            id="encrypted",
        ),
        pytest.param(
            Pair(GOOD.chain, pair("c.example").key),
            "pair",
            "the key does not belong to the certificate",
            id="another key",
        ),
        pytest.param(
            Pair(GOOD.chain, pair("c.example", key_type=trustme.KeyType.RSA).key),
            "pair",
            "the key does not belong to the certificate",
            id="a key of another kind",
        ),
    ],
)
def test_bad_pairs(bad: Pair, part: str, text: str) -> None:
    with pytest.raises(BadKeyPair) as caught:
        check_pair(bad)
    assert (caught.value.part, str(caught.value)) == (part, text)


def test_a_good_pair() -> None:
    check_pair(GOOD)


def test_certificate_and_key_may_share_a_file() -> None:
    both = GOOD.key + GOOD.chain
    check_pair(Pair(both, both))
    assert names_for(context_of(Pair(both, both)), "a.example") == {"a.example"}


def test_without_memory_files_a_private_temporary_file_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.memfd_create", raising=False)
    check_pair(GOOD)
