"""The domain in From (RFC 9989 §5.3.1, §11.5; R-141, R-154): one, or none."""

import pytest

from posthouse.mailauth.dmarc.author import author_domain
from posthouse.message.header import Header
from posthouse.message.originators import MalformedField


@pytest.mark.parametrize(
    ("value", "domain"),
    [
        pytest.param("ann@example.org", "example.org", id="bare"),
        pytest.param("Ann <ann@EXAMPLE.org>", "example.org", id="in brackets, in capitals"),
        pytest.param("ann@exämple.org", "xn--exmple-cua.org", id="R-085: U-label"),
        pytest.param("ann@XN--exmple-cua.org", "xn--exmple-cua.org", id="R-085: A-label"),
        pytest.param('"ceo@bank.test" <ann@example.org>', "example.org", id="address as a name"),
        pytest.param('"a@bank.test"@example.org', "example.org", id="@ in the local part"),
        pytest.param("Us: ann@example.org;", "example.org", id="group of one"),
        pytest.param("Nobody:;, ann@example.org", "example.org", id="empty group beside"),
        pytest.param("ann@a!b.example.org", "a!b.example.org", id="no name of a host"),
    ],
)
def test_one_address_in_one_field_has_the_domain(value: str, domain: str) -> None:
    assert author_domain([value.encode()]) == domain


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        pytest.param([], "no From", id="none"),
        pytest.param([b"a@b.test", b"a@b.test"], "several From", id="two fields, the same"),
        pytest.param([b"a@b.test", b""], "several From", id="two fields, one empty"),
        pytest.param([b"a@b.test, c@d.test"], "several addresses", id="two addresses"),
        pytest.param([b"a@b.test, c@b.test"], "several addresses", id="two addresses of one domain"),
        pytest.param([b"g: a@b.test, c@d.test;"], "several addresses", id="group of two"),
        pytest.param([b"g:;"], "no address", id="empty group"),
        pytest.param([b""], "not a list", id="empty"),
        pytest.param([b"<>"], "not a list", id="nobody"),
        pytest.param([b"a@[192.0.2.1]"], "no domain name", id="address literal"),
        pytest.param([b"a@b.test\0"], "octet", id="NUL"),
        pytest.param([b"a@b.test <c@d.test>"], "not a list", id="two readings"),
        pytest.param([b"a@xn--a-.test"], "not valid", id="malformed A-label"),
    ],
)
def test_R_141_R_154_else_there_is_none(fields: list[bytes], word: str) -> None:
    with pytest.raises(MalformedField, match=word):
        author_domain(fields)


def test_R_141_a_folded_field_is_read_whole() -> None:
    header = Header.parse(b"From: Ann\r\n <ann@\r\n\texample.org>\r\n\r\n")
    assert author_domain(header.get_all(b"from")) == "example.org"
