"""The modifier: which key signs which fields of a message."""

import asyncio
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from posthouse.framework.buffer import Body
from posthouse.framework.config.settings import arguments, directive, settings
from posthouse.framework.config.values import boolean, duration, enum, string, strings
from posthouse.framework.interfaces.message import Envelope
from posthouse.framework.interfaces.modifier import ModifierState
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.spool import hash_body
from posthouse.mailauth.dkim.canonical import BodyHash, Canonicalization
from posthouse.mailauth.dkim.names import ascii_domain, key_name
from posthouse.mailauth.dkim.private_key import PrivateKey
from posthouse.mailauth.dkim.sign import Signer
from posthouse.message.address import AddressError, dns_for_lookup, select_idna, split
from posthouse.message.header import Header
from posthouse.modules.modify.dkim.key_file import (
    NEW_KEYS,
    is_missing,
    load_key,
    make_key,
    others_may_read,
    record_path,
)

OVERSIGNED: Final = (
    "Subject Sender To Cc From Date MIME-Version Content-Type Content-Transfer-Encoding"
    " Reply-To In-Reply-To Message-Id References Autocrypt Openpgp"
)
SIGNED: Final = (
    "List-Id List-Help List-Unsubscribe List-Post List-Owner List-Archive"
    " Resent-To Resent-Sender Resent-Message-Id Resent-Date Resent-From Resent-Cc"
)
NAMES_MAX: Final = 1000  # in a signature; most of these fields come once (RFC 5322 §3.6)
EXPIRY: Final = 5 * 86_400.0  # seconds
_FIELD_NAME = re.compile(
    r"[!-9<-~]+"
)  # RFC 5322 §3.6.8, but no semicolon, which ends the list in a signature
_canonicalization: Final = enum(*Canonicalization)


class Signers(NamedTuple):
    """Who signs for a domain: with A-labels, and with U-labels for messages with UTF-8 (RFC 8616 §4)."""

    ascii: Signer
    utf8: Signer


class Dkim(Module):
    @settings
    class Settings:
        args: tuple[str, ...] = arguments(help="[DOMAIN... SELECTOR]")
        domains: tuple[str, ...] = directive(
            strings, default=(), default_text="those of the arguments", help="that messages are signed for"
        )
        selector: str = directive(
            string,
            default="",
            default_text="the last argument",
            help="of the keys, in the names of their records",
        )
        key_path: str = directive(
            string,
            default="dkim_keys/{domain}_{selector}.key",
            help="of each domain's private key, RSA or Ed25519 in PEM; a relative one is below state_dir",
        )
        oversign_fields: tuple[str, ...] = directive(
            strings,
            default=tuple(OVERSIGNED.split()),
            default_text=f"`{OVERSIGNED}`",
            help="signed so that nobody can add one of them",
        )
        sign_fields: tuple[str, ...] = directive(
            strings,
            default=tuple(SIGNED.split()),
            default_text=f"`{SIGNED}`",
            help="signed as often as they are there",
        )
        header_canon: str = directive(
            _canonicalization, default="relaxed", help="`simple`: no change of the header is forgiven"
        )
        body_canon: str = directive(
            _canonicalization, default="relaxed", help="`simple`: no change of the body is forgiven"
        )
        sig_expiry: float = directive(
            duration, default=EXPIRY, help="how long a signature holds; 0 is for ever"
        )
        hash_: str = directive(enum("sha256"), default="sha256", help="there is no other")
        newkey_algo: str = directive(enum(*NEW_KEYS), default="rsa2048", help="of a key that is made")
        allow_multiple_from: bool = directive(
            boolean, default=False, help="sign messages with several From fields, too"
        )
        sign_subdomains: bool = directive(
            boolean, default=False, help="sign for the domains below the one domain in its name"
        )
        require_sender_match: tuple[str, ...] = directive(
            strings, default=(), help="does nothing: `check.authorize_sender` says who may send as whom"
        )
        debug: bool = directive(boolean, default=False, inherit=True, help="log each signature")

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.context = context
        domains, self._selector = _names(settings)
        self.first = next(iter(domains))
        if settings.sign_subdomains and len(domains) > 1:
            raise ValueError("sign_subdomains is for one domain only")
        if 0 < settings.sig_expiry < 1:
            raise ValueError("sig_expiry is at least 1s, or 0")
        self.oversigned = _field_names(settings.oversign_fields)
        self.signed = _field_names(settings.sign_fields, without=self.oversigned)
        if "from" not in {*self.oversigned, *self.signed}:
            raise ValueError("From must be signed: it is in neither oversign_fields nor sign_fields")
        self._paths = {domain: self._path(written) for domain, written in domains.items()}
        for path in self._paths.values():
            if not is_missing(path):
                load_key(path)
        self._signers: dict[str, Signers] = {}

    async def prepare(self) -> None:
        log, settings = self.context.log, self.settings
        if settings.require_sender_match:
            log.info("require_sender_match does nothing: check.authorize_sender says who may send as whom")
        missing = set(filter(is_missing, self._paths.values()))  # several domains may share a key
        for path in missing:
            await asyncio.to_thread(make_key, path, settings.newkey_algo)  # of RSA it takes a while
        for domain, path in self._paths.items():
            if path in missing:
                log.info(
                    "new key for signatures: publish the contents of the file as a TXT record",
                    key=str(path),
                    file=str(record_path(path)),
                    record=key_name(ascii_domain(domain), self._selector),
                )
            elif others_may_read(path):
                log.info(
                    "other users may read or change this private key: take their rights away", key=str(path)
                )

    async def start(self) -> None:
        for domain, path in self._paths.items():
            key = load_key(path)
            self._signers[domain] = Signers(
                self._signer(domain, key, utf8=False), self._signer(domain, key, utf8=True)
            )

    def start_modifier(self, envelope: Envelope) -> "DkimState":
        return DkimState(self, envelope)

    @property
    def is_started(self) -> bool:
        """Whether there are keys. Without them a message is only rehearsed (`posthouse explain`)."""
        return bool(self._signers)

    def signer(self, domain: str, *, utf8: bool) -> Signer | None:
        """Who signs for senders of a domain, in its lookup form; None: nobody does."""
        if self.settings.sign_subdomains and domain.endswith("." + self.first):
            domain = self.first
        signers = self._signers.get(domain)
        return signers and (signers.utf8 if utf8 else signers.ascii)

    def _path(self, domain: str) -> Path:
        name = self.settings.key_path.replace("{domain}", domain).replace("{selector}", self._selector)
        return self.context.paths.state / name

    def _signer(self, domain: str, key: PrivateKey, *, utf8: bool) -> Signer:
        domain = select_idna(domain, utf8=utf8)
        return Signer(
            domain,
            select_idna(self._selector, utf8=utf8),
            key,
            Canonicalization(self.settings.header_canon),
            Canonicalization(self.settings.body_canon),
            identity=f"@{domain}",
        )


class DkimState(ModifierState):
    def __init__(self, modifier: Dkim, envelope: Envelope) -> None:
        self._modifier = modifier
        self._envelope = envelope
        self._log = envelope.log.seen_by(modifier.context.log)
        self._sender = ""

    async def rewrite_sender(self, sender: str) -> str:
        self._sender = sender
        return sender

    async def rewrite_body(self, header: Header, body: Body) -> None:
        """Raises OSError where the body cannot be read: better later than without a signature."""
        if not self._modifier.is_started:
            return
        domain = self._domain()
        signer = self._modifier.signer(domain, utf8=self._envelope.options.utf8)
        if signer is None:
            self._log.info("no key for domain", domain=domain)
            return
        names = list(_fields_to_sign(header, self._modifier))
        if why := self._why_not(header.count(b"From"), len(names)):
            self._log.info("not signed", reason=why, domain=domain)
            return
        digest = BodyHash(signer.body_way)
        await hash_body(body, digest.update)
        self._sign(header, digest, signer, names)

    def _sign(self, header: Header, body: BodyHash, signer: Signer, names: Sequence[str]) -> None:
        """Put the signature on top.

        Not in a thread: RSA with 2048 bits takes 0.24 ms (with 4096 bits 1.4 ms, Ed25519 0.02 ms) and keeps the interpreter
        to itself, so that nothing would run beside it.
        """
        now, expiry = int(self._modifier.context.world.clock.time()), int(self._modifier.settings.sig_expiry)
        expires = now + expiry if expiry else None
        header.add_raw(signer.sign(header, body, names, signed_at=now, expires=expires))
        self._log.debug("signed", domain=signer.domain, selector=signer.selector)

    def _domain(self) -> str:
        """The domain of the sender in its lookup form; the first of ours for `<>` and `<postmaster>`."""
        if not self._sender:
            return self._modifier.first
        try:
            domain = split(self._sender)[1]
            return dns_for_lookup(domain) if domain else self._modifier.first
        except AddressError:
            return ""

    def _why_not(self, froms: int, names: int) -> str:
        """Why a message is not signed that has so many From fields, and so many to sign (RFC 6376 §5.4, §8.15); empty: it is."""
        if not froms:
            return "there is no From"
        if froms > 1 and not self._modifier.settings.allow_multiple_from:
            return "there is more than one From"
        if names > NAMES_MAX:
            return "there are too many fields to sign"
        return ""


def _fields_to_sign(header: Header, modifier: Dkim) -> Iterator[str]:
    for name in modifier.oversigned:
        yield from [name] * (header.count(name.encode()) + 1)
    for name in modifier.signed:
        yield from [name] * header.count(name.encode())


def _names(settings: Dkim.Settings) -> tuple[dict[str, str], str]:
    """Domains as they are looked up, each with how it is written first, and the selector. Raises ValueError."""
    if len(settings.args) == 1:
        raise ValueError("at least two arguments are expected: DOMAIN... SELECTOR")
    domains = settings.domains or settings.args[:-1]
    selector = settings.selector or "".join(settings.args[-1:])
    if not domains or not selector:
        raise ValueError("at least one domain and a selector are required")
    found: dict[str, str] = {}
    for domain in domains:
        try:
            key_name(ascii_domain(domain), selector)  # they make names of files, too
            found.setdefault(dns_for_lookup(domain), domain)
        except ValueError as err:
            raise ValueError(f"domain {domain} with selector {selector}: {err}") from err
    return found, selector


def _field_names(names: Sequence[str], without: Iterable[str] = ()) -> tuple[str, ...]:
    """Names of fields in lower case, each once. Raises ValueError."""
    for name in names:
        if not _FIELD_NAME.fullmatch(name):
            raise ValueError(f"{name} is no name of a header field")
    found = dict.fromkeys(name.lower() for name in names)
    return tuple(name for name in found if name not in set(without))
