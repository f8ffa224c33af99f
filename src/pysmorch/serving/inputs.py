"""From the body of a request to the rows that a model predicts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from pysmorch.encoders import Encoder
from pysmorch.encoders.array import ArrayEncoder
from pysmorch.encoders.errors import ColumnError
from pysmorch.encoders.image import ImageEncoder
from pysmorch.encoders.table import TableEncoder
from pysmorch.entries import suggest
from pysmorch.prediction.files import bits_in, had_header, parse_missing
from pysmorch.serving.cells import LARGEST, as_utf8, columns_in, parse_json, rows_in, table_of
from pysmorch.serving.fields import Field, fields_of_numbers, fields_of_table
from pysmorch.serving.problems import MOST_LETTERS, Problem, Wrong, first_of, shown, unprocessable
from pysmorch.serving.remarks import remarks_about
from pysmorch.sources.columnar import read_arrow
from pysmorch.sources.images import Decoding, read_images
from pysmorch.sources.opening import File
from pysmorch.sources.source import SourceError
from pysmorch.sources.tables import read_csv

JSON, CSV, ARROW = "application/json", "text/csv", "application/vnd.apache.arrow.stream"
ARROW_FILE = "application/vnd.apache.arrow.file"
IMAGES, MULTIPART = "image/*", "multipart/form-data"
BODY = "the body"


@dataclass(frozen=True)
class Rows:
    """The rows of a request.

    Attributes
    ----------
    X : object
        What the model predicts.
    count : int
        How many there are.
    ignored : list of str, default=[]
        Columns of the request that play no part.
    remarks : list of dict, default=[]
        What is unusual about them.
    line_of : callable or None, default=None
        Returns the line of a row of a CSV file.
    """

    X: Any
    count: int
    ignored: list[str] = field(default_factory=list)
    remarks: list[dict[str, Any]] = field(default_factory=list)
    line_of: Callable[[int], int | str] | None = None


class Inputs:
    """What a model takes.

    Attributes
    ----------
    kind : str
        "columns", "numbers" or "images".
    types : tuple of str
        The types of bodies.
    fields : list of Field
        The columns, in the order of the training.
    """

    kind: ClassVar[str]
    types: ClassVar[tuple[str, ...]]
    fields: list[Field]

    def rows(self, kind: str, content: Any) -> Rows:
        """Return the rows of a body.

        Parameters
        ----------
        kind : str
            One of `types`.
        content : bytes or list of (str, bytes)
            The body, or the names and contents of its files.

        Returns
        -------
        Rows
            Checked as far as their form goes; what is in the columns is checked by the encoder.

        Raises
        ------
        Problem, SourceError
            It cannot be read.
        """
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """Return what the model takes as plain data: its columns."""
        return {"columns": [one.plain() for one in self.fields]}

    def typical(self) -> Any:
        """Return rows that the model can predict."""
        raise NotImplementedError


class ColumnInputs(Inputs):
    """Rows with columns that have names.

    Parameters
    ----------
    fields : list of Field
        The columns that count.
    names : list of str
        All columns of the training; those that do not count are filled with nothing.
    notes : mapping
        What the command line noted about the training.
    """

    kind = "columns"
    types = (JSON, CSV, ARROW, ARROW_FILE)

    def __init__(self, fields: list[Field], names: list[str], notes: Mapping[str, Any]) -> None:
        self.fields, self.names = fields, names
        self.header, self.missing = had_header(notes), parse_missing(notes.get("missing"))

    def rows(self, kind: str, content: Any) -> Rows:
        """Return the rows of a body in JSON, CSV or Arrow's format."""
        if kind == JSON:
            cells, ignored = columns_in(parse_json(content), self.fields)
            return self._rows(table_of(cells, self.fields), ignored, None)
        if not content:
            raise Problem(400, "the body is empty; send a table with the columns of the model")
        file = File(BODY, content, True)
        if kind != CSV:
            return self._selected(read_arrow(file).features, None)
        as_utf8(content)
        source = read_csv(file, self.header, None, self.missing)
        table = source.features
        if not self.header and table.num_columns == len(self.names):
            table = table.rename_columns(self.names)
        return self._selected(table, source.line_of)

    def _selected(self, table: Any, line_of: Any) -> Rows:
        """Return the columns of a table that count."""
        known = table.column_names
        lacking = [one for one in self.fields if one.required and one.name not in known]
        if lacking:
            errors = [
                Wrong(
                    f"column {one.name!r} is missing{suggest(one.name, known)}", one.name, None, "nothing", one.expected
                )
                for one in lacking
            ]
            raise unprocessable(errors)
        wanted = {one.name for one in self.fields}
        return self._rows(table, [name for name in known if name not in wanted], line_of)

    def _rows(self, table: Any, ignored: list[str], line_of: Any) -> Rows:
        import pyarrow as pa

        count, known, wanted = table.num_rows, set(table.column_names), {one.name for one in self.fields}
        nothing = pa.nulls(count, pa.string())
        columns = [table[name] if name in known and name in wanted else nothing for name in self.names]
        full = pa.table(columns, names=self.names)
        return Rows(full, count, ignored, remarks_about(full, self.fields), line_of)

    def typical(self) -> Any:
        """Return a row of usual values."""
        row = {one.name: [one.typical] for one in self.fields}
        return self._rows(table_of(row, self.fields), [], None).X


class NumberInputs(Inputs):
    """Rows of numbers without names.

    Parameters
    ----------
    encoder : ArrayEncoder
        Of the model.
    """

    kind = "numbers"
    types = (JSON,)

    def __init__(self, encoder: ArrayEncoder) -> None:
        self.fields = fields_of_numbers(encoder.names, encoder.included, encoder.numbers)
        self.allows_missing = not encoder.pixels

    def rows(self, kind: str, content: Any) -> Rows:
        """Return the rows of a body in JSON: a list of numbers, or a list of such lists."""
        parsed = parse_json(content)
        one_row = isinstance(parsed, list) and bool(parsed) and not isinstance(parsed[0], (list, dict))
        rows = [parsed] if one_row else rows_in(parsed)
        errors = first_of(wrong for i, row in enumerate(rows) for wrong in self._wrong(i, row))
        if errors:
            raise unprocessable(errors)
        X = np.array([[np.nan if cell is None else float(cell) for cell in row] for row in rows], np.float64)
        return Rows(X.reshape(len(rows), len(self.fields)), len(rows))

    def _wrong(self, index: int, row: Any) -> list[Wrong]:
        """Return what is wrong with a row."""
        expected = f"a list of {len(self.fields)} numbers"
        if not isinstance(row, list) or len(row) != len(self.fields):
            found = f"a list of {len(row)}" if isinstance(row, list) else shown(row)
            return [Wrong(f"row {index} must be {expected}, but is {found}", None, index, found, expected)]
        return [
            Wrong(
                f"column {i} must be a number, but row {index} has {shown(cell)}",
                str(i),
                index,
                shown(cell),
                "a number",
            )
            for i, cell in enumerate(row)
            if not (is_finite(cell) or (cell is None and self.allows_missing))
        ]

    def typical(self) -> Any:
        """Return a row of means."""
        return np.array([[one.typical for one in self.fields]], np.float64)


class ImageInputs(Inputs):
    """Images of one size, as files or as arrays of pixels.

    Parameters
    ----------
    encoder : ImageEncoder
        Of the model.
    notes : mapping
        What the command line noted about the training.
    """

    kind = "images"
    types = (IMAGES, MULTIPART, JSON)

    def __init__(self, encoder: ImageEncoder, notes: Mapping[str, Any]) -> None:
        self.fields = []
        self.shape = encoder.image_shape
        _, colours = encoder.reading(None, True)
        self.decoding = Decoding((self.shape[0], self.shape[1]), colours, bits=bits_in(notes))

    def rows(self, kind: str, content: Any) -> Rows:
        """Return images of the model's size."""
        if kind == JSON:
            X = self._pixels(rows_in(parse_json(content), "images"))
        else:
            files = content if kind == MULTIPART else [("the image", content)]
            for name, image in files:
                if not image:
                    raise Problem(400, f"{name} is empty; send the content of an image file")
            X = read_images(BODY, files, self.decoding).features
        return Rows(X, len(X))

    def _pixels(self, images: list[Any]) -> Any:
        """Return nested lists as images; one image alone is one row."""
        height, width, channels = self.shape
        expected = f"{height} rows of {width} pixels" + (f" of {channels} numbers" if channels > 1 else "")
        try:
            pixels = np.array(images)
        except ValueError:
            pixels = np.array(images, dtype=object)
        shapes = [self.shape, self.shape[:2]] if channels == 1 else [self.shape]
        pixels = pixels[None] if pixels.shape in shapes else pixels
        if pixels.dtype.kind not in "iuf" or pixels.shape[1:] not in shapes or not np.isfinite(pixels).all():
            raise Problem(
                422, f"an image must be {expected}, all of them finite numbers; send images as files otherwise"
            )
        return pixels

    def describe(self) -> dict[str, Any]:
        """Return the size."""
        height, width, channels = self.shape
        return {"image": {"height": height, "width": width, "channels": channels}}

    def typical(self) -> Any:
        """Return a black image."""
        return np.zeros((1, *self.shape), np.uint8)


def is_finite(cell: Any) -> bool:
    """Whether a cell of JSON is a number that float64 holds."""
    return isinstance(cell, (int, float)) and not isinstance(cell, bool) and abs(cell) < LARGEST


def inputs_of(model: Any) -> Inputs:
    """Return what a model takes.

    Parameters
    ----------
    model : Classifier or Regressor
        Fitted.

    Returns
    -------
    Inputs
        By the kind of its encoder.

    Raises
    ------
    ValueError
        There are no bodies for its kind of input.
    """
    encoder: Encoder = model.encoder_
    notes = getattr(model, "notes_", {})
    if isinstance(encoder, TableEncoder):
        return ColumnInputs(fields_of_table(encoder), encoder.names, notes)
    if isinstance(encoder, ImageEncoder):
        return ImageInputs(encoder, notes)
    if isinstance(encoder, ArrayEncoder):
        names = vars(model).get("feature_names_in_")
        if names is None:
            return NumberInputs(encoder)
        return ColumnInputs(fields_of_numbers(list(names), encoder.included, encoder.numbers), list(names), notes)
    raise ValueError(f"serve takes models of tables, arrays and images, but this one takes {encoder.what}")


def problem_of(error: Exception, rows: Rows | None, fields: Sequence[Field]) -> Problem:
    """Return the problem for an error of reading or encoding rows.

    Parameters
    ----------
    error : ValueError, TypeError or MemoryError
        What was raised.
    rows : Rows or None
        The rows, where they could be read.
    fields : sequence of Field
        The columns of the model.

    Returns
    -------
    Problem
        422, or 413 where the memory does not suffice.
    """
    if isinstance(error, MemoryError):
        return Problem(413, "the body needs more memory than there is; send fewer rows at a time")
    if isinstance(error, ColumnError) and rows is not None:
        named = error.in_file(rows.line_of)
        found = None
        if error.row is not None and error.column in getattr(rows.X, "column_names", []):
            found = str(rows.X[error.column][error.row].as_py())[:MOST_LETTERS]
        expected = next((one.expected for one in fields if one.name == error.column), None)
        return unprocessable([Wrong(str(named), error.column, error.row, found, expected)])
    if isinstance(error, SourceError):
        found = str(error).partition("; ")[0]  # what follows is about options of the command line
        return Problem(422, found.removeprefix(f"{BODY}: "))
    return Problem(422, str(error) or type(error).__name__)
