from ipaddress import IPv4Address

import pytest

from posthouse.wire.dns.chain import CHAIN_MAX, Found, follow
from posthouse.wire.dns.message import Record, RecordType
from posthouse.wire.dns.name import DnsFormatError

ADDRESS = IPv4Address("192.0.2.1")


def alias(name: str, target: str, ttl: int = 300) -> Record:
    return Record(name, RecordType.CNAME, ttl, target)


def a(name: str, ttl: int = 300) -> Record:
    return Record(name, RecordType.A, ttl, ADDRESS)


def test_records_of_the_name_itself_are_found() -> None:
    assert follow([a("x", 60), a("x", 30)], "x", RecordType.A) == Found("x", (ADDRESS, ADDRESS), 30, 0)


def test_a_chain_is_followed_in_any_order_and_lasts_as_its_shortest_link() -> None:
    answers = [a("c"), alias("b", "c", 7), alias("a", "b")]
    assert follow(answers, "a", RecordType.A) == Found("c", (ADDRESS,), 7, 2)


def test_the_alias_itself_can_be_asked_for() -> None:
    assert follow([alias("a", "b")], "a", RecordType.CNAME) == Found("a", ("b",), 300, 0)


def test_R_161_records_of_another_name_are_no_answer() -> None:
    assert follow([a("evil")], "x", RecordType.A).data == ()
    assert follow([alias("x", "y"), a("evil")], "x", RecordType.A) == Found("y", (), 300, 1)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_R_161_a_loop_is_refused(length: int) -> None:
    answers = [alias(str(n), str((n + 1) % length)) for n in range(length)]
    with pytest.raises(DnsFormatError, match="endless"):
        follow(answers, "0", RecordType.A)


def test_R_161_a_chain_of_20_is_refused() -> None:
    answers = [alias(str(n), str(n + 1)) for n in range(20)] + [a("20"), a(str(CHAIN_MAX))]
    with pytest.raises(DnsFormatError, match="too long"):
        follow(answers[:20] + [a("20")], "0", RecordType.A)
    assert follow(answers, "0", RecordType.A).links == CHAIN_MAX
