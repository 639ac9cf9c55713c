"""Questions that try to get out of the lake, and questions that only ask."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from casparian_flow.errors import QueryError
from engine import sandbox
from engine.answers import Answer, Limits, Table, ask

LIMITS = Limits(max_rows=100, timeout_s=20)


class Lake:
    """Two topics in Parquet files, and a file beside them that no topic names."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.wall = sandbox.strongest_wall()
        days = [dt.date(2026, month, 1) for month in (1, 1, 2, 3)]
        sales = pa.table(
            {
                "id": [1, 2, 3, 4],
                "customer": ["ann", "bob", "ann", "cyd"],
                "day": days,
                "amount": [10.0, 20.0, 30.0, 40.0],
                "tags": [["new"], ["old", "web"], [], ["web"]],
                "seen": pa.array([dt.datetime(2026, 1, n, tzinfo=dt.UTC) for n in (1, 2, 3, 4)]),
            }
        )
        people = pa.table({"name": ["ann", "bob"], "city": ["Bern", "Rome"]})
        self.tables = {"sales": self._kept("sales", sales), "people": self._kept("people", people)}
        self._kept("unlisted", people)

    def _kept(self, name: str, table: pa.Table) -> Table:
        path = self.folder / f"{name}.parquet"
        pq.write_table(table, path)
        path.chmod(0o644)
        return Table(table.schema, (str(path),))

    def contents(self) -> dict[str, bytes]:
        """Every file below the folder, with its bytes."""
        return {str(p): p.read_bytes() for p in sorted(self.folder.rglob("*")) if p.is_file()}

    def ask(self, sql: str, limits: Limits = LIMITS, *, offset: int = 0) -> Answer:
        """Put one question, in a child of its own."""
        return ask(sql, self.tables, lake=self.folder, wall=self.wall, limits=limits, offset=offset)


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    folder = tmp_path_factory.mktemp("lake")
    folder.chmod(0o755)
    return Lake(folder)


REFUSED = (
    # statements that change something
    "INSERT INTO sales VALUES (9)",
    "WITH gone AS (DELETE FROM sales RETURNING *) SELECT * FROM gone",
    "WITH x AS (INSERT INTO sales SELECT * FROM sales RETURNING id) SELECT * FROM x",
    "WITH x AS (UPDATE sales SET id = 0 RETURNING id) SELECT * FROM x",
    "DELETE FROM sales",
    "UPDATE sales SET amount = 0",
    "DROP VIEW sales",
    "DROP TABLE people",
    "TRUNCATE sales",
    "ALTER TABLE sales ADD COLUMN x INT",
    "CREATE TABLE stolen AS SELECT * FROM sales",
    "CREATE TEMP VIEW sales AS SELECT 1",
    "CREATE OR REPLACE TEMP MACRO sum(x) AS 0",
    "CREATE SCHEMA s",
    "CREATE SECRET k (TYPE s3, KEY_ID 'a', SECRET 'b')",
    "CREATE SEQUENCE q",
    "CREATE TYPE mood AS ENUM ('a')",
    "BEGIN TRANSACTION",
    "CHECKPOINT",
    "VACUUM",
    "ANALYZE",
    # statements that write, load or connect
    "COPY sales TO '{folder}/out.csv'",
    "COPY (SELECT 1) TO '{folder}/out.parquet' (FORMAT parquet)",
    "COPY sales FROM '/etc/passwd'",
    "EXPORT DATABASE '{folder}/out'",
    "IMPORT DATABASE '{folder}/out'",
    "ATTACH '{folder}/new.db' AS other",
    "DETACH memory",
    "USE memory",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FORCE INSTALL sqlite",
    # settings
    "PRAGMA database_list",
    "PRAGMA enable_external_access",
    "SET enable_external_access = true",
    "SET GLOBAL lock_configuration = false",
    "RESET enable_external_access",
    "SET VARIABLE x = 1",
    "CALL pragma_version()",
    "SELECT current_setting('temp_directory')",
    "SELECT getvariable('x')",
    "SELECT getenv('HOME')",
    # prepared, explained, several at once
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE COPY sales TO '{folder}/out.csv'",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "DEALLOCATE p",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW sales",
    "SELECT 1 /* ; */ ; COPY sales TO '{folder}/out.csv' --",
    "SELECT 1 -- harmless\n; ATTACH '{folder}/new.db' AS other",
    "/* SELECT */ DELETE FROM sales",
    "SELECT ?",
    "SELECT $1",
    "",
    "   -- nothing",
    ";",
    "SELEC 1",
    # files by table function, by name, by string
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_csv_auto('/etc/passwd')",
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('{folder}/unlisted.parquet')",
    "SELECT * FROM read_parquet('{folder}/unlisted.parquet')",
    "SELECT * FROM parquet_scan(['{folder}/unlisted.parquet'])",
    "SELECT * FROM parquet_metadata('{folder}/unlisted.parquet')",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM glob('/**')",
    "SELECT * FROM '{folder}/unlisted.parquet'",
    'SELECT * FROM "{folder}/unlisted.parquet"',
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 'https://example.invalid/x.csv'",
    "SELECT (SELECT content FROM read_text('/etc/passwd'))",
    "SELECT id FROM sales WHERE EXISTS (SELECT 1 FROM read_text('/etc/passwd'))",
    "SELECT * FROM sales, LATERAL (SELECT * FROM read_text('/etc/passwd'))",
    "WITH f AS (SELECT * FROM read_text('/etc/passwd')) SELECT * FROM f",
    "SELECT id FROM sales UNION ALL SELECT size FROM read_text('/etc/passwd')",
    "SELECT id FROM sales ORDER BY (SELECT size FROM read_text('/etc/passwd'))",
    "SELECT id FROM sales LIMIT (SELECT size FROM read_text('/etc/passwd'))",
    "SELECT $$x$$ FROM read_text($$/etc/passwd$$)",
    "FROM read_text('/etc/passwd')",
    "SELECT * FROM arrow_scan(1, 2, 3)",
    "SELECT * FROM pandas_scan(1)",
    # text that becomes SQL
    "SELECT * FROM query('SELECT 1')",
    "SELECT * FROM query_table('sales')",
    "SELECT * FROM json_execute_serialized_sql('[]')",
    "SELECT json_serialize_plan('SELECT * FROM read_text(''/etc/passwd'')')",
    # variables of the process that asks
    "SELECT * FROM question",
    "SELECT * FROM connection",
    "SELECT * FROM tree",
    # names that are a CTE elsewhere, and the catalog's here
    "WITH sqlite_master AS (SELECT * FROM sqlite_master) SELECT * FROM sqlite_master",
    "WITH a AS (SELECT * FROM duckdb_columns), duckdb_columns AS (SELECT 1) SELECT * FROM a",
    "SELECT * FROM pg_class, (WITH pg_class AS (SELECT 1) SELECT 1)",
    "WITH RECURSIVE pg_class AS (SELECT oid FROM pg_class UNION ALL"
    " SELECT oid FROM pg_class WHERE oid < 0) SELECT * FROM pg_class",
    "WITH RECURSIVE pg_class AS (SELECT oid FROM pg_class) SELECT * FROM pg_class",
    'SELECT * FROM "/etc/passwd.csv", (WITH "/etc/passwd.csv" AS (SELECT 1) SELECT 1)',
    'WITH "/etc/passwd.csv" AS (SELECT * FROM "/etc/passwd.csv") SELECT * FROM "/etc/passwd.csv"',
    # the catalog
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_tables",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM pg_class",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM memory.main.sales",
    "SELECT * FROM unlisted",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "DESCRIBE sales",
    "SUMMARIZE sales",
    "SELECT * FROM (DESCRIBE sales)",
    "PIVOT sales ON customer USING sum(amount)",
    "SELECT current_query()",
    "SELECT nextval('q')",
    "SELECT write_log('x')",
)


@pytest.mark.parametrize("sql", REFUSED)
def test_a_hostile_statement_is_refused_and_changes_no_file(lake: Lake, sql: str) -> None:
    before = lake.contents()

    with pytest.raises(QueryError) as refusal:
        lake.ask(sql.replace("{folder}", str(lake.folder)))

    assert refusal.value.code == "QUERY_REFUSED"  # by the gate, before anything ran
    assert lake.contents() == before


@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
        "SELECT count(*) FROM range(100000000000) a, range(1000000) b",
        "SELECT md5(string_agg(i::VARCHAR, '')) FROM range(5000000000) t(i)",
        "SELECT count(*) FROM sales a, sales b, range(10000000000)",
    ],
)
def test_a_question_without_end_is_ended_at_its_deadline(lake: Lake, sql: str) -> None:
    with pytest.raises(QueryError, match=r"no answer within 1 s|limit|[Mm]emory"):
        lake.ask(sql, replace(LIMITS, timeout_s=1))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT unnest(range(1000000000))",
        "SELECT list_sum(range(1000000000))",
        "SELECT length(repeat('x', 1000000000) || repeat('y', 10000000000))",
        "SELECT array_agg(i) FROM range(20000000000) t(i)",
    ],
)
def test_a_question_that_asks_for_too_much_memory_fails_alone(lake: Lake, sql: str) -> None:
    with pytest.raises(QueryError):
        lake.ask(sql, replace(LIMITS, timeout_s=3, memory_mb=256))

    assert lake.ask("SELECT 1").rows == [[1]]


def test_statements_nested_thousands_deep_are_refused(lake: Lake) -> None:
    with pytest.raises(QueryError):
        lake.ask("SELECT " + "(" * 20_000 + "1" + ")" * 20_000)


HONEST: dict[str, list[list[object]]] = {
    "SELECT count(*), sum(amount) FROM sales": [[4, 100.0]],
    "SELECT s.id, p.city FROM sales s JOIN people p ON p.name = s.customer ORDER BY s.id": [
        [1, "Bern"],
        [2, "Rome"],
        [3, "Bern"],
    ],
    "SELECT s.id FROM sales s LEFT JOIN people p ON p.name = s.customer WHERE p.name IS NULL": [
        [4]
    ],
    "SELECT a.id, b.id FROM sales a JOIN sales b ON a.customer = b.customer AND a.id < b.id": [
        [1, 3]
    ],
    "SELECT id FROM sales SEMI JOIN people ON customer = name ORDER BY 1 LIMIT 1": [[1]],
    "WITH big AS (SELECT * FROM sales WHERE amount > 15) SELECT count(*) FROM big": [[3]],
    "WITH m AS MATERIALIZED (SELECT * FROM sales) SELECT count(*) FROM m a, m b": [[16]],
    "WITH sales AS (SELECT * FROM sales WHERE id > 1), more AS (SELECT * FROM sales)"
    " SELECT count(*) FROM (WITH inner_one AS (SELECT * FROM more) SELECT * FROM inner_one)": [[3]],
    "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t WHERE n < 9)"
    " SELECT sum(n) FROM t": [[45]],
    "SELECT id, row_number() OVER (PARTITION BY customer ORDER BY id) FROM sales ORDER BY id": [
        [1, 1],
        [2, 1],
        [3, 2],
        [4, 1],
    ],
    "SELECT id, lag(amount) OVER w FROM sales WINDOW w AS (ORDER BY id) QUALIFY id = 2": [
        [2, 10.0]
    ],
    "SELECT sum(amount) OVER (ORDER BY id ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)"
    " FROM sales ORDER BY id DESC LIMIT 1": [[70.0]],
    "SELECT customer, sum(amount) FROM sales GROUP BY ALL ORDER BY ALL": [
        ["ann", 40.0],
        ["bob", 20.0],
        ["cyd", 40.0],
    ],
    "SELECT customer, count(*) AS n FROM sales GROUP BY 1 HAVING n > 1": [["ann", 2]],
    "SELECT customer, sum(amount) FROM sales GROUP BY ROLLUP (customer)"
    " ORDER BY customer NULLS FIRST LIMIT 1": [[None, 100.0]],
    "SELECT id FROM sales UNION SELECT 9 EXCEPT SELECT 1 ORDER BY 1": [[2], [3], [4], [9]],
    "SELECT id FROM sales INTERSECT SELECT 3": [[3]],
    "SELECT sum(amount) FILTER (WHERE customer = 'ann') AS ann,"
    " sum(amount) FILTER (WHERE customer = 'bob') AS bob FROM sales": [[40.0, 20.0]],
    "SELECT * FROM (UNPIVOT (SELECT id, amount FROM sales WHERE id = 1) ON amount)": [
        [1, "amount", 10.0]
    ],
    "SELECT list_transform(tags, lambda t: upper(t)), len(tags) FROM sales WHERE id = 2": [
        ["['OLD', 'WEB']", 2]
    ],
    "SELECT tag, count(*) FROM sales, unnest(tags) AS u(tag) GROUP BY 1 ORDER BY 1": [
        ["new", 1],
        ["old", 1],
        ["web", 2],
    ],
    "SELECT date_trunc('month', day)::DATE AS m, sum(amount) FROM sales GROUP BY 1 ORDER BY 1": [
        ["2026-01-01", 30.0],
        ["2026-02-01", 30.0],
        ["2026-03-01", 40.0],
    ],
    "SELECT strftime(day, '%Y-%m'), extract(month FROM day), day + INTERVAL 1 DAY"
    " FROM sales WHERE id = 3": [["2026-02", 2, "2026-02-02 00:00:00"]],
    "SELECT d.twice FROM sales s, LATERAL (SELECT s.id * 2 AS twice) d ORDER BY 1 LIMIT 1": [[2]],
    "SELECT CASE WHEN amount > 25 THEN 'big' ELSE 'small' END AS kind, count(*)"
    " FROM sales GROUP BY 1 ORDER BY 1": [["big", 2], ["small", 2]],
    "SELECT regexp_extract(customer, '^(.)n', 1), customer ILIKE 'A%', customer ~ 'nn'"
    " FROM sales WHERE id = 1": [["a", True, True]],
    "SELECT CAST(amount AS DECIMAL(10, 2)), TRY_CAST(customer AS INT) FROM sales WHERE id = 1": [
        ["10.00", None]
    ],
    "SELECT count(*) FROM (SELECT * FROM sales USING SAMPLE 2 ROWS)": [[2]],
    "SELECT median(amount), quantile_cont(amount, 0.5), arg_max(customer, amount) FROM sales": [
        [25.0, 25.0, "cyd"]
    ],
    "SELECT string_agg(customer, ',' ORDER BY id) FROM sales": [["ann,bob,ann,cyd"]],
    "SELECT DISTINCT ON (customer) customer, id FROM sales ORDER BY customer, id LIMIT 1": [
        ["ann", 1]
    ],
    "SELECT * EXCLUDE (tags, seen, day) REPLACE (amount * 2 AS amount) FROM sales WHERE id = 1": [
        [1, "ann", 20.0]
    ],
    "SELECT id FROM sales WHERE customer IN (SELECT name FROM people WHERE city = 'Rome')": [[2]],
    "SELECT {'a': 1}.a, MAP {'k': 2}['k'], [1, 2, 3][2:3]": [[1, 2, "[2, 3]"]],
    "SELECT i FROM generate_series(1, 3) t(i)": [[1], [2], [3]],
    "SELECT id, seen FROM sales WHERE id = 1": [[1, "2026-01-01 00:00:00+00"]],
    "SELECT max(seen), 1 AS x, 2 AS x FROM sales": [["2026-01-04 00:00:00+00", 1, 2]],
    "SELECT now() > TIMESTAMPTZ '2020-01-01 00:00:00+00'": [[True]],
    "FROM sales SELECT id WHERE id = 1;": [[1]],
    "SELECT id FROM SALES WHERE id = 1 -- a comment": [[1]],
    "TABLE people ORDER BY name LIMIT 1": [["ann", "Bern"]],
}


@pytest.mark.parametrize("sql", HONEST)
def test_an_honest_question_is_answered(lake: Lake, sql: str) -> None:
    answer = lake.ask(sql)

    assert answer.rows == HONEST[sql]
    assert not answer.truncated


def test_a_name_that_is_no_topic_is_refused_with_the_nearest(lake: Lake) -> None:
    with pytest.raises(QueryError, match=r"no table 'sale'; did you mean: sales"):
        lake.ask("SELECT * FROM sale")


def test_an_answer_says_which_tables_it_came_from(lake: Lake) -> None:
    answer = lake.ask("SELECT count(*) FROM Sales, people, (SELECT 1) AS sub")

    assert answer.tables == ["people", "sales"]


def test_rows_beyond_the_row_cap_are_left_out_and_said_so(lake: Lake) -> None:
    answer = lake.ask("SELECT i FROM range(1000) t(i)", replace(LIMITS, max_rows=7))

    assert [row[0] for row in answer.rows] == list(range(7))
    assert answer.truncated


def test_as_many_rows_as_the_cap_are_not_called_truncated(lake: Lake) -> None:
    answer = lake.ask("SELECT i FROM range(7) t(i)", replace(LIMITS, max_rows=7))

    assert (len(answer.rows), answer.truncated) == (7, False)


def test_an_offset_goes_on_where_the_page_before_ended(lake: Lake) -> None:
    answer = lake.ask("SELECT i FROM range(30000) t(i)", replace(LIMITS, max_rows=2), offset=29_998)

    assert (answer.rows, answer.truncated) == ([[29_998], [29_999]], False)


def test_a_long_cell_is_cut_with_a_mark(lake: Lake) -> None:
    answer = lake.ask("SELECT repeat('x', 100000)", replace(LIMITS, max_cell=10))

    assert answer.rows == [["x" * 10 + "…"]]


def test_rows_beyond_the_byte_cap_are_left_out_and_said_so(lake: Lake) -> None:
    limits = replace(LIMITS, max_bytes=1_000, max_rows=1_000)

    answer = lake.ask("SELECT repeat('x', 99) FROM range(1000)", limits)

    assert len(answer.rows) == 10
    assert answer.truncated


def test_numbers_that_json_cannot_hold_come_as_text(lake: Lake) -> None:
    answer = lake.ask("SELECT 9007199254740993, 'nan'::DOUBLE, '-inf'::DOUBLE, 'ab'::BLOB, NULL")

    assert answer.rows == [["9007199254740993", "nan", "-inf", "6162", None]]


def test_a_topic_without_files_has_its_columns_and_no_rows(lake: Lake) -> None:
    tables = {"empty": Table(pa.schema([pa.field("x", pa.int64())]), ())}

    answer = ask("SELECT x FROM empty", tables, lake=lake.folder, wall=lake.wall, limits=LIMITS)

    assert (answer.columns, answer.rows) == (["x"], [])


def test_no_question_leaves_a_folder_behind(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = lake.folder.parent / "asking"
    folder.mkdir(mode=0o755)
    monkeypatch.setattr("tempfile.tempdir", str(folder))

    lake.ask("SELECT 1")
    with pytest.raises(QueryError):
        lake.ask("SELECT * FROM nowhere")

    assert list(folder.iterdir()) == []
