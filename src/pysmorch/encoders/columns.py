"""What is learned about one column of a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from pysmorch.encoders.dates import NUM_FEATURES, ORDERS
from pysmorch.encoders.formats import NumberFormat
from pysmorch.encoders.statistics import MAX_TARGETS
from pysmorch.files.header import ModelFileError, entries, entry

KINDS = ("number", "category", "text", "none")
"""How a column is encoded; "none" is left out."""

CHOICES = (
    "number",
    "boolean",
    "time",
    "duration",
    "time of day",
    "category",
    "ordered category",
    "text",
    "id",
)
"""What users can say a column holds; an id is left out."""

FOUND = ("integer", "constant", "running number", "empty")
"""What else columns are found to hold."""

WORDS, LETTERS = "words", "groups of letters"
"""What is counted in a text; groups of letters where a script has no blanks."""

NEARLY_THE_TARGET = "nearly the target"
"""Why a column deserves a look: it may be a copy, or known only after the target is."""

CHOSEN = "as chosen"
"""Why a column is what the user says."""

OWN_INDICATORS = 255
"""So many categories have an indicator of their own where there are more than fit."""


@dataclass
class Column:
    """What was learned about one column of a table.

    Attributes
    ----------
    name : str
        Its name.
    kind : str
        How it is encoded: "number", "category", "text", or "none" for a column that is left out.
    missing : bool
        Whether cells were missing, so that there is an indicator for it.
    values : list of str
        The categories, most frequent first, those of an ordered category in their order, or the words.
    rare : bool
        Whether there were categories that came only once, so that there is an indicator for them and for new ones.
    holds : str
        What is in it: one of `CHOICES` or `FOUND`; empty in files of older versions.
    format : str
        How the texts are written, where they were texts: the three parts of a `NumberFormat` with blanks between, or the order of
        a date; what is counted in a text.
    parts : list of str
        The parts of a time that varied, and that have features.
    low, high : float or None
        Bounds of a number: what lies beyond is taken to be there.
    buckets : int
        How many indicators are shared by those categories that have none of their own, in files of older versions.
    statistics : int
        How many statistics of the target each category has where not all have an indicator of their own.
    averaged : list of int
        Indices of the classes whose shares are among the statistics; none for numbers.
    weights : list of float
        Of the words of a text; none in files of older versions, whose words have indicators.
    why : str
        Why it was taken as that.
    """

    name: str
    kind: str
    missing: bool = False
    values: list[str] = field(default_factory=list)
    rare: bool = False
    holds: str = ""
    format: str = ""
    parts: list[str] = field(default_factory=list)
    low: float | None = None
    high: float | None = None
    buckets: int = 0
    statistics: int = 0
    averaged: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    why: str = ""

    @property
    def num_numbers(self) -> int:
        """How many numbers it becomes, which are scaled: a time also has its year, a category statistics of the target."""
        return self.statistics if self.kind != "number" else 1 + int(self.holds == "time")

    @property
    def num_indicators(self) -> int:
        """How many other features the column has."""
        if self.kind == "none":
            return 0
        if self.kind == "number":
            return int(self.missing) + sum(NUM_FEATURES[part] for part in self.parts)
        return int(self.missing) + self.num_own + self.buckets + int(self.rare)

    @property
    def num_own(self) -> int:
        """How many of its values have an indicator of their own."""
        return OWN_INDICATORS if self.buckets or self.statistics else len(self.values)

    @property
    def number_format(self) -> NumberFormat:
        """How its numbers are written."""
        return NumberFormat(*self.format.split("|")) if self.format else NumberFormat()

    def describe(self) -> str:
        """Return a line that says what the column is and why."""
        held = f" ({self.holds})" if self.holds not in ("", "integer", self.kind) else ""
        kind = f"left out, {self.holds}" if self.kind == "none" else f"{self.kind}{held}"
        counted = {"category": "values", "text": self.format or "words"}.get(self.kind)
        facts = [f"{len(self.values)} {counted}"] if counted else []
        facts += (
            [f"all but the {OWN_INDICATORS} most frequent in {self.buckets} shared indicators"] if self.buckets else []
        )
        facts += (
            [f"indicators of the {OWN_INDICATORS} most frequent, means of the target of all"] if self.statistics else []
        )
        facts += ["rare ones together"] if self.rare and self.kind == "category" else []
        facts += ["may be missing"] if self.missing else []
        facts += [self.why] if self.why else []
        return f"column {self.name}: {', '.join([kind, *facts])}"

    def to_parts(self) -> dict[str, Any]:
        """Return the column as plain data; one of an older version as it was there."""
        part = {
            name: value
            for name, value in vars(self).items()
            if name not in ("statistics", "averaged", "weights") or value
        }
        return part if self.holds else {name: part[name] for name in ("name", "kind", "missing", "values", "rare")}

    @classmethod
    def from_parts(cls, part: dict[str, Any]) -> Column:
        """Return the column of a model file, of this version or an older one.

        Parameters
        ----------
        part : dict
            Not checked yet.

        Returns
        -------
        Column
            Checked.

        Raises
        ------
        ModelFileError
            Where anything is missing or does not fit.
        """
        name, kind = entry(part, "name", str), entry(part, "kind", str)
        missing, rare = entry(part, "missing", bool), entry(part, "rare", bool)
        column = cls(name, kind, missing, entries(part, "values", str), rare)
        if "holds" not in part:
            return column
        column.holds, column.format, column.why = (entry(part, key, str) for key in ("holds", "format", "why"))
        column.parts, column.buckets = entries(part, "parts", str), entry(part, "buckets", int)
        column.statistics = entry(part, "statistics", int) if "statistics" in part else 0
        column.averaged = entries(part, "averaged", int) if "averaged" in part else []
        column.weights = [float(weight) for weight in entries(part, "weights", float, int)] if "weights" in part else []
        column.low, column.high = (entry(part, key, float, int, type(None)) for key in ("low", "high"))
        numbers = kind != "number" or not column.format or column.holds == "time" or column.format.count("|") == 2
        known = set(column.parts) <= set(NUM_FEATURES) and 0 <= column.buckets <= 2**16 and numbers
        known = (
            known and 0 <= column.statistics <= MAX_TARGETS + 1 and len(column.averaged) in (0, column.statistics - 1)
        )
        known = known and (column.num_own == len(column.values) or len(column.values) >= OWN_INDICATORS)
        known = known and len(column.weights) in (0, len(column.values)) and all(map(isfinite, column.weights))
        known = known and column.holds in CHOICES + FOUND
        if not known or (column.holds == "time" and column.format and column.format not in ORDERS):
            raise ModelFileError(f"what it says of the column {name!r} does not fit together")
        return column
