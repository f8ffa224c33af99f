"""What `pysmorch grade` does."""

from __future__ import annotations

import json
import warnings
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from pysmorch.cli.grade_options import GradeOptions
from pysmorch.cli.grade_progress import Progress
from pysmorch.cli.output import Interrupted, print_escaped
from pysmorch.cli.taking import parse_size
from pysmorch.engine.threads import usable_cores
from pysmorch.files.writing import check_writable, write_whole
from pysmorch.teach import FileReport, GradingError
from pysmorch.teach.classroom import (
    STORE_NAME,
    Found,
    Graded,
    Options,
    Row,
    Store,
    as_csv,
    as_data,
    as_gradescope,
    class_names,
    common_names,
    find_submissions,
    grade_submissions,
    mistakes_of,
    nothing_for_gradescope,
    overview,
    rows_of,
    write_pages,
)
from pysmorch.teach.grade_report import clean, junit
from pysmorch.teach.grading import check_known
from pysmorch.teach.isolation import TIMEOUT
from pysmorch.teach.rules import Rules, read_rules
from pysmorch.warnings import PysmorchWarning

LEAST_MEMORY = 2**28
"""Less does not hold Python and NumPy."""

TIMEOUT_IN_A_CLASS = 20.0
"""Seconds for each submission of a class, where some have endless loops and all have to be graded soon."""

SHOWN_MISTAKES = 5


def grade(options: GradeOptions) -> bool:
    """Grade submissions and print what was found; return whether all is right."""
    is_class = options.gradescope is None and any(Path(path).is_dir() for path in options.files)
    how = _how(options, is_class)
    _check_outputs(options)
    found = _find(options, how)
    if is_class and how.names is None:
        how = replace(how, names=common_names(found.submissions, how.aliases) or None)
    results = _grade(options, found, how, is_class)
    rows, errors = _rows(found, results, how.rules)
    if options.as_json:
        print(json.dumps(as_data(rows), indent=2))
    elif is_class:
        print_escaped(_table(rows, how))
    else:
        for row in rows:
            print_escaped(f"{replace(row.report, flags=row.flags)}\n")
    _write(options, rows)
    if errors:
        raise ValueError(
            f"{'; '.join(map(str, errors[:3]))}: of {len(rows)} submissions {len(errors)} could not be graded, "
            "which is no fault of theirs; the same command tries them again"
        )
    return all(row.report.passed for row in rows)


def _check_outputs(options: GradeOptions) -> None:
    for path in filter(None, (options.csv, options.junit, options.gradescope)):
        check_writable(path)
    for folder in map(Path, options.files if options.html else ()):
        if folder.is_dir() and Path(options.html or "").resolve().is_relative_to(folder.resolve()):
            raise ValueError(
                f"--html {options.html} is in {folder}, where each folder is a student; name one outside of it"
            )


def _how(options: GradeOptions, is_class: bool) -> Options:
    rules = _rules(options)
    only = options.only
    worth = [*rules.worth, *rules.bonus] if rules.points or rules.bonus else list(rules.exercises)
    names = [name.strip() for name in only.split(",") if name.strip()] if only else worth or None
    aliases = parse_aliases(options.alias)
    for name in [*(names or []), *rules.points, *aliases.values()]:
        if name not in rules.known:
            check_known(name)
    with_files = tuple(options.with_files or ())
    for file in with_files:
        if not Path(file).is_file():
            raise ValueError(f"--with {file}: no such file")
    timeout = options.timeout
    if timeout is None:
        timeout = TIMEOUT_IN_A_CLASS if is_class else TIMEOUT
    if not 0 < timeout < float("inf"):
        raise ValueError(f"--timeout must be a positive number of seconds, but is {timeout:g}")
    if options.jobs is not None and options.jobs < 1:
        raise ValueError(f"--jobs must be a positive number, but is {options.jobs}")
    memory = parse_memory(options.memory)
    return Options(None if names is None else tuple(names), timeout, memory, aliases, rules, with_files)


def _rules(options: GradeOptions) -> Rules:
    exercises = tuple(options.exercise or ())
    rules = Rules(exercise_files=exercises)
    if options.config is not None:
        rules = read_rules(options.config, exercises)
    return replace(rules, points={**rules.points, **parse_points(options.points)})


def _find(options: GradeOptions, how: Options) -> Found:
    others = [Path(path).name for path in (*how.with_files, *(options.exercise or ()), options.config) if path]
    names = [*how.rules.known, *how.aliases]
    found = find_submissions(options.files, names, others, one_student=options.gradescope is not None)
    if options.gradescope is not None and len(found.submissions) > 1:
        files = ", ".join(submission.path.name for submission in found.submissions[:3])
        problem = (
            f"there are {len(found.submissions)} submissions ({files}), and --gradescope is for one: hand in one file"
        )
        _write_json(options.gradescope, nothing_for_gradescope(problem))
        raise ValueError(problem)
    for name, paths in found.duplicates.items():
        _warn(
            f"several submissions are named {name}; each is graded under its path, remove what does not count: {_few(paths)}"
        )
    outputs = {Path(path).resolve() for path in (options.csv, options.junit, options.store) if path}
    left_out = [path.name for path in found.left_out if path.resolve() not in outputs]
    if left_out:
        _warn(f"neither Python nor notebooks, and left out (get submissions as .py or .ipynb): {_few(left_out)}")
    return found


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _warn(message: str) -> None:
    warnings.warn(message, PysmorchWarning, stacklevel=2)


def _grade(options: GradeOptions, found: Found, how: Options, is_class: bool) -> list[Graded | GradingError]:
    path = options.store
    if path is None and is_class:
        path = str(Path(next(path for path in options.files if Path(path).is_dir())) / STORE_NAME)
    store = None if path is None else Store(path, how.settings())
    progress = Progress(len(found.submissions))
    try:
        with progress, store.open(options.fresh) if store is not None else nullcontext():
            return grade_submissions(
                found.submissions, how, options.jobs or usable_cores(), store, lambda i, _: progress.step()
            )
    except KeyboardInterrupt:
        if store is None:
            raise
        raise Interrupted(
            f"interrupted; {progress.done} of {len(found.submissions)} are graded, the same command goes on from there"
        ) from None


def _rows(found: Found, results: Sequence[Graded | GradingError], rules: Rules) -> tuple[list[Row], list[GradingError]]:
    """The table, with the points that classes are worth, and the grader's own failures."""
    graded = []
    for submission, result in zip(found.submissions, results, strict=True):
        if isinstance(result, GradingError):
            problem = f"The grader could not do its work, which is no fault of the submission: {result}"
            result = Graded(FileReport(str(submission.path), problem=clean(problem)))
        graded.append(replace(result, report=rules.weighed(result.report, submission.name)))
    names = [submission.name for submission in found.submissions]
    return rows_of(names, graded), [result for result in results if isinstance(result, GradingError)]


def _table(rows: Sequence[Row], how: Options) -> str:
    """The results of a class: a line for each submission, and what most got wrong."""
    names = class_names(rows)
    lines = [["name", "points", *names, ""]]
    for row in rows:
        classes = [row.of_class(name) for name in names]
        points = ["" if report is None else f"{report.points:.4g}" for report in classes]
        words = "; ".join(filter(None, [row.report.problem, *row.flags, *row.report.notes]))
        lines.append([row.name, f"{row.report.points:.4g} of {row.report.max_points:.4g}", *points, words])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)][:-1]
    text = ["  ".join([*map(str.ljust, line, widths), line[-1]]).rstrip() for line in lines]
    text += ["", f"classes: {', '.join(how.names or names)}", overview(rows)]
    if mistakes := mistakes_of(rows)[:SHOWN_MISTAKES]:
        text += ["", "what most got wrong:"]
        text += [f"  {len(mistake.students):>4}  {mistake.name}: {mistake.cause}" for mistake in mistakes]
    text += _spellings(rows)
    return "\n".join(text)


def _spellings(rows: Sequence[Row]) -> list[str]:
    """Each other spelling once, with how many have it."""
    notes = Counter(note for row in rows for note in row.report.notes if "--alias" in note)
    return ["", *(f"{count} submissions: {note}" for note, count in notes.most_common())] if notes else []


def _write(options: GradeOptions, rows: Sequence[Row]) -> None:
    if options.csv is not None:
        write_whole(options.csv, lambda file: file.write(as_csv(rows)))
    if options.junit is not None:
        write_whole(options.junit, lambda file: file.write(junit([row.report for row in rows])))
    if options.gradescope is not None:
        _write_json(options.gradescope, as_gradescope(rows[0].report))
    if options.html is not None:
        title = Path(options.files[0]).resolve().name
        page = write_pages(options.html, title, rows)
        if not options.as_json:
            print_escaped(f"the pages are in {page.parent}; open {page}")


def _write_json(path: str, data: dict[str, Any]) -> None:
    write_whole(path, lambda file: file.write(json.dumps(data, indent=2).encode()))


def parse_points(text: str | None) -> dict[str, float]:
    """Return the points in a text such as Linear=10,Relu=5, by class."""
    worth: dict[str, float] = {}
    for part in filter(None, (text or "").split(",")):
        name, _, number = part.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = -1.0
        if not 0 < value < float("inf"):
            raise ValueError(f"--points must be names with positive numbers, as in Linear=10,Relu=5, but has {part!r}")
        worth[name.strip()] = value
    return worth


def parse_aliases(texts: Sequence[str] | None) -> dict[str, str]:
    """Return the names in texts such as ReLU=Relu, by the spelling of the submissions."""
    aliases: dict[str, str] = {}
    for part in filter(None, ",".join(texts or ()).split(",")):
        spelled, _, name = map(str.strip, part.partition("="))
        if not spelled.isidentifier() or not name:
            raise ValueError(f"--alias must be two names of a class, as in ReLU=Relu, but has {part!r}")
        aliases[spelled] = name
    return aliases


def parse_memory(text: str) -> int:
    """Return the bytes in a text such as 2GB or 512MB."""
    size = parse_size("--memory", text)
    if size < LEAST_MEMORY:
        raise ValueError(
            f"--memory must be at least {LEAST_MEMORY // 2**20}MB, which Python and NumPy need, but is {text!r}"
        )
    return size
