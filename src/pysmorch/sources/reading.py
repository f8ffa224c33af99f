"""Finding out what a source is, and reading it."""

from __future__ import annotations

import gzip
import zlib
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from pysmorch.sources.arrays import read_idx, read_npz
from pysmorch.sources.images import is_image_file, read_image, read_image_folder
from pysmorch.sources.source import Source, SourceError
from pysmorch.sources.tables import read_csv, read_parquet

BUNDLED = ("digits", "iris", "wine", "breast-cancer", "diabetes")


def read(
    source: str,
    header: bool = True,
    labels: str | None = None,
    resize: tuple[int, int] | None = None,
    colours: str | None = None,
    skip_bad: bool = False,
) -> Source:
    """Read a file, a folder of images or a bundled set.

    Args:
        source: path of a .csv, .tsv, .txt, .parquet, .npz or idx file (also .gz), of an image, of a folder of images, or
            one of `BUNDLED`. In a folder, the images of each class are in a folder of their own, folder/CLASS/FILE, or all
            lie directly in it and have no labels.
        header: whether the first line of a CSV file has the names of the columns; else they are 0, 1, 2, ...
        labels: path of the idx file with the labels of the images.
        resize: (height, width) that image files are brought to.
        colours: "grey" or "colour", which image files are converted to; None takes them as they are, if all are alike.
        skip_bad: whether image files that cannot be read are left out, which is then a remark, instead of an error.

    Raises FileNotFoundError and SourceError.
    """
    path = Path(source)
    if has_image_files(source):
        if labels is not None:
            raise SourceError(
                f"--labels is for an idx file, but {source} has images as files; put them in class folders"
            )
        return (read_image_folder if path.is_dir() else read_image)(path, resize, colours, skip_bad)
    if resize is not None or colours is not None or skip_bad:
        raise SourceError(f"--resize, --grey, --colour and --skip-bad are for folders of images, but {source} is none")
    if source in BUNDLED and not path.exists():
        return _read_bundled(source)
    if not path.is_file():
        close = get_close_matches(source, BUNDLED, n=1)
        hint = f" (did you mean {close[0]}?)" if close else ""
        raise FileNotFoundError(
            f"{source}: no such file or folder, and no bundled set{hint}; those are {', '.join(BUNDLED)}"
        )
    if path.stat().st_size == 0:
        raise SourceError(f"{source}: the file is empty")
    kind = _kind_of(path)
    if kind == "csv":
        return read_csv(path, header)
    if kind == "parquet":
        return read_parquet(path)
    return read_npz(path) if kind == "npz" else read_idx(path, labels)


def has_image_files(source: str) -> bool:
    """Whether a source is a folder or a file of images."""
    return Path(source).is_dir() or is_image_file(Path(source))


def _kind_of(path: Path) -> str:
    with open(path, "rb") as file:
        start = file.read(4)
    if start[:2] == b"\x1f\x8b":
        try:
            with gzip.open(path) as unpacked:
                start = unpacked.read(4)
        except (OSError, EOFError, zlib.error) as error:
            raise SourceError(f"{path}: damaged or truncated gzip file") from error
    if start[:2] == b"\0\0" and len(start) == 4 and start[2] == 8:
        return "idx"
    if start == b"PAR1":
        return "parquet"
    return "npz" if start[:2] == b"PK" else "csv"


def _read_bundled(name: str) -> Source:
    import pyarrow as pa
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name.replace('-', '_')}")()
    if name == "digits":
        return Source(name, bunch.data.astype(np.uint8), bunch.target, pixels=True)
    table = pa.table({str(column): bunch.data[:, i] for i, column in enumerate(bunch.feature_names)})
    named = hasattr(bunch, "target_names")
    return Source(name, table, np.asarray(bunch.target_names)[bunch.target] if named else bunch.target)
