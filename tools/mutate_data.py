"""Read data files that were made or changed at random: `tools/mutate_data.py --count 200000 --seed 0`.

The files are tables as CSV, JSON, Parquet, Arrow, Excel and SQLite, packed or not, arrays as .npz, .npy and idx, images, and Parquet
files with a wrong number in the header of a page; two thirds of them are cut off, or have other bytes, or parts twice. Each has to be read, or to be refused by a sentence of the library's own; of a
third the target is split off, and columns are learned and encoded; one of two hundred goes through the whole command line, which must
end with exit code 0 or 2.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import os
import random
import sys
import tempfile
import traceback
import zipfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from campaign import parser_of, run
from PIL import Image

from pysmorch.cli import data
from pysmorch.cli import main as command_line
from pysmorch.cli.output import Report
from pysmorch.encoders import encode_rows, kind_of
from pysmorch.estimators import Classifier
from pysmorch.sources import Source, SourceError, read
from pysmorch.sources.limits import set_max_memory

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
from tests.cli import unlucky  # noqa: E402
from tests.helpers import idx  # noqa: E402
from tests.sources.parquet_files import COLUMNS, ParquetFile, content_of  # noqa: E402

MEMORY = 2**28
TABLES = 300
TRAIN = [*unlucky.TRAIN, "--max-memory", "256MB"]


def tables(seed: int) -> list[tuple[str, bytes]]:
    """Return tables of all kinds, each with the ending of its name."""
    rng, files = np.random.default_rng(seed), []
    for i in range(TABLES):
        names, rows = unlucky.draw(rng)
        if i % 2:
            files.append((".csv", unlucky.as_unlucky_csv(rng, names, rows)[0]))
        else:
            path = Path(f"made{i}")
            files.append((f".{unlucky.as_typed(rng, names, rows, path)}", path.read_bytes()))
            path.unlink()
    return files


def arrays() -> list[tuple[str, bytes]]:
    """Return files of arrays, with and without labels, packed and not, and a zip archive in another."""
    rng, files = np.random.default_rng(0), []
    pixels, y = rng.integers(0, 256, (12, 4, 5)).astype(np.uint8), np.arange(12) % 3
    for content in ({"X": rng.standard_normal((12, 3)), "y": y}, {"X": pixels, "y": y.astype("U3")}, {"x": pixels}):
        for save in (np.savez, np.savez_compressed):
            file = io.BytesIO()
            save(file, **content)
            files.append((".npz", file.getvalue()))
    file = io.BytesIO()
    np.save(file, pixels)
    files.append((".npy", file.getvalue()))
    files += [("-ubyte", idx(pixels)), ("-ubyte.gz", gzip.compress(idx(pixels))), ("-ubyte", idx(y.astype(np.uint8)))]
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("t.csv.gz", gzip.compress(b"a,label\n1,x\n2,y\n"))
    return [*files, (".zip", file.getvalue())]


def images() -> list[tuple[str, bytes]]:
    """Return images of all formats and modes."""
    files = []
    for mode in ("1", "L", "P", "RGB", "RGBA", "I;16", "F"):
        made = Image.effect_noise((9, 7), 60).convert("L").convert(mode)
        for ending in ("png", "jpeg", "bmp", "gif", "webp", "tiff"):
            file = io.BytesIO()
            with contextlib.suppress(OSError, ValueError, KeyError):
                made.save(file, ending)
                files.append((f".{ending}", file.getvalue()))
    return files


def pages(seed: int) -> list[tuple[str, bytes]]:
    """Return Parquet files with a wrong number in the header of a page."""
    rng, files = random.Random(seed), []
    for column, options in COLUMNS.values():
        content = content_of(column, **options)
        for i, _ in enumerate(ParquetFile(content).numbers()):
            for bits in (1, 4, 10, 20, 31):
                changed = ParquetFile(content)
                list(changed.numbers())[i][2] = rng.randrange(-(2**bits), 2**bits)
                files.append((".parquet", changed.content()))
    return files


def written(rng: random.Random, files: list[tuple[str, bytes]]) -> Path:
    """Write a file, changed in two cases of three, and return its path."""
    ending, content = rng.choice(files)
    chance = np.random.default_rng(rng.randrange(2**32))
    for _ in range(rng.randrange(3)):
        content = unlucky.spoil(chance, content) if len(content) > 1 else b""
    path = Path(f"t{ending}")
    path.write_bytes(content)
    return path


def encode(source: Source) -> None:
    """Learn and encode the columns of a table."""
    target = None if source.labels is not None or source.column_names is None else "-1"
    if source.files is None and (source.labels is not None or target is not None):
        rows = data.labelled(source, target, True, Report(quiet=True))
        encoder = kind_of(rows.source.features)()
        model: Any = Classifier()
        checked = encoder.check(rows.source.features, model, reset=True)
        encoder.learn(checked, rows.weights, np.unique(rows.y, return_inverse=True)[1])
        encode_rows(encoder, checked, sys.maxsize)


def through_command_line(path: Path) -> str:
    """Train on a file by the command line, and return what became of it."""
    target = [] if path.suffix in (".npz", ".npy") or "ubyte" in path.name else ["--target", "label"]
    sys.argv = ["pysmorch", "train", str(path), *target, *TRAIN]
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            command_line()
    except SystemExit as end:
        said = [line for line in err.getvalue().splitlines() if line.startswith("pysmorch: error: ")]
        if end.code and (end.code != 2 or len(said) != 1):
            raise AssertionError(f"exit code {end.code}: {err.getvalue()[-300:]}") from None
        return "refused" if end.code else "read"
    raise AssertionError("the command line did not exit")


def is_said(error: BaseException) -> bool:
    """Whether the library raised an error itself, to say what is wrong with a file."""
    place = traceback.extract_tb(error.__traceback__)[-1].filename
    if isinstance(error, MemoryError):
        return "or is damaged" in str(error)
    return isinstance(error, SourceError) or (isinstance(error, ValueError) and f"{os.sep}pysmorch{os.sep}" in place)


def main() -> int:
    """Run, and print how many files were read and refused; the exit code is 1 where anything else happened."""
    options = parser_of(__doc__, 5_000).parse_args()
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=memory) as folder, contextlib.chdir(folder):
        with patch("time.time", lambda: 1.7e9):  # is in packed files
            files = tables(options.seed)
            groups = [files, files, arrays(), images(), pages(options.seed)]
        set_max_memory(MEMORY)

        def case(rng: random.Random, _: int) -> str:
            path = written(rng, rng.choice(groups))
            if rng.random() < 0.005:
                return through_command_line(path)
            try:
                source = read(str(path))
                if rng.random() < 0.33:
                    encode(source)
            except (ValueError, MemoryError) as error:
                if not is_said(error):
                    raise
                return "refused"
            return "read"

        return run("data files", ("read", "refused"), case, options)


if __name__ == "__main__":
    sys.exit(main())
