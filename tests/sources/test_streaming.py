"""Tables that the memory cannot hold have the same cells, lines and remarks as those in memory."""

import gzip
import io
import subprocess
import sys
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest

from pysmorch import memory
from pysmorch.memory import available_memory
from pysmorch.sources import SourceError, read
from pysmorch.sources.streaming import StreamedTable

CSV = {
    "commas": "a,b\n1,2\n3,4\n",
    "decimal commas and a cell of two lines": 'a;b\n1,5;2\n"x;\ny";4\n',
    "separators at line ends": "a,b,\n1,2,\n3,4,\n",
    "comments and blanks around quotes": '# hi\na,b\n1, "x, y"\n# a remark\n2,"z"\n',
    "a byte order mark and no last line end": "\ufeffa,b\r\n1,2\r\n# c\r\n3,4",
    "lines that end with a carriage return": "a\r1\r2\r",
    "a quote within a cell": 'a,b\n1,5" nail\n2,"q\nr"\n3,4\n',
    "repeated names": "a,a\n1,2\n",
    "missing cells": 'a,b\nNA,"NA"\n,""\n',
    "many lines": "a,b\n" + "".join(f'{i},"{i}\n{i}"\n' for i in range(200)),
    "a row with more cells": "a,b\n1,2\n3,4,5\n",
    "a row with fewer cells": "a,b\n" + "1,2\n" * 50 + "3\n",
    "a quote that is never closed": 'a,b\n1,"x\n2,3\n',
    "letters after a quote": 'a,b\n1,"x"y\n2,3\n',
    "a zero byte": "a,b\n1,2\n3,\0\n",
    "only comments": "# a\n# b\n",
    "joined files": "a,b\n1,x\n2,y\na,b\n3,z\na,b\n4,b\n",
    "joined files with repeated names": "a,a\n1,x\na,a\n" + "2,y\n" * 30,
    "a row of the names of the columns where texts come later": "a,b\n"
    + "1,x\n" * 20
    + "a,b\n"
    + "1,x\n" * 20
    + "z,z\n",
    "a row of the names of the columns in texts": "a,b\nx,y\na,b\nz,w\n",
    "only the names of the columns again": "a,b\na,b\na,b\n",
}


def zipped(content):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("t.csv", content)
    return packed.getvalue()


ENCODED = {
    "the only file of an archive": (zipped(b"a,b\n" + b"1,2\n" * 100), None),
    "a packed file in an archive": (zipped(gzip.compress(b"a,b\n" + b"1,2\n" * 100)), None),
    "utf-16": ("a,b\né,1\nü,2\n".encode("utf-16"), None),
    "cp1252": ("a,b\né,1\nü,2\n".encode("cp1252"), "cp1252"),
    "not utf-8": ("a,b\n1,2\né,1\n".encode("cp1252"), None),
    "an unknown encoding": (b"a\n1\n", "utf-99"),
    "truncated utf-16": ("a,b\né,1\nü,2\n".encode("utf-16")[:-1], "utf-16"),
    "packed": (gzip.compress(b"a,b\n" + b"1,2\n" * 100), None),
    "packed and truncated": (gzip.compress(b"a,b\n" + b"1,2\n" * 100)[:-12], None),
}


def found_in(source, **options):
    """The cells of a source, its remarks and the lines of its rows; or why it is refused, up to the reason in parentheses."""
    try:
        read_source = read(source, **options)
    except SourceError as error:
        return str(error).split(" packed file (")[0].replace("gzip", "").split()
    table = read_source.features
    if isinstance(table, StreamedTable):
        table = table.columns(table.column_names)
    said = sorted(remark for remark in read_source.remarks if "block by block" not in remark)
    lines = None if read_source.line_of is None else [read_source.line_of(i) for i in range(table.num_rows)]
    return table.column_names, table.to_pydict(), said, lines


@pytest.mark.parametrize("size", [16, 64, 2**20])
@pytest.mark.parametrize("name", CSV)
def test_a_csv_file_in_pieces_is_the_same_table(make, no_memory, monkeypatch, name, size):
    path = make(CSV[name])
    expected = found_in(path, missing=("NA",))
    no_memory()
    monkeypatch.setattr("pysmorch.sources.pieces.BYTES_OF_A_PIECE", size)
    assert found_in(path, missing=("NA",)) == expected


@pytest.mark.parametrize("name", ENCODED)
def test_encoded_and_packed_files_in_pieces_are_the_same_table(make, no_memory, name):
    content, encoding = ENCODED[name]
    path = make(content)
    expected = found_in(path, encoding=encoding)
    no_memory()
    found = found_in(path, encoding=encoding)
    assert found == expected


def test_a_parquet_file_stays_where_it_is_and_is_read_block_by_block(make, no_memory):
    make("")
    columns = {"a": pa.array(range(100), pa.int8()), "b": [f"v{i}" for i in range(100)]}
    pyarrow.parquet.write_table(pa.table(columns), "t.parquet", row_group_size=30)
    no_memory()
    table = read("t.parquet").features
    assert isinstance(table, StreamedTable)
    assert table.shape == (100, 2)
    assert [(first, block.num_rows) for first, block in table.blocks()] == [(0, 37), (37, 37), (74, 26)]
    some = table.select(["b", "a"]).take(np.array([3, 36, 37, 99])).rename_columns(["x", "y"])
    blocks = [(first, block.to_pydict()) for first, block in some.blocks()]
    assert blocks == [
        (0, {"x": ["v3", "v36"], "y": [3, 36]}),
        (2, {"x": ["v37"], "y": [37]}),
        (3, {"x": ["v99"], "y": [99]}),
    ]
    assert some["y"].to_pylist() == [3, 36, 37, 99]
    assert some.take(np.array([1, 3])).drop_columns(["y"]).columns(["x"]).to_pydict() == {"x": ["v36", "v99"]}


@pytest.mark.parametrize("compression", ["uncompressed", "lz4"])
def test_an_arrow_file_stays_where_it_is_and_is_read_block_by_block(make, no_memory, compression):
    make("")
    columns = {"a": pa.array(range(100), pa.int8()), "b": [f"v{i}" for i in range(100)]}
    columns["c"] = pa.array(["x", "y"] * 50).dictionary_encode()
    pyarrow.feather.write_feather(pa.table(columns), "t.feather", compression=compression, chunksize=50)
    expected = found_in("t.feather")
    no_memory()
    table = read("t.feather").features
    assert isinstance(table, StreamedTable)
    assert found_in("t.feather") == expected
    assert [(first, len(block)) for first, block in table.blocks()] == [(0, 37), (37, 13), (50, 37), (87, 13)]
    assert table.select(["b"]).take(np.array([3, 99]))["b"].to_pylist() == ["v3", "v99"]


@pytest.mark.parametrize("content", [b"ARROW1", b"ARROW1\0\0" + b"x" * 100])
def test_a_damaged_arrow_file_is_refused_in_one_line(make, no_memory, content):
    path = make(content, "t.arrow")
    no_memory()
    with pytest.raises(SourceError, match="not an Arrow file, or a damaged one"):
        read(path)


def test_folders_with_keys_and_parts_of_other_types_are_one_table(make, no_memory, tmp_path):
    for key, kind, values in (("x", pa.int8(), [1, 2]), ("y", pa.int64(), [3, 2**60])):
        make("", f"t/key={key}/year=2020/part.parquet")
        pyarrow.parquet.write_table(
            pa.table({"a": pa.array(values, kind)}), tmp_path / f"t/key={key}/year=2020/part.parquet"
        )
    expected = found_in("t")
    no_memory()
    assert isinstance(read("t").features, StreamedTable)
    assert found_in("t") == expected
    assert found_in(["t/key=y/year=2020/part.parquet", "t/key=x/year=2020/part.parquet"])[1] == {"a": [3, 2**60, 1, 2]}


def test_several_csv_files_are_one_table_with_the_lines_of_each(make, no_memory):
    make("a,b\n1,2\n", "p1.csv")
    make("b,a\n3,4\n5,6\n", "p2.csv")
    expected = found_in("p*.csv")
    no_memory()
    assert isinstance(read("p*.csv").features, StreamedTable)
    assert found_in("p*.csv") == expected
    assert expected[3] == ["2 of p1.csv", "2 of p2.csv", "3 of p2.csv"]


def test_it_is_said_that_and_why_a_table_is_read_block_by_block(make, no_memory, monkeypatch):
    path = make("a\n" + "1\n" * 5_000_000)
    no_memory()
    monkeypatch.setattr("pysmorch.sources.pieces.BYTES_OF_A_PIECE", 2**24)
    (remark,) = read(path).remarks
    assert remark == "data.csv is read block by block: whole, it would take about 0.1 GB, and 0.0 GB of memory are left"


def test_a_table_that_fits_is_read_whole(make):
    assert isinstance(read(make("a\n1\n")).features, pa.Table)
    assert 2**20 < available_memory() < 2**60


def test_other_files_are_read_whole(make, no_memory):
    path = make('{"a": 1}\n{"a": 2}\n', "data.jsonl")
    no_memory()
    assert isinstance(read(path).features, pa.Table)


def test_another_file_that_does_not_fit_is_refused_with_the_kinds_that_help(make, monkeypatch):
    def too_large(*_, **__):
        raise MemoryError

    path = make('{"a": 1}\n', "data.jsonl")
    monkeypatch.setattr("pysmorch.sources.reading.read_json", too_large)
    with pytest.raises(
        SourceError, match=r"^data\.jsonl does not fit into the memory that is left; Parquet, Arrow and CSV files"
    ):
        read(path)


def test_a_full_disk_is_said_before_anything_is_written(make, no_memory, monkeypatch):
    path = make("a\n1\n")
    no_memory()
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 1})())
    with pytest.raises(
        SourceError, match=r"^data\.csv: .*needs 0\.0 GB on a disk, but .* has 0\.0 GB left; set TMPDIR"
    ):
        read(path)


def test_a_parquet_file_with_two_columns_of_one_name_needs_others(make, no_memory):
    make("")
    pyarrow.parquet.write_table(pa.table([pa.array([1]), pa.array([2])], names=["a", "a"]), "t.parquet")
    no_memory()
    with pytest.raises(SourceError, match=r"^t\.parquet: 2 columns are called 'a'; .* needs different names$"):
        read("t.parquet")


def test_an_arrow_file_that_is_cut_off_while_it_is_read_is_an_error(tmp_path):
    """It is read in a child, which a lack of pages would end."""
    path = str(tmp_path / "a.arrow")
    table = pa.table({"a": np.arange(400_000.0), "y": np.arange(400_000)})
    with pa.ipc.new_file(path, table.schema) as out:
        out.write_table(table, max_chunksize=50_000)
    code = (
        "import os, sys\n"
        "from pysmorch.sources.streaming import stream_arrow\n"
        "for i, (_, block) in enumerate(stream_arrow(sys.argv[1]).features.blocks()):\n"
        "    if i == 2: os.truncate(sys.argv[1], 4096)\n"
        "    block['a'].to_numpy().sum()\n"
    )
    found = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True)
    assert found.returncode == 1, found
    assert "a.arrow: not an Arrow file, or a damaged one" in found.stderr.splitlines()[-1]


@pytest.mark.parametrize("file", ["memory.max", "memory/memory.limit_in_bytes"])
def test_the_limit_of_a_control_group_counts(tmp_path, monkeypatch, file):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.write_text("1048576\n")
    memory._files_of_limits.cache_clear()
    monkeypatch.setattr(memory, "GROUPS", tmp_path)
    try:
        assert available_memory() == 0
    finally:
        memory._files_of_limits.cache_clear()


def test_buffers_follow_the_memory_that_is_left(monkeypatch):
    monkeypatch.setattr(memory, "available_memory", lambda: 2**28)
    assert [memory.buffer_size(most) for most in (1000, 2**23, 2**26)] == [1000, 2**23, 2**24]
    monkeypatch.setattr(memory, "available_memory", lambda: 0)
    assert memory.buffer_size(2**26) == memory.SMALLEST_BUFFER
