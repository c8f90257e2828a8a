"""ENVELOPEs as the database has them, taken apart. One that is damaged is as one without any field."""

from posthouse.message.address_list import Address
from posthouse.message.envelope import Envelope, addresses_in, split_envelope, string_in

_EMPTY = Envelope(*[b"NIL"] * len(Envelope._fields))


def fields_of(envelope: bytes) -> Envelope:
    try:
        return split_envelope(envelope)
    except ValueError:
        return _EMPTY


def addresses_of(field: bytes) -> list[Address]:
    try:
        return addresses_in(field)
    except ValueError:
        return []


def date_of(envelope: bytes) -> bytes:
    """The value of the Date field."""
    return string_in(fields_of(envelope).date)


def subject_of(envelope: bytes) -> bytes:
    """The value of the Subject field."""
    return string_in(fields_of(envelope).subject)
