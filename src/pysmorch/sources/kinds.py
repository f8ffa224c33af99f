"""What a file is, by its content."""

from __future__ import annotations

import zipfile

from pysmorch.sources.opening import ZIP, File
from pysmorch.sources.records import is_json
from pysmorch.sources.source import SourceError

OTHERS = {
    b"%PDF": "a PDF",
    b"\x89HDF": "an HDF5 file",
    b"\x93NUMPY": "a single NumPy array; put it into an .npz, as X, with the labels as y",
    b"\xd0\xcf\x11\xe0": "an Excel file of the old kind (.xls) or with a password; save it as .xlsx without one",
    b"\x80\x04\x95": "a pickle, which can run code",
    b"\x80\x05\x95": "a pickle, which can run code",
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
    b"Rar!": "a RAR archive; unpack it first",
    b"<!DOCTYPE": "a web page, perhaps instead of the file that was to be downloaded",
    b"<!doctype": "a web page, perhaps instead of the file that was to be downloaded",
    b"<html": "a web page, perhaps instead of the file that was to be downloaded",
    b"\x89PNG": "an image; its name must end in .png",
    b"\xff\xd8\xff": "an image; its name must end in .jpg",
    b"GIF8": "an image; its name must end in .gif",
    **{
        bytes([0, 0, kind]): "an idx file of other numbers than bytes; put the array into an .npz, as X"
        for kind in (9, 11, 12, 13, 14)
    },
}
"""How files begin that are not read, and what they are."""


def kind_of_file(file: File) -> str:
    """Return what a file is by its content; a text is JSON, or else CSV."""
    start = file.head(1024)
    if start[:2] == b"\0\0" and len(start) >= 4 and start[2] == 8:
        return "idx"
    for magic, kind in (
        (b"PAR1", "parquet"),
        (b"ARROW1", "arrow"),
        (b"FEA1", "arrow"),
        (b"SQLite format 3\0", "sqlite"),
    ):
        if start.startswith(magic):
            return kind
    if start.startswith(b"\xff\xff\xff\xff"):
        return "arrow"
    if start.startswith(ZIP):
        return _kind_of_zip(file)
    if start[8:12] == b"DUCK":
        return "duckdb"
    if start[257:262] == b"ustar":
        raise SourceError(f"{file.path} is a tar archive with several files; unpack it first")
    for magic, what in OTHERS.items():
        if start.startswith(magic):
            raise SourceError(
                f"{file.path} is {what}; expected CSV, JSON, Parquet, Arrow, Excel, SQLite, DuckDB, .npz or idx"
            )
    return "json" if is_json(file.path, start) else "csv"


def _kind_of_zip(file: File) -> str:
    """Return which of the formats that are zip archives a file has."""
    try:
        with file.stream() as stream, zipfile.ZipFile(stream) as archive:
            return "excel" if "[Content_Types].xml" in archive.namelist() else "npz"
    except NotImplementedError as error:
        raise SourceError(f"{file.path}: it cannot be read ({error}); unpack it with another program first") from None
    except (zipfile.BadZipFile, OSError, ValueError):
        raise SourceError(f"{file.path}: archives within archives; unpack it first") from None
