"""JSON, Arrow, Feather, Parquet, Excel and SQLite: values come with their types, exactly."""

import datetime
import gzip
import json
import sqlite3
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from pyarrow import feather

from pysmorch.sources import SourceError, read

openpyxl = pytest.importorskip("openpyxl")

LONG = 1234567890123456789


@pytest.mark.parametrize("ending", ["jsonl", "ndjson", "json", "txt"])
@pytest.mark.parametrize("array", [True, False])
def test_json_is_read_with_its_types(make, cells, ending, array):
    rows = [{"a": 1, "b": "x", "c": True, "d": 1.5}, {"a": LONG, "b": "ü", "c": None, "d": 2}, {"b": "", "a": 3}]
    text = json.dumps(rows, indent=1) if array else "\n".join(map(json.dumps, rows)) + "\n\n"
    source = read(make(text, f"t.{ending}"))
    assert [str(source.features.schema.field(name).type) for name in "abcd"] == ["int64", "string", "bool", "double"]
    assert cells(f"t.{ending}") == {
        "a": [1, LONG, 3],
        "b": ["x", "ü", ""],
        "c": [True, None, None],
        "d": [1.5, 2.0, None],
    }


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([2**63 - 1, -(2**63)], [2**63 - 1, -(2**63)]),
        ([2**64 - 1, 1], [2**64 - 1, 1]),
        ([10**30, 7], ["1" + "0" * 30, "7"]),
        ([LONG, 0.5], [str(LONG), "0.5"]),
        (["007", 7], ["007", "7"]),
        ([True, 1], ["true", "1"]),
        (["NA", None], ["NA", None]),
        ([None, None], [None, None]),
        ([2**53, 0.5], [2.0**53, 0.5]),
    ],
)
def test_values_of_json_stay_exact_and_mixed_ones_become_texts(make, cells, values, expected):
    found = cells(make("\n".join(json.dumps({"a": value}) for value in values), "t.jsonl"))["a"]
    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n{"a": 2', "line 2: not JSON, or truncated"),
        ('[{"a": 1}, {"a": 2', "line 1: not JSON, or truncated"),
        ('{"a": 1}\n\n[1]\n', "line 3 is a list; expected one object a line"),
        ('[{"a": 1}, 5]', "element 2 of the array is a int"),
        (
            '{"a": {"0": 1}, "y": {"0": 2}}',
            "line 1: 'a' is an object; expected one object a line, or an array of objects",
        ),
        ('{"a": [1, 2]}', "line 1: 'a' is an array"),
        ('[{"a": [1, 2]}]', "column 'a' in object 1 of the array is a list"),
        ('{"a": 1, "a": 2}', "line 1: the key 'a' comes twice"),
        ("{}\n{}\n", "there are no objects with values"),
        ("[]", "there are no objects with values"),
        ('{"a": "\\ud800"}', "column 'a' in line 1 has half of a surrogate pair"),
        ("a,b\n1,2\n", "line 1: not JSON, or truncated"),
        ('{"a": "ö"}'.encode("latin-1"), "the text is not UTF-8"),
    ],
)
def test_json_that_is_no_table_is_refused_by_its_line(make, refusal, text, message):
    assert message in refusal(make(text, "t.json"))


@pytest.mark.parametrize("sign", ["", "-"])
@pytest.mark.parametrize(
    ("text", "where"),
    [('{"a": 1}\n{"a": %s}\n', "t.json, line 2"), ('[{"a": 1}, {"a": %s}]', "t.json")],
    ids=["lines", "array"],
)
def test_a_number_of_thousands_of_digits_is_refused_in_our_words(make, refusal, text, where, sign):
    found = refusal(make(text % (sign + "9" * 5000), "t.json"))
    assert found.endswith(f"{where}: there is a number of 5000 digits; at most 4300 are read")


def test_lines_of_json_are_found(make):
    assert read(make('\n{"a": 1}\n\n{"a": 2}\n', "t.jsonl")).line_of(1) == 4
    assert read(make('[{"a": 1}]', "t.json")).line_of is None


TYPED = pa.table(
    {
        "integer": pa.array([LONG, None]),
        "time": pa.array([datetime.datetime(2024, 5, 1, 12), None], pa.timestamp("ns", "Europe/Berlin")),
        "category": pa.array(["x", "y"]).dictionary_encode(),
        "number": pa.array([0.1, 2.0], pa.float32()),
    }
)


def write_stream(table, path):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)


def write_file(table, path):
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


WRITE = {
    "feather": lambda table, path: feather.write_feather(table, path),
    "feather_zstd": lambda table, path: feather.write_feather(table, path, compression="zstd"),
    "arrow": write_file,
    "arrow_stream": write_stream,
    "parquet": lambda table, path: pyarrow.parquet.write_table(table, path),
}


@pytest.mark.parametrize("kind", WRITE)
@pytest.mark.parametrize("name", ["data", "data.parquet", "data.arrow"])
def test_arrow_feather_and_parquet_are_read_with_their_types(make, tmp_path, kind, name):
    make("")
    WRITE[kind](TYPED, tmp_path / name)
    assert read(name).features.equals(TYPED)
    assert read(name).remarks == []


@pytest.mark.parametrize("kind", WRITE)
@pytest.mark.parametrize("left", [0.3, 0.6, 0.9])
def test_truncated_files_with_types_are_refused(make, tmp_path, refusal, kind, left):
    make("")
    table = pa.table({"a": np.random.default_rng(0).integers(0, 2**60, 3000)})
    WRITE[kind](table, tmp_path / "t")
    content = (tmp_path / "t").read_bytes()
    assert "or a damaged one" in refusal(make(content[: int(left * len(content))], "cut"))


@pytest.mark.parametrize("kind", WRITE)
def test_files_with_types_whose_texts_are_no_utf_8_are_refused(make, tmp_path, refusal, kind):
    make("")
    texts = pa.Array.from_buffers(
        pa.string(), 2, [None, *pa.array(["x", "abc"]).buffers()[1:2], pa.py_buffer(b"xab\xe9")]
    )
    WRITE[kind](pa.table({"a": texts}), tmp_path / "t")
    assert "or a damaged one (" in refusal("t")
    assert "UTF8" in refusal("t")


@pytest.mark.parametrize("kind", WRITE)
def test_files_with_types_whose_names_are_no_utf_8_are_refused(make, tmp_path, refusal, kind):
    make("")
    WRITE[kind](pa.table({"abcdefgh": [1, 2]}), tmp_path / "t")
    content = (tmp_path / "t").read_bytes()
    assert b"abcdefgh" in content
    (tmp_path / "t").write_bytes(content.replace(b"abcdefgh", b"abc\xadefgh"))
    assert "or a damaged one (" in refusal("t")


@pytest.mark.parametrize("kind", ["arrow", "arrow_stream"])
@pytest.mark.parametrize("end", [1000, 2**31 - 1, -5])
def test_texts_that_lie_outside_of_an_arrow_file_are_refused(make, tmp_path, refusal, kind, end):
    """Where each text ends is written in the file; a reader that believes it reads the memory of others."""
    make("")
    WRITE[kind](pa.table({"a": ["x", "abc"]}), tmp_path / "t")
    content = (tmp_path / "t").read_bytes()
    positions, altered = (np.array([0, 1, last], np.int32).tobytes() for last in (4, end))
    assert content.count(positions) == 1
    (tmp_path / "t").write_bytes(content.replace(positions, altered))
    assert "or a damaged one (" in refusal("t")


def test_what_is_read_block_by_block_is_checked_too(make, tmp_path, refusal, no_memory):
    make("")
    texts = pa.Array.from_buffers(
        pa.string(), 2, [None, *pa.array(["x", "abc"]).buffers()[1:2], pa.py_buffer(b"xab\xe9")]
    )
    pyarrow.parquet.write_table(pa.table({"a": texts, "y": [0, 1]}), tmp_path / "t")
    no_memory()
    features = read("t").features
    with pytest.raises(SourceError, match="UTF8"):
        features.columns(["a"])
    with pytest.raises(SourceError, match="UTF8"):
        list(features.blocks())


@pytest.mark.parametrize("kind", WRITE)
def test_files_with_types_without_rows_are_refused(make, tmp_path, refusal, kind):
    make("")
    WRITE[kind](pa.table({"a": pa.array([], pa.int64())}), tmp_path / "t")
    assert refusal("t") == "t: there are no rows"


def test_repeated_names_in_parquet_are_told_apart_aloud(make, tmp_path):
    make("")
    pyarrow.parquet.write_table(pa.table([[1], [2]], names=["a", "a"]), tmp_path / "t")
    assert read("t").features.to_pylist() == [{"a": 1, "a.1": 2}]
    assert read("t").remarks == ["2 columns are called 'a'; the later ones become a.1"]


def test_a_folder_called_key_value_says_nothing_about_a_single_file(make, tmp_path):
    make("", "year=2020/x")
    pyarrow.parquet.write_table(pa.table({"a": [1]}), tmp_path / "year=2020" / "t.parquet")
    assert read("year=2020/t.parquet").column_names == ["a"]


# Excel.


@pytest.fixture
def workbook(make, tmp_path):
    """Write sheets, each a list of rows, into t.xlsx."""

    def write(**sheets):
        make("")
        book = openpyxl.Workbook()
        book.remove(book.active)
        for title, rows in sheets.items():
            sheet = book.create_sheet(title)
            for row in rows:
                sheet.append(row)
        book.save(tmp_path / "t.xlsx")
        return "t.xlsx"

    return write


def test_a_sheet_is_read_with_its_types(workbook, cells):
    day = datetime.datetime(2024, 5, 1)
    rows = [["id", "size", "when", "name", "ok"], [1, 1.5, day, "007", True], [2, 2, None, "x", False]]
    assert cells(workbook(S=rows)) == {
        "id": [1, 2],
        "size": [1.5, 2.0],
        "when": [day, None],
        "name": ["007", "x"],
        "ok": [True, False],
    }
    assert read("t.xlsx").line_of(1) == 3


@pytest.mark.parametrize("empty", [[], [None, None]])
def test_empty_rows_and_columns_of_a_sheet_do_not_count(workbook, empty):
    rows = [empty, ["a", "b", None], [1, "x", None], empty, [2, None], empty]
    source = read(workbook(S=rows))
    assert source.features.to_pydict() == {"a": [1, 2], "b": ["x", None]}
    assert [source.line_of(row) for row in range(2)] == [3, 5]


def test_a_sheet_without_header_has_numbered_columns(workbook, cells):
    assert cells(workbook(S=[[1, "x"], [2, "y"]]), header=False) == {"0": [1, 2], "1": ["x", "y"]}


def test_a_sheet_is_chosen_by_its_name_and_the_others_are_said(workbook, cells, refusal):
    path = workbook(Train=[["a"], [1]], Test=[["b"], [2]])
    assert cells(f"{path}::Test") == {"b": [2]}
    assert read(f"{path}::Test").remarks == []
    assert read(path).remarks == ["sheet 'Train' is read; name another one as t.xlsx::SHEET; there are also Test"]
    assert "has no sheet 'test'; the sheets are Train, Test" in refusal(f"{path}::test")


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ([1, "x"], ["1", "x"]),
        ([1, 2.5], [1.0, 2.5]),
        (["007", 7], ["007", "7"]),
        ([datetime.time(12, 30), None], [datetime.time(12, 30), None]),
        ([datetime.datetime(2024, 5, 1, 8), "later"], ["2024-05-01 08:00:00", "later"]),
        ([True, "yes"], ["true", "yes"]),
    ],
)
def test_mixed_cells_of_a_sheet_become_texts(workbook, cells, column, expected):
    assert cells(workbook(S=[["a", "b"], *([value, 1] for value in column)]))["a"] == expected


def test_errors_and_formulas_without_a_result_are_missing_cells_and_said(workbook):
    source = read(workbook(S=[["a", "b"], [1, "#DIV/0!"], [2, 5], ["=A2+A3", "#N/A"]]))
    assert source.features.to_pydict() == {"a": [1, 2, None], "b": [None, 5, None]}
    wrong, formulas = source.remarks
    assert wrong == "cells with an error are missing ones: 2, such as #DIV/0! in line 2"
    assert formulas.startswith("formulas without a stored result are missing cells: 1, the first in line 4")


@pytest.mark.parametrize("left", [0.2, 0.5, 0.8, 0.95])
def test_a_truncated_workbook_is_refused(workbook, make, refusal, tmp_path, left):
    content = (tmp_path / workbook(S=[["a"], [1]])).read_bytes()
    assert "damaged" in refusal(make(content[: int(left * len(content))], "cut.xlsx"))


def test_a_workbook_with_damaged_bytes_is_refused_or_read(workbook, make, tmp_path):
    content = (tmp_path / workbook(S=[["a", "b"], [1, "x"]])).read_bytes()
    rng, messages = np.random.default_rng(0), []
    for _ in range(40):
        changed = bytearray(content)
        for place in rng.integers(0, len(content), 5):
            changed[place] = rng.integers(256)
        try:
            read(make(bytes(changed), "t.xlsx"))
        except ValueError as error:
            messages.append(str(error))
    assert messages
    assert all(message.startswith("t.xlsx") and "\n" not in message for message in messages)


def test_an_empty_sheet_is_refused(workbook, refusal):
    assert "the sheet 'S' has no cells with values" in refusal(workbook(S=[]))
    assert "there are no rows below the header" in refusal(workbook(S=[["a", "b"]]))


# SQLite.


@pytest.fixture
def database(make, tmp_path):
    """Run statements on t.sqlite."""

    def write(*statements):
        make("")
        with sqlite3.connect(tmp_path / "t.sqlite") as connection:
            for statement in statements:
                connection.execute(statement)
        connection.close()
        return "t.sqlite"

    return write


HOUSES = (
    "CREATE TABLE houses (id INTEGER, size REAL, town TEXT)",
    f"INSERT INTO houses VALUES ({LONG}, 1.5, '007'), (2, NULL, 'x')",
)


def test_the_only_table_of_a_database_is_read_with_its_types(database, cells):
    assert cells(database(*HOUSES)) == {"id": [LONG, 2], "size": [1.5, None], "town": ["007", "x"]}


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("houses", {"id": [LONG, 2], "size": [1.5, None], "town": ["007", "x"]}),
        ("SELECT town FROM houses WHERE id < 5", {"town": ["x"]}),
        ("select count(*) AS n from houses", {"n": [2]}),
        ("WITH h AS (SELECT * FROM houses) SELECT size FROM h ORDER BY id", {"size": [None, 1.5]}),
        ("small", {"town": ["x"]}),
        ("two words", {"select": [5]}),
        ("SELECT id AS a, size AS a FROM houses WHERE id > 5" + " AND id > 5" * 100, {"a": [LONG], "a.1": [1.5]}),
    ],
)
def test_a_table_a_view_and_a_query_are_read(database, cells, what, expected):
    path = database(
        *HOUSES,
        "CREATE VIEW small AS SELECT town FROM houses WHERE id < 5",
        'CREATE TABLE "two words" ("select" INTEGER)',
        'INSERT INTO "two words" VALUES (5)',
    )
    assert cells(f"{path}::{what}") == expected


@pytest.mark.parametrize(
    ("within", "message"),
    [
        ("", "has 2 tables, houses, towns; name one, as in t.sqlite::houses, or give a query"),
        ("::house", "has no table 'house'; the tables are houses, towns"),
        ("::SELECT prize FROM houses", "no such column: prize"),
        ("::SELECT * FROM", "incomplete input"),
        ("::SELECT * FROM houses WHERE id = 7", "there are no rows"),
        ("::SELECT x'00ff' AS b", "column 'b' in row 0 is a bytes"),
        ("::WITH h AS (SELECT 1) DELETE FROM houses", "attempt to write a readonly database"),
    ],
)
def test_what_a_database_does_not_have_is_named_and_nothing_is_written(database, refusal, within, message):
    path = database(*HOUSES, "CREATE TABLE towns (name TEXT)")
    assert message in refusal(path + within)
    assert read(f"{path}::houses").features.num_rows == 2


def test_columns_of_a_database_with_several_types_become_texts(database, cells):
    path = database("CREATE TABLE t (a)", "INSERT INTO t VALUES (1), ('007'), (NULL), (2.5)")
    assert cells(path) == {"a": ["1", "007", None, "2.5"]}


def test_a_damaged_database_is_refused(database, make, refusal, tmp_path):
    content = (tmp_path / database(*HOUSES)).read_bytes()
    for size in (20, 100, 4096, 5000, len(content) - 1):
        assert "a truncated SQLite file" in refusal(make(content[:size], "cut.sqlite"))
    assert "has no tables" in refusal(make(empty_database(tmp_path), "e"))


def empty_database(folder):
    with sqlite3.connect(folder / "empty.sqlite") as connection:
        connection.execute("CREATE TABLE t (a)")
        connection.execute("DROP TABLE t")
    connection.close()
    return (folder / "empty.sqlite").read_bytes()


# DuckDB.


@pytest.fixture
def warehouse(make, tmp_path):
    """Write two tables and a view into t.duckdb."""
    duckdb = pytest.importorskip("duckdb", reason="DuckDB files need duckdb")
    make("")
    with duckdb.connect(str(tmp_path / "t.duckdb")) as connection:
        connection.execute("CREATE TABLE houses (id BIGINT, town VARCHAR, built DATE)")
        connection.execute(f"INSERT INTO houses VALUES ({LONG}, '007', '2024-05-01'), (2, NULL, NULL)")
        connection.execute('CREATE TABLE "two words" ("select" INTEGER)')
        connection.execute('INSERT INTO "two words" VALUES (5)')
        connection.execute("CREATE VIEW small AS SELECT town FROM houses WHERE id > 5")
    return "t.duckdb"


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("houses", {"id": [LONG, 2], "town": ["007", None], "built": [datetime.date(2024, 5, 1), None]}),
        ("two words", {"select": [5]}),
        ("small", {"town": ["007"]}),
        ("SELECT id FROM houses WHERE town IS NULL", {"id": [2]}),
        ("with h as (select id, id from houses) select * from h limit 1", {"id": [LONG], "id_1": [LONG]}),
    ],
)
def test_tables_and_queries_of_duckdb_are_read_with_their_types(warehouse, cells, what, expected):
    assert cells(f"{warehouse}::{what}") == expected


@pytest.mark.parametrize(
    ("within", "message"),
    [
        ("", "has 3 tables, houses, small, two words; name one"),
        ("::house", "has no table 'house'"),
        ("::SELECT prize FROM houses", "prize"),
        ("::SELECT * FROM 'x.csv'", "x.csv"),
        ("::SELECT * FROM houses WHERE id = 7", "there are no rows"),
    ],
)
def test_what_duckdb_does_not_have_and_other_files_are_refused(warehouse, make, refusal, within, message):
    make("a,b\n1,2\n", "x.csv")
    assert message in refusal(warehouse + within)


def test_a_truncated_duckdb_file_is_refused(warehouse, make, refusal, tmp_path):
    content = (tmp_path / warehouse).read_bytes()
    for size in (20, 5000, len(content) // 2):
        assert refusal(make(content[:size], "cut.duckdb"))
    assert "unpack it first" in refusal(make(gzip.compress(content), "t.gz"))


@pytest.mark.parametrize(("name", "extra"), [("openpyxl", "excel"), ("duckdb", "duckdb")])
def test_without_an_extra_the_message_says_what_to_install(workbook, make, refusal, monkeypatch, name, extra):
    path = workbook(S=[["a"], [1]]) if name == "openpyxl" else make(b"\0" * 8 + b"DUCK" + b"\0" * 100)
    monkeypatch.setitem(sys.modules, name, None)
    assert refusal(path).endswith(f"files need {name}; pip install 'pysmorch[{extra}]'")


@pytest.mark.parametrize("name", ["t.csv", "t.jsonl", "t.parquet", "t.npz", "t.arrow"])
def test_only_workbooks_and_databases_have_parts(make, refusal, tmp_path, name):
    make('{"a": "b"}\n' if name == "t.jsonl" else "a,b\n1,2\n", name)
    assert "only Excel, SQLite and DuckDB files have sheets and tables" in refusal(f"{name}::houses")
