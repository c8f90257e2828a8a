"""Configuration text as tests write it down."""

from collections.abc import Callable
from pathlib import Path

import pytest

from posthouse.framework.config.node import Node

# (name, [arguments]), with a third member for a block
Shape = tuple[str, list[str]] | tuple[str, list[str], list["Shape"]]


def shape(node: Node) -> Shape:
    """A node without its place."""
    if node.children is None:
        return node.name, list(node.args)
    return node.name, list(node.args), [shape(child) for child in node.children]


@pytest.fixture
def shapes() -> Callable[[object], list[Shape]]:
    def all_of(nodes: object) -> list[Shape]:
        assert isinstance(nodes, (list, tuple))
        return [shape(node) for node in nodes]

    return all_of


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write files below a temporary directory; gives the path of the first."""

    def write_files(main: str, /, **others: str) -> Path:
        (tmp_path / "main.conf").write_text(main, encoding="utf-8")
        for name, text in others.items():
            (tmp_path / f"{name}.conf").write_text(text, encoding="utf-8")
        return tmp_path / "main.conf"

    return write_files
