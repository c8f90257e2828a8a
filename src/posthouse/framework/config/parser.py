"""Tokens to nodes (spec/config-language §2, §3)."""

from dataclasses import dataclass, field
from typing import Final

from posthouse.framework.config.lexer import Token, tokenize
from posthouse.framework.config.macros import Macros
from posthouse.framework.config.node import ConfigError, Node

NESTING_MAX: Final = 255  # blocks within blocks

Snippets = dict[str, tuple[Node, ...]]


@dataclass(frozen=True, slots=True)
class Parsed:
    """One file: macros are expanded, imports are not."""

    nodes: tuple[Node, ...]
    snippets: Snippets


def parse(text: str, file: str) -> Parsed:
    """Read one file; `file` is what its errors call it. Raises ConfigError: the first mistake ends the reading."""
    return _Parser(text, file).parse()


@dataclass(slots=True)
class _Header:
    """A directive up to its block."""

    name: Token
    args: list[str]
    opens: bool = False  # a `{` ended it
    closes: bool = False  # a `}` ended it, and the block that it is in

    @property
    def is_macro(self) -> bool:
        return self.name.text.startswith("$(")

    @property
    def is_snippet(self) -> bool:
        name = self.name.text
        return len(name) > 2 and name.startswith("(") and name.endswith(")")


@dataclass(slots=True)
class _Block:
    """A block whose `}` has not come yet."""

    header: _Header
    args: tuple[str, ...]
    children: list[Node] = field(default_factory=list)


class _Parser:
    """Keeps the open blocks in a list: nesting costs no recursion."""

    def __init__(self, text: str, file: str) -> None:
        self._file = file
        self._ends_quoted = text.rstrip().endswith('"')
        self._tokens = tokenize(text)
        self._at = 0
        self._macros = Macros()
        self._snippets: Snippets = {}
        self._nodes: list[Node] = []
        self._open: list[_Block] = []

    def parse(self) -> Parsed:
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.text == "}":
                self._at += 1
                self._close(token)
                self._require_new_line(token)
            else:
                self._take(self._header(token))
        if self._open:
            raise self._unfinished(self._open[-1].header.name, self._tokens[-1])
        return Parsed(tuple(self._nodes), self._snippets)

    def _header(self, name: Token) -> _Header:
        """Read a directive's name and arguments, with the brace that ends them."""
        if name.text == "{":
            raise self._stray_brace(name)
        header = _Header(name, [])
        args, last = header.args, name
        self._at += 1
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            if token.line != last.end_line:
                if not (args and args[-1] == "\\"):
                    break
                args.pop()
            self._at += 1
            if token.text == "{":
                header.opens = True
                return header
            args.append(token.text)
            last = token
        if args and args[-1] in ("\\", "}"):
            header.closes = args.pop() == "}"
        return header

    def _take(self, header: _Header) -> None:
        if header.closes and not self._open:
            raise self._error(header.name, "unexpected }")
        if header.is_macro:
            self._declare_macro(header)
        else:
            self._take_node(header)
        if header.closes:
            self._close(header.name)

    def _declare_macro(self, header: _Header) -> None:
        if not header.name.text.endswith(")"):
            raise self._error(header.name, "macro name must end with )")
        if len(header.args) < 2:
            raise self._error(header.name, "at least 2 arguments are required")
        if header.args[0] != "=":
            raise self._error(header.name, "missing = in macro declaration")
        if self._open:
            raise self._error(header.name, "macro declarations are only allowed at top-level")
        if header.opens:
            raise self._error(header.name, "can't declare block here")
        self._macros.declare(header.name.text[2:-1], self._expanded(header)[1:])

    def _take_node(self, header: _Header) -> None:
        if header.is_snippet:
            self._check_snippet(header)
        else:
            self._check_name(header.name)
        block = _Block(header, self._expanded(header))
        if not header.opens:
            self._finish(block, None)
            return
        if len(self._open) == NESTING_MAX:
            raise self._error(header.name, "nesting limit reached")
        self._open.append(block)

    def _finish(self, block: _Block, children: tuple[Node, ...] | None) -> None:
        """All of a directive has been read: put it where it belongs."""
        name = block.header.name
        if block.header.is_snippet:
            self._snippets[name.text[1:-1]] = children or ()
            return
        siblings = self._open[-1].children if self._open else self._nodes
        siblings.append(Node(name.text, block.args, children, self._file, name.line, name.column))

    def _close(self, token: Token) -> None:
        if not self._open:
            raise self._error(token, "unexpected }")
        block = self._open.pop()
        self._finish(block, tuple(block.children))

    def _require_new_line(self, brace: Token) -> None:
        if self._at < len(self._tokens) and self._tokens[self._at].line == brace.end_line:
            raise self._error(self._tokens[self._at], "newline is required after closing brace")

    def _expanded(self, header: _Header) -> tuple[str, ...]:
        try:
            return self._macros.expand(header.args)
        except ValueError as err:
            raise self._error(header.name, str(err)) from err

    def _check_snippet(self, header: _Header) -> None:
        if self._open:
            raise self._error(header.name, "snippet declarations are only allowed at top-level")
        if header.args:
            raise self._error(header.name, "snippet declarations can't have arguments")

    def _check_name(self, name: Token) -> None:
        if not name.text:
            raise self._error(name, "empty directive name")
        if name.text[0].isdecimal():
            raise self._error(name, "directive name cannot start with a digit")
        if name.text == "&":
            raise self._error(name, "empty reference")
        for char in name.text.removeprefix("&"):  # `&NAME`: a member of a group (spec/modules.md)
            if not (char.isalpha() or char.isdecimal() or char in ".-_"):
                shown = char if char.isprintable() else ascii(char)
                raise self._error(name, f"character not allowed in directive name: {shown}")

    def _unfinished(self, opened: Token, last: Token) -> ConfigError:
        hint = f"the block of {opened.text} begins in line {opened.line}"
        if last.end_line > last.line and not self._ends_quoted:  # it runs to the end of the file
            hint = f'here begins a text in quotes, and no " ends it; {hint}'
        return self._error(last, "unexpected EOF when looking for }", hint)

    def _error(self, token: Token, text: str, hint: str = "") -> ConfigError:
        return self._located(token, f" - Error during parsing: {text}", hint)

    def _stray_brace(self, brace: Token) -> ConfigError:
        text = " - Syntax error: Unexpected token '{', expecting 'block header'"
        return self._located(brace, text, "it must stand on the line of its directive")

    def _located(self, token: Token, text: str, hint: str) -> ConfigError:
        column = f"column {token.column}"
        return ConfigError(f"{self._file}:{token.line}{text}", hint=f"{column}, {hint}" if hint else column)
