"""How a class is graded, from a grading.toml: points, bonus, tolerance, seed, forbidden imports, and who is late."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any

from pysmorch.teach.exercise_table import EXERCISES
from pysmorch.teach.exercises import Exercise
from pysmorch.teach.flags import FORBIDDEN
from pysmorch.teach.grade_report import FileReport, GradeReport
from pysmorch.teach.grading import KNOWN, check_known
from pysmorch.teach.own_exercises import read_exercise


@dataclass(frozen=True)
class Rules:
    """How submissions are graded and what they are worth.

    Parameters
    ----------
    points : dict, default={}
        What each class is worth; other classes are worth 100.
    bonus : dict, default={}
        What classes are worth that come on top of all others.
    tolerance : float, default=None
        The relative error that passes; None for that of each class.
    seed : str, default=""
        A secret from which the numbers of the tests are drawn; without one they are the same everywhere.
    different_numbers : bool, default=False
        Whether each submission gets numbers of its own, the same ones each time.
    forbidden : tuple of str, default=("pysmorch", "torch", "tensorflow", "jax", "autograd")
        Modules whose import is flagged.
    late : tuple of str, default=()
        Names of submissions, with or without what stands after a dot, that came late.
    late_factor : float, default=0.5
        What the points of those are multiplied by.
    exercise_files : tuple of str, default=()
        A teacher's own exercises; one whose class is named like one of the library's replaces it.
    """

    points: Mapping[str, float] = field(default_factory=dict)
    bonus: Mapping[str, float] = field(default_factory=dict)
    tolerance: float | None = None
    seed: str = ""
    different_numbers: bool = False
    forbidden: tuple[str, ...] = FORBIDDEN
    late: tuple[str, ...] = ()
    late_factor: float = 0.5
    exercise_files: tuple[str, ...] = ()

    def __reduce__(self) -> Any:
        """Let another process read the exercises by itself; what they hold cannot be sent."""
        return Rules, tuple(getattr(self, f.name) for f in fields(self))

    @cached_property
    def _own(self) -> list[tuple[Exercise, float | None]]:
        return [read_exercise(path) for path in self.exercise_files]

    @property
    def exercises(self) -> dict[str, Exercise]:
        """A teacher's own exercises by the names of their classes."""
        return {exercise.name: exercise for exercise, _ in self._own}

    @property
    def worth(self) -> dict[str, float]:
        """What classes are worth, by these rules and by the exercises themselves."""
        own = {exercise.name: points for exercise, points in self._own if points is not None}
        return {**{name: points for name, points in own.items() if name not in self.bonus}, **self.points}

    @cached_property
    def table(self) -> dict[str, Exercise]:
        """All exercises, with the tolerance that was given."""
        table = {**EXERCISES, **self.exercises}
        if self.tolerance is None:
            return table
        return {name: replace(exercise, tolerance=self.tolerance) for name, exercise in table.items()}

    @property
    def known(self) -> tuple[str, ...]:
        """Names that can be graded."""
        return tuple(dict.fromkeys((*self.exercises, *KNOWN)))

    def secret(self, texts: Iterable[str]) -> tuple[int, ...]:
        """Return from what the numbers for a submission are drawn.

        Parameters
        ----------
        texts : iterable of str
            The texts of the submission, from which its numbers are drawn too where `different_numbers` is set.

        Returns
        -------
        tuple of int
            16 numbers from 0 to 255; empty for the usual numbers.
        """
        if not self.seed and not self.different_numbers:
            return ()
        own = "\n".join(texts) if self.different_numbers else ""
        return tuple(hashlib.sha256(f"{self.seed}\n{own}".encode("utf-8", "replace")).digest()[:16])

    def settings(self) -> str:
        """Return what the results of tests depend on.

        Returns
        -------
        str
            A JSON text, the same for the same rules.
        """
        drawn = {name: exercise.source for name, exercise in self.exercises.items()}
        return json.dumps([self.tolerance, self.seed, self.different_numbers, self.forbidden, drawn])

    def weighed(self, report: FileReport, name: str) -> FileReport:
        """Return a report with the points of these rules.

        Parameters
        ----------
        report : FileReport
            What was found in a submission.
        name : str
            The name of the submission, which says whether it came late.

        Returns
        -------
        FileReport
            The same results, with what they are worth.
        """
        reports = [self._weighed(one) for one in report.reports]
        stem = name.rsplit("/", 1)[-1]
        is_late = any(late in (name, name.split("/")[0], stem, stem.rsplit(".", 1)[0]) for late in self.late)
        notes = [*report.notes, f"late: the points count {self.late_factor:.0%}"] if is_late else report.notes
        return replace(report, reports=reports, factor=self.late_factor if is_late else 1.0, notes=notes)

    def _weighed(self, report: GradeReport) -> GradeReport:
        if report.name in self.bonus:
            return replace(report.scaled(self.bonus[report.name]), bonus=True)
        return report.scaled(self.worth[report.name]) if report.name in self.worth else report


USUAL = Rules()

_TABLES = {
    "grading": ("seed", "different_numbers", "tolerance", "forbidden"),
    "points": None,
    "bonus": None,
    "late": ("names", "factor"),
}
"""The tables of a grading.toml and their keys; None for names of classes."""


def read_rules(path: str | Path, exercise_files: Iterable[str] = ()) -> Rules:
    """Read a grading.toml.

    Parameters
    ----------
    path : str or Path
        The file.
    exercise_files : iterable of str, default=()
        A teacher's own exercises.

    Returns
    -------
    Rules
        What the file says.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    ValueError
        For what is no TOML, a key that is not known (with the nearest one that is), or a value that does not fit.
    """
    try:
        data = tomllib.loads(Path(path).read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: no TOML: {error}") from error
    _check_keys(path, "a table", data, _TABLES)
    for table, keys in _TABLES.items():
        if not isinstance(data.setdefault(table, {}), dict):
            raise ValueError(f"{path}: {table} must be a table, begun by [{table}]")
        if keys is not None:
            _check_keys(path, f"a key of [{table}]", data[table], keys)
    own = Rules(exercise_files=tuple(exercise_files))
    for name in (*data["points"], *data["bonus"]):
        if name not in own.known:
            try:
                check_known(name)
            except ValueError as error:
                raise ValueError(f"{path}: {error}") from error
    if both := sorted({*data["points"]} & {*data["bonus"]}):
        raise ValueError(f"{path}: {both[0]} is in [points] and in [bonus]; leave it in one of them")
    get = _Values(str(path), data).get
    return Rules(
        points=_numbers(path, data, "points"),
        bonus=_numbers(path, data, "bonus"),
        tolerance=get("grading", "tolerance", None, _is_positive, "a positive number, such as 1e-5"),
        seed=get("grading", "seed", "", lambda v: isinstance(v, str | int), "a text or a whole number", str),
        different_numbers=get("grading", "different_numbers", False, lambda v: isinstance(v, bool), "true or false"),
        forbidden=get("grading", "forbidden", FORBIDDEN, _is_texts, "a list of modules", tuple),
        late=get("late", "names", (), _is_texts, "a list of names of submissions", tuple),
        late_factor=get("late", "factor", 0.5, lambda v: _is_number(v) and 0 <= v <= 1, "a number from 0 to 1"),
        exercise_files=own.exercise_files,
    )


def _check_keys(path: str | Path, what: str, data: dict[str, Any], known: Iterable[str]) -> None:
    names = list(known)
    for key in data:
        if key not in names:
            close = get_close_matches(key, names, n=1)
            hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(names)}"
            raise ValueError(f"{path}: {key!r} is not {what} that is known; {hint}")


@dataclass(frozen=True)
class _Values:
    """Reads values, each with a check of its own."""

    path: str
    data: dict[str, Any]

    def get(
        self, table: str, key: str, default: Any, fits: Callable[[Any], bool], expected: str, kind: Any = None
    ) -> Any:
        if key not in self.data[table]:
            return default
        value = self.data[table][key]
        if not fits(value):
            raise ValueError(f"{self.path}: {key} in [{table}] must be {expected}, but is {value!r}")
        return kind(value) if kind else value


def _numbers(path: str | Path, data: dict[str, Any], table: str) -> dict[str, float]:
    for name, value in data[table].items():
        if not _is_positive(value):
            raise ValueError(f"{path}: {name} in [{table}] must be a positive number of points, but is {value!r}")
    return {name: float(value) for name, value in data[table].items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_positive(value: Any) -> bool:
    return _is_number(value) and 0 < value < float("inf")


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
