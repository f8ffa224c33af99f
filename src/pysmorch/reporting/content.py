"""What a report consists of: sections of sentences, tables, pictures and galleries; how they look is the page's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pysmorch.diagram.svg import Svg
from pysmorch.encoders.objects import is_missing
from pysmorch.explaining.explanation import cell_text
from pysmorch.reporting.axes import clip

LONGEST_CELL = 80
"""Characters of a cell of the data that are shown."""


@dataclass(frozen=True)
class Words:
    """A paragraph.

    Attributes
    ----------
    words : str
        Its text.
    """

    words: str
    kind: str = "words"


@dataclass(frozen=True)
class Remarks:
    """What deserves attention.

    Attributes
    ----------
    remarks : sequence of str
        Sentences.
    """

    remarks: Sequence[str]
    kind: str = "remarks"


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes
    ----------
    caption : str
        What is in it.
    head : sequence of str
        Titles of the columns.
    rows : sequence of sequence of str
        The cells; the first one of each row names it.
    texts : frozenset of int, default=frozenset({0})
        Which columns are texts; the others are numbers, which stand on the right.
    """

    caption: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: frozenset[int] = frozenset({0})
    kind: str = "table"


@dataclass(frozen=True)
class Figure:
    """A picture with its numbers.

    Attributes
    ----------
    title : str
        What it is.
    picture : Svg
        The picture.
    words : str
        What is to be seen, in a sentence or two.
    table : Table
        Its numbers.
    legend : sequence of str, default=()
        Names of the lines or groups, in the order of their colours.
    filled : bool, default=False
        Whether they are areas and no lines.
    """

    title: str
    picture: Svg
    words: str
    table: Table
    legend: Sequence[str] = ()
    filled: bool = False
    kind: str = "figure"


@dataclass(frozen=True)
class Tile:
    """A number that counts most.

    Attributes
    ----------
    name, value, note : str
        What it is, the number, and what it is to be compared with.
    """

    name: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Tiles:
    """Numbers that count most.

    Attributes
    ----------
    tiles : sequence of Tile
        A few.
    """

    tiles: Sequence[Tile]
    kind: str = "tiles"


@dataclass(frozen=True)
class Image:
    """A small image.

    Attributes
    ----------
    address : str
        A data URI.
    words : str
        What is in it, for those who do not see it.
    caption : sequence of str
        Lines below it.
    beside : str, default=""
        A second data URI, where in the image the network looks.
    """

    address: str
    words: str
    caption: Sequence[str]
    beside: str = ""


@dataclass(frozen=True)
class Gallery:
    """Small images.

    Attributes
    ----------
    images : sequence of Image
        A few.
    """

    images: Sequence[Image]
    kind: str = "gallery"


@dataclass(frozen=True)
class Code:
    """Lines of a program.

    Attributes
    ----------
    lines : sequence of str
        The lines.
    """

    lines: Sequence[str]
    kind: str = "code"


@dataclass(frozen=True)
class Drawing:
    """A picture that may be larger than the page, in a frame of its own.

    Attributes
    ----------
    picture : Svg
        The picture.
    words : str
        What it is.
    """

    picture: Svg
    words: str
    kind: str = "drawing"


@dataclass(frozen=True)
class Section:
    """A part of the report.

    Attributes
    ----------
    name : str
        For links to it.
    title : str
        Its heading.
    blocks : list
        What is in it.
    """

    name: str
    title: str
    blocks: list[Any] = field(default_factory=list)


def number(value: float | None, digits: int = 4) -> str:
    """Return a number as text with some significant digits; a dash for one that is not known."""
    if value is None or value != value:
        return "–"
    whole = 10**digits <= abs(value) < 1e15
    return f"{value:,.0f}".replace("-", "−") if whole else f"{value:.{digits}g}".replace("-", "−")


def fraction(value: float | None, decimals: int = 3) -> str:
    """Return a number of about 1 with so many decimals, so that those of a column are aligned; a dash for one that is not known."""
    return "–" if value is None or value != value else f"{value:.{decimals}f}".replace("-", "−")


def share(value: float | None) -> str:
    """Return a fraction as a percentage with one decimal; a dash for one that is not known."""
    return "–" if value is None or value != value else f"{value:.1%}"


def cell(value: Any) -> str:
    """Return a cell of the data as text that is not too long; days have no time of day."""
    return clip(cell_text(value).removesuffix(" 00:00:00"), LONGEST_CELL)


def are_numbers(cells: Sequence[Any]) -> bool:
    """Whether cells are numbers as they stand there, also as texts; times are none, since their numbers say little to people."""
    known = [value for value in cells if not is_missing(value)]
    return bool(known) and all(map(_is_number, known[:20]))


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
