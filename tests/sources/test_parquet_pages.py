"""Parquet files whose page headers or footers lie: one sentence, no more memory than may be taken, and never rows that are missing."""

import pyarrow as pa
import pytest

from pysmorch.sources import SourceError, limits, read
from pysmorch.sources.streaming import stream_parquet
from tests.sources.parquet_files import COLUMNS, NUMBERS, ROWS, ParquetFile, content_of, field

MIB = 2**20
LIES = [-1, 1, 999, 2**24, 2**31 - 1]


COUNTED = pa.proxy_memory_pool(pa.default_memory_pool())
"""Knows the most memory that was taken in these tests."""


@pytest.fixture(autouse=True)
def _limits():
    before = pa.default_memory_pool()
    pa.set_memory_pool(COUNTED)
    yield
    pa.set_memory_pool(before)
    limits.set_max_memory(None)


def rows_read(path, streamed):
    if not streamed:
        return read(path).features.num_rows
    return sum(block.num_rows for _, block in stream_parquet(path).features.blocks())


def rows_or_none(path, streamed):
    try:
        return rows_read(path, streamed)
    except SourceError:
        return None


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("name", COLUMNS)
def test_a_wrong_number_in_a_page_is_refused_or_does_not_matter(tmp_path, name, streamed):
    column, options = COLUMNS[name]
    content = content_of(column, **options)
    assert ParquetFile(content).content() == content
    path = str(tmp_path / "a.parquet")
    limits.set_max_memory(8 * MIB)
    refused = 0
    for i, _ in enumerate(ParquetFile(content).numbers()):
        for lie in LIES:
            changed = ParquetFile(content)
            list(changed.numbers())[i][2] = lie
            (tmp_path / "a.parquet").write_bytes(changed.content())
            rows = rows_or_none(path, streamed)
            assert rows in (None, ROWS)
            refused += rows is None
    assert refused > 20
    assert 0 < COUNTED.max_memory() < 64 * MIB


def with_number(content, page, number, value, inner=None):
    """A file in which a header of a page has another number, perhaps in a structure of it."""
    changed = ParquetFile(content)
    fields = changed.pages[page][0]
    field(fields if inner is None else field(fields, inner)[2], number)[2] = value
    return changed.content()


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(
    ("lie", "message"),
    [
        ((0, 2, 2**31 - 1), r"a.parquet.* takes 2.0 GiB of memory, but 8 MiB may be taken"),
        ((0, 2, 0), r"page 1 of column 'a' of row group 1 says that it has 9 values in 0 bytes"),
        ((1, 3, 2**31 - 1), r"page 2 of column 'a' of row group 1 is not there to its end"),
        ((1, 2, -1), r"page 2 of column 'a' of row group 1 does not say how large it is"),
        ((0, 1, 2**31 - 1, 7), r"page 1 of column 'a' of row group 1 says that it has 2147483647 values in 72 bytes"),
        ((1, 1, 2**31 - 1, 5), r"column 'a' of row group 1 has pages with 2147483647 values, but should have 1000"),
        ((1, 1, 7), r"page 2 of column 'a' of row group 1 is not there"),
    ],
)
def test_a_page_that_lies_is_named(tmp_path, lie, message, streamed):
    (tmp_path / "a.parquet").write_bytes(with_number(content_of(NUMBERS), *lie))
    limits.set_max_memory(8 * MIB)
    with pytest.raises(SourceError, match=message):
        rows_read(str(tmp_path / "a.parquet"), streamed)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("whose", ["file", "row group"])
def test_a_footer_with_another_number_of_rows_is_refused(tmp_path, whose, streamed):
    changed = ParquetFile(content_of(NUMBERS))
    field(changed.footer if whose == "file" else changed.group, 3)[2] = 7
    (tmp_path / "a.parquet").write_bytes(changed.content())
    with pytest.raises(SourceError, match=r"says that it has (7|1000) rows, but its row groups have (7|1000)"):
        rows_read(str(tmp_path / "a.parquet"), streamed)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", None])
def test_texts_are_counted_whatever_the_footer_says_of_them(tmp_path, monkeypatch, encoding, streamed):
    texts = ["x" * (MIB // 4) + str(i % 3) for i in range(200)]
    options = {"use_dictionary": False, "column_encoding": encoding} if encoding else {}
    changed = ParquetFile(content_of(texts, **options))
    field(changed.column, 6)[2] = 100  # bytes that it unpacks to
    field(changed.column, 2)[2] = [5, [0]]  # encodings
    (tmp_path / "a.parquet").write_bytes(changed.content())
    monkeypatch.setattr(limits, "SMALL", MIB)
    limits.set_max_memory(16 * MIB)
    before = pa.total_allocated_bytes()
    if streamed:
        blocks = [block.nbytes for _, block in stream_parquet(str(tmp_path / "a.parquet")).features.blocks()]
        assert sum(blocks) > 50 * MIB
        assert max(blocks) < 3 * MIB
    else:
        with pytest.raises(SourceError, match=r"a.parquet takes \d+ MiB of memory, but 16 MiB may be taken"):
            read(str(tmp_path / "a.parquet"))
    assert pa.total_allocated_bytes() - before < 16 * MIB
