"""Finding out what a source is, and reading it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from functools import partial
from pathlib import Path

import numpy as np

from pysmorch.entries import list_names
from pysmorch.memory import available_memory
from pysmorch.sources.addresses import is_address, local_path, name_of
from pysmorch.sources.arrays import read_idx, read_npz
from pysmorch.sources.columnar import read_arrow, read_parquet
from pysmorch.sources.databases import read_duckdb, read_sqlite
from pysmorch.sources.folders import is_image_file
from pysmorch.sources.images import Decoding, read_image, read_image_folder
from pysmorch.sources.kinds import kind_of_file
from pysmorch.sources.opening import STANDARD_INPUT, File, is_pipe, open_file
from pysmorch.sources.pieces import stream_csv
from pysmorch.sources.records import read_json
from pysmorch.sources.several import (
    WITHIN,
    Part,
    is_pattern,
    is_table_folder,
    parts_of_address,
    parts_of_folder,
    parts_of_pattern,
    read_parts,
)
from pysmorch.sources.source import Source, SourceError
from pysmorch.sources.spreadsheets import read_excel
from pysmorch.sources.streaming import is_arrow, is_parquet, memory_needed, stream_arrow, stream_parquet
from pysmorch.sources.tables import read_csv

BUNDLED = ("digits", "iris", "wine", "breast-cancer", "diabetes")


def read(
    source: str | Sequence[str],
    header: bool = True,
    labels: str | None = None,
    resize: tuple[int, int] | None = None,
    colours: str | None = None,
    skip_bad: bool = False,
    encoding: str | None = None,
    missing: Sequence[str] = (),
    bits: int | None = None,
) -> Source:
    """Read a file, several files, a folder or a bundled set.

    Args:
        source: path of a .csv, .tsv, .txt, .parquet, .arrow, .feather, .jsonl, .json, .xlsx, SQLite, .npz or idx file, of
            an image, of a folder of images, or one of `BUNDLED`. What a file is, also whether it is packed (gzip, bz2, xz,
            zstd, or alone in a zip archive), is told by its content. `-` is standard input. A pattern such as part-*.csv, a folder of tables, also one
            partitioned into folders key=value, or a list of paths is one table. FILE::SHEET is a sheet of an Excel file,
            FILE::TABLE and FILE::SELECT ... are a table and a query of an SQLite or DuckDB file. In a folder of images, those of each
            class are in a folder of their own, folder/CLASS/FILE, or all lie directly in it and have no labels. An address such as
            s3://bucket/folder or memory://table.csv is that of a table, a folder of tables or a pattern.
        header: whether the first row of a CSV or Excel file has the names of the columns; else they are 0, 1, 2, ...
        labels: path of the idx file with the labels of the images.
        resize: (height, width) that image files are brought to.
        colours: "grey" or "colour", which image files are converted to; None takes them as they are, if all are alike.
        skip_bad: whether image files that cannot be read are left out, which is then a remark, instead of an error.
        encoding: of a CSV or JSON file, if it is neither UTF-8 nor UTF-16 or UTF-32 with a byte order mark.
        missing: cells of a CSV file that stand for a missing value where they are not quoted, besides empty ones.
        bits: how many bits the greys of a training's image files used, or `UPPER_BITS` where they had 8; None learns it.

    Raises FileNotFoundError and SourceError.
    """
    if not isinstance(source, str):
        if len(source) != 1:
            return _read_several(list_names(source, 3), parts_of(source), header, encoding, missing)
        source = source[0]
    source = local_path(source)
    if is_address(source):
        return _read_address(source, header, labels, encoding, missing)
    path = Path(source)
    if has_image_files(source):
        if labels is not None:
            raise SourceError(
                f"--labels is for an idx file, but {source} has images as files; put them in class folders"
            )
        decoding = Decoding(resize, colours, skip_bad, bits)
        return read_image_folder(path, decoding) if path.is_dir() else read_image(path, decoding)
    if resize is not None or colours is not None or skip_bad:
        if not (os.path.exists(source) or source in (*BUNDLED, *STANDARD_INPUT) or is_pattern(source)):
            raise _not_found(source)
        raise SourceError(f"--resize, --grey, --colour and --skip-bad are for folders of images, but {source} is none")
    if os.path.isdir(source):
        return _read_several(path.resolve().name, parts_of_folder(path), header, encoding, missing)
    if is_pattern(source):
        return _read_several(source, parts_of_pattern(source), header, encoding, missing)
    if source in BUNDLED and not os.path.exists(source):
        return _read_bundled(source)
    streamed = _said_why(path.name, [source])
    if streamed is not None:
        return _with_rows(source, _with_remark(_stream_file(source, header, encoding, missing), streamed))
    return _with_rows(source, _in_memory(source, lambda: _read_file(source, header, labels, encoding, missing)))


def _read_address(
    address: str, header: bool, labels: str | None, encoding: str | None, missing: Sequence[str]
) -> Source:
    """Read one file, or the tables of a folder or a pattern."""
    parts = parts_of_address(address)
    if [part.path for part in parts] != [address]:
        return _read_several(name_of(address), parts, header, encoding, missing)
    streamed = _said_why(name_of(address), [address])
    if streamed is not None:
        return _with_rows(address, _with_remark(_stream_file(address, header, encoding, missing), streamed))
    return _with_rows(address, _in_memory(address, lambda: _read_file(address, header, labels, encoding, missing)))


def has_image_files(source: str) -> bool:
    """Whether a source is a folder of images, or without tables, or an image."""
    path = Path(source)
    return not is_table_folder(path) if os.path.isdir(source) else is_image_file(path)


def _with_rows(name: str, source: Source) -> Source:
    if source.features.shape[0] == 0:
        below = "" if source.line_of is None else " below the header"
        raise SourceError(f"{name}: there are no rows{below}")
    return source


def parts_of(sources: Sequence[str]) -> list[Part]:
    """Return the files of a list, whose elements may be folders and patterns too.

    Parameters
    ----------
    sources : sequence of str
        Tables.

    Returns
    -------
    list of Part
        In their order.

    Raises
    ------
    SourceError, FileNotFoundError, ValueError
        There are images, or no files.
    """
    if not sources:
        raise ValueError("source must name at least one file, but is an empty list")
    parts: list[Part] = []
    for source in map(local_path, sources):
        if is_address(source):
            parts += parts_of_address(source)
            continue
        if has_image_files(source):
            raise SourceError(f"{source} has images; of several sources only tables are read as one")
        if os.path.isdir(source):
            parts += parts_of_folder(Path(source))
        else:
            parts += parts_of_pattern(source) if is_pattern(source) else [Part(source, {})]
    return parts


def _read_several(name: str, parts: list[Part], header: bool, encoding: str | None, missing: Sequence[str]) -> Source:
    streamed = _said_why(name, [part.path for part in parts])
    if streamed is not None:
        joined = read_parts(name, parts, lambda path: _stream_file(path, header, encoding, missing))
        return _with_rows(name, _with_remark(joined, streamed))
    return _with_rows(
        name,
        _in_memory(
            name, lambda: read_parts(name, parts, lambda path: _read_file(path, header, None, encoding, missing))
        ),
    )


def read_part(part: Part, header: bool, encoding: str | None, missing: Sequence[str]) -> Source:
    """Read one of the files of `parts_of`, with what the folders called key=value say of it.

    Parameters
    ----------
    part : Part
        The file.
    header, encoding, missing
        As for `read`.

    Returns
    -------
    Source
        Its rows.

    Raises
    ------
    SourceError, FileNotFoundError
        As for `read`.
    """
    return _read_several(part.path, [part], header, encoding, missing)


def _said_why(name: str, paths: Sequence[str]) -> str | None:
    """Return what is said of files that are read block by block, because the memory cannot hold them; None for others."""
    needed = [memory_needed(path) for path in paths]
    available = available_memory()
    whole = sum(need for need in needed if need is not None)
    if None in needed or whole <= available:
        return None
    return (
        f"{name} is read block by block: whole, it would take about {whole / 1e9:.1f} GB, and {available / 1e9:.1f} GB of memory "
        "are left"
    )


def _with_remark(source: Source, remark: str) -> Source:
    return replace(source, remarks=[remark, *source.remarks])


def _in_memory(name: str, read_it: Callable[[], Source]) -> Source:
    """Return what is read, or say that the memory cannot hold it."""
    try:
        return read_it()
    except MemoryError:
        raise SourceError(
            f"{name} does not fit into the memory that is left; Parquet, Arrow and CSV files larger than that are read block by block, "
            "but this is none"
        ) from None


def _stream_file(path: str, header: bool, encoding: str | None, missing: Sequence[str]) -> Source:
    if is_parquet(path) or is_arrow(path):
        return (stream_parquet if is_parquet(path) else stream_arrow)(path)
    return stream_csv(path, header, encoding, missing)


def _read_file(source: str, header: bool, labels: str | None, encoding: str | None, missing: Sequence[str]) -> Source:
    """Read one file, or what is named of it after two colons."""
    path, within = source, None
    if WITHIN in source and not os.path.exists(source):
        path, within = source.split(WITHIN, 1)
    if not os.path.isfile(path) and not is_pipe(path) and not is_address(path):
        raise _not_found(source)
    file = open_file(path)
    kind = kind_of_file(file)
    if within is not None and kind not in ("excel", "sqlite", "duckdb"):
        raise SourceError(
            f"{path}{WITHIN}{within}: only Excel, SQLite and DuckDB files have sheets and tables, but this is none"
        )
    readers: dict[str, Callable[[File], Source]] = {
        "csv": partial(read_csv, header=header, encoding=encoding, missing=missing),
        "json": partial(read_json, encoding=encoding),
        "parquet": read_parquet,
        "arrow": read_arrow,
        "excel": partial(read_excel, header=header, sheet=within),
        "sqlite": partial(read_sqlite, what=within),
        "duckdb": partial(read_duckdb, what=within),
        "npz": read_npz,
        "idx": partial(read_idx, labels=labels),
    }
    return readers[kind](file)


def _not_found(source: str) -> FileNotFoundError:
    close = get_close_matches(source, BUNDLED, n=1)
    hint = f" (did you mean {close[0]}?)" if close else ""
    return FileNotFoundError(
        f"{source}: no such file or folder, and no bundled set{hint}; those are {', '.join(BUNDLED)}"
    )


def _read_bundled(name: str) -> Source:
    import pyarrow as pa
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name.replace('-', '_')}")()
    if name == "digits":
        return Source(name, bunch.data.astype(np.uint8), bunch.target, pixels=True)
    table = pa.table({str(column): bunch.data[:, i] for i, column in enumerate(bunch.feature_names)})
    named = hasattr(bunch, "target_names")
    return Source(name, table, np.asarray(bunch.target_names)[bunch.target] if named else bunch.target)
