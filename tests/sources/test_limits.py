"""What unpacks to too much is refused before it does; damaged archives are one error."""

import bz2
import gzip
import io
import lzma
import tracemalloc
import zipfile

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from pysmorch.sources import SourceError, limits, read
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


def test_a_parquet_file_of_constants_is_measured_by_its_values(tmp_path):
    table = pa.table(
        {"a": pa.DictionaryArray.from_arrays(np.zeros(4 * BIG, np.int32), ["x"]), "b": pa.array(np.zeros(4 * BIG))}
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    assert (tmp_path / "a.parquet").stat().st_size < BIG
    limits.set_max_memory(4 * BIG)
    with pytest.raises(SourceError, match="takes 8 MiB of memory, but 4 MiB may be taken"):
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
    }[what]


@pytest.mark.parametrize("what", ["encrypted", "method", "version", "cut", "header"])
def test_an_odd_npz_file_is_one_error(tmp_path, what):
    (tmp_path / "a.npz").write_bytes(odd_npz(what))
    with pytest.raises(SourceError):
        read(str(tmp_path / "a.npz"))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gzip", "bz2", "xz"])
@pytest.mark.parametrize("content", [b"a,y\n" + b"1,p\n" * 50, idx(np.zeros((5, 4, 4)))], ids=["csv", "idx"])
def test_a_packed_file_that_was_cut_is_one_error(tmp_path, pack, content):
    packed = pack(content)
    for cut in (len(packed) // 2, len(packed) - 9, len(packed) - 1):
        (tmp_path / "a.gz").write_bytes(packed[:cut])
        with pytest.raises(SourceError):
            read(str(tmp_path / "a.gz"))
