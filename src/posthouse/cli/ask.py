"""Questions to whoever sits at the terminal: on standard error, so that standard output stays clean."""

import sys
from getpass import getpass

from posthouse.cli.command import Failure


def ask_password(prompt: str) -> str:
    """A password: unseen from a terminal, else the first line of standard input.

    Raises Failure when there is none to read.
    """
    if sys.stdin.isatty():
        return getpass(prompt)
    return _line(prompt)


def confirm(question: str) -> None:
    """Ask whether to go on. Raises Failure unless the answer is yes."""
    if _line(f"{question} [y/N]: ").strip().lower() not in ("y", "yes"):
        raise Failure("cancelled, nothing was changed")


def _line(prompt: str) -> str:
    print(prompt, end="", file=sys.stderr, flush=True)
    try:
        line = sys.stdin.readline()
    except UnicodeDecodeError as err:
        raise Failure("the answer on standard input is not UTF-8", 2) from err
    if not sys.stdin.isatty():
        print(file=sys.stderr)
    if not line:
        raise Failure("no answer: standard input is at its end", 2)
    return line.rstrip("\r\n")
