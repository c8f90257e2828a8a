import pytest
from hypothesis import given
from hypothesis import strategies as st

from posthouse.wire.smtp.path import PathError, parse_forward_path, parse_path, parse_reverse_path


@pytest.mark.parametrize(
    ("text", "address", "rest"),
    [
        ("<ann@example.org>", "ann@example.org", ""),
        ("<ann@example.org> SIZE=1", "ann@example.org", " SIZE=1"),
        ("ann@example.org", "ann@example.org", ""),
        ("ann@example.org SIZE=1", "ann@example.org", " SIZE=1"),
        ("<ann@example.org>x", "ann@example.org", "x"),
        ("<@one.example,@two.example:ann@example.org>", "ann@example.org", ""),
        ("@one.example:ann@example.org", "ann@example.org", ""),
        ('<"ann smith"@example.org>', "ann smith@example.org", ""),
        (r'<"a\"b\\c"@example.org>', r'a"b\c@example.org', ""),
        ('<"a@b"@example.org>', "a@b@example.org", ""),
        ("<ann@[192.0.2.1]>", "ann@[192.0.2.1]", ""),
        ("<ann@[IPv6:2001:db8::1]>", "ann@[IPv6:2001:db8::1]", ""),
        ("<jörg@bücher.example>", "jörg@bücher.example", ""),
        ("ann@not>validated", "ann@not", ">validated"),
        ("<ann@ex@ample.org>", "ann@ex@ample.org", ""),
    ],
)
def test_a_path_gives_its_address(text: str, address: str, rest: str) -> None:
    assert parse_path(text) == (address, rest)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("<>", id="the null path"),
        pytest.param("<postmaster>", id="no domain"),
        pytest.param("<@example.org>", id="no local part"),
        pytest.param("<ann@>", id="empty domain"),
        pytest.param("<ann@example.org", id="no bracket at the end"),
        pytest.param("<ann smith@example.org>", id="blank"),
        pytest.param("<a(b)@example.org>", id="comment"),
        pytest.param("<a,b@example.org>", id="comma"),
        pytest.param("<a;b@example.org>", id="semicolon"),
        pytest.param("<a:b@example.org>", id="colon"),
        pytest.param(r"<a\b@example.org>", id="backslash"),
        pytest.param('<a"b@example.org>', id="quote"),
        pytest.param('<""@example.org>', id="R-043: empty quoted local part"),
        pytest.param('<"a\tb"@example.org>', id="R-041: tab in a quoted local part"),
        pytest.param('<"a\\\tb"@example.org>', id="R-041: tab behind a backslash"),
        pytest.param('<"ann@example.org>', id="open quote"),
        pytest.param('<"ann"x@example.org>', id="text after the quoted part"),
        pytest.param("<@one.example ann@example.org>", id="source route without colon"),
    ],
)
def test_what_is_no_path_is_refused(text: str) -> None:
    with pytest.raises(PathError):
        parse_path(text)


def test_only_the_reverse_path_may_be_null() -> None:
    assert parse_reverse_path("<> SIZE=1") == ("", " SIZE=1")
    assert parse_reverse_path("<ann@example.org>") == ("ann@example.org", "")


@given(st.one_of(st.text(), st.text('<>@:"\\ \ta.', max_size=30)))
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        address, rest = parse_path(text)
    except PathError:
        return
    assert text.endswith(rest)
    assert "@" in address[1:-1]  # a domain is not validated: it may hold one too


@pytest.mark.parametrize("text", ["<" + "@a," * 1300, '<"' + "\\a" * 2000, "<" + "a" * 4000, "@" * 4000])
def test_a_long_path_is_read_in_linear_time(text: str) -> None:
    with pytest.raises(PathError):
        parse_path(text)


@pytest.mark.parametrize("text", ["<postmaster>", "<Postmaster> NOTIFY=NEVER", "<POSTMASTER>"])
def test_R_069_the_bare_postmaster_is_a_recipient_where_that_is_wanted(text: str) -> None:
    assert parse_forward_path(text, bare_postmaster=True) == ("postmaster", text[12:])
    with pytest.raises(PathError):
        parse_forward_path(text, bare_postmaster=False)


@pytest.mark.parametrize("text", ["postmaster", "<postmaster", "<abuse>", "<postmasters>", "< postmaster>"])
def test_nobody_else_comes_without_a_domain(text: str) -> None:
    with pytest.raises(PathError):
        parse_forward_path(text, bare_postmaster=True)
