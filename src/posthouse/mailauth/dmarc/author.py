"""The domain that a message says to be from (RFC 9989 §5.3.1)."""

from collections.abc import Sequence

from posthouse.mailauth.domains import normal_domain
from posthouse.message.address import AddressError, split
from posthouse.message.originators import MalformedField, parse_originators


def author_domain(from_fields: Sequence[bytes]) -> str:
    """The domain, as `normal_domain` gives it, of the one address in the one From field. A group may hold it.

    from_fields: the values of all From fields. Raises MalformedField if there is not exactly one address that all
    readers find, or if it is at an address literal.
    """
    if len(from_fields) != 1:
        raise MalformedField("several From fields" if from_fields else "no From field")
    addresses = parse_originators(from_fields[0])
    if len(addresses) != 1:
        raise MalformedField("several addresses in From" if addresses else "no address in From")
    try:
        return normal_domain(split(addresses[0])[1])
    except AddressError as err:
        raise MalformedField("the address in From has no domain name") from err
