"""The `tls` and `tls_client` directives (spec/config-language §10, §12)."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from posthouse.core.log import Logger
from posthouse.framework.config.kinds import tls_loader
from posthouse.framework.config.node import ConfigError, Node
from posthouse.framework.config.scope import Scope
from posthouse.framework.config.settings import directive, parse_settings, settings
from posthouse.framework.config.values import Block, Several, enums, string, strings, without_block
from posthouse.framework.interfaces.tls import Certificate, RenewingLoader, ServerTls, TlsLoader
from posthouse.net.tls import TlsOptions, follow, offers_cipher, offers_groups, server_context, set_groups

VERSIONS: Final = {
    "tls1.0": ssl.TLSVersion.TLSv1,
    "tls1.1": ssl.TLSVersion.TLSv1_1,
    "tls1.2": ssl.TLSVersion.TLSv1_2,
    "tls1.3": ssl.TLSVersion.TLSv1_3,
}
GROUPS: Final = {"p256": "prime256v1", "p384": "secp384r1", "p521": "secp521r1", "X25519": "X25519"}

_RSA_CIPHERS: Final = {
    "RC4128-SHA": "RC4-SHA",
    "3DES-EDE-CBC-SHA": "DES-CBC3-SHA",
    "AES128-CBC-SHA": "AES128-SHA",
    "AES256-CBC-SHA": "AES256-SHA",
    "AES128-CBC-SHA256": "AES128-SHA256",
    "AES128-GCM-SHA256": "AES128-GCM-SHA256",
    "AES256-GCM-SHA384": "AES256-GCM-SHA384",
}
_ELLIPTIC_CIPHERS: Final = _RSA_CIPHERS | {"CHACHA20-POLY1305": "CHACHA20-POLY1305"}
_NO_CIPHERS: Final = frozenset({"ECDHE-ECDSA-WITH-3DES-EDE-CBC-SHA"})  # never was a cipher suite
CIPHERS: Final = {  # maddy's names to OpenSSL's
    f"RSA-WITH-{name}": openssl for name, openssl in _RSA_CIPHERS.items()
} | {
    f"{exchange}-WITH-{name}": f"{exchange}-{openssl}"
    for exchange in ("ECDHE-ECDSA", "ECDHE-RSA")
    for name, openssl in _ELLIPTIC_CIPHERS.items()
    if f"{exchange}-WITH-{name}" not in _NO_CIPHERS
}


@dataclass(frozen=True, slots=True)
class Versions:
    """The oldest and the newest version of TLS that is spoken. None: as the TLS library does."""

    minimum: ssl.TLSVersion | None = None
    maximum: ssl.TLSVersion = ssl.TLSVersion.MAXIMUM_SUPPORTED


def _versions(args: tuple[str, ...]) -> Versions:
    if len(args) > 2:
        raise ValueError("expected 1 or 2 arguments")
    for arg in args:
        if arg not in VERSIONS:
            raise ValueError(f"invalid TLS version value: {arg}")
    versions = Versions(VERSIONS[args[0]], VERSIONS[args[-1]])
    if args[0] > args[-1]:
        raise ValueError(f"the oldest version comes first: {args[-1]} {args[0]}")
    return versions


def _cipher_names(args: tuple[str, ...]) -> tuple[str, ...]:
    for arg in args:
        if arg not in CIPHERS:
            raise ValueError(f"unknown cipher: {arg}")
    return args


protocols = Several("VERSION, or OLDEST NEWEST", _versions)
ciphers = Several("cipher names", _cipher_names, " ".join)
curves = enums(*GROUPS)

_PROTOCOLS_HELP = f"versions of TLS: {', '.join(VERSIONS)}; a single one is the only one"
_CIPHERS_HELP = "cipher suites of TLS 1.2 and older, as ECDHE-RSA-WITH-AES128-GCM-SHA256"
_CURVES_HELP = "curves for the key exchange, best first"
_LIBRARY = "as the TLS library has it"


@settings
class TlsBlock:
    """What stands in the block of `tls`."""

    loader: TlsLoader | None = directive(
        tls_loader,
        default=None,
        default_text="named by the arguments of `tls`",
        help="where certificates come from",
    )
    protocols: Versions = directive(
        protocols,
        default=Versions(ssl.TLSVersion.TLSv1_2),
        default_text="tls1.2 and newer",
        help=_PROTOCOLS_HELP,
    )
    ciphers: tuple[str, ...] = directive(ciphers, default=(), default_text=_LIBRARY, help=_CIPHERS_HELP)
    curves: tuple[str, ...] = directive(curves, default=(), default_text=_LIBRARY, help=_CURVES_HELP)


@settings
class TlsClient:
    """How we are a client of TLS."""

    root_ca: tuple[str, ...] = directive(
        strings, default=(), default_text="the system's", help="PEM files of the authorities to trust"
    )
    cert: str = directive(string, default="", help="PEM file of our certificate; needs `key` to take effect")
    key: str = directive(string, default="", help="PEM file of its key")
    protocols: Versions = directive(
        protocols, default=Versions(), default_text=_LIBRARY, help=_PROTOCOLS_HELP
    )
    ciphers: tuple[str, ...] = directive(ciphers, default=(), default_text=_LIBRARY, help=_CIPHERS_HELP)
    curves: tuple[str, ...] = directive(curves, default=(), default_text=_LIBRARY, help=_CURVES_HELP)


class LoadedTls:
    """The certificates of a loader, under the options of a block."""

    def __init__(self, loader: TlsLoader, options: TlsOptions) -> None:
        self._loader = loader
        self._options = options
        self._certificates: Sequence[Certificate] = ()
        self._current: ssl.SSLContext | None = None  # with these certificates
        self._given: ssl.SSLContext | None = None
        self._is_followed = False

    def context(self) -> ssl.SSLContext:
        """Always the same one. Raises BadKeyPair where the loader did not check."""
        if self._given is None:
            self._given = self._now()
            if isinstance(self._loader, RenewingLoader):
                self._loader.on_renewal(self._follow)
            else:
                self._follow()
        return self._given

    def _follow(self) -> None:
        """Look at the loader at each handshake from now on. Not before it is needed: it has its cost, and OpenSSL then
        minds names (SNI) that are no text."""
        if self._given is not None and not self._is_followed:
            self._is_followed = True
            follow(self._given, self._now)

    def _now(self) -> ssl.SSLContext:
        certificates = self._loader.certificates()
        if self._current is None or certificates is not self._certificates:
            self._current = server_context(self._options, certificates)
            self._certificates = certificates
        return self._current


@dataclass(frozen=True, slots=True)
class ServerTlsKind:
    """`off`, or a loader with its arguments, or a block; None is off."""

    name: str = "off | LOADER [ARGUMENT...] | block"

    def parse(self, node: Node, scope: Scope) -> ServerTls | None:
        if node.args[:1] == ("off",):
            if len(without_block(node).args) > 1:
                raise ConfigError("expected 1 argument", at=node)
            return None
        block = parse_settings(TlsBlock, node, scope, args=())
        loader = block.loader
        if node.args:
            if loader is not None:
                raise ConfigError("duplicate directive: loader", at=node)
            loader = tls_loader.parse(replace(node, children=None), scope)
        if loader is None:
            raise ConfigError("missing required directive: loader", at=node)
        return LoadedTls(loader, _options(block, node, scope.registry.context("tls", node, scope).log))


server_tls = ServerTlsKind()
tls_client = Block("block", TlsClient)


def client_context(client: TlsClient | None) -> ssl.SSLContext:
    """How a peer's certificate is verified, and ours shown. Raises OSError for files that cannot be used."""
    context = ssl.create_default_context()
    if client is None:
        return context
    if client.root_ca:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        for path in client.root_ca:
            context.load_verify_locations(path)
    if client.cert and client.key:
        context.load_cert_chain(client.cert, client.key)
    if client.protocols.minimum is not None:
        context.minimum_version = client.protocols.minimum
    context.maximum_version = client.protocols.maximum
    offered = [
        CIPHERS[name]
        for name in client.ciphers
        if offers_cipher(TlsOptions(ssl.TLSVersion.TLSv1_2), CIPHERS[name])
    ]
    if offered:
        context.set_ciphers(":".join(offered))
    groups = [GROUPS[name] for name in client.curves]
    if offers_groups(len(groups)):
        set_groups(context, groups)
    return context


def _options(block: TlsBlock, node: Node, log: Logger) -> TlsOptions:
    options = TlsOptions(block.protocols.minimum or ssl.TLSVersion.TLSv1_2, block.protocols.maximum)
    offered = tuple(CIPHERS[name] for name in block.ciphers if offers_cipher(options, CIPHERS[name]))
    if block.ciphers and not offered:
        raise ConfigError("the TLS library offers none of these ciphers", at=node)
    for name in block.ciphers:
        if CIPHERS[name] not in offered:
            log.info("ignoring a cipher that the TLS library does not offer", cipher=name)
    groups = tuple(GROUPS[name] for name in block.curves)
    if not offers_groups(len(groups)):
        log.info("ignoring curves: this Python can set only one", curves=" ".join(block.curves))
        groups = ()
    return replace(options, ciphers=offered, groups=groups)
