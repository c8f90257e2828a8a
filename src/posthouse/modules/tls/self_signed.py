"""tls.loader.self_signed: a certificate that nobody vouches for, new at each start. For tests only."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from posthouse.framework.config.settings import arguments, settings
from posthouse.framework.interfaces.module import Context, Module
from posthouse.framework.interfaces.tls import Certificate

if TYPE_CHECKING:
    from cryptography.x509 import GeneralName

VALID_FOR: Final = timedelta(days=7)
ORGANISATION: Final = "Maddy Self-Signed"


class SelfSignedLoader(Module):
    @settings
    class Settings:
        names: tuple[str, ...] = arguments(
            help="[NAME...], host names and IP addresses that the certificate is for"
        )

    def __init__(self, settings: Settings, context: Context) -> None:
        for name in settings.names:
            if not name.isascii():
                raise ValueError(f"a host name must be ASCII: {name}")
        self._names = settings.names
        self._clock = context.world.clock
        self._certificates: tuple[Certificate, ...] = ()

    def certificates(self) -> Sequence[Certificate]:
        if not self._certificates:
            now = datetime.fromtimestamp(self._clock.time(), UTC)
            self._certificates = (self_signed(self._names, now),)
        return self._certificates

    async def start(self) -> None:
        self.certificates()  # now, and not in the first handshake


def self_signed(names: Sequence[str], now: datetime) -> Certificate:
    """A new P-256 key and a certificate for server authentication by it."""
    from cryptography import x509  # 16 MiB that only tests need
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, ORGANISATION)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + VALID_FOR)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    if names:
        alternatives = x509.SubjectAlternativeName([_general_name(name) for name in names])
        builder = builder.add_extension(alternatives, critical=True)  # there is no common name
    return Certificate(
        builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def _general_name(name: str) -> "GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)
