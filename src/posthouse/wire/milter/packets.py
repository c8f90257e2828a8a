"""Packets of the milter protocol: a length of four octets, then a letter and its data."""

from struct import Struct
from typing import Final, NamedTuple

from posthouse.wire.lines import ProtocolError

PACKET_MAX: Final = 1_048_576  # octets of a packet that we take: the most of any version (SMFIP_MDS_1M)
DATA_MAX: Final = 65_535  # octets of data that filters take unless they ask for more (MILTER_CHUNK_SIZE)

_LENGTH: Final = Struct("!I")


class Packet(NamedTuple):
    letter: bytes
    data: bytes


class PacketBuffer:
    """Octets that have arrived, given out as whole packets."""

    __slots__ = ("_data",)

    def __init__(self) -> None:
        self._data = bytearray()

    def __len__(self) -> int:
        return len(self._data)

    def feed(self, octets: bytes) -> None:
        self._data += octets

    def packet(self) -> Packet | None:
        """The next packet, or None until it is complete.

        Raises ProtocolError for a length that no packet has, as soon as it is seen.
        """
        if len(self._data) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(self._data)
        if not 1 <= length <= PACKET_MAX:
            raise ProtocolError(f"a packet of {length} octets")
        end = _LENGTH.size + length
        if len(self._data) < end:
            return None
        letter, data = self._data[4:5], self._data[5:end]
        del self._data[:end]
        return Packet(bytes(letter), bytes(data))


def packed(letter: bytes, data: bytes = b"") -> bytes:
    """A packet as it goes over the wire."""
    return _LENGTH.pack(1 + len(data)) + letter + data


def strings(*values: bytes) -> bytes:
    """Values of a packet, each with its NUL. One ends at a NUL of its own, all where the packet would be too long."""
    joined = b"\0".join(value.partition(b"\0")[0] for value in values)
    return joined[: DATA_MAX - 1] + b"\0"


def split_strings(data: bytes, count: int) -> list[bytes]:
    """That many values, each ended by a NUL, and nothing else. Raises ProtocolError."""
    values = data.split(b"\0")
    if len(values) != count + 1 or values.pop():
        raise ProtocolError(f"{count} strings expected")
    return values
