"""A table that has its answer at hand gives it without a task, a thread or a turn of the event loop."""

from collections.abc import Callable
from pathlib import Path

import pytest

from posthouse.framework.interfaces.table import Table
from posthouse.modules.table.chain import ChainTable, Step
from posthouse.modules.table.email_localpart import EmailLocalpart
from posthouse.modules.table.email_localpart_optional import EmailLocalpartOptional
from posthouse.modules.table.email_with_domain import EmailWithDomain
from posthouse.modules.table.file import FileTable
from posthouse.modules.table.identity import IdentityTable
from posthouse.modules.table.regexp import RegexpTable
from posthouse.modules.table.static import StaticTable
from posthouse.testing.world import make_context


def regexp(folder: Path) -> Table:
    settings = RegexpTable.Settings(
        args=("a.*", "x"), full_match=True, case_insensitive=True, expand_placeholders=True
    )
    return RegexpTable(settings, make_context(folder))


def chain(folder: Path) -> Table:
    steps = (Step(regexp(folder), is_optional=False), Step(static(folder), is_optional=True))
    return ChainTable(ChainTable.Settings(step=steps), make_context(folder))


def static(folder: Path) -> Table:
    return StaticTable(StaticTable.Settings(entry=(("a", ("x",)),)), make_context(folder))


@pytest.mark.parametrize(
    "make",
    [
        static,
        regexp,
        chain,
        lambda folder: IdentityTable(IdentityTable.Settings(), make_context(folder)),
        lambda folder: FileTable(FileTable.Settings(args=("none",), file=None), make_context(folder)),
        lambda folder: EmailLocalpart(EmailLocalpart.Settings(), make_context(folder)),
        lambda folder: EmailLocalpartOptional(EmailLocalpartOptional.Settings(), make_context(folder)),
        lambda folder: EmailWithDomain(EmailWithDomain.Settings(args=("b.example",)), make_context(folder)),
    ],
)
def test_it_never_waits(make: Callable[[Path], Table], tmp_path: Path) -> None:
    looking_up = make(tmp_path).lookup("a@example.org")
    with pytest.raises(StopIteration):
        looking_up.send(None)
