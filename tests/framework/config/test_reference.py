"""The reference pages in the tree are what the modules declare, and say something of every directive."""

from pathlib import Path
from typing import Any

import pytest

from posthouse.framework.config.globals import GlobalDirectives, GlobalModules
from posthouse.framework.config.reference import default_of, page_path, pages
from posthouse.framework.config.settings import (
    Arguments,
    Directive,
    InlineModule,
    Rest,
    declarations,
    directive,
    settings,
)
from posthouse.framework.config.tls import TlsBlock, TlsClient
from posthouse.framework.config.values import boolean, duration, integer, size, string
from posthouse.framework.registry import load_class
from posthouse.modules.catalogue import CATALOGUE

REFERENCE = Path(__file__).parents[3] / "docs" / "reference"
PATHS = sorted({*CATALOGUE.endpoints.values(), *CATALOGUE.modules.values()})
OTHERS = [GlobalDirectives, GlobalModules, TlsBlock, TlsClient]


def test_the_pages_are_current() -> None:
    """If not: python docs/generate.py"""
    found = {str(path.relative_to(REFERENCE)): path.read_text("utf-8") for path in REFERENCE.rglob("*.md")}
    assert found == pages(CATALOGUE)


@pytest.mark.parametrize("settings_class", [*(load_class(path).Settings for path in PATHS), *OTHERS])
def test_every_declaration_says_something(settings_class: type[Any]) -> None:
    for declared in declarations(settings_class).values():
        assert declared.help.strip()
        if isinstance(declared, Directive):
            assert default_of(declared).strip()
        if isinstance(declared, Directive | InlineModule):
            assert declared.kind.name.strip()
        assert isinstance(declared, Directive | InlineModule | Arguments | Rest)


def test_every_page_says_what_it_is_about() -> None:
    for page in pages(CATALOGUE).values():
        assert page.split("\n\n")[2].strip()


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("table.static", "table/static.md"),
        ("tls.loader.file", "tls/file.md"),
        ("storage.blob.fs", "storage/fs.md"),
        ("dummy", "dummy.md"),
    ],
)
def test_where_pages_are(name: str, path: str) -> None:
    assert page_path(name) == path


@settings
class Examples:
    needed: str = directive(string, help="x")
    flag: bool = directive(boolean, default=True, help="x")
    wait: float = directive(duration, default=90.0, help="x")
    room: int = directive(size, default=1 << 20, help="x")
    count: int = directive(integer, default=0, help="x")
    word: str = directive(string, default="", help="x")
    other: str = directive(string, default="", default_text="from args", help="x")


def test_defaults_are_shown_as_they_are_written() -> None:
    assert [default_of(declared) for declared in declarations(Examples).values()] == [
        "required",
        "`yes`",
        "`1m30s`",
        "`1M`",
        "`0`",
        "none",
        "from args",
    ]
