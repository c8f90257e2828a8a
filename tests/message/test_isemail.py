"""The cases of isemail: where we judge an address otherwise than RFC 5321 and RFC 5322 do, and why.

`tests.xml` has 164 cases, `tests-original.xml` 279; both are read from the folder that POSTHOUSE_TESTDATA names.
"""

import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from posthouse.message.address import valid
from posthouse.message.originators import MalformedField, parse_originators
from posthouse.wire.smtp.path import PathError, parse_path

DEFAULT = Path(__file__).parents[3] / "shared" / "testdata"
FOLDER: Final = Path(os.environ.get("POSTHOUSE_TESTDATA", DEFAULT)) / "isemail"

SMTP: Final = frozenset({"VALID_CATEGORY", "DNSWARN", "RFC5321"})  # what an envelope may hold
_CONTROL = re.compile("[\u2400-\u241f\u2421]")  # how the files write control characters


class Case(NamedTuple):
    number: str
    address: str
    category: str
    diagnosis: str


class Difference(NamedTuple):
    """All cases of one diagnosis that are judged the other way."""

    diagnosis: str
    new: str  # numbers in tests.xml
    original: str  # numbers in tests-original.xml
    reason: str


# message.address.valid takes or refuses, where RFC 5321 does not.
ENVELOPE: Final = (
    Difference(
        "DEPREC_CFWS_NEAR_AT",
        "93 95",
        "",
        "no comment here, but a domain with parentheses, which DNS does not know",
    ),
    Difference(
        "DEPREC_COMMENT", "", "163", "no comment here, but a domain with parentheses, which DNS does not know"
    ),
    Difference("ERR_ATEXT_AFTER_DOMLIT", "113", "198", "the octets of a domain are left to DNS"),
    Difference(
        "ERR_BACKSLASHEND",
        "110 119",
        "",
        "no comment here, but a domain with odd octets, which DNS does not know",
    ),
    Difference(
        "ERR_CONSECUTIVEDOTS",
        "",
        "26 78 103 131",
        "dots may stand anywhere in a local part: there are such mailboxes",
    ),
    Difference(
        "ERR_DOMAINHYPHENEND",
        "31 102",
        "51 206 213",
        "what DNS cannot hold, DNS refuses; names with odd hyphens exist",
    ),
    Difference(
        "ERR_DOMAINHYPHENSTART",
        "30",
        "50 205",
        "what DNS cannot hold, DNS refuses; names with odd hyphens exist",
    ),
    Difference(
        "ERR_DOT_END",
        "16 35",
        "25 77 82 102 113 132 200",
        "as above; a dot behind a domain is the root of DNS, and left out where domains are compared",
    ),
    Difference(
        "ERR_DOT_START",
        "15",
        "24 76 104 130 133",
        "dots may stand anywhere in a local part: there are such mailboxes",
    ),
    Difference("ERR_EXPECTING_ATEXT", "62", "3 118", "the octets of a domain are left to DNS"),
    Difference("ERR_EXPECTING_DTEXT", "114", "", "the octets of a domain are left to DNS"),
    Difference(
        "ERR_EXPECTING_QPAIR",
        "160",
        "",
        "SMTPUTF8 lets a backslash stand before any character (RFC 6532 §3.2)",
    ),
    Difference(
        "ERR_UNCLOSEDCOMMENT",
        "105 109",
        "",
        "no comment here, but a domain with parentheses, which DNS does not know",
    ),
    Difference("ERR_UNCLOSEDDOMLIT", "106 118", "117", "the octets of a domain are left to DNS"),
    Difference("RFC5321_IPV6DEPRECATED", "71", "", "as any other address literal"),
    Difference("RFC5321_QUOTEDSTRING", "43", "31", "an empty local part is nobody (R-043)"),
    Difference("RFC5322_DOMAIN", "161", "", "the octets of a domain are left to DNS"),
    Difference(
        "RFC5322_DOMAINLITERAL",
        "63 64 65 66 112",
        "35 36 37 38 199",
        "address literals pass as they are: no rule names them, and none is ever connected to",
    ),
    Difference("RFC5322_DOMLIT_OBSDTEXT", "117", "149", "as any other address literal"),
    Difference(
        "RFC5322_IPV6_2X2XCOLON",
        "76 83",
        "44 234 237 240 242 245 248 256 259 261 266 271",
        "as any other address literal",
    ),
    Difference("RFC5322_IPV6_BADCHAR", "70", "46 47 158 263 265 267 268 269", "as any other address literal"),
    Difference("RFC5322_IPV6_COLONEND", "159", "243 246 272 274", "as any other address literal"),
    Difference("RFC5322_IPV6_COLONSTRT", "74 84", "232 235 238 255 273 275", "as any other address literal"),
    Difference("RFC5322_IPV6_GRPCOUNT", "67 69 78 80", "40 41 42 43 257", "as any other address literal"),
    Difference("RFC5322_IPV6_MAXGRPS", "73 82", "276", "as any other address literal"),
    Difference(
        "RFC5322_LABEL_TOOLONG",
        "28",
        "52",
        "labels may have 64 octets here, as in maddy; DNS refuses them later",
    ),
    Difference(
        "RFC5322_LOCAL_TOOLONG",
        "26 59 60",
        "23",
        "RFC 5321 §4.5.3.1.1 is a least, no most; the whole address is bounded",
    ),
    Difference(
        "RFC5322_TOOLONG",
        "39 40",
        "21",
        "RFC 5321 bounds the path at 256 octets, we the domain at 255 and the address at 320",
    ),
)

# message.originators, which reads the headers of submissions, takes or refuses, where RFC 5322 does not.
HEADER: Final = (
    Difference(
        "CFWS_COMMENT", "", "185", "comments inside of a local part or domain: readers differ about them"
    ),
    Difference("CFWS_FWS", "", "160", "a line end in quotes: a value is unfolded before it is read"),
    Difference(
        "DEPREC_CFWS_NEAR_AT",
        "86",
        "178 182 222",
        "blanks stand around `@` only: readers differ about others",
    ),
    Difference(
        "DEPREC_COMMENT",
        "165",
        "163 172",
        "comments inside of a local part or domain: readers differ about them",
    ),
    Difference(
        "DEPREC_FWS",
        "87",
        "152 177 224",
        "blanks inside of a local part or domain: readers differ about them",
    ),
    Difference(
        "DEPREC_LOCALPART",
        "54 56",
        "94 140 141 143 144 145 146 151 153 171 180 181",
        "a local part is one word: readers differ about several (RFC 5322 §4.4 is for old mail)",
    ),
    Difference("DEPREC_QP", "58 125 134 139", "123 226", "control characters in quotes are obsolete"),
    Difference("DEPREC_QTEXT", "124 138", "", "control characters in quotes are obsolete"),
    Difference(
        "ERR_CONSECUTIVEDOTS",
        "",
        "26 78 103 131",
        "as in an envelope: dots may stand anywhere in a local part",
    ),
    Difference(
        "ERR_CR_NO_LF",
        "127 128 130 131",
        "",
        "what stands in a comment is no matter, and no header has a bare CR (R-031)",
    ),
    Difference("ERR_DOMAINHYPHENEND", "31 102", "51 206 213", "what DNS cannot hold, DNS refuses"),
    Difference("ERR_DOMAINHYPHENSTART", "30", "50 205", "what DNS cannot hold, DNS refuses"),
    Difference("ERR_DOT_END", "16 35", "25 77 82 102 113 132 200", "as in an envelope: dots may stand there"),
    Difference(
        "ERR_DOT_START",
        "15",
        "24 76 104 130 133",
        "as in an envelope: dots may stand anywhere in a local part",
    ),
    Difference(
        "ERR_EXPECTING_ATEXT", "99 132", "278", "line ends are blanks: a value is unfolded before it is read"
    ),
    Difference(
        "ERR_EXPECTING_CTEXT",
        "135",
        "",
        "what stands in a comment is no matter, and no header has a bare LF (R-031)",
    ),
    Difference(
        "ERR_EXPECTING_QPAIR",
        "160",
        "",
        "SMTPUTF8 lets a backslash stand before any character (RFC 6532 §3.2)",
    ),
    Difference(
        "ERR_FWS_CRLF_END",
        "141 142 143 145 150 151 152 154",
        "",
        "line ends are blanks: a value is unfolded before it is read",
    ),
    Difference(
        "ERR_FWS_CRLF_X2",
        "146 147 155 156",
        "",
        "line ends are blanks: a value is unfolded before it is read",
    ),
    Difference("RFC5321_QUOTEDSTRING", "43", "31", "an empty local part is nobody (R-043)"),
    Difference("RFC5322_DOMAINLITERAL", "120", "", "a blank in a domain literal"),
    Difference(
        "RFC5322_DOMAIN_TOOLONG",
        "41",
        "34 115",
        "an author is an address to which one can answer: with the lengths of an envelope",
    ),
    Difference(
        "RFC5322_DOMLIT_OBSDTEXT", "115 116 117", "149", "a backslash in a domain literal is obsolete"
    ),
)


def cases(name: str) -> Iterator[Case]:
    path = FOLDER / name
    if not path.exists():
        pytest.skip(f"no {path} here: POSTHOUSE_TESTDATA names the folder of test data")
    for test in ET.parse(path).getroot().iter("test"):
        texts = [test.findtext(tag) or "" for tag in ("address", "category", "diagnosis")]
        address = _CONTROL.sub(lambda c: "\x7f" if c[0] == "\u2421" else chr(ord(c[0]) - 0x2400), texts[0])
        yield Case(str(test.get("id")), address, *(text.removeprefix("ISEMAIL_") for text in texts[1:]))


def in_header(address: str) -> bool:
    try:
        return len(parse_originators(address.encode())) == 1
    except MalformedField:
        return False


def judged_otherwise(
    name: str, judge: Callable[[str], bool], wanted: Callable[[str], bool]
) -> dict[str, str]:
    """By diagnosis the numbers of the cases."""
    found: dict[str, list[str]] = {}
    for case in cases(name):
        if judge(case.address) is not wanted(case.category):
            found.setdefault(case.diagnosis, []).append(case.number)
    return {diagnosis: " ".join(numbers) for diagnosis, numbers in found.items()}


@pytest.mark.parametrize(
    ("judge", "wanted", "differences"),
    [
        pytest.param(valid, SMTP.__contains__, ENVELOPE, id="envelope"),
        pytest.param(in_header, lambda category: category != "ERR", HEADER, id="header"),
    ],
)
def test_every_difference_has_its_reason(
    judge: Callable[[str], bool], wanted: Callable[[str], bool], differences: Sequence[Difference]
) -> None:
    assert judged_otherwise("tests.xml", judge, wanted) == {d.diagnosis: d.new for d in differences if d.new}
    assert judged_otherwise("tests-original.xml", judge, wanted) == {
        d.diagnosis: d.original for d in differences if d.original
    }
    assert all(d.reason for d in differences)


@pytest.mark.parametrize(("name", "count"), [("tests.xml", 164), ("tests-original.xml", 279)])
def test_what_is_good_for_smtp_is_a_path(name: str, count: int) -> None:
    """Of the others a path may take some: the pipeline refuses what has no lookup form."""
    found = list(cases(name))
    assert len(found) == count
    for case in found:
        try:
            _, rest = parse_path(f"<{case.address}>")
        except PathError:
            rest = "no path"
        if case.category in SMTP and not case.address.startswith('""'):
            assert rest == "", case
