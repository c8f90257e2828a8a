"""Imports and the environment: what is replaced in the nodes of a file (spec/config-language §4)."""

import os.path
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from posthouse.framework.config.node import ConfigError, Node, raise_all
from posthouse.framework.config.parser import NESTING_MAX, Parsed, Snippets, parse

IMPORTS_MAX: Final = 255  # imports within imports
IMPORTED_MAX: Final = 2_000_000  # directives that are looked at because of imports

# The text of a file by its path, None when there is none. Raises OSError or ValueError.
ReadFile = Callable[[str], str | None]
# The value of an environment variable, None when it is not set.
Getenv = Callable[[str], str | None]

_ENV_START: Final = "{env:"


def expand_imports(main: Parsed, read: ReadFile) -> tuple[Node, ...]:
    """The nodes of a file, with what it imports in the places of its imports.

    Raises ConfigError or ConfigErrors: all imports that fail.
    """
    return _Imports(read).expand(main)


def expand_environment(nodes: Sequence[Node], getenv: Getenv) -> tuple[Node, ...]:
    """The nodes with each `{env:NAME}` of their arguments replaced."""
    return tuple([_with_environment(node, getenv) for node in nodes])


@dataclass(slots=True)
class _Frame:
    """A list of nodes whose imports are being replaced: those of a file, or of a block."""

    nodes: Sequence[Node]
    snippets: Snippets  # of the file that they are in
    imports: int  # how deep
    blocks: int
    block: Node | None = None
    at: int = 0
    out: list[Node] = field(default_factory=list)
    is_to_repeat: bool = False  # snippets came in, which may import others

    def repeat(self) -> None:
        self.nodes, self.out, self.at = self.out, [], 0
        self.is_to_repeat = False
        self.imports += 1


class _Imports:
    """Keeps what it is in the midst of in a list: neither blocks nor imports cost recursion."""

    def __init__(self, read: ReadFile) -> None:
        self._read = read
        self._errors: list[ConfigError] = []
        self._looked_at = 0

    def expand(self, main: Parsed) -> tuple[Node, ...]:
        frames = [_Frame(main.nodes, main.snippets, imports=0, blocks=0)]
        while True:
            frame = frames[-1]
            if frame.at < len(frame.nodes):
                inner = self._step(frame)
                if inner is not None:
                    frames.append(inner)
            elif frame.is_to_repeat:
                frame.repeat()
            elif len(frames) > 1:
                _finish(frames.pop(), frames[-1])
            else:
                raise_all(self._errors)
                return tuple(frame.out)

    def _step(self, frame: _Frame) -> _Frame | None:
        """Take the next node; a frame is what has to be done first."""
        node = frame.nodes[frame.at]
        frame.at += 1
        self._looked_at += frame.imports > 0
        is_import = node.name == "import"
        if (is_import and frame.imports > IMPORTS_MAX) or self._looked_at > IMPORTED_MAX:
            raise ConfigError("hit import expansion limit", at=node)
        try:
            if is_import:
                return self._import(node, frame)
            if node.children:
                return _block_frame(node, frame)
        except ConfigError as err:
            self._errors.append(err)
            return None
        frame.out.append(node)
        return None

    def _import(self, node: Node, frame: _Frame) -> _Frame | None:
        if len(node.args) != 1 or node.children is not None:
            raise ConfigError("import directive requires exactly 1 argument", at=node)
        name = node.args[0]
        if name in frame.snippets:
            frame.out.extend(frame.snippets[name])
            frame.is_to_repeat = True
            return None
        parsed = self._file(name, node)
        return _Frame(parsed.nodes, parsed.snippets, frame.imports + 1, frame.blocks)

    def _file(self, name: str, node: Node) -> Parsed:
        path = os.path.normpath(os.path.join(os.path.dirname(node.file), name))  # noqa: PTH118, PTH120 - as it is written
        for candidate in (path, f"{path}.conf"):
            try:
                text = self._read(candidate)
            except (OSError, ValueError) as err:
                reason = err.strerror if isinstance(err, OSError) else err
                raise ConfigError(f"cannot read {candidate}: {reason}", at=node) from err
            if text is not None:
                return parse(text, candidate)
        raise ConfigError(f"unknown import: {name}", at=node)


def _block_frame(node: Node, frame: _Frame) -> _Frame:
    if frame.blocks == NESTING_MAX:  # blocks of snippets within blocks
        raise ConfigError("nesting limit reached", at=node)
    return _Frame(node.children or (), frame.snippets, frame.imports, frame.blocks + 1, block=node)


def _finish(frame: _Frame, into: _Frame) -> None:
    if frame.block is not None:
        into.out.append(replace(frame.block, children=tuple(frame.out)))
    else:
        into.out.extend(frame.out)
        into.snippets.update(frame.snippets)


def _with_environment(node: Node, getenv: Getenv) -> Node:
    args = node.args
    if any(_ENV_START in arg for arg in args):
        args = tuple([_argument(arg, getenv) for arg in args])
    children = node.children and expand_environment(node.children, getenv)
    return replace(node, args=args, children=children)


def _argument(arg: str, getenv: Getenv) -> str:
    parts: list[str] = []
    at = 0
    while (start := arg.find(_ENV_START, at)) >= 0 and (end := arg.find("}", start)) >= 0:
        parts += arg[at:start], getenv(arg[start + len(_ENV_START) : end]) or ""
        at = end + 1
    return "".join(parts) + arg[at:]
