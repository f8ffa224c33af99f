"""Arrays: .npz files of NumPy and idx files of MNIST's format."""

from __future__ import annotations

import zipfile
import zlib
from math import prod
from pathlib import Path

import numpy as np

from pysmorch.layers.base import Array
from pysmorch.sources.limits import check_memory
from pysmorch.sources.opening import IDX_START, MAX_IDX_HEADER, File, idx_size, open_file
from pysmorch.sources.source import Source, SourceError

FEATURE_NAMES = ("X", "x", "images", "data", "features", "x_train", "X_train")
LABEL_NAMES = ("y", "Y", "labels", "target", "targets", "y_train")


def read_npz(opened: File) -> Source:
    """Read the features, and the labels if there are any, by the names that such arrays usually have."""
    path = opened.path
    try:
        with opened.stream() as raw, np.load(raw, allow_pickle=False) as file:
            names = list(file.files)
            features, targets = _pick(names, FEATURE_NAMES), _pick(names, LABEL_NAMES)
            if features is None:
                raise SourceError(f"{path} has no array X (or images, data); there are {', '.join(names) or 'none'}")
            _check_arrays(file.zip, [name for name in (features, targets) if name is not None], path)
            X = file[features]
            y = None if targets is None else file[targets]
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, KeyError, RuntimeError) as error:
        raise SourceError(f"{path}: not an .npz file, or a damaged one ({error})") from None
    except SourceError:
        raise
    except ValueError as error:
        if "Object arrays" not in str(error):
            raise SourceError(f"{path}: an array of it is damaged ({error})") from None
        raise SourceError(f"{path}: arrays of objects are not read, because they can run code ({error})") from None
    if X.ndim < 2 or X.size == 0:
        raise SourceError(
            f"{path}: the array {features} has shape {X.shape}, expected rows of features (N, D) or images (N, H, W, C)"
        )
    if y is not None and (y.ndim == 0 or len(y) != len(X)):
        raise SourceError(f"{path}: {features} has {len(X)} rows, but {targets} has shape {y.shape}")
    return Source(opened.name, _rows_or_images(X), y, pixels=features == "images")


def _check_arrays(archive: zipfile.ZipFile, names: list[str], path: str) -> None:
    """Refuse arrays that are larger than what reading may take, or than what their archive says, before they are made."""
    members = [member for member in archive.infolist() if member.filename.removesuffix(".npy") in names]
    size, packed = (sum(sizes) for sizes in zip(*((m.file_size, m.compress_size) for m in members), strict=True))
    check_memory(size, f"{path}: {' and '.join(names)}", packed)
    for member in members:
        with archive.open(member) as file:
            version = np.lib.format.read_magic(file)
            read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = read(file)
            expected = file.tell() + prod(shape) * dtype.itemsize
            if not dtype.hasobject and expected != member.file_size:
                raise SourceError(
                    f"{path}: the array {member.filename} has {member.file_size} bytes, but its shape {shape} needs {expected}"
                )


def _rows_or_images(X: Array) -> Array:
    """Return arrays with 3 or 4 axes as images (N, H, W, C), and all others as rows (N, D)."""
    if X.ndim in (3, 4):
        return X.reshape(*X.shape[:3], -1)
    return X.reshape(len(X), -1)


def _pick(names: list[str], known: tuple[str, ...]) -> str | None:
    return next((name for name in known if name in names), None)


def read_idx(file: File, labels: str | None) -> Source:
    """Read the images, and their labels from another file if it is named."""
    path = file.path
    images = _idx_array(file)
    if images.ndim < 2:
        raise SourceError(f"{path} holds labels, not images; name the file with the images first")
    if images.size == 0:
        raise SourceError(f"{path} holds no images: its sizes are {list(images.shape)}")
    X = _rows_or_images(images)
    if labels is None:
        return Source(file.name, X, pixels=True)
    if not Path(labels).is_file():
        raise FileNotFoundError(f"{labels}: no such file")
    y = _idx_array(open_file(labels))
    if y.ndim != 1 or len(y) != len(X):
        raise SourceError(f"{labels} has shape {y.shape}, but {path} has {len(X)} images; expected one label each")
    return Source(file.name, X, y.astype(np.int64), pixels=True)


def _idx_array(file: File) -> Array:
    """Read the format of MNIST: two zeros, the type, the number of axes, their sizes (big-endian), the bytes."""
    path, content = file.path, file.content()
    if len(content) < 4 or content[:3] != IDX_START:
        raise SourceError(f"{path}: not an idx file of bytes (its first bytes are {content[:4].hex(' ')})")
    sizes, expected = idx_size(content[:MAX_IDX_HEADER])
    if not sizes or len(content) != expected:
        raise SourceError(f"{path}: {len(content)} bytes, but its sizes {sizes} need {expected}; truncated or altered")
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(sizes)).reshape(sizes)
