"""Where data come from: CSV and Parquet files, .npz, MNIST's idx files, and the sets that scikit-learn carries."""

from __future__ import annotations

import gzip
import io
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from pysmorch.layers.base import Array

BUNDLED = ("digits", "iris", "wine", "breast-cancer", "diabetes")

MISSING = ("", "?", "NA", "N/A", "NaN", "nan", "null", "NULL", "None")
"""What a cell of a CSV file holds where it holds nothing."""

FEATURE_NAMES = ("X", "x", "images", "data", "features", "x_train", "X_train")
LABEL_NAMES = ("y", "Y", "labels", "target", "targets", "y_train")


class SourceError(ValueError):
    """Data that cannot be read; the message names the file, and the line or column."""


@dataclass
class Source:
    """Data as they were read.

    Attributes:
        name: what to call them.
        features: a PyArrow table, or an array with the examples along its first axis.
        labels: the labels where they come apart from the features, else None.
        description: how much there is, for people.
    """

    name: str
    features: Any
    labels: Array | None = None

    @property
    def description(self) -> str:
        """How many rows and columns there are."""
        rows, columns = self.features.shape
        return f"{self.name}: {rows} rows, {columns} columns"


def read(source: str, header: bool = True, labels: str | None = None) -> Source:
    """Read a file or a bundled set, by the ending of its name.

    Args:
        source: path of a .csv, .tsv, .txt, .parquet, .npz or idx file (also .gz), or one of `BUNDLED`.
        header: whether the first line of a CSV file has the names of the columns; else they are 0, 1, 2, ...
        labels: path of the idx file with the labels of the images.

    Raises FileNotFoundError and SourceError.
    """
    path = Path(source)
    if source in BUNDLED and not path.exists():
        return _read_bundled(source)
    if path.is_dir():
        raise SourceError(f"{source} is a folder; expected a file or one of {', '.join(BUNDLED)}")
    if not path.is_file():
        close = get_close_matches(source, BUNDLED, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise FileNotFoundError(f"{source}: no such file, and no bundled set{hint}; those are {', '.join(BUNDLED)}")
    if path.stat().st_size == 0:
        raise SourceError(f"{source}: the file is empty")
    read_file = _reader_of(path)
    return read_file(path, header) if read_file is _read_csv else read_file(path, labels)


def _reader_of(path: Path) -> Callable[..., Source]:
    with open(path, "rb") as file:
        start = file.read(4)
    if start[:2] == b"\x1f\x8b":
        try:
            with gzip.open(path) as unpacked:
                start = unpacked.read(4)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"{path}: damaged or truncated gzip file") from error
    if start[:2] == b"\0\0" and len(start) == 4 and start[2] == 8:
        return _read_idx
    if start == b"PAR1":
        return _read_parquet
    if start[:2] == b"PK":
        return _read_npz
    return _read_csv


# Tables.


def _read_csv(path: Path, header: bool) -> Source:
    import pyarrow as pa
    from pyarrow import csv

    bad_rows: list[Any] = []

    def remember(row: Any) -> str:
        bad_rows.append(row)
        return "error"

    delimiter = _sniff(path)
    try:
        names = _column_names(path, header, delimiter)
        table = csv.read_csv(
            path,
            csv.ReadOptions(column_names=names, skip_rows=int(header), use_threads=False),
            csv.ParseOptions(delimiter=delimiter, invalid_row_handler=remember),
            csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
    except pa.ArrowInvalid as error:
        if bad_rows:
            row = bad_rows[0]
            line = f"line {row.number}" if row.number else f"the line {row.text[:60]!r}"
            raise SourceError(
                f"{path}: {line} has {row.actual_columns} columns, expected {row.expected_columns}"
            ) from None
        raise SourceError(f"{path}: {_csv_problem(error)}") from None
    if table.num_rows == 0:
        raise SourceError(f"{path}: there are no rows below the header")
    return Source(path.name, pa.table({name: _typed(table[name]) for name in names}))


def _column_names(path: Path, header: bool, delimiter: str) -> list[str]:
    import csv

    with _open_text(path) as file:
        first = next(csv.reader(file, delimiter=delimiter, skipinitialspace=True), [])
    names = [name.strip() for name in first] if header else [str(i) for i in range(len(first))]
    for name in names:
        if names.count(name) > 1:
            raise SourceError(
                f"{path}, line 1: two columns are called {name!r}; is there a header? (--no-header if not)"
            )
    return names


@contextmanager
def _open_text(path: Path) -> Iterator[Any]:
    with open(path, "rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        raw: Any = gzip.GzipFile(fileobj=file) if packed else file
        yield io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="")


def _sniff(path: Path) -> str:
    """Return the separator that splits the first lines into most columns, the same number in each."""
    with _open_text(path) as file:
        lines = [line for line in file.read(65536).splitlines()[:20] if line.strip()]
    lines = lines[:-1] if len(lines) > 2 else lines

    def columns(separator: str) -> int:
        counts = {line.count(separator) for line in lines}
        return counts.pop() if len(counts) == 1 else 0

    best = max(",;\t|", key=columns)
    if columns(best):
        return best
    # Quoted cells and ragged rows make counts differ; the first line then says most.
    return max(",;\t|", key=lambda separator: lines[0].count(separator)) if lines else ","


def _csv_problem(error: Exception) -> str:
    text = " ".join(str(error).split())
    if "UTF8" in text or "utf8" in text.lower():
        return "the text is not UTF-8; convert the file first (for example with iconv)"
    return text.removeprefix("CSV parse error: ")


def _typed(column: Any) -> Any:
    """Return a column of texts as whole numbers, numbers, booleans or times if all cells are such, else as texts."""
    import pyarrow as pa
    import pyarrow.compute as pc

    cells = pc.utf8_trim_whitespace(column)
    cells = pc.if_else(pc.is_in(cells, value_set=pa.array(MISSING)), pa.scalar(None, pa.string()), cells)
    if cells.null_count == len(cells):
        return cells
    for kind in (pa.int64(), pa.float64(), pa.bool_(), pa.timestamp("us")):
        try:
            return pc.cast(cells, kind)
        except pa.ArrowInvalid:
            continue
    return cells


def _read_parquet(path: Path, labels: str | None) -> Source:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        table = parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise SourceError(f"{path}: not a Parquet file, or a damaged one ({' '.join(str(error).split())})") from None
    if table.num_rows == 0:
        raise SourceError(f"{path}: the table has no rows")
    if len(set(table.column_names)) < table.num_columns:
        raise SourceError(f"{path}: two columns have the same name")
    return Source(path.name, table)


# Arrays.


def _read_npz(path: Path, labels: str | None) -> Source:
    try:
        with open(path, "rb") as raw, np.load(raw, allow_pickle=False) as file:
            names = list(file.files)
            features, targets = _pick(names, FEATURE_NAMES), _pick(names, LABEL_NAMES)
            if features is None:
                raise SourceError(f"{path} has no array X (or images, data); there are {', '.join(names) or 'none'}")
            X = file[features]
            y = None if targets is None else file[targets]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError) as error:
        raise SourceError(f"{path}: not an .npz file, or a damaged one ({error})") from None
    except SourceError:
        raise
    except ValueError as error:
        raise SourceError(f"{path}: arrays of objects are not read, because they can run code ({error})") from None
    if X.ndim < 2 or len(X) == 0:
        raise SourceError(f"{path}: the array {features} has shape {X.shape}, expected rows of features (N, D)")
    if y is not None and (y.ndim == 0 or len(y) != len(X)):
        raise SourceError(f"{path}: {features} has {len(X)} rows, but {targets} has shape {y.shape}")
    return Source(path.name, X.reshape(len(X), -1), y)


def _pick(names: list[str], known: tuple[str, ...]) -> str | None:
    return next((name for name in known if name in names), None)


def _read_idx(path: Path, labels: str | None) -> Source:
    images = _idx_array(path)
    if images.ndim < 2:
        raise SourceError(f"{path} holds labels, not images; name the file with the images first")
    X = images.reshape(len(images), -1)
    if labels is None:
        return Source(path.name, X)
    if not Path(labels).is_file():
        raise FileNotFoundError(f"{labels}: no such file")
    y = _idx_array(Path(labels))
    if y.ndim != 1 or len(y) != len(X):
        raise SourceError(f"{labels} has shape {y.shape}, but {path} has {len(X)} images; expected one label each")
    return Source(path.name, X, y.astype(np.int64))


def _idx_array(path: Path) -> Array:
    """Read the format of MNIST: two zeros, the type, the number of axes, their sizes (big-endian), the bytes."""
    try:
        with open(path, "rb") as file:
            content = file.read()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise SourceError(f"{path}: damaged or truncated gzip file ({error})") from None
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise SourceError(f"{path}: not an idx file of bytes (its first bytes are {content[:4].hex(' ')})")
    num_axes = content[3]
    start = 4 + 4 * num_axes
    sizes = [int.from_bytes(content[i : i + 4], "big") for i in range(4, start, 4)]
    expected = start + int(np.prod([float(size) for size in sizes]))
    if num_axes == 0 or len(content) != expected:
        raise SourceError(f"{path}: {len(content)} bytes, but its sizes {sizes} need {expected}; truncated or altered")
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)


def _read_bundled(name: str) -> Source:
    import pyarrow as pa
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name.replace('-', '_')}")()
    if name == "digits":
        return Source(name, bunch.data.astype(np.uint8), bunch.target)
    table = pa.table({str(column): bunch.data[:, i] for i, column in enumerate(bunch.feature_names)})
    named = hasattr(bunch, "target_names")
    return Source(name, table, np.asarray(bunch.target_names)[bunch.target] if named else bunch.target)
