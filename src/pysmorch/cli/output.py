"""What the commands print, and which files they may replace."""

from __future__ import annotations

import csv
import glob
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from pysmorch.entries import escaped
from pysmorch.files.writing import check_writable, try_to_write
from pysmorch.sources.several import WITHIN
from pysmorch.warnings import PysmorchWarning


class Interrupted(Exception):
    """Work that was interrupted after results were written; the message says so."""


def print_escaped(text: str, file: TextIO | None = None) -> None:
    """Print text of any number of lines; only the ends of lines are left as they are."""
    print("\n".join(map(escaped, text.split("\n"))), file=file or sys.stdout)


def one_line(message: str) -> str:
    """Return a message as one line that is safe to print."""
    return escaped(" ".join(message.split()))


@contextmanager
def warnings_as_lines() -> Iterator[None]:
    """Print each warning of the library as one line, without the Python file that it comes from."""

    def show(message: Any, category: type[Warning], *where: Any, **more: Any) -> None:
        print(f"pysmorch: warning: {one_line(str(message))}", file=sys.stderr)

    with warnings.catch_warnings():
        warnings.simplefilter("default", PysmorchWarning)
        warnings.showwarning = show
        yield


@contextmanager
def recorded_warnings() -> Iterator[list[str]]:
    """Give a list of the warnings that are shown from now on."""
    found: list[str] = []
    before = warnings.showwarning

    def show(message: Any, *where: Any, **more: Any) -> None:
        found.append(str(message))
        before(message, *where, **more)

    warnings.showwarning = show
    try:
        yield found
    finally:
        warnings.showwarning = before


class Report:
    """What a command says: text for people, or one JSON object for programs, and then the text on standard error.

    Attributes
    ----------
    as_json : bool
        Whether there is a JSON object.
    quiet : bool
        Whether only results are printed.
    """

    def __init__(self, as_json: bool = False, quiet: bool = False) -> None:
        self.as_json = as_json
        self.quiet = quiet

    def note(self, text: str) -> None:
        """Print what is good to know."""
        if not self.quiet:
            self.result(text)

    def result(self, text: str) -> None:
        """Print what was to be found out."""
        print_escaped(text, sys.stderr if self.as_json else sys.stdout)

    def finish(self, values: dict[str, Any]) -> None:
        """Print the JSON object if there is one."""
        if self.as_json:
            print(json.dumps(values, default=str))


def check_output(out: str, inputs: Sequence[str], kind: str, is_kind: Callable[[Path], bool], force: bool) -> None:
    """Refuse a file that cannot be written or would replace something else.

    Parameters
    ----------
    out : str
        The file to write, from --out.
    inputs : sequence of str
        What the command reads: files, folders, patterns, and names of bundled sets.
    kind : str
        What is written, in the message.
    is_kind : callable
        Whether an existing file is of that kind, so that it may be replaced.
    force : bool
        Whether a file of another kind may be replaced, and an input.

    Raises
    ------
    OSError, ValueError
        Says why, and what helps.
    """
    path = check_writable(out)
    try_to_write(path)
    if force or not path.exists():
        return
    for name in inputs:
        candidates = (name, name.split(WITHIN)[0], *glob.glob(name))
        if any(os.path.exists(file) and os.path.samefile(file, path) for file in candidates):
            raise ValueError(f"--out {out} is {name}, which is read; name another file, or add --force to replace it")
    if path.stat().st_size and not is_kind(path):
        raise ValueError(f"--out {out} exists and is no {kind}; name another file, or add --force to replace it")


def check_new(out: str, option: str, force: bool) -> None:
    """Refuse a file that cannot be written, or that exists.

    Parameters
    ----------
    out : str
        The file to write.
    option : str
        The option that names it.
    force : bool
        Whether an existing file may be replaced.

    Raises
    ------
    OSError, ValueError
        Says why, and what helps.
    """
    path = check_writable(out)
    try_to_write(path)
    if path.exists() and not force:
        raise ValueError(f"{option} {out} exists; name another file, or add --force to replace it")


def is_model(path: Path) -> bool:
    """Whether a file is a model of this library, damaged or not."""
    from pysmorch.files.model import METADATA_KEY
    from pysmorch.files.tensors import metadata_of

    with open(path, "rb") as file:
        start = file.read(8)
        size = int.from_bytes(start, "little")
        if len(start) < 8 or size > path.stat().st_size:
            return False
        try:
            return METADATA_KEY in metadata_of(start + file.read(size))
        except (ValueError, RecursionError):
            return False


def is_prediction(path: Path) -> bool:
    """Whether a .csv or .parquet file is one that `predict` has written: it has a column of predictions."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        if path.suffix == ".parquet":
            names = parquet.read_schema(path).names
        else:
            with open(path, encoding="utf-8", newline="") as file:
                names = next(csv.reader(file), [])
    except (pa.ArrowException, OSError, ValueError, csv.Error):
        return False
    return any(name == "prediction" or name.startswith("prediction ") for name in names)
