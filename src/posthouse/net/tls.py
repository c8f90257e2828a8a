"""TLS contexts of our side, from certificates in memory."""

import contextlib
import os
import ssl
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

# Chooses a context by the name that a peer asks for, None if it names none, whatever typeshed says.
_SniCallback = Callable[[ssl.SSLObject, str, ssl.SSLContext], None]


_MISMATCH = ("KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH", "NO_CERTIFICATE_ASSIGNED")


class KeyPair(Protocol):
    """A certificate chain, its own certificate first, and the private key; both PEM."""

    @property
    def chain(self) -> bytes: ...
    @property
    def key(self) -> bytes: ...


class BadKeyPair(Exception):
    """A certificate and its key cannot be used; the text says why. `part`: "certificate", "key" or "pair"."""

    def __init__(self, part: str, text: str) -> None:
        super().__init__(text)
        self.part = part


@dataclass(frozen=True, slots=True)
class TlsOptions:
    """What a context allows.

    ciphers: OpenSSL's names, for TLS 1.2 and older; () is the library's choice.
    groups: OpenSSL's names of curves, best first; () is the library's choice.
    """

    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
    maximum: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED
    ciphers: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()


def server_context(options: TlsOptions, pairs: Sequence[KeyPair]) -> ssl.SSLContext:
    """A context for servers: the first certificate is the default, others are chosen by SNI.

    Certificates for the same names share a context: there the peer's signature algorithms choose (RSA or ECDSA).
    Raises BadKeyPair.
    """
    if len(pairs) == 1:
        return _loaded(options, pairs)
    groups: dict[frozenset[str], list[KeyPair]] = {}
    for pair in pairs:
        groups.setdefault(_names(pair.chain), []).append(pair)
    contexts = {names: _loaded(options, group) for names, group in groups.items()}
    by_name: dict[str, ssl.SSLContext] = {}
    for names, context in contexts.items():
        for name in names:
            by_name.setdefault(name, context)
    default = next(iter(contexts.values()))
    default.sni_callback = _chooser(by_name)
    return default


def follow(context: ssl.SSLContext, current: Callable[[], ssl.SSLContext]) -> None:
    """Let handshakes that begin with `context` use the certificates of the current one, from now on."""
    own = context.sni_callback

    def choose(connection: ssl.SSLObject, name: str, _: ssl.SSLContext) -> None:
        now = current()
        connection.context = now
        callback = own if now is context else now.sni_callback
        if callback is not None:
            callback(connection, name, now)

    context.sni_callback = choose


def check_pair(pair: KeyPair) -> None:
    """Raises BadKeyPair when a server could not use this certificate and key."""
    _loaded(TlsOptions(), [pair])


def offers_cipher(options: TlsOptions, name: str) -> bool:
    """Whether the TLS library can offer a cipher; `name` is OpenSSL's."""
    try:
        _plain_context(replace(options, ciphers=(name,)))
    except ssl.SSLError:
        return False
    return True


def offers_groups(count: int) -> bool:
    """Whether that many curves can be set; Python below 3.15 takes only one."""
    return count <= 1 or hasattr(ssl.SSLContext, "set_groups")


def set_groups(context: ssl.SSLContext, groups: Sequence[str]) -> None:
    """Set the curves for the key exchange, best first; none leaves the library's choice. See `offers_groups`."""
    if len(groups) == 1:
        context.set_ecdh_curve(groups[0])
    elif groups:
        context.set_groups(":".join(groups))  # type: ignore[attr-defined]  # Python 3.15, see offers_groups


def _loaded(options: TlsOptions, pairs: Sequence[KeyPair]) -> ssl.SSLContext:
    context = _plain_context(options)
    for pair in reversed(pairs):  # of two with the same kind of key the last one loaded stays
        _load(context, pair)
    return context


def _plain_context(options: TlsOptions) -> ssl.SSLContext:
    """Without certificates. No tickets, no renegotiation, no compression (R-038)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.options |= ssl.OP_NO_TICKET | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    context.num_tickets = 0
    is_old = options.minimum in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # who asks for an old version shall have it
        context.maximum_version = options.maximum
        context.minimum_version = options.minimum
    if options.ciphers or is_old:  # OpenSSL has no ciphers for old versions above level 0
        context.set_ciphers(":".join(options.ciphers or ("DEFAULT",)) + ":@SECLEVEL=0" * is_old)
    set_groups(context, options.groups)
    return context


def _load(context: ssl.SSLContext, pair: KeyPair) -> None:
    try:
        with _as_file(pair.chain) as chain, _as_file(pair.key) as key:
            context.load_cert_chain(chain, key, password=_no_password)
    except _EncryptedKey as err:
        raise BadKeyPair("key", "a key with a password cannot be used") from err
    except ssl.SSLError as err:
        raise _diagnosis(pair, err) from err


class _EncryptedKey(Exception):
    pass


def _no_password() -> str:
    raise _EncryptedKey


def _diagnosis(pair: KeyPair, error: ssl.SSLError) -> BadKeyPair:
    if error.reason in _MISMATCH:
        return BadKeyPair("pair", "the key does not belong to the certificate")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(
            cadata=pair.chain.decode("ascii", "replace")
        )
    except (ssl.SSLError, ValueError):
        return BadKeyPair("certificate", "no certificate in PEM format")
    if b"PRIVATE KEY-----" not in pair.key or not error.reason or error.library == "PEM":
        return BadKeyPair("key", "no private key in PEM format")
    return BadKeyPair("pair", error.reason.lower().replace("_", " "))


@contextlib.contextmanager
def _as_file(data: bytes) -> Iterator[str]:
    """A path to read `data` from, for nobody else: OpenSSL takes certificates from files only."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("key", os.MFD_CLOEXEC)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            yield f"/proc/self/fd/{descriptor}"
    else:
        from tempfile import NamedTemporaryFile

        with NamedTemporaryFile() as file:
            file.write(data)
            file.flush()
            yield file.name


def _names(chain: bytes) -> frozenset[str]:
    """The host names of a chain's first certificate, in lower case."""
    from cryptography import x509  # 16 MiB that only a server with several certificates needs

    try:
        certificate = x509.load_pem_x509_certificate(chain)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except ValueError as err:
        raise BadKeyPair("certificate", "no certificate in PEM format") from err
    except x509.ExtensionNotFound:
        return frozenset()
    return frozenset(name.lower() for name in names.get_values_for_type(x509.DNSName))


def _chooser(contexts: dict[str, ssl.SSLContext]) -> _SniCallback:
    def choose(connection: ssl.SSLObject, name: str, _: ssl.SSLContext) -> None:
        """`name` comes from the peer and may be anything (R-045); an unknown one gets the default."""
        name = (name or "").lower().removesuffix(".")
        context = contexts.get(name) or contexts.get("*." + name.partition(".")[2])
        if context is not None:
            connection.context = context

    return choose
