from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.dns.message import (
    Data,
    MailExchange,
    Record,
    RecordType,
    StartOfAuthority,
    decode_response,
    encode_query,
)
from posthouse.wire.dns.name import DnsFormatError, canonical

QUESTION = dns.message.make_query("example.org", "MX", use_edns=True)
SOA = "example.org. 300 IN SOA ns.example.org. root.example.org. 1 2 3 4 60"


def response(
    *answers: str, authority: str = "", query: dns.message.Message = QUESTION
) -> dns.message.Message:
    """What dnspython makes of records in master file form."""
    made = dns.message.make_response(query, recursion_available=True)
    for section, texts in ((made.answer, answers), (made.authority, [authority] if authority else [])):
        for text in texts:
            name, ttl, record_class, kind, data = text.split(" ", 4)
            section.append(dns.rrset.from_text(name, int(ttl), record_class, kind, data))
    return made


@pytest.mark.parametrize("edns", [True, False])
@pytest.mark.parametrize("kind", [kind for kind in RecordType if kind is not RecordType.OPT])
def test_a_query_is_what_dnspython_reads(kind: RecordType, edns: bool) -> None:
    message = dns.message.from_wire(encode_query(4711, "WWW.example.org.", kind, edns=edns))
    assert message.id == 4711
    assert message.question[0].to_text() == f"WWW.example.org. IN {kind.name}"
    assert message.flags == dns.flags.RD
    assert (message.edns, message.payload) == ((0, 1232) if edns else (-1, 0))


@pytest.mark.parametrize(
    ("text", "kind", "data"),
    [
        ("192.0.2.1", RecordType.A, IPv4Address("192.0.2.1")),
        ("2001:db8::1", RecordType.AAAA, IPv6Address("2001:db8::1")),
        ("Mail.Example.org.", RecordType.CNAME, "mail.example.org"),
        ("host.example.org.", RecordType.PTR, "host.example.org"),
        ("10 mx.example.org.", RecordType.MX, MailExchange(10, "mx.example.org")),
        ("0 .", RecordType.MX, MailExchange(0, "")),
        ('"v=spf1 " "-all"', RecordType.TXT, b"v=spf1 -all"),
        ('""', RecordType.TXT, b""),
        ("ns.example.org. root.example.org. 1 2 3 4 3600", RecordType.SOA, StartOfAuthority(3600)),
    ],
)
def test_records_are_read(text: str, kind: RecordType, data: Data) -> None:
    read = decode_response(response(f"example.org. 300 IN {kind.name} {text}").to_wire())
    assert read.answers == (Record("example.org", kind, 300, data),)
    assert read.question == ("example.org", RecordType.MX)
    assert (read.id, read.rcode, read.truncated) == (QUESTION.id, 0, False)


def test_records_of_other_types_and_classes_are_left_out() -> None:
    made = response(
        "example.org. 300 IN NS ns.example.org.",
        "example.org. 300 CH TXT x",
        "x.org. 300 IN DNAME example.org.",
        "example.org. 300 IN SRV 0 0 25 mx.example.org.",
        "example.org. 5 IN A 192.0.2.1",
    )
    assert [record.type for record in decode_response(made.to_wire()).answers] == [RecordType.A]


@pytest.mark.parametrize(("ttl", "expected"), [(0, 0), (2**31 - 1, 2**31 - 1), (2**31, 0), (2**32 - 1, 0)])
def test_R_165_a_ttl_over_31_bits_is_none(ttl: int, expected: int) -> None:
    wire = response("example.org. 305419896 IN A 192.0.2.1").to_wire()
    wire = wire.replace(bytes.fromhex("12345678"), ttl.to_bytes(4, "big"))
    assert decode_response(wire).answers[0].ttl == expected


@pytest.mark.parametrize(
    ("authority", "expected"),
    [("", None), (SOA, 60), (SOA.replace(" 300 ", " 30 "), 30), ("example.org. 9 IN NS a.org.", None)],
)
def test_a_negative_answer_lasts_as_long_as_the_zone_says(authority: str, expected: int | None) -> None:
    made = response(authority=authority)
    made.set_rcode(dns.rcode.NXDOMAIN)
    read = decode_response(made.to_wire())
    assert (read.rcode, read.negative_ttl) == (3, expected)


def test_the_upper_bits_of_the_rcode_are_in_the_option_record() -> None:
    made = response()
    made.set_rcode(dns.rcode.BADVERS)
    assert decode_response(made.to_wire()).rcode == 16


def test_a_truncated_message_has_a_question_and_no_records() -> None:
    made = response("example.org. 300 IN A 192.0.2.1")
    made.flags |= dns.flags.TC
    for wire in (made.to_wire(), made.to_wire()[:-20]):
        read = decode_response(wire)
        assert read.truncated
        assert read.question == ("example.org", RecordType.MX)
        assert read.answers == ()


def test_an_error_may_repeat_no_question() -> None:
    read = decode_response(bytes.fromhex("1234 8001 0000 0000 0000 0000"))
    assert (read.id, read.rcode, read.question) == (0x1234, 1, None)


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes(11), id="half a header"),
        pytest.param(QUESTION.to_wire(), id="a query"),
        pytest.param(bytes.fromhex("1234 a800 0000 0000 0000 0000"), id="another opcode"),
        pytest.param(
            bytes.fromhex("1234 8000 0002 0000 0000 0000 00 0001 0001 00 0001 0001"), id="two questions"
        ),
        pytest.param(bytes.fromhex("1234 8000 0001 0001 0000 0000 00 0001 0001"), id="counts lie"),
        pytest.param(
            bytes.fromhex("1234 8000 0001 0001 0000 0000 00 0001 0001 00 0001 0001 00000001 0005 0102030405"),
            id="an address of 5 octets",
        ),
        pytest.param(
            bytes.fromhex("1234 8000 0001 0001 0000 0000 00 0001 0001 00 0010 0001 00000001 0002 0541"),
            id="a string over the record's end",
        ),
        pytest.param(
            bytes.fromhex(
                "1234 8000 0001 0001 0000 0000 00 0001 0001 00 000c 0001 00000001 0003 0141 00 00"[:-6]
            ),
            id="a name over the message's end",
        ),
        pytest.param(
            bytes.fromhex("1234 8000 0001 0001 0000 0000 00 0001 0001 00 000c 0001 00000001 0004 0141 0000"),
            id="octets behind a name",
        ),
        pytest.param(
            bytes.fromhex("1234 8000 0001 0001 0000 0000 00 0001 0001 00 0006 0001 00000001 0002 0000"),
            id="a short SOA",
        ),
    ],
)
def test_malformed_messages_are_refused(wire: bytes) -> None:
    with pytest.raises(DnsFormatError):
        decode_response(wire)


def test_R_161_a_TXT_record_of_64_kB_is_read() -> None:
    text = " ".join(['"' + "x" * 255 + '"'] * 250)
    (record,) = decode_response(response(f"example.org. 1 IN TXT {text}").to_wire(max_size=65535)).answers
    assert record.data == b"x" * 255 * 250


def test_R_161_500_targets_are_read() -> None:
    answers = [f"example.org. 1 IN MX {n} mx{n}.example.org." for n in range(500)]
    read = decode_response(response(*answers).to_wire(max_size=65535))
    assert [record.data for record in read.answers] == [
        MailExchange(n, f"mx{n}.example.org") for n in range(500)
    ]


NAMES = st.lists(st.text("abcXYZ019-_.\\ \u00ff", min_size=1, max_size=8), min_size=1, max_size=4).map(
    lambda labels: dns.name.Name([label.encode("latin-1") for label in labels] + [b""])
)
TTLS = st.integers(0, 2**31 - 1)
RDATA = st.one_of(
    st.ip_addresses(v=4).map(lambda ip: ("A", str(ip))),
    st.ip_addresses(v=6).map(lambda ip: ("AAAA", str(ip))),
    NAMES.map(lambda name: ("CNAME", name.to_text())),
    NAMES.map(lambda name: ("PTR", name.to_text())),
    st.tuples(st.integers(0, 65535), NAMES).map(lambda mx: ("MX", f"{mx[0]} {mx[1].to_text()}")),
    st.lists(st.binary(max_size=40), min_size=1, max_size=4).map(
        lambda strings: ("TXT", " ".join('"' + "".join(f"\\{c:03}" for c in s) + '"' for s in strings))
    ),
)


def ours(record: dns.rrset.RRset) -> Record:
    """A record of dnspython in our words."""
    (data,) = record
    kind = RecordType[data.rdtype.name]
    value: Data
    match kind:
        case RecordType.A | RecordType.AAAA:
            value = ip_address(data.address)
        case RecordType.MX:
            value = MailExchange(data.preference, canonical(data.exchange.to_text()))
        case RecordType.TXT:
            value = b"".join(data.strings)
        case _:
            value = canonical(data.target.to_text())
    return Record(canonical(record.name.to_text()), kind, record.ttl, value)


@given(NAMES, st.lists(st.tuples(NAMES, TTLS, RDATA), max_size=6))
def test_R_142_what_dnspython_writes_is_read_alike(
    asked: dns.name.Name, records: list[tuple[dns.name.Name, int, tuple[str, str]]]
) -> None:
    made = dns.message.make_response(dns.message.make_query(asked, "A"))
    for name, ttl, (kind, data) in records:
        made.answer.append(dns.rrset.from_text(name, ttl, "IN", kind, data))
    read = decode_response(made.to_wire())
    assert list(read.answers) == [ours(record) for record in made.answer]
    assert read.question == (canonical(asked.to_text()), RecordType.A)


@given(st.binary(max_size=200))
def test_R_142_any_octets_are_read_or_refused(data: bytes) -> None:
    for wire in (data, b"\0\0\x80\0\0\1\0\3\0\2\0\1\0\0\1\0\1" + data):
        with suppress(DnsFormatError):
            decode_response(wire)


@given(st.integers(12, 400), st.integers(0, 255))
def test_R_142_a_spoiled_octet_harms_nobody(at: int, octet: int) -> None:
    wire = bytearray(
        response(
            "example.org. 300 IN MX 10 mx.example.org.",
            "example.org. 300 IN TXT x",
            "mx.example.org. 300 IN AAAA 2001:db8::1",
            authority=SOA,
        ).to_wire()
    )
    wire[at % len(wire)] = octet
    with suppress(DnsFormatError):
        decode_response(bytes(wire))
