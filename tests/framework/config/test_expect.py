from pathlib import Path

import pytest

from posthouse.core.world import Paths
from posthouse.framework.config.expect import Expectation, asked_name
from posthouse.framework.config.globals import read_globals
from posthouse.framework.config.load import Source
from posthouse.framework.config.node import Node

PATHS = Paths(Path("/state"), Path("/run"), Path("/lib"))


def nodes(text: str) -> list[Node]:
    return Source("x.conf", {"x.conf": text}, {}).nodes()


def read(text: str) -> tuple[tuple[Expectation, ...], str]:
    """The expectation of these directives, parted by semicolons; and what is wrong with it."""
    block = 'expect "it works" {\n' + text.replace("; ", "\n") + "\n}\n"
    found = read_globals(nodes(block), PATHS)
    return found.expectations, "\n".join(map(str, found.errors))


def test_a_block_is_read() -> None:
    (found,), errors = read(
        'from <>; to <a@b.c>; to d@e.f; ip 2001:db8::1; dns MX Example.net "10 mx.b.c" "20 mx2.b.c"; accepted no; dns ptr 2001:DB8:0::1 b.c'
    )
    assert errors == ""
    assert (found.title, found.node.where) == ('expect "it works"', "x.conf:1")
    assert (found.block.from_, found.block.to, str(found.block.ip)) == ("", ("a@b.c", "d@e.f"), "2001:db8::1")
    assert found.records == {
        ("mx", "example.net"): ("10 mx.b.c", "20 mx2.b.c"),
        ("ptr", "2001:db8::1"): ("b.c",),
    }
    assert found.block.accepted is not None
    assert not found.block.accepted.value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("from a@b.c; accepted", "x.conf:1: missing required directive: to", id="to"),
        pytest.param("to a@b.c; accepted", "x.conf:1: missing required directive: from", id="from"),
        pytest.param("from a@b.c; to a@b.c", "x.conf:1: nothing is expected", id="nothing"),
        pytest.param(
            "from a@b.c; to a@b.c; refused; delivered_to x", "x.conf:4: a message that is", id="both"
        ),
        pytest.param("from a@b.c; to a@b.c; refused 250", "x.conf:4: expected [CODE [ENHANCED]]", id="code"),
        pytest.param("from a@b.c; to a@b.c; delivered_to x at y", "x.conf:4: expected TARGET", id="place"),
        pytest.param("from a@b.c; to a@b.c; accepted; ip here", "x.conf:5: 'here' does not", id="ip"),
        pytest.param('from "a\tb@c"; to a@b.c; accepted', "x.conf:2: control characters", id="control"),
        pytest.param("from a@b.c; to a@b.c; accepted; dns mx", "x.conf:5: expected TYPE NAME", id="records"),
        pytest.param(
            "from a@b.c; to a@b.c; accepted; dns my b.c", "x.conf:5: my is none of a, mx", id="type"
        ),
        pytest.param("from a@b.c; to a@b.c; accepted; dns mx b.c mx.b.c", "preferences", id="mx"),
        pytest.param("from a@b.c; to a@b.c; accepted; dns ptr b.c x", "x.conf:5: 'b.c' does not", id="ptr"),
        pytest.param(
            'from a@b.c; to a@b.c; accepted; dns mx b.c; dns MX B.c. "10 x"',
            "x.conf:6: the mx records of b.c are given already",
            id="same records",
        ),
        pytest.param("from a@b.c; to a@b.c; accepted; dns mx xn--a", "x.conf:5: ", id="name"),
        pytest.param(
            "from a@b.c; to a@b.c; accepted; check x", "x.conf:5: expected at least one", id="action"
        ),
        pytest.param("from a@b.c; to a@b.c; accepted; check x pass", "invalid action: pass", id="no action"),
        pytest.param("from a@b.c; to a@b.c; acepted", "did you mean accepted", id="directive"),
    ],
)
def test_mistakes_are_told_with_their_line(text: str, said: str) -> None:
    assert said in read(text)[1]


def test_names_in_dns_are_compared_in_one_form() -> None:
    (found,), errors = read('from <>; to a@b.c; accepted; dns mx BÜCHER.example. "10 mx.b.c"')
    assert errors == ""
    assert found.records == {("mx", "xn--bcher-kva.example"): ("10 mx.b.c",)}
    assert asked_name("xn--bcher-kva.example.") == asked_name("bücher.example")


def test_a_block_is_expected() -> None:
    found = read_globals(nodes("expect x\n"), PATHS)
    assert [str(e).partition(' "')[0] for e in found.errors] == ["x.conf:1: a block is expected here: expect"]
