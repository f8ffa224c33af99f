"""What unpacks to too much is refused before it does; damaged archives are one error."""

import bz2
import contextlib
import gzip
import io
import lzma
import tracemalloc
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import feather, parquet

from pysmorch.sources import SourceError, limits, read
from pysmorch.sources.arrow_sizes import unpacked_size
from pysmorch.sources.pieces import stream_csv
from pysmorch.sources.streaming import stream_arrow, stream_parquet
from tests.helpers import idx

BIG = 2**20


@pytest.fixture(autouse=True)
def a_small_limit(monkeypatch):
    """What is refused from half a GiB on, here from a MiB on."""
    monkeypatch.setattr(limits, "SMALL", BIG)
    monkeypatch.setattr(limits, "PIECE", 2**16)
    yield
    limits.set_max_memory(None)


def npz_with_header(shape, content):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": shape})
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("X.npy", header.getvalue() + content)
    return file.getvalue()


def zipped(name, content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


ZEROS = bytes(32 * BIG)
BOMBS = {
    "a.csv.gz": gzip.compress(b"a,b\n" + ZEROS),
    "a.csv.bz2": bz2.compress(b"a,b\n" + ZEROS),
    "a.csv.xz": lzma.compress(b"a,b\n" + ZEROS),
    "a.csv.zst": pa.compress(b"a,b\n" + ZEROS, codec="zstd", asbytes=True),
    "idx.gz": gzip.compress(
        idx(np.zeros((0, 4, 4)))[:4] + (2**21).to_bytes(4, "big") + bytes([0, 0, 0, 4] * 2) + ZEROS
    ),
    "a.zip": zipped("a.csv", b"a,b\n" + ZEROS),
    "a.npz": npz_with_header((32 * BIG // 16, 16), ZEROS),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_decompression_bomb_is_refused_before_it_is_unpacked(tmp_path, name):
    (tmp_path / name).write_bytes(BOMBS[name])
    tracemalloc.start()
    with pytest.raises(SourceError, match=r"over 100 times its size.*--max-memory"):
        read(str(tmp_path / name))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * BIG


@pytest.mark.parametrize("name", ["a.npz", "a.csv.gz"])
def test_what_was_allowed_is_read_and_what_is_above_is_refused(tmp_path, name):
    content = {
        "a.npz": npz_with_header((BIG // 8, 16), bytes(2 * BIG)),
        "a.csv.gz": gzip.compress(b"a,b\n" + b"1,2\n" * BIG),
    }
    (tmp_path / name).write_bytes(content[name])
    limits.set_max_memory(BIG)
    with pytest.raises(SourceError, match=r"takes .* of memory, but 1 MiB may be taken"):
        read(str(tmp_path / name))
    limits.set_max_memory(8 * BIG)
    assert len(read(str(tmp_path / name)).features) in (BIG, BIG // 8)


def test_an_idx_file_that_unpacks_to_more_than_it_says_is_not_unpacked(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx(np.zeros((5, 4, 4))) + ZEROS))
    with pytest.raises(SourceError, match=r"\d+ bytes, but its sizes \[5, 4, 4\] need 96; truncated or altered"):
        read(str(tmp_path / "a.gz"))


def test_an_array_whose_header_promises_more_than_there_is_allocates_nothing(tmp_path):
    (tmp_path / "a.npz").write_bytes(npz_with_header((2**40, 16), bytes(64)))
    with pytest.raises(SourceError, match=r"has \d+ bytes, but its shape \(1099511627776, 16\) needs"):
        read(str(tmp_path / "a.npz"))


def arrow(kind, compression="zstd"):
    """A table of 4 MiB of zeros, of dictionary-encoded text and of lists, in one of Arrow's formats."""
    text = pa.DictionaryArray.from_arrays(np.zeros(BIG // 8, np.int32), ["x" * 1000])
    table = pa.table({"a": pa.array(np.zeros(BIG // 8)), "b": text, "c": pa.array(np.zeros(BIG // 8))})
    file = io.BytesIO()
    if kind == "feather":
        feather.write_feather(table, file, compression=compression or "uncompressed")
    else:
        options = pa.ipc.IpcWriteOptions(compression=compression)
        with (pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file)(file, table.schema, options=options) as out:
            out.write_table(table, max_chunksize=5000)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["feather", "stream", "file"])
@pytest.mark.parametrize("compression", ["zstd", "lz4", None])
def test_what_an_arrow_file_unpacks_to_is_read_from_it_before(kind, compression):
    content = arrow(kind, compression)
    size = unpacked_size(pa.BufferReader(content), kind == "stream")
    values = 2 * BIG + BIG // 2
    assert values <= size < 1.1 * values


@pytest.mark.parametrize("kind", ["feather", "stream", "file"])
def test_an_arrow_file_is_refused_before_it_is_unpacked(tmp_path, kind):
    (tmp_path / "a.arrow").write_bytes(arrow(kind))
    limits.set_max_memory(BIG)
    before = pa.total_allocated_bytes()
    with pytest.raises(SourceError, match=r"a.arrow takes 3 MiB of memory, but 1 MiB may be taken"):
        read(str(tmp_path / "a.arrow"))
    assert pa.total_allocated_bytes() - before < BIG
    limits.set_max_memory(8 * BIG)
    assert len(read(str(tmp_path / "a.arrow")).features) == BIG // 8


@pytest.mark.parametrize("seed", range(40))
def test_a_damaged_arrow_file_is_one_error_or_read(tmp_path, seed):
    rng = np.random.default_rng(seed)
    content = bytearray(arrow(["feather", "stream", "file"][seed % 3]))
    for at in rng.integers(8, len(content), 5):
        content[at] = rng.integers(256)
    (tmp_path / "a.arrow").write_bytes(content)
    limits.set_max_memory(16 * BIG)
    with contextlib.suppress(SourceError, MemoryError):  # sizes that are wrong are very large ones, too
        read(str(tmp_path / "a.arrow"))


def excel(sheet):
    """A workbook whose only sheet has this content."""
    openpyxl = pytest.importorskip("openpyxl")
    plain, file = io.BytesIO(), io.BytesIO()
    openpyxl.Workbook().save(plain)
    start = b'<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>'
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            is_sheet = name == "xl/worksheets/sheet1.xml"
            new.writestr(name, start + sheet + b"</sheetData></worksheet>" if is_sheet else old.read(name))
    return file.getvalue()


def test_a_workbook_that_unpacks_to_too_much_is_refused_before(tmp_path):
    (tmp_path / "a.xlsx").write_bytes(excel(b"<row><c><v>1</v></c></row>" * BIG))
    tracemalloc.start()
    with pytest.raises(SourceError, match=r"a.xlsx unpacks to 26.* MiB or more, over 100 times its size"):
        read(str(tmp_path / "a.xlsx"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < BIG


@pytest.mark.parametrize("rows", [[1], range(1, 200)], ids=["one cell far to the right", "many"])
def test_a_workbook_of_few_cells_and_a_large_table_is_refused(tmp_path, rows):
    far = b"".join(b'<row r="%d"><c r="XFD%d"><v>1</v></c></row>' % (i, i) for i in rows)
    near = b"".join(b'<row r="%d"><c r="A%d"><v>1</v></c></row>' % (i, i) for i in range(200, 400))
    (tmp_path / "a.xlsx").write_bytes(excel(far + near))
    limits.set_max_memory(20 * BIG)
    with pytest.raises(SourceError, match=r"takes .* MiB of memory, but 20 MiB may be taken"):
        read(str(tmp_path / "a.xlsx"))


def test_a_pipe_without_an_end_is_refused(monkeypatch):
    class Endless(io.RawIOBase):
        def readable(self):
            return True

        def readinto(self, buffer):
            buffer[:] = b"1" * len(buffer)
            return len(buffer)

    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BufferedReader(Endless())))
    limits.set_max_memory(BIG)
    with pytest.raises(SourceError, match=r"standard input takes .* of memory, but 1 MiB may be taken"):
        read("-")


def test_a_parquet_file_of_constants_is_measured_by_its_values(tmp_path):
    table = pa.table(
        {"a": pa.DictionaryArray.from_arrays(np.zeros(4 * BIG, np.int32), ["x"]), "b": pa.array(np.zeros(4 * BIG))}
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < BIG
    limits.set_max_memory(4 * BIG)
    with pytest.raises(SourceError, match="takes 48 MiB of memory, but 4 MiB may be taken"):
        read(str(tmp_path / "a.parquet"))


def changed(content, where, value):
    content = bytearray(content)
    content[where] = value
    return bytes(content)


def odd_npz(what):
    file = io.BytesIO()
    np.savez(file, X=np.zeros((4, 2)))
    content = file.getvalue()
    central = content.rindex(b"PK\x01\x02")
    return {
        "encrypted": changed(content, central + 8, content[central + 8] | 1),
        "method": changed(content, central + 10, 77),
        "version": changed(content, central + 6, 99),
        "cut": content[:-20],
        "header": content.replace(b"NUMPY\x01", b"NUMPY\x07"),
        "shape": npz_with_header(("a", 2), b""),
        "huge shape": npz_with_header((10**60, 2), b""),
    }[what]


@pytest.mark.parametrize("what", ["encrypted", "method", "version", "cut", "header", "shape", "huge shape"])
def test_an_odd_npz_file_is_one_error(tmp_path, what):
    (tmp_path / "a.npz").write_bytes(odd_npz(what))
    with pytest.raises(SourceError, match=r"^(?!.*objects)"):
        read(str(tmp_path / "a.npz"))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bz2", "xz"])
@pytest.mark.parametrize("content", [b"a,y\n" + b"1,p\n" * 50, idx(np.zeros((5, 4, 4)))], ids=["csv", "idx"])
def test_a_packed_file_that_was_cut_is_one_error(tmp_path, pack, content):
    packed = pack(content)
    for cut in (len(packed) // 2, len(packed) - 9, len(packed) - 1):
        (tmp_path / "a.gz").write_bytes(packed[:cut])
        with pytest.raises(SourceError):
            read(str(tmp_path / "a.gz"))


def parquet_of(table, **options):
    file = io.BytesIO()
    parquet.write_table(table, file, **options)
    return file.getvalue()


SAME_TEXT = pa.array(["x" * 1000] * (BIG // 100))
OF_TEXTS = {
    "text": SAME_TEXT,
    "large": SAME_TEXT.cast(pa.large_string()),
    "bytes": SAME_TEXT.cast(pa.binary()),
    "list": pa.ListArray.from_arrays(np.arange(len(SAME_TEXT) + 1, dtype=np.int32), SAME_TEXT),
    "struct": pa.StructArray.from_arrays([SAME_TEXT], ["a"]),
    "fixed": SAME_TEXT.cast(pa.binary()).cast(pa.binary(1000)),
}


@pytest.mark.parametrize("kind", OF_TEXTS)
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_texts_that_a_parquet_file_has_in_a_dictionary_are_counted_before_they_are_decoded(tmp_path, kind, compression):
    content = parquet_of(pa.table({"a": OF_TEXTS[kind]}), compression=compression, row_group_size=4000)
    assert len(content) < BIG // 4
    (tmp_path / "a.parquet").write_bytes(content)
    limits.set_max_memory(5 * BIG)
    with pytest.raises(SourceError, match=r"a.parquet takes \d+ MiB of memory, but 5 MiB may be taken"):
        read(str(tmp_path / "a.parquet"))


def test_texts_that_fit_are_read_as_they_are(tmp_path):
    (tmp_path / "a.parquet").write_bytes(parquet_of(pa.table({"a": SAME_TEXT, "y": np.arange(len(SAME_TEXT))})))
    limits.set_max_memory(64 * BIG)
    source = read(str(tmp_path / "a.parquet"))
    assert source.features["a"].type == pa.string()
    assert source.features["a"].to_pylist() == SAME_TEXT.to_pylist()


IN_PLACE = OF_TEXTS | {
    "map": pa.array([[("k", "x" * 1000)]] * (BIG // 100), pa.map_(pa.string(), pa.string())),
    "list of two": pa.FixedSizeListArray.from_arrays(SAME_TEXT, 1),
    "lists of numbers": pa.array([[1.0] * 100] * (BIG // 100)),
}


@pytest.mark.parametrize("row_group_size", [100, 4000, 2**20])
@pytest.mark.parametrize("kind", IN_PLACE)
def test_no_batch_of_a_parquet_file_takes_more_than_its_share(tmp_path, kind, row_group_size):
    path = str(tmp_path / "a.parquet")
    (tmp_path / "a.parquet").write_bytes(parquet_of(pa.table({"a": IN_PLACE[kind]}), row_group_size=row_group_size))
    limits.set_max_memory(20 * BIG)
    blocks = [block for _, block in stream_parquet(path).features.blocks()]
    assert pa.concat_tables(blocks)["a"].combine_chunks().equals(IN_PLACE[kind])
    assert max(block.nbytes for block in blocks) < 20 * BIG / 8 * 1.1


def test_few_long_texts_among_short_ones_are_in_batches_of_few_rows(tmp_path):
    positions = pa.array(np.repeat([1, 0, 1], [70_000, 20, 30_000]).astype(np.int32))
    texts = pa.DictionaryArray.from_arrays(positions, pa.array(["x" * BIG, "y"]))
    (tmp_path / "a.parquet").write_bytes(parquet_of(pa.table({"a": texts}), store_schema=False))
    limits.set_max_memory(16 * BIG)
    sizes = [block.nbytes for _, block in stream_parquet(str(tmp_path / "a.parquet")).features.blocks()]
    assert 2 * BIG < max(sizes) < 2.5 * BIG


@pytest.mark.parametrize(("kind", "of_what"), [("list", "a row of"), ("lists of numbers", "")])
def test_a_row_that_is_too_large_is_refused_before_it_is_decoded(tmp_path, kind, of_what):
    values = IN_PLACE[kind].flatten()
    one = pa.ListArray.from_arrays(pa.array([0, len(values)], pa.int32()), values)
    table = pa.table({"a": pa.concat_arrays([IN_PLACE[kind][:4], one])})
    (tmp_path / "a.parquet").write_bytes(parquet_of(table, row_group_size=4))
    limits.set_max_memory(7 * BIG)
    with pytest.raises(SourceError, match=rf"^{of_what}.*a.parquet: row group 2.* takes .*, but 7 MiB may be taken"):
        stream_parquet(str(tmp_path / "a.parquet"))


def test_a_column_that_is_read_whole_is_counted_first(tmp_path):
    (tmp_path / "a.parquet").write_bytes(parquet_of(pa.table({"a": SAME_TEXT, "y": np.arange(len(SAME_TEXT))})))
    limits.set_max_memory(5 * BIG)
    table = stream_parquet(str(tmp_path / "a.parquet")).features
    assert table["y"].to_pylist() == list(range(len(SAME_TEXT)))
    with pytest.raises(SourceError, match=r"a.parquet takes \d+ MiB of memory, but 5 MiB may be taken"):
        table["a"]


def test_batches_of_long_rows_of_a_csv_file_are_short(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n" + ("x" * 10_000 + ",1\n") * 600)
    limits.set_max_memory(8 * BIG)
    table = stream_csv(str(tmp_path / "a.csv"), True, None, [])
    assert max(block.nbytes for _, block in table.features.blocks()) < 1.1 * BIG


def listing_again(content, times):
    """A file of Arrow with one record batch, whose footer lists it so many times."""
    length = int.from_bytes(content[-10:-6], "little")
    footer = bytearray(content[-10 - length : -10])
    table = int.from_bytes(footer[:4], "little")
    fields = table - int.from_bytes(footer[table : table + 4], "little", signed=True)
    at = table + int.from_bytes(footer[fields + 10 : fields + 12], "little")
    blocks = at + int.from_bytes(footer[at : at + 4], "little")
    block = bytes(footer[blocks + 4 : blocks + 28])
    footer += bytes(-(len(footer) + 4) % 8)
    footer[at : at + 4] = (len(footer) - at).to_bytes(4, "little")
    footer += times.to_bytes(4, "little") + block * times
    return content[: -10 - length] + bytes(footer) + len(footer).to_bytes(4, "little") + b"ARROW1"


def test_a_batch_that_an_arrow_file_lists_many_times_is_counted_as_often(tmp_path):
    file = io.BytesIO()
    table = pa.table({"a": np.zeros(BIG // 16), "y": np.zeros(BIG // 16)})
    with pa.ipc.new_file(file, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as out:
        out.write_table(table)
    content = listing_again(file.getvalue(), 50)
    assert pa.ipc.open_file(pa.BufferReader(content)).num_record_batches == 50
    assert 50 * BIG <= unpacked_size(pa.BufferReader(content), False) < 51 * BIG
    (tmp_path / "a.arrow").write_bytes(content)
    limits.set_max_memory(8 * BIG)
    with pytest.raises(SourceError, match=r"a.arrow takes 50 MiB of memory, but 8 MiB may be taken"):
        read(str(tmp_path / "a.arrow"))


def test_rows_without_any_bytes_are_counted(tmp_path):
    file = io.BytesIO()
    table = pa.table({"a": pa.nulls(100 * BIG)})
    with pa.ipc.new_file(file, table.schema) as out:
        out.write_table(table)
    (tmp_path / "a.arrow").write_bytes(file.getvalue())
    limits.set_max_memory(8 * BIG)
    with pytest.raises(SourceError, match=r"a.arrow takes 100 MiB of memory"):
        read(str(tmp_path / "a.arrow"))


@pytest.mark.parametrize("name", ["a.parquet", "a.arrow"])
@pytest.mark.parametrize("in_place", [False, True])
def test_a_lack_of_memory_is_not_taken_for_a_damaged_file(tmp_path, monkeypatch, name, in_place):
    def fail(*_, **__):
        raise pa.ArrowMemoryError("malloc of size 64 failed")

    path = str(tmp_path / name)
    with open(path, "wb") as file:
        file.write(arrow("file"))
    if name == "a.parquet":
        parquet.write_table(pa.table({"a": [1.0]}), path)
    table = (stream_parquet if name == "a.parquet" else stream_arrow)(path).features
    monkeypatch.setattr(parquet, "ParquetFile", fail)
    monkeypatch.setattr(pa.ipc, "open_file", fail)
    monkeypatch.setattr(feather, "read_table", fail)
    if in_place:
        with pytest.raises(MemoryError, match="malloc of size 64 failed"):
            table.columns(["a"])
        with pytest.raises(MemoryError, match="malloc of size 64 failed"):
            list(table.blocks())
    else:
        with pytest.raises(MemoryError, match="does not fit into the memory that is left, or is damaged"):
            read(path)
