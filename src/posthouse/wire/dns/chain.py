"""What an answer says about a name: its records, at the end of a chain of aliases (RFC 1034 §3.6.2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from posthouse.wire.dns.message import Data, Record, RecordType
from posthouse.wire.dns.name import DnsFormatError

CHAIN_MAX: Final = 16  # aliases that are followed, over all messages of one lookup


@dataclass(frozen=True, slots=True)
class Found:
    """data: what is at the end of the chain; empty when the message says nothing about `name`, the end."""

    name: str
    data: tuple[Data, ...]
    ttl: int  # seconds; the least of all records on the way
    links: int  # aliases followed


def follow(answers: Sequence[Record], name: str, kind: RecordType) -> Found:
    """Go from a name to its records of a type. Raises DnsFormatError for a chain that is endless or too long."""
    aliases = {record.name: record for record in answers if record.type is RecordType.CNAME}
    ttls: list[int] = []
    for links in range(CHAIN_MAX + 1):
        records = [record for record in answers if record.type is kind and record.name == name]
        if records or name not in aliases:
            ttls += [record.ttl for record in records]
            return Found(name, tuple(record.data for record in records), min(ttls, default=0), links)
        ttls.append(aliases[name].ttl)
        name = str(aliases[name].data)
    raise DnsFormatError("chain of aliases is endless or too long")
