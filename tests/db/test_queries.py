import asyncio
from pathlib import Path

import apsw
import pytest

from posthouse.db import own_thread, queries
from posthouse.db.dsn import parse_sqlite_dsn
from posthouse.db.errors import Busy, DatabaseError
from posthouse.db.queries import Queries, QueryTable

CREATE = "CREATE TABLE IF NOT EXISTS t (key TEXT PRIMARY KEY, value TEXT)"
NUMBERED = Queries(
    init=(CREATE,),
    lookup="SELECT value FROM t WHERE key = $1",
    keys="SELECT key FROM t ORDER BY 1",
    add="INSERT INTO t VALUES ($1, $2)",
    set="UPDATE t SET value = $2 WHERE key = $1",
    remove="DELETE FROM t WHERE key = $1",
)
MARKED = Queries(
    init=(CREATE,),
    lookup="SELECT value FROM t WHERE key = ?",
    keys="SELECT key FROM t ORDER BY 1",
    add="INSERT INTO t VALUES (?, ?)",
    set="UPDATE t SET value = ?2 WHERE key = ?1",
    remove="DELETE FROM t WHERE key = ?",
)
NAMED = Queries(
    init=(CREATE,),
    named=True,
    lookup="SELECT value FROM t WHERE key = :key",
    keys="SELECT key FROM t ORDER BY 1",
    add="INSERT INTO t (value, key) VALUES (:value, :key)",
    set="UPDATE t SET value = :value WHERE key = :key",
    remove="DELETE FROM t WHERE key = $key",
)


def open_table(folder: Path, queries: Queries, dsn: str = "q.db") -> QueryTable:
    return QueryTable(parse_sqlite_dsn(dsn, folder), queries)


@pytest.mark.parametrize("dsn", ["q.db", ":memory:"])
@pytest.mark.parametrize("queries", [NUMBERED, MARKED, NAMED])
async def test_parameters_are_the_key_and_the_value(queries: Queries, dsn: str, tmp_path: Path) -> None:
    table = open_table(tmp_path, queries, dsn)
    await table.prepare()
    assert await table.get("ann") == []
    await table.set("ann", "1")
    await table.set("ann", "2")
    await table.set("bob", "3")
    assert await table.get("ann") == ["2"]
    assert await table.keys() == ["ann", "bob"]
    await table.remove("ann")
    assert await table.keys() == ["bob"]
    await table.aclose()


async def test_all_rows_are_values_and_null_is_none(tmp_path: Path) -> None:
    query = "SELECT 'a', 'x' WHERE $1 <> '' UNION ALL SELECT NULL, 'x' UNION ALL SELECT 7, 'x' UNION ALL SELECT x'62', 'x'"
    table = open_table(tmp_path, Queries(lookup=query))
    assert await table.get("key") == ["a", "7", "b"]
    await table.aclose()


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (Queries(lookup="SELECT x FROM nowhere"), "no such table"),
        (Queries(lookup="SELEKT 1"), "syntax error"),
        (Queries(lookup="SELECT ?, ?"), "a parameter that there is not: SELECT"),
        (Queries(lookup="SELECT $0"), "a parameter that there is not"),
        (Queries(lookup="SELECT ?", keys="SELECT ?"), "a parameter that there is not"),
        (Queries(lookup="SELECT :user", named=True), "a parameter that there is not"),
        (Queries(lookup="SELECT ?", named=True), "a parameter that there is not"),
        (Queries(lookup="SELECT 1; SELECT 2"), "more than one query"),
        (Queries(lookup="SELECT 1", init=("CREATE",)), "incomplete input"),
        (Queries(lookup="SELECT 1", remove="DELETE FROM t"), "no such table"),
    ],
)
async def test_wrong_queries_are_found_before_they_are_needed(
    wrong: Queries, text: str, tmp_path: Path
) -> None:
    table = open_table(tmp_path, wrong)
    with pytest.raises(DatabaseError, match=text):
        await table.prepare()
    await table.aclose()


async def test_preparing_runs_nothing_but_init(tmp_path: Path) -> None:
    with_delete = Queries(init=(CREATE, "INSERT INTO t VALUES ('a', '1')"), lookup="DELETE FROM t")
    table = open_table(tmp_path, with_delete)
    await table.prepare()
    await table.aclose()
    connection = apsw.Connection(str(tmp_path / "q.db"))
    assert connection.execute("SELECT count(*) FROM t").get == 1
    connection.close()


async def test_R_086_keys_are_never_sql(tmp_path: Path) -> None:
    table = open_table(tmp_path, NUMBERED)
    await table.prepare()
    await table.set("'; DROP TABLE t; --", "1")
    assert await table.get("'; DROP TABLE t; --") == ["1"]
    await table.aclose()


ENDLESS = Queries(lookup="WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n WHERE x < ?")  # fmt: skip


async def test_a_query_that_does_not_end_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "QUERY_TIME", 0.02)
    table = open_table(tmp_path, Queries(lookup=ENDLESS.lookup.replace("x < ?", "x < 0")))
    with pytest.raises(DatabaseError, match="interrupt"):
        await table.get("a")
    await table.aclose()


async def test_a_key_with_too_many_values_is_an_error(tmp_path: Path) -> None:
    table = open_table(tmp_path, ENDLESS)
    with pytest.raises(DatabaseError, match="more than 10000 values"):
        await table.get("a")
    await table.aclose()


async def test_a_locked_database_is_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_thread, "BUSY_TIMEOUT", 0.02)
    table = open_table(tmp_path, NUMBERED)
    await table.prepare()
    blocker = apsw.Connection(str(tmp_path / "q.db"))
    blocker.execute("BEGIN EXCLUSIVE")
    results = await asyncio.gather(table.get("a"), table.set("a", "b"), return_exceptions=True)
    blocker.execute("COMMIT")
    blocker.close()
    assert [type(result) for result in results] == [Busy, Busy]
    await table.aclose()
