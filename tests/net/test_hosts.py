from ipaddress import ip_address

from hypothesis import given
from hypothesis import strategies as st

from posthouse.net.hosts import parse_hosts

HOSTS = """
127.0.0.1\tlocalhost  # loopback
::1 localhost ip6-localhost

192.0.2.1 Mail.Example.ORG mail # comment
192.0.2.2 mail.example.org
not-an-address name
192.0.2.3
192.0.2.4 bad..name good
#192.0.2.5 commented
"""


def test_names_are_known_by_all_their_addresses() -> None:
    known = parse_hosts(HOSTS).addresses
    assert known["localhost"] == [ip_address("127.0.0.1"), ip_address("::1")]
    assert known["mail.example.org"] == [ip_address("192.0.2.1"), ip_address("192.0.2.2")]
    assert set(known) == {"localhost", "ip6-localhost", "mail.example.org", "mail", "good"}


def test_addresses_are_known_by_all_their_names() -> None:
    known = parse_hosts(HOSTS).names
    assert known[ip_address("192.0.2.1")] == ["mail.example.org", "mail"]
    assert ip_address("192.0.2.3") not in known


@given(st.text(alphabet="1.:ab \n#\\", max_size=50))
def test_any_text_is_read(text: str) -> None:
    parse_hosts(text)
