"""The page on `explain` and `expect` shows what the program really says."""

import re
from pathlib import Path

from posthouse.testing.server import Server

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "see-where-mail-goes.md"
BLOCKS = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)
CONFIG = "/etc/posthouse/posthouse.conf"


def shown(text: str, server: Server) -> str:
    """The same as on the page: without the two lines that the tests put on top."""
    lines = rf"{re.escape(str(server.config))}:(\d+)"
    return re.sub(lines, lambda match: f"{CONFIG}:{int(match[1]) - 2}", text)


def test_the_page_is_right(tmp_path: Path) -> None:
    blocks = BLOCKS.findall(PAGE.read_text())
    configuration, expectations, _ = (text for language, text in blocks if not language)
    (command,) = (text.split() for language, text in blocks if language == "sh")
    explained, failure = (text for language, text in blocks if language == "text")

    server = Server(tmp_path, configuration)
    server.command("imap-acct", "create", "ann@example.org")
    assert shown(server.command(*command[1:]).stdout, server) == explained

    server = Server(tmp_path, configuration + "\n" + expectations)
    assert server.command("verify-config").returncode == 0
    changed = configuration.replace('"ann@example.org"', '"eve@example.org"')
    server = Server(tmp_path, changed + "\n" + expectations)
    assert shown(server.command("verify-config").stderr, server) == failure
