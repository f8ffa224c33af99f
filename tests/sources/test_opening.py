"""Files that are packed, and pipes: what they are is told by their content."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import threading
import zipfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from pysmorch.sources import read
from tests.helpers import idx


def zstd(content):
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    return sink.getvalue().to_pybytes()


PACK = {"gzip": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zstd": zstd}
TABLE = pa.table({"a": ["1", "2"], "b": ["x", None]})


def parquet():
    sink = io.BytesIO()
    pyarrow.parquet.write_table(TABLE, sink)
    return sink.getvalue()


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "t", "t.bz2", "t.zst.xz"])
def test_packed_files_are_known_by_their_content_not_by_their_ending(make, cells, packing, name):
    path = make(PACK[packing](b"a,b\n1,x\n2,\n"), name)
    assert cells(path) == {"a": ["1", "2"], "b": ["x", None]}


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize(
    "content",
    [b'{"a": "1", "b": "x"}\n{"a": "2", "b": null}\n', parquet(), "a;b\n1;x\n2;\n".encode("utf-16")],
    ids=["json", "parquet", "utf-16"],
)
def test_all_kinds_of_files_may_be_packed(make, cells, packing, content):
    assert cells(make(PACK[packing](content), "data")) == {"a": ["1", "2"], "b": ["x", None]}


@pytest.mark.parametrize("packing", PACK)
@pytest.mark.parametrize("left", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_packed_file_is_refused(make, refusal, packing, left):
    content = PACK[packing](b"a,b\n" + np.random.default_rng(0).integers(0, 10, 3000).astype("S1").tobytes())
    message = refusal(make(content[: int(left * len(content))]))
    assert f"damaged or truncated {packing} file" in message


@pytest.mark.parametrize("packing", PACK)
def test_a_packed_file_with_a_changed_byte_is_refused(make, refusal, packing):
    content = bytearray(PACK[packing](b"a,b\n" + b"1,2\n" * 5000))
    content[-6] ^= 255
    try:
        assert "damaged or truncated" in refusal(make(bytes(content)))
    except pytest.fail.Exception:  # zstd has no checksum unless it is told to
        assert packing == "zstd"


@pytest.mark.parametrize("packing", PACK)
def test_a_packed_file_that_is_empty_is_refused(make, refusal, packing):
    assert "the file that is packed in it is empty" in refusal(make(PACK[packing](b"")))


def test_packed_files_that_were_put_one_after_the_other_are_one(make, cells):
    assert cells(make(gzip.compress(b"a,b\n1,x\n") + gzip.compress(b"2,\n"))) == {"a": ["1", "2"], "b": ["x", None]}


def test_lines_of_a_packed_file_are_found(make):
    assert read(make(gzip.compress(b"\na,b\n1,x\n\n2,y\n"))).line_of(1) == 5


class Terminal:
    """Stands for standard input."""

    def __init__(self, content):
        self.buffer = io.BytesIO(content)


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,x\n2,\n",
        gzip.compress(b"a;b\n1;x\n2;\n", mtime=0),
        parquet(),
        b'{"a": "1", "b": "x"}\n{"a": "2"}\n',
        zstd("a\tb\n1\tx\n2\t\n".encode("utf-16")),
    ],
    ids=["csv", "gzip", "parquet", "json", "zstd"],
)
def test_standard_input_is_read(cells, make, monkeypatch, name, content):
    monkeypatch.setattr(sys, "stdin", Terminal(content))
    assert cells(name) == {"a": ["1", "2"], "b": ["x", None]}


def test_standard_input_is_named_in_messages_and_its_lines_are_found(make, monkeypatch):
    monkeypatch.setattr(sys, "stdin", Terminal(b"a,b\n1,x\n\n2,y\n"))
    assert read("-").line_of(1) == 4
    for content, message in ((b"", "standard input: the file is empty"), (b"a,b\n1\n", "standard input: line 2 has 1")):
        monkeypatch.setattr(sys, "stdin", Terminal(content))
        with pytest.raises(ValueError, match=message):
            read("-")


@pytest.mark.parametrize(
    "content", [b"a,b\n1,x\n2,\n", gzip.compress(b"a,b\n1,x\n2,\n", mtime=0), parquet()], ids=["csv", "gz", "parquet"]
)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_is_read_once(make, cells, tmp_path, content):
    make("")
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(content))
    writer.start()
    assert cells("pipe") == {"a": ["1", "2"], "b": ["x", None]}
    writer.join()


@pytest.mark.parametrize(
    "source", ["-", "/dev/stdin", "<(cat x.csv)", "<(gzip -c x.csv)", "<(cat x.csv x.csv | head -3)"]
)
def test_a_shell_pipes_into_the_reader(make, source):
    make("a,b\n1,x\n2,y\n", "x.csv")
    code = "import sys; from pysmorch.sources import read; print(read(sys.argv[1]).features.shape)"
    command = f'cat x.csv | {sys.executable} -c "{code}" {source}'
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "(2, 2)\n"


def test_idx_files_may_be_packed_by_any_program_and_come_through_a_pipe(make, monkeypatch):
    images = np.arange(24).reshape(4, 3, 2)
    for pack in PACK.values():
        np.testing.assert_array_equal(read(make(pack(idx(images)))).features[..., 0], images)
    monkeypatch.setattr(sys, "stdin", Terminal(idx(images)))
    assert read("-").features.shape == (4, 3, 2, 1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"%PDF-1.7 ...", "is a PDF"),
        (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
        (b"\x93NUMPY\x01\0", "is a single NumPy array; put it into an .npz"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "save it as .xlsx"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"\x80\x04\x95\x10", "is a pickle, which can run code"),
        (b"\x89PNG\r\n", "is an image; its name must end in .png"),
        (b"PK\x03\x04 truncated", "a damaged or truncated file, zip archive, .npz or .xlsx"),
        (b"x" * 257 + b"ustar", "is a tar archive"),
    ],
)
def test_other_kinds_of_files_are_named(make, refusal, content, message):
    assert message in refusal(make(content))


def zip_of(members, packing=zipfile.ZIP_DEFLATED):
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", packing) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "member", "content"),
    [
        ("t.zip", "t.csv", b"a,b\n1,x\n"),
        ("t.csv", "t.csv", b"a;b\n1;x\n"),
        ("t.csv.zip", "data/2024/t.csv", "a,b\n1,x\n".encode("utf-16")),
        ("t.jsonl.zip", "t", b'{"a": "1", "b": "x"}\n'),
        ("t.zip", "t.csv.gz", gzip.compress(b"a,b\n1,x\n", mtime=0)),
    ],
)
@pytest.mark.parametrize("packing", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_the_only_file_of_a_zip_archive_is_read(make, cells, name, member, content, packing):
    others = {"data/": b"", "__MACOSX/._t.csv": b"\0\1", "data/.DS_Store": b"\0"}
    assert cells(make(zip_of({member: content, **others}, packing), name)) == {"a": ["1"], "b": ["x"]}


def test_lines_of_a_file_in_a_zip_archive_are_named(make):
    source = read(make(zip_of({"t.csv": "a,b\n\n1,x\n2,y\n"}), "t.zip"))
    assert [source.line_of(row) for row in (0, 1)] == [3, 4]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            zip_of({"a.csv": "a\n1\n", "b.csv": "a\n1\n"}),
            "is a zip archive with 2 files, a.csv, b.csv; an archive with",
        ),
        (zip_of({f"{i}.csv": "a" for i in range(5)}), "with 5 files, 0.csv, 1.csv, 2.csv and 2 more; an archive with"),
        (zip_of({"folder/": ""}), "is a zip archive with no files; an archive with one file is read"),
        (zip_of({"t.csv": ""}), "the file that is packed in it is empty"),
        (zip_of({"t.csv": "a,b\n1,2\n" * 99})[:-9], "a damaged or truncated file, zip archive, .npz or .xlsx"),
    ],
)
def test_a_zip_archive_that_cannot_be_read_is_named_with_what_it_holds(make, refusal, content, message):
    assert message in refusal(make(content, "z.zip"))


def test_a_zip_archive_with_a_password_or_damaged_bytes_is_refused(make, refusal):
    content = bytearray(zip_of({"t.csv": "a,b\n" + "1,2\n" * 99}))
    content[40] ^= 255
    assert "a damaged or truncated file, zip archive" in refusal(make(bytes(content), "z.zip"))
    locked = bytearray(zip_of({"t.csv": "a,b\n1,2\n"}))
    for offset in (6, locked.index(b"PK\x01\x02") + 8):  # the flag of encryption, in both headers
        locked[offset] |= 1
    assert "a zip archive with a password; unpack it first" in refusal(make(bytes(locked), "z.zip"))
