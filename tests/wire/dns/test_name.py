import dns.exception
import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.dns.name import DnsFormatError, canonical, mixed_case, name_to_bytes, read_name


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("", b"\0"),
        (".", b"\0"),
        ("Example.ORG", b"\7Example\3ORG\0"),
        ("example.org.", b"\7example\3org\0"),
        ("_dmarc.x-1.org", b"\6_dmarc\3x-1\3org\0"),
        (r"a\.b.c\000d\\", b"\3a.b\4c\0d\\\0"),
        (r"a\..", b"\2a.\0"),
        ("x" * 63, b"\x3f" + b"x" * 63 + b"\0"),
    ],
)
def test_names_are_written(name: str, wire: bytes) -> None:
    assert name_to_bytes(name) == wire


@pytest.mark.parametrize(
    "name",
    [
        "a..b",
        ".a",
        "..",
        "x" * 64,
        ".".join(["x" * 63] * 4),
        "ä.org",
        "a\\",
        r"a.\256",
        "a." * 100_000,
        "\\" * 3,
    ],
)
def test_names_that_cannot_be_are_refused(name: str) -> None:
    with pytest.raises(DnsFormatError):
        name_to_bytes(name)


def test_the_longest_name_is_written_and_read() -> None:
    name = ".".join(["x" * 63] * 3 + ["x" * 61])
    assert len(name_to_bytes(name)) == 255
    assert read_name(name_to_bytes(name), 0) == (name, 255)


def test_a_name_is_read_through_pointers() -> None:
    message = b"\3ORG\0" + b"\7example\xc0\0" + b"\3www\xc0\5" + b"\xc0\x0f"
    assert read_name(message, 15) == ("www.example.org", 21)
    assert read_name(message, 21) == ("www.example.org", 23)


@pytest.mark.parametrize(
    ("message", "at"),
    [
        pytest.param(b"\xc0\0", 0, id="to itself"),
        pytest.param(b"\1a\xc0\0", 0, id="to its own beginning"),
        pytest.param(b"\xc0\2\xc0\0", 0, id="forward"),
        pytest.param(b"\xc0\2\xc0\0", 2, id="round"),
        pytest.param(b"\1a", 0, id="no end"),
        pytest.param(b"\5abc", 0, id="label cut off"),
        pytest.param(b"\xc0", 0, id="pointer cut off"),
        pytest.param(b"\0", 5, id="behind the end"),
        pytest.param(b"\x41a\0", 0, id="label type 01"),
        pytest.param(b"\x80a\0", 0, id="label type 10"),
        pytest.param((b"\x3f" + b"a" * 63) * 4 + b"\0", 0, id="too long"),
        pytest.param(
            b"\0" + b"".join((0xC000 | (1 + 2 * i - 2 if i else 0)).to_bytes(2, "big") for i in range(200)),
            399,
            id="many pointers",
        ),
    ],
)
def test_malformed_names_are_refused(message: bytes, at: int) -> None:
    with pytest.raises(DnsFormatError):
        read_name(message, at)


def test_R_163_no_control_character_gets_into_a_name() -> None:
    name, _ = read_name(b'\x0ba\r\nb c\x1b\x7f\xe4"<\3Com\0', 0)
    assert name == r"a\013\010b\032c\027\127\228" + '"<.com'
    assert name.isprintable()


def test_canonical_names_compare_equal() -> None:
    assert canonical("MX.Example.org.") == canonical("mx.example.ORG") == "mx.example.org"


@given(st.binary(max_size=300), st.integers(0, 300))
def test_R_142_any_octets_are_read_or_refused_as_dnspython_does(message: bytes, at: int) -> None:
    try:
        name, end = read_name(message, at)
    except DnsFormatError:
        with pytest.raises((dns.exception.DNSException, IndexError, AssertionError)):
            dns.name.from_wire(message, at)
        return
    theirs, used = dns.name.from_wire(message, at)
    assert name_to_bytes(name) == theirs.canonicalize().to_wire()
    assert end == at + used


@given(st.text(alphabet=st.characters(codec="ascii"), max_size=80))
def test_R_142_what_is_written_reads_back(name: str) -> None:
    try:
        wire = name_to_bytes(name)
    except DnsFormatError:
        return
    read, end = read_name(wire, 0)
    assert end == len(wire)
    assert name_to_bytes(read).lower() == wire.lower()


@given(st.data())
def test_a_name_in_mixed_case_is_the_same_name(data: st.DataObject) -> None:
    name = data.draw(st.from_regex(r"[!-~]{0,60}", fullmatch=True))
    noise = data.draw(st.binary(min_size=len(name), max_size=len(name)))
    assert mixed_case(name, noise).lower() == name.lower()
    assert mixed_case(name, bytes(len(name))) == name
    assert mixed_case(name, b"\xff" * len(name)) == name.swapcase()
