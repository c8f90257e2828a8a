"""No directive goes untried: each that is declared stands in a configuration that a test gives the real server."""

import ast
import importlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from posthouse.framework.config.globals import GlobalDirectives, GlobalModules
from posthouse.framework.config.settings import Directive, InlineModule, declarations, directive_name
from posthouse.framework.config.tls import TlsBlock, TlsClient
from posthouse.modules.catalogue import CATALOGUE
from posthouse.pipeline.rules import DESTINATIONS, DMARC, GROUPS, HANDLING, SOURCES
from posthouse.testing import server

TESTS = Path(__file__).parents[1]
# A directive that begins a line of a configuration, or of a block on one line.
WORD = re.compile(r"(?:^|[{}])[ \t]*(\w+)(?=[ \t]|$)", re.MULTILINE)

ELSEWHERE: Mapping[str, str] = {  # and why they stand in no such configuration
    "global state_dir": "posthouse.testing.server writes it into each of them",
}


def modules() -> Iterator[tuple[str, type[Any]]]:  # Any: settings have no class in common
    for name, place in {**CATALOGUE.endpoints, **CATALOGUE.modules}.items():
        module, _, cls = place.partition(":")
        yield name, getattr(importlib.import_module(module), cls).Settings
    yield "global", GlobalDirectives
    yield "global", GlobalModules
    yield "tls", TlsBlock
    yield "tls_client", TlsClient


def names(settings: type[Any]) -> Iterator[str]:
    """All names of all directives."""
    for field, declared in declarations(settings).items():
        if isinstance(declared, Directive):
            yield directive_name(field)
            yield from declared.names
        elif isinstance(declared, InlineModule):
            yield declared.directive


def texts() -> Iterator[str]:
    """What is written as text in the tests with the real server: no docstrings, no names of Python's."""
    for path in (*TESTS.glob("e2e/*.py"), *TESTS.glob("interop/*.py"), Path(server.__file__)):
        tree = ast.parse(path.read_bytes())
        docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                yield node.value


@pytest.fixture(scope="module")
def used() -> set[str]:
    return {word for text in texts() if "\n" in text for word in WORD.findall(text)}


@pytest.mark.parametrize(("name", "settings"), list(modules()))
def test_every_directive_is_used_by_a_test_with_the_real_server(
    name: str, settings: type[Any], used: set[str]
) -> None:
    untried = {one for one in names(settings) if one not in used and f"{name} {one}" not in ELSEWHERE}
    assert not untried


def test_every_directive_of_pipelines_is_used_too(used: set[str]) -> None:
    assert used >= DMARC | GROUPS | SOURCES | DESTINATIONS | HANDLING


def test_no_exception_is_one_without_need(used: set[str]) -> None:
    declared = {f"{name} {one}" for name, settings in modules() for one in names(settings)}
    assert ELSEWHERE.keys() <= declared
    assert not {one for one in ELSEWHERE if one.partition(" ")[2] in used}
